"""Grids of images: arrays in, one image out."""

import math

import numpy as np
from jaxtyping import Array, Float, UInt8

_OVERSHOOT = 8.0  # beyond it an image is not in [-1, 1] at all, say in [0, 255]
_BLANK = 255

Images = Float[Array, '*n h w c'] | UInt8[Array, '*n h w c'] | np.ndarray


def to_uint8(images: Images) -> UInt8[np.ndarray, '*n h w c']:
    """Images as bytes: `round((x + 1) * 127.5)` of floats, clipped; uint8 is passed on.

    Args:
      images: one `[h, w, c]` or many `[n, h, w, c]`, c = 1 or 3; uint8, or float in [-1, 1], which
        a model may overshoot somewhat.

    Raises:
      ValueError: another shape or dtype, values that are not finite or far outside of [-1, 1].
    """
    x = np.asarray(images)
    if x.ndim not in (3, 4) or x.shape[-1] not in (1, 3) or 0 in x.shape:
        raise ValueError(f'expected images [h, w, c] or [n, h, w, c], c = 1 or 3, got {x.shape}')
    if x.dtype == np.uint8:
        return x
    if x.dtype.name not in ('float16', 'bfloat16', 'float32', 'float64'):
        raise ValueError(f'expected images of uint8 or float in [-1, 1], got {x.dtype}')
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError(f'expected finite images, got {np.sum(~np.isfinite(x))} NaN or infinity')
    if np.abs(x).max() > _OVERSHOOT:
        raise ValueError(
            f'expected float images in [-1, 1], got values in [{x.min():g}, {x.max():g}]'
        )
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def grid(
    images: Images, columns: int | None = None, padding: int = 2
) -> UInt8[np.ndarray, 'height width c']:
    """One image of many, row by row, with white borders between and around them.

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].
      columns: images in a row; None makes the grid about square.
      padding: width of the borders in pixels, >= 0.

    Raises:
      ValueError: a refused array, `columns` < 1 or `padding` < 0.
    """
    if padding < 0:
        raise ValueError(f'expected a padding >= 0, got {padding}')
    x = many(images)
    edge = (0, padding)
    x = np.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=_BLANK)
    cells = _rows(x, _columns(len(x), columns))
    rows, columns, height, width, channels = cells.shape
    sheet = cells.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    return np.pad(sheet, ((padding, 0), (padding, 0), (0, 0)), constant_values=_BLANK)


def pairs(
    originals: Images, reconstructions: Images, columns: int | None = None, padding: int = 2
) -> UInt8[np.ndarray, 'height width c']:
    """A grid where every original has its reconstruction right below it.

    Args:
      originals: `[n, h, w, c]`, uint8 or float in [-1, 1].
      reconstructions: the same shape.
      columns: pairs in a row; None makes the grid about square.
      padding: width of the borders in pixels, >= 0.

    Raises:
      ValueError: a refused array, different shapes, `columns` < 1 or `padding` < 0.
    """
    above, below = many(originals), many(reconstructions)
    if above.shape != below.shape:
        raise ValueError(f'expected reconstructions {above.shape}, got {below.shape}')
    n = len(above)
    columns = min(n, _columns(2 * n, columns))
    rows = [_rows(x, columns) for x in (above, below)]
    return grid(np.stack(rows, axis=1).reshape(-1, *above.shape[1:]), columns, padding)


def _columns(n: int, columns: int | None) -> int:
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1:
        raise ValueError(f'expected columns >= 1, got {columns}')
    return columns


def _rows(x: np.ndarray, columns: int) -> np.ndarray:
    """`[rows, columns, ...]`, the last row filled up with blanks."""
    blanks = np.full((-len(x) % columns, *x.shape[1:]), _BLANK, np.uint8)
    return np.concatenate([x, blanks]).reshape(-1, columns, *x.shape[1:])


def many(images: Images) -> UInt8[np.ndarray, 'n h w c']:
    """`to_uint8` of a batch.

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].

    Raises:
      ValueError: a refused array, or a single image.
    """
    x = to_uint8(images)
    if x.ndim != 4:
        raise ValueError(f'expected images [n, h, w, c], got {x.shape}')
    return x
