"""Nearest neighbours among features, exactly, in float64 and block by block."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from genjax.metrics.arrays import matrix

# Distances at once: what is larger is divided into blocks of rows.
CELLS = 2**23
# Of the greatest squared norm: squared distances that differ by less are equal. Sums of products
# round in another order in another block, and copies of images do make ties.
TIE = 2.0**-44


def squared(a: Float[Array, 'n d'], b: Float[Array, 'm d']) -> Float[Array, 'n m']:
    """`|a_i - b_j|^2`, as `|a_i|^2 + |b_j|^2 - 2 a_i.b_j`."""
    norms = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)[None]
    return jnp.maximum(norms - 2 * a @ b.T, 0)


def centred(*matrices: np.ndarray) -> tuple[list[np.ndarray], float]:
    """Features in float64 about the mean of the first, where less is lost, and what ties allow.

    Args:
      *matrices: `[n, d]` each.
    """
    middle = matrices[0].mean(axis=0, dtype=np.float64)
    moved = [rows - middle for rows in matrices]
    return moved, TIE * max(float(np.sum(rows**2, axis=1).max()) for rows in moved)


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of rows, of no more than `CELLS` distances each."""
    size = max(1, CELLS // columns)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size))


@partial(jax.jit, static_argnames='k')
def _nearest(a, b, k):
    def one(distances, _):
        row = jnp.argmin(distances, axis=1)
        least = jnp.min(distances, axis=1)
        taken = jnp.arange(distances.shape[1])[None] == row[:, None]
        return jnp.where(taken, jnp.inf, distances), (least, row)

    # On a CPU `lax.top_k` sorts what is float64, which takes 18 times as long.
    _, (distances, rows) = jax.lax.scan(one, squared(a, b), length=k)
    return distances.T, rows.T


def nearest_squared(
    a: np.ndarray, b: np.ndarray, k: int
) -> tuple[Float[np.ndarray, 'n k'], Int[np.ndarray, 'n k']]:
    """The k least squared distances of each row of `a` to rows of `b`, and which those are.

    Args:
      a: `[n, d]`, float64.
      b: `[m, d]`, float64, m >= k.
      k: how many.
    """
    with jax.enable_x64(True):
        found = [jax.device_get(_nearest(a[part], b, k)) for part in blocks(len(a), len(b))]
    distances, rows = (np.concatenate(pieces) for pieces in zip(*found, strict=True))
    return distances, rows


def nearest(
    queries: Any, references: Any, k: int = 1
) -> tuple[Float[np.ndarray, 'n k'], Int[np.ndarray, 'n k']]:
    """The Euclidean distances of each query to its k nearest references, and which those are.

    Args:
      queries: features `[n, d]`.
      references: features `[m, d]`, m >= k.
      k: neighbours, the nearest first; of equals the first.

    Raises:
      ValueError: another k, different columns, NaN or infinity.
    """
    queries, references = matrix('queries', queries), matrix('references', references)
    if queries.shape[1] != references.shape[1] or not 1 <= k <= len(references):
        raise ValueError(
            f'expected as many columns and 1 <= k <= {len(references)}, got {queries.shape[1]} '
            f'and {references.shape[1]} columns and k={k}'
        )
    (b, a), _ = centred(references, queries)
    distances, rows = nearest_squared(a, b, k)
    return np.sqrt(distances), rows


def radii_squared(a: np.ndarray, ks: Sequence[int]) -> Float[np.ndarray, 'n ks']:
    """The squared distances of each row to the k-th nearest of the others, for some k.

    Args:
      a: `[n, d]`, float64, n > k.
      ks: which.
    """
    # The row itself is among the nearest k + 1, or others at distance 0 are in its place.
    return nearest_squared(a, a, max(ks) + 1)[0][:, list(ks)]
