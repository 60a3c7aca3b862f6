"""The kernel distance of features; with Inception's it is the KID."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from genjax.metrics.arrays import pair
from genjax.random import stream


class KernelDistance(NamedTuple):
    """Of many subsets.

    Attributes:
      value: the mean, an unbiased estimate; it may be below 0.
      deviation: the standard deviation over the subsets.
      size: images in a subset: figures of other sizes differ in `deviation`, not in what `value`
        estimates.
    """

    value: float
    deviation: float
    size: int


@jax.jit
def _mmd2(x: Float[Array, 'm d'], y: Float[Array, 'm d']) -> Float[Array, '']:
    """Unbiased, as the sum over pairs of different rows."""
    m, d = x.shape
    kernel = lambda a, b: (a @ b.T / d + 1) ** 3  # noqa: E731
    within = sum(jnp.sum(k) - jnp.trace(k) for k in (kernel(x, x), kernel(y, y)))
    return within / (m * (m - 1)) - 2 * jnp.mean(kernel(x, y))


def kernel_distance(
    real: Any,
    fake: Any,
    key: Key[Array, ''],
    subsets: int = 100,
    size: int | None = None,
    rows: tuple[Int[np.ndarray, 'subsets size'], Int[np.ndarray, 'subsets size']] | None = None,
) -> KernelDistance:
    """The unbiased squared MMD of the kernel `(x.y / d + 1)^3`, over subsets, in float64.

    Bińkowski et al. 2018, https://arxiv.org/abs/1801.01401, which calls it KID on the features of
    Inception-v3.

    Args:
      real: features `[n, d]`.
      fake: features `[n, d]`.
      key: of the subsets, each drawn without replacement.
      subsets: how many.
      size: of each, at most as many as there are rows; None for 1000, or half of the rows where
        these are fewer than 2000, since subsets of all rows would be one and the same.
      rows: of `real` and of `fake`, in the place of drawn ones.

    Raises:
      ValueError: sizes out of range, different columns, NaN or infinity.
    """
    real, fake = pair(real, fake, 2)
    if rows is None:
        most = min(len(real), len(fake))
        size = min(1000, max(2, most // 2)) if size is None else size
        if subsets < 1 or not 2 <= size <= most:
            raise ValueError(
                f'expected subsets >= 1 of a size in [2, {most}], the rows that there are, got '
                f'{subsets} of {size}'
            )
        rows = (
            _drawn(stream(key, 'real'), len(real), subsets, size),
            _drawn(stream(key, 'fake'), len(fake), subsets, size),
        )
    with jax.enable_x64(True):
        found = [
            float(_mmd2(np.float64(real[a]), np.float64(fake[b])))
            for a, b in zip(*rows, strict=True)
        ]
    return KernelDistance(float(np.mean(found)), float(np.std(found)), len(rows[0][0]))


def _drawn(key, n, subsets, size):
    keys = jax.random.split(key, subsets)
    return np.stack([jax.random.choice(k, n, (size,), replace=False) for k in keys])
