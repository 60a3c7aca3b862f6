"""What figures take: matrices of features, checked."""

from typing import Any

import numpy as np
from jaxtyping import Float


def matrix(name: str, rows: Any, least: int = 1) -> Float[np.ndarray, 'n d']:
    """An array `[n, d]` of finite numbers, in host memory, of the type that it has.

    Args:
      name: in the message.
      rows: an array of NumPy or JAX.
      least: rows that are needed.

    Raises:
      ValueError: another rank, fewer rows, no numbers, NaN or infinity.
    """
    array = np.asarray(rows)
    if array.ndim != 2 or len(array) < least or not array.shape[1]:
        raise ValueError(f'expected {name} [n >= {least}, d >= 1], got {list(array.shape)}')
    if not np.issubdtype(array.dtype, np.floating) and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f'expected {name} of numbers, got {array.dtype}')
    if bad := np.count_nonzero(~np.isfinite(array).all(axis=1)):
        raise ValueError(f'expected finite {name}, got NaN or infinity in {bad} rows of them')
    return array


def pair(real: Any, fake: Any, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices of equally many columns.

    Args:
      real: features of real images.
      fake: features of a model's.
      least: rows that are needed.

    Raises:
      ValueError: either is refused, or they have different columns.
    """
    real, fake = matrix('real features', real, least), matrix('fake features', fake, least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f'expected features of one extractor, got {real.shape[1]} and {fake.shape[1]} columns'
        )
    return real, fake
