"""Images and labels in memory or mapped from a file, their split and their fingerprint."""

import hashlib
import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Int64, Key, UInt8

from genjax.data.errors import DataError


class Rows:
    """Some rows of an array that is mapped from a file; what is asked for is read.

    Args:
      base: `[n, ...]`.
      rows: which of them, in order.
    """

    def __init__(self, base: np.ndarray, rows: Int64[np.ndarray, 'm']):
        self.base, self.rows = base, rows
        self.shape, self.dtype = (len(rows), *base.shape[1:]), base.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.base[self.rows[index]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.base[self.rows], dtype)

    def take(self, indices: np.ndarray, axis: int = 0) -> np.ndarray:
        """As `numpy.ndarray.take` along the first axis."""
        return self.base.take(self.rows[indices], axis=axis)


def mapped(array: Any) -> bool:
    """Whether an array lies in a file: a `numpy.memmap`, a view of one, or rows of one."""
    if isinstance(array, Rows):
        return True
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def select(array: Any, rows: Int64[np.ndarray, 'm']) -> Any:
    """Some rows of an array: a copy, or `Rows` of what is mapped from a file.

    Args:
      array: `[n, ...]`, an array or `Rows`.
      rows: which of them, in order.
    """
    if isinstance(array, Rows):
        return Rows(array.base, array.rows[rows])
    return Rows(array, rows) if mapped(array) else array[rows]


class Dataset(NamedTuple):
    """Images, and labels if there are any.

    Args:
      x: images, uint8 `[n, h, w, c]` with 1 or 3 channels; an array in memory or mapped from a
        file, or `Rows` of one.
      y: labels >= 0, int32 `[n]`, or None.
      name: where they come from, for people to read.
      classes: what each label means, or None.
      mark: the fingerprint, where it is known without a look at every byte of `x`; else None.
    """

    x: UInt8[np.ndarray, 'n h w c']
    y: Int32[np.ndarray, 'n'] | None
    name: str
    classes: tuple[str, ...] | None = None
    mark: str | None = None

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
    x = _numpy(x, f'{name}: expected an array of images')
    shape = (*x.shape, 1) if x.ndim == 3 else x.shape
    if len(shape) != 4 or shape[-1] not in (1, 3) or 0 in shape:
        raise DataError(
            f'{name}: expected images [n, h, w] or [n, h, w, c] with n, h, w >= 1 and c = 1 or 3, '
            f'got {x.shape}'
        )
    return Dataset(_bytes(x, name).reshape(shape), labels(y, len(x), name), name)


def _numpy(array: Any, expected: str) -> np.ndarray:
    try:
        return np.asarray(array)
    except Exception as error:  # of whatever library the array is
        raise DataError(f'{expected}, got {type(array).__name__}: {error}') from error


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


def labels(y: Any, n: int, name: str) -> Int32[np.ndarray, 'n'] | None:
    """Labels as int32.

    Args:
      y: integers >= 0, `[n]`, or None.
      n: how many there must be.
      name: where they come from, for the message.

    Raises:
      DataError: another shape, dtype or range.
    """
    if y is None:
        return None
    y = _numpy(y, f'{name}: expected integer labels [{n}]')
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f'{name}: expected integer labels [{n}], got {y.dtype} {y.shape}')
    if y.min() < 0 or y.max() > np.iinfo(np.int32).max:
        raise DataError(
            f'{name}: expected labels in [0, 2^31), got values in [{y.min()}, {y.max()}]'
        )
    return np.ascontiguousarray(y, np.int32)


def split(dataset: Dataset, held_out: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
    """A training and a held-out part of one dataset: disjoint, shuffled, neither empty.

    Of images that are mapped from a file the parts are `Rows`, which read when they are asked. The
    permutation sorts raw words of a PCG64, whose stream NumPy promises to keep: what was held
    out from a run stays held out under a later NumPy.

    Args:
      dataset: at least two examples.
      held_out: share of the held-out part, in (0, 1), rounded to examples.
      seed: of the permutation, >= 0.

    Raises:
      DataError: another share or seed, or too few examples.
    """
    n = dataset.size
    share = isinstance(held_out, numbers.Real) and 0 < held_out < 1
    if n < 2 or not share or not isinstance(seed, numbers.Integral) or seed < 0:
        raise DataError(
            f'expected 2 or more examples, held_out in (0, 1) and a seed >= 0, '
            f'got {n}, {held_out} and {seed}'
        )
    order = np.argsort(np.random.PCG64(seed).random_raw(n), kind='stable')
    count = min(max(round(n * held_out), 1), n - 1)

    def part(rows, role):
        y = None if dataset.y is None else dataset.y[rows]
        return Dataset(select(dataset.x, rows), y, f'{dataset.name} ({role})', dataset.classes)

    return part(order[count:], 'training'), part(order[:count], 'held out')


def fingerprint(dataset: Dataset) -> str:
    """16 hex digits of the SHA-256 of shapes, dtypes and bytes; the name does not count.

    Of images that were converted, it is that of the hashes of their blocks, see `from_folder`.

    Args:
      dataset: any.
    """
    if dataset.mark is not None:
        return dataset.mark
    digest = hashlib.sha256()
    for array in (dataset.x, dataset.y):
        digest.update(repr(None if array is None else (array.shape, array.dtype.str)).encode())
        digest.update(b'' if array is None else np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def subset(dataset: Dataset, n: int, key: Key[Array, '']) -> Dataset:
    """n examples of a dataset in memory, in its order, or all where it has no more.

    Args:
      dataset: any.
      n: how many.
      key: which.
    """
    rows = np.arange(dataset.size)
    if n < len(rows):
        rows = np.sort(jax.random.choice(key, len(rows), (n,), replace=False))
    y = None if dataset.y is None else dataset.y[rows]
    return dataset._replace(x=dataset.x.take(rows, axis=0), y=y, mark=None)
