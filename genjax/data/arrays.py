"""Arrays of any numbers as images of bytes and labels of classes, or what to do about them."""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Int32, Num, Shaped, UInt8

from genjax.data.dataset import Dataset
from genjax.data.errors import DataError
from genjax.images import check_floats

_SAY = ('say --range 0 {0}, or value_range=(0, {0})', 'or -1 1 if they are')
_PICTURE = 8  # pixels of a side, from which [h, w, 3] is taken for one picture
Labels = tuple[Int32[np.ndarray, 'n'], tuple[str, ...] | None]


def from_arrays(
    x: Any,
    y: Any = None,
    name: str = 'array',
    value_range: tuple[float, float] | None = None,
    factors: Any = None,
    factor_names: Any = None,
) -> Dataset:
    """A dataset of arrays.

    Bytes are taken as they are, floats in [-1, 1] become `round((x + 1) * 127.5)`, and with a
    range any numbers `round(255 * (x - low) / (high - low))`, cut to [0, 255]. Floats without a
    negative value may be in [0, 1] as well, and are refused without a range. Images with the
    channels first are turned round.

    Args:
      x: images `[n, h, w]`, `[n, h, w, c]` or `[n, c, h, w]`, n >= 1, c = 1 or 3.
      y: a class for each, `[n]` or `[n, 1]`: integers >= 0, also as floats, booleans, or text; or
        one-hot `[n, k]`; or None. Numbers that leave some out are counted anew: `classes` says
        which each was. -1 is a class that is not known.
      name: where they come from, for messages and people.
      value_range: the values of black and white; None for those of bytes, and -1 and 1 of floats.
      factors: what each image was made of, integers `[n, f]`; or None. The values of a factor are
        counted from 0, in their order; one that does not vary is left out.
      factor_names: what they are called, f texts; None for their numbers.

    Raises:
      DataError: another shape, dtype or range.
    """
    if not hasattr(x, 'shape') or not hasattr(x, 'dtype'):
        raise DataError(f'{name}: expected an array of images, got {type(x).__name__}')
    x = as_numpy(x, f'{name}: expected an array of images')
    x, notes = _channels_last(x, name)
    images, more = _bytes(x, name, value_range)
    found, classes = (None, None) if y is None else labels(y, len(x), name)
    if classes is not None:
        more = (*more, f'{name}: labels are of the classes {shown(classes)}')
    if found is not None and found.min() < 0:
        more = (*more, f'{name}: {np.sum(found < 0)} of {len(found)} images have no label, -1')
    dataset = Dataset(images, found, name, classes, notes=(*notes, *more))
    return dataset if factors is None else with_factors(dataset, factors, factor_names)


def as_numpy(array: Any, expected: str) -> Shaped[np.ndarray, '...']:
    """An array of any library.

    Args:
      array: what NumPy can take.
      expected: how the message begins.

    Raises:
      DataError: it cannot.
    """
    try:
        return np.asarray(array)
    except Exception as error:  # of whatever library the array is
        raise DataError(f'{expected}, got {type(array).__name__}: {error}') from error


