"""Images and labels in memory or mapped from a file: split, stacked, known by a fingerprint."""

import hashlib
import numbers
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Int32, Int64, Key, UInt8, UInt64

from genjax.data.errors import DataError

_CHUNK = 256  # images that are read at once


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
      y: labels >= 0, int32 `[n]`, -1 of images whose label is not known; or None.
      name: where they come from, for people to read.
      classes: what each label means, or None.
      mark: the fingerprint, where it is known without a look at every byte of `x`; else None.
      notes: what is to be said of how they were read, a line each.
      apart: the images that its makers keep apart, for a test; None where they do not.
      left_out: why files were left out, by name.
      older: the fingerprint that genjax 0.1.0 had for them, where it is another.
      files: the name of the file of each image, where each has one.
      factors: what each image was made of, int32 `[n, f]`, each column numbered from 0; None where
        it is not known.
      factor_names: what the columns are called, or None.
    """

    x: UInt8[np.ndarray, 'n h w c']
    y: Int32[np.ndarray, 'n'] | None
    name: str
    classes: tuple[str, ...] | None = None
    mark: str | None = None
    notes: tuple[str, ...] = ()
    apart: 'Dataset | None' = None
    left_out: Mapping[str, str] = MappingProxyType({})
    older: str | None = None
    files: tuple[str, ...] | None = None
    factors: Int32[np.ndarray, 'n f'] | None = None
    factor_names: tuple[str, ...] | None = None

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


def split(
    dataset: Dataset, held_out: float = 0.1, seed: int = 0, rules: int = 2
) -> tuple[Dataset, Dataset]:
    """A training and a held-out part of one dataset: disjoint, shuffled, neither empty.

    Of images that are mapped from a file the parts are `Rows`, which read when they are asked. The
    permutation sorts raw words of a PCG64, whose stream NumPy promises to keep: what was held
    out from a run stays held out under a later NumPy. Each class has an image in the training part.
    Equal images are in one part, the training part if there are some in both; those of a file are
    not compared.

    Args:
      dataset: at least two examples.
      held_out: share of the held-out part, in (0, 1), rounded to examples.
      seed: of the permutation, >= 0.
      rules: 1 splits by the permutation alone, as genjax 0.1.0 did.

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
    apart = np.arange(n) < count  # of the order
    if rules >= 2:
        apart = _together(dataset, order, apart)

    def part(rows, role):
        y, factors = _some(dataset, rows)
        x, name = select(dataset.x, rows), f'{dataset.name} ({role})'
        named = {'factors': factors, 'factor_names': dataset.factor_names}
        return Dataset(x, y, name, dataset.classes, **named)

    return part(order[~apart], 'training'), part(order[apart], 'held out')


def _some(dataset: Dataset, rows: Int64[np.ndarray, 'm']) -> list[Int32[np.ndarray, '...'] | None]:
    """Labels and factors of some rows."""
    return [None if each is None else each[rows] for each in (dataset.y, dataset.factors)]


def _together(
    dataset: Dataset, order: Int64[np.ndarray, 'n'], apart: Bool[np.ndarray, 'n']
) -> Bool[np.ndarray, 'n']:
    """What is held out, without images that are trained on too and without all of a class."""
    kept = apart.copy()
    if not mapped(dataset.x):
        found = marks(dataset.x)[order]
        kept &= ~np.isin(found, found[~apart])
    if dataset.y is not None:
        y = dataset.y[order]
        for label in np.setdiff1d(y[kept], y[~kept]):
            kept[np.flatnonzero(kept & (y == label))[0]] = False
    return kept if kept.any() else apart


def labelled(dataset: Dataset) -> Dataset:
    """The examples whose label is known; all of what has no labels.

    Args:
      dataset: any.
    """
    if dataset.y is None or dataset.y.min(initial=0) >= 0:
        return dataset
    rows = np.flatnonzero(dataset.y >= 0)
    y, factors = _some(dataset, rows)
    x = select(dataset.x, rows)
    return dataset._replace(x=x, y=y, factors=factors, mark=None, files=None)


def marks(images: UInt8[np.ndarray, 'n h w c']) -> UInt64[np.ndarray, 'n']:
    """64 bits of a hash of each image: those of equal images are equal.

    Args:
      images: in memory or mapped from a file, of which a piece at once is read.
    """
    starts = range(0, len(images), _CHUNK)
    rows = (row for i in starts for row in np.ascontiguousarray(images[i : i + _CHUNK]))
    found = (hashlib.blake2b(row.data, digest_size=8).digest() for row in rows)
    return np.array([int.from_bytes(mark) for mark in found], np.uint64)


def fingerprint(dataset: Dataset) -> str:
    """16 hex digits of the SHA-256 of shapes, dtypes and bytes; the name does not count.

    Neither do factors, which nothing is trained on.

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


def recognised(dataset: Dataset, mark: str) -> bool:
    """Whether a fingerprint is that of a dataset, also as an earlier version had it.

    Args:
      dataset: any.
      mark: a fingerprint.
    """
    return mark in (fingerprint(dataset), dataset.older)


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
    (y, factors), x = _some(dataset, rows), dataset.x.take(rows, axis=0)
    return dataset._replace(x=x, y=y, factors=factors, mark=None, files=None)


def stacked(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Images of three channels, each an image of `dataset`, drawn alone and with replacement.

    Of ten classes they are Stacked MNIST, with 1000 modes (Metz et al. 2017,
    https://arxiv.org/abs/1611.02163). A pure function of the seed: like `split` it takes raw words
    of a PCG64, whose stream NumPy promises to keep.

    Args:
      dataset: of one channel; labels, if there are, in [0, 10).
      n: how many, >= 1; PacGAN and others take 128,000.
      seed: of the draw, >= 0.

    Returns:
      uint8 `[n, h, w, 3]`, with the label `100 a + 10 b + c` of channels of the classes a, b and c.

    Raises:
      DataError: another dataset or number.
    """
    if dataset.image_shape[2] != 1 or (dataset.num_classes or 0) > 10:
        raise DataError(
            f'{dataset.name}: expected images of one channel and at most 10 classes, got '
            f'{dataset.image_shape} and {dataset.num_classes}'
        )
    whole = all(isinstance(number, numbers.Integral) for number in (n, seed))
    if not whole or n < 1 or seed < 0:
        raise DataError(f'expected n >= 1 and a seed >= 0, got {n} and {seed}')
    rows = (np.random.PCG64(seed).random_raw(3 * n) % dataset.size).reshape(n, 3).astype(np.int64)
    x = np.concatenate([dataset.x.take(channel, axis=0) for channel in rows.T], axis=3)
    y = None if dataset.y is None else (dataset.y[rows] @ [100, 10, 1]).astype(np.int32)
    return Dataset(x, y, f'{dataset.name} (stacked)')
