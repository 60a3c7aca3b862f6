"""What figures take: matrices of features and labels, checked."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped


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


def check_classes(
    labels: Shaped[np.ndarray, 'n'], num_classes: int | None = None, n: int | None = None
) -> Int[np.ndarray, 'n']:
    """Labels as an array, if they are some.

    Args:
      labels: integers >= 0.
      num_classes: they are less than that.
      n: how many there must be.

    Raises:
      ValueError: none, another number, shape or dtype, or one out of its range.
    """
    y = np.asarray(labels)
    fits = y.ndim == 1 and n in (None, len(y))
    if not fits or not np.issubdtype(y.dtype, np.integer):
        size = 'n' if n is None else n
        raise ValueError(f'expected integer labels [{size}], got {y.dtype} {y.shape}')
    if len(y) == 0:
        raise ValueError('expected one label or more, got none')
    if y.min() < 0 or (num_classes is not None and y.max() >= num_classes):
        bound = '>= 0' if num_classes is None else f'in [0, {num_classes})'
        raise ValueError(f'expected labels {bound}, got values in [{y.min()}, {y.max()}]')
    return y


def codes_and_factors(
    codes: Any, factors: Any, least: int = 100
) -> tuple[Float[np.ndarray, 'n d'], Int[np.ndarray, 'n f']]:
    """Codes in float64, and factors whose values are counted from 0, of as many rows.

    Args:
      codes: of images `[n, d]`.
      factors: that these were made of, integers `[n, f]`.
      least: rows that are needed.

    Raises:
      ValueError: either is refused, they have different rows, or a factor does not vary.
    """
    codes, factors = matrix('codes', codes, least), matrix('factors', factors)
    if len(codes) != len(factors):
        raise ValueError(
            f'expected as many rows of factors as of codes, got {len(factors)} and {len(codes)}'
        )
    if not np.issubdtype(factors.dtype, np.integer):
        raise ValueError(f'expected factors of integers, got {factors.dtype}')
    values = [np.unique(column, return_inverse=True)[1] for column in factors.T]
    if still := [j for j, column in enumerate(values) if not column.max()]:
        raise ValueError(f'expected factors that vary, got one value in the columns {still}')
    return codes.astype(np.float64), np.stack(values, axis=1)
