"""The Fréchet distance of Gaussians fitted to features; with Inception's it is the FID."""

from collections.abc import Iterable
from functools import reduce
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from genjax.metrics.arrays import matrix

BLOCK = 4096  # rows that are made float64 at once


class Moments(NamedTuple):
    """Mean and covariance of features, in float64. What is added up needs no memory for the rows.

    The covariance C is kept as a factor, `factor' factor = (n - 1) C`. A factor has half of C's
    digits to lose: distances between near copies, and of fewer rows than columns, stay right.

    Attributes:
      n: rows.
      mean: `[d]`.
      factor: `[k, d]`, k <= d.
    """

    n: int
    mean: Float[np.ndarray, 'd']
    factor: Float[np.ndarray, 'k d']

    @property
    def covariance(self) -> Float[np.ndarray, 'd d']:
        """Over `n - 1`."""
        return self.factor.T @ self.factor / (self.n - 1)


def moments(features: Any | Iterable[Any]) -> Moments:
    """The moments of features.

    Args:
      features: `[n, d]`, or an iterable of such arrays; n >= 2 in all.

    Raises:
      ValueError: another rank, too few rows, NaN or infinity.
    """
    whole = [features] if hasattr(features, 'shape') else features
    blocks = (
        _block(array[start : start + BLOCK])
        for rows in whole
        for array in [matrix('features', rows)]
        for start in range(0, len(array), BLOCK)
    )
    first = next(blocks, None)
    found = None if first is None else reduce(merge, blocks, first)
    if found is None or found.n < 2:
        raise ValueError(f'expected two rows of features or more, got {found and found.n}')
    return found._replace(factor=_reduced(found.factor))


def _block(rows: np.ndarray) -> Moments:
    rows = rows.astype(np.float64)
    mean = rows.mean(axis=0)
    return Moments(len(rows), mean, rows - mean)


def _reduced(rows: np.ndarray) -> np.ndarray:
    """A matrix of no more rows than columns with the same product `rows' rows`."""
    return rows if len(rows) <= rows.shape[1] else np.asarray(np.linalg.qr(rows, mode='r'))


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of two sets of rows together, say of two hosts.

    Args:
      a: of the one.
      b: of the other.

    Raises:
      ValueError: they have different columns.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f'expected as many columns, got {len(a.mean)} and {len(b.mean)}')
    count = a.n + b.n
    between = np.sqrt(a.n * b.n / count) * (b.mean - a.mean)
    mean = a.mean + (b.n / count) * (b.mean - a.mean)
    return Moments(count, mean, _reduced(np.concatenate([a.factor, b.factor, between[None]])))


def of_covariance(mean: Any, covariance: Any) -> Moments:
    """Moments that were published as mean and covariance.

    Args:
      mean: `[d]`.
      covariance: `[d, d]`, over n - 1.

    Raises:
      ValueError: other shapes, or not symmetric and positive semidefinite.
    """
    mean, covariance = np.float64(mean), matrix('covariance', covariance).astype(np.float64)
    if covariance.shape != 2 * mean.shape or not np.allclose(covariance, covariance.T):
        raise ValueError(
            f'expected a mean [d] and a symmetric covariance [d, d], got {mean.shape} and '
            f'{covariance.shape}'
        )
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -1e-6 * abs(values[-1]):
        raise ValueError(f'expected no negative variance, got {values[0]:.3g}')
    return Moments(2, mean, np.sqrt(values.clip(0))[:, None] * vectors.T)


def frechet_distance(real: Any, fake: Any) -> float:
    """`|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`, the Fréchet distance of two Gaussians.

    The trace of the root is the sum of the singular values of `F1 F2'`, where `C = F' F`.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500, which calls it FID on the features of
    Inception-v3; Dowson and Landau 1982. Few images make it too large, the more so the more
    features there are: compare figures of equally many, 2,000 and more than features at the least,
    or those of `fd_infinity`.

    Args:
      real: features `[n, d]`, an iterable of such arrays, or `Moments`.
      fake: likewise.

    Raises:
      ValueError: fewer than two rows, different columns, NaN or infinity.
    """
    a, b = (x if isinstance(x, Moments) else moments(x) for x in (real, fake))
    if a.mean.shape != b.mean.shape:
        raise ValueError(
            f'expected features of one extractor, got {len(a.mean)} and {len(b.mean)} columns'
        )
    first, second = (x.factor / np.sqrt(x.n - 1) for x in (a, b))
    root = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    gap = a.mean - b.mean
    return float(max(gap @ gap + np.vdot(first, first) + np.vdot(second, second) - 2 * root, 0.0))


def fd_infinity(
    real: Any, fake: Any, key: Key[Array, ''], points: int = 15, least: int | None = None
) -> float:
    """The Fréchet distance that infinitely many samples would have.

    Distances to subsets of `fake` of evenly spaced sizes are a line in 1 / size, whose value at 0
    this is. The bias of a finite number of samples depends on the model; this has all but none.

    Chong and Forsyth 2020, https://arxiv.org/abs/1911.07023.

    Args:
      real: features `[n, d]` or `Moments`.
      fake: features `[n, d]`.
      key: of the subsets, each drawn without replacement.
      points: subsets, >= 2.
      least: rows of the smallest; None for a tenth of all.

    Raises:
      ValueError: as `frechet_distance`, or a size out of range.
    """
    fake = matrix('fake features', fake, 2)
    least = max(2, len(fake) // 10) if least is None else least
    if points < 2 or not 2 <= least < len(fake):
        raise ValueError(
            f'expected points >= 2 and 2 <= least < {len(fake)}, got {points} and {least}'
        )
    real = real if isinstance(real, Moments) else moments(real)
    sizes = np.linspace(least, len(fake), points).astype(int)
    found = []
    for size, folded in zip(sizes, jax.random.split(key, points), strict=True):
        rows = np.asarray(jax.random.choice(folded, len(fake), (size,), replace=False))
        found.append(frechet_distance(real, fake[rows]))
    return float(np.polyfit(1 / sizes, found, 1)[1])
