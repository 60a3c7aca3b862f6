"""Named tensors as a `.safetensors` file."""

from collections.abc import Mapping

import numpy as np


def pack(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The content of a file that, as is tried, gives the same tensors back.

    Args:
      tensors: by name, laid out in memory in whichever way.
      metadata: of the file.

    Raises:
      ValueError: others are read than were written.
    """
    import safetensors.numpy

    # safetensors 0.8 writes the memory of other layouts as it lies; `ascontiguousarray` makes
    # vectors of numbers.
    whole = {name: np.asarray(tensor, order='C') for name, tensor in tensors.items()}
    content = safetensors.numpy.save(whole, None if metadata is None else dict(metadata))
    read = safetensors.numpy.load(content)
    others = [name for name in whole if name not in read or not _same(read[name], tensors[name])]
    if others:
        raise ValueError(f'expected safetensors to read what it wrote, got other {others[:3]}')
    return content


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