def _channels_last(
    x: Shaped[np.ndarray, '...'], name: str
) -> tuple[Shaped[np.ndarray, 'n h w c'], tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    shape = x.shape
    if _is_picture(shape):
        raise DataError(
            f'{name}: expected images [n, h, w] or [n, h, w, c], got {shape}, which looks like '
            'one picture: x[None] is a set of it alone'
        )
    if len(shape) == 4 and shape[-1] not in (1, 3) and shape[1] in (1, 3):
        x = np.moveaxis(x, 1, -1)
        notes = (f'{name}: {shape} has the channels first, and is taken as {x.shape}',)
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or 0 in x.shape:
        hint = '; x.reshape(-1, h, w) makes images of rows' if len(shape) == 2 else ''
        alpha = '; x[..., :3] is without transparency' if shape[-1:] == (4,) else ''
        raise DataError(
            f'{name}: expected images [n, h, w] or [n, h, w, c] with n, h, w >= 1 and c = 1 or 3, '
            f'got {shape}{hint}{alpha}'
        )
    return x, notes


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in (1, 3, 4) and min(shape[:2]) >= _PICTURE


def _bytes(
    x: Num[np.ndarray, 'n h w c'], name: str, ends: tuple[float, float] | None
) -> tuple[UInt8[np.ndarray, 'n h w c'], tuple[str, ...]]:
    if x.dtype == np.bool_:
        return np.ascontiguousarray(x) * np.uint8(255), ()
    if x.dtype == np.uint8 and ends is None:
        x = np.ascontiguousarray(x)
        pale = (f'{name}: the greatest value is 1 of 255; --range 0 1 makes it white',)
        return x, pale if x.max() == 1 else ()
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    if not floating and not np.issubdtype(x.dtype, np.integer):
        raise DataError(f'{name}: expected images of numbers, got {x.dtype}')
    low, high = float(x.min()), float(x.max())
    if not np.isfinite(low + high):
        raise DataError(f'{name}: expected finite images, got NaN or infinity')
    if ends is None and not floating:
        near = (
            (0, 2 ** max(8, int(high).bit_length()) - 1)
            if low >= 0
            else (int(low), max(int(high), int(low) + 1))
        )
        raise DataError(
            f'{name}: expected images of uint8, or other numbers and their range, got {x.dtype} in '
            f'[{low:g}, {high:g}]: say --range {near[0]} {near[1]}, or value_range={near}'
        )
    if ends is None:
        try:
            check_floats(low, high, name, ways=_SAY)
        except ValueError as error:
            raise DataError(str(error)) from None
    images = np.empty(x.shape, np.uint8)
    for image, values in zip(images, x, strict=True):  # One at a time, for the memory's sake.
        image[:] = scaled(values, ends or (-1.0, 1.0))
    return images, _cut(x, ends, name)


def scaled(x: Num[np.ndarray, '...'], ends: tuple[float, float]) -> UInt8[np.ndarray, '...']:
    """Bytes of numbers, `round(255 (x - low) / (high - low))`, cut to [0, 255].

    Args:
      x: numbers.
      ends: low and high.
    """
    low, high = ends
    share = (np.asarray(x).astype(np.float32) - np.float32(low)) * np.float32(255 / (high - low))
    return np.rint(share).clip(0, 255).astype(np.uint8)


def _cut(x: np.ndarray, ends: tuple[float, float] | None, name: str) -> tuple[str, ...]:
    if ends is None:
        return ()
    beyond = float(np.mean((x < ends[0]) | (x > ends[1])))
    return (f'{name}: {beyond:.2%} of the values are beyond {ends}, and cut',) if beyond else ()


def labels(y: Any, n: int, name: str) -> Labels:
    """Labels as int32 that leave none out, and the names of the classes.

    Args:
      y: as `from_arrays` takes them.
      n: how many there must be.
      name: where they come from, for the message.

    Returns:
      The labels, -1 where one is not known, and what each was where that is not its number, else
      None.

    Raises:
      DataError: another shape, dtype or range.
    """
    y = _vector(as_numpy(y, f'{name}: expected a class for each of {n} images'), n, name)
    if y.dtype.kind in 'US':
        texts = y.astype(str)
        classes = sorted(set(texts.tolist()), key=natural)
        numbers = {text: number for number, text in enumerate(classes)}
        return np.array([numbers[text] for text in texts.tolist()], np.int32), tuple(classes)
    if y.min() < -1 or not 0 <= y.max() <= np.iinfo(np.int32).max:
        raise DataError(
            f'{name}: expected labels in [0, 2^31), or -1 of some that are not known, got values '
            f'in [{y.min()}, {y.max()}]'
        )
    y, known = y.astype(np.int32), y >= 0
    found, numbered = np.unique(y[known], return_inverse=True)
    if len(found) == found[-1] + 1:
        return y, None
    y[known] = numbered
    return y, tuple(map(str, found.tolist()))


def with_factors(dataset: Dataset, factors: Any, names: Any = None) -> Dataset:
    """A dataset whose images have known factors.

    Args:
      dataset: any.
      factors: as `from_arrays` takes them.
      names: what they are called, or None.

    Raises:
      DataError: another shape or dtype, or none that varies.
    """
    expected = f'{dataset.name}: expected factors as integers [{dataset.size}, f >= 1]'
    found = as_numpy(factors, expected)
    fits = found.ndim == 2 and len(found) == dataset.size and found.shape[1] > 0
    whole = found.dtype.kind in 'biu' or (
        found.dtype.kind == 'f' and bool(np.all(np.isfinite(found) & (found == np.rint(found))))
    )
    if not fits or not whole:
        what = f'{found.dtype} {found.shape}' + (', not all of them whole' if fits else '')
        raise DataError(f'{expected}, got {what}')
    told = [*map(str, range(found.shape[1]) if names is None else np.ravel(names).tolist())]
    if len(told) != found.shape[1]:
        raise DataError(f'{dataset.name}: expected {found.shape[1]} names of factors, got {told}')
    values = [np.unique(column, return_inverse=True)[1] for column in found.T]
    kept = [i for i, column in enumerate(values) if column.max() > 0]
    if not kept:
        raise DataError(f'{dataset.name}: expected factors that vary, got one value of each')
    still = tuple(told[i] for i in range(len(told)) if i not in kept)
    note = (f'{dataset.name}: factors that do not vary are left out: {shown(still)}',) * bool(still)
    return dataset._replace(
        factors=np.stack([values[i] for i in kept], axis=1).astype(np.int32),
        factor_names=tuple(told[i] for i in kept),
        notes=(*dataset.notes, *note),
    )


def _vector(y: Shaped[np.ndarray, '...'], n: int, name: str) -> Shaped[np.ndarray, 'n']:
    """Labels `[n]` of integers or text, of the other ways in which people write them."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    y = y.argmax(axis=1) if y.ndim == 2 and len(y) == n and _one_hot(y) else y
    whole = y.dtype.kind == 'f' and y.size > 0 and bool(np.all(y == np.rint(y)))
    y = y.astype(np.int64) if whole or y.dtype.kind == 'b' else y
    if y.shape != (n,) or y.dtype.kind not in 'iuUS':
        many = len(y.shape) == 2 and len(y) == n
        hint = ', which has more than one class in a row: choose one column' if many else ''
        raise DataError(
            f'{name}: expected a class for each of {n} images, [{n}] or one-hot, got {y.dtype} '
            f'{y.shape}{hint}'
        )
    return y


def _one_hot(y: Num[np.ndarray, 'n k'] | Bool[np.ndarray, 'n k']) -> bool:
    if y.dtype.kind not in 'iufb':
        return False
    ones = y == 1
    return bool(np.all(ones.sum(axis=1) == 1) and np.all(ones | (y == 0)))


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts names as people do: by the value of the numbers in them, `2` before `10`.

    Args:
      name: any text.
    """
    pieces = re.split(r'(\d+)', name)
    # Numbers before letters, and names that differ in zeros only in an order too.
    values = [(0, int(p)) if p.isdecimal() and p.isascii() else (1, p) for p in pieces if p]
    return (*values, (1, name))


def shown(names: tuple[str, ...], most: int = 12) -> str:
    """Names of classes in a line.

    Args:
      names: any number of them.
      most: how many are told.
    """
    more = f', ... ({len(names)})' if len(names) > most else ''
    return ', '.join(names[:most]) + more
