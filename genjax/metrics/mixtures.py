"""Mixtures in the plane, whose modes are known."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from genjax.core import check_range
from genjax.metrics.arrays import matrix
from genjax.metrics.modes import mode_coverage
from genjax.random import stream


class MixtureCoverage(NamedTuple):
    """How points lie about the modes of a mixture.

    Attributes:
      modes: how many have a point of high quality, of which they are the nearest.
      high_quality: the share of points that are close to a mode, in [0, 1].
      kl: `KL(points || mixture)` over nearest modes, in nats, of all points.
    """

    modes: int
    high_quality: float
    kl: float


class Mixture(NamedTuple):
    """Round Gaussians in the plane, each as likely as the others.

    Attributes:
      centres: `[k, 2]`.
      std: of each, along either axis.
    """

    centres: Float[np.ndarray, 'k 2']
    std: float

    def sample(self, key: Key[Array, ''], n: int) -> Float[Array, 'n 2']:
        """Draws points.

        Args:
          key: of the draw.
          n: how many.
        """
        which = jax.random.randint(stream(key, 'which'), (n,), 0, len(self.centres))
        noise = jax.random.normal(stream(key, 'noise'), (n, 2))
        return jnp.asarray(self.centres, jnp.float32)[which] + self.std * noise

    def modes(self, points: Float[np.ndarray, 'n 2'], sigmas: float = 3.0) -> MixtureCoverage:
        """Which modes points have found, as VEEGAN (Srivastava et al. 2017,
        https://arxiv.org/abs/1705.07761) and PacGAN (Lin et al. 2018,
        https://arxiv.org/abs/1712.04086) count them.

        Of the mixture itself `exp(-sigmas^2 / 2)` of the points are not close: 1.1% for 3.

        Args:
          points: of a model.
          sigmas: standard deviations from the nearest centre within which a point is close.

        Raises:
          ValueError: no points, points of another shape, or such as are not finite.
        """
        points = matrix('points', points).astype(np.float64)
        if points.shape[1] != 2:
            raise ValueError(f'expected points [n, 2], got {list(points.shape)}')
        # A mode at a time: [n, k, 2] would be large.
        distances = np.stack([np.hypot(*(points - centre).T) for centre in self.centres], axis=1)
        nearest = distances.argmin(axis=1)
        close = distances.min(axis=1) <= sigmas * self.std
        kl = mode_coverage(nearest, len(self.centres)).kl
        return MixtureCoverage(len(np.unique(nearest[close])), float(close.mean()), kl)


def ring(n: int = 8, radius: float = 1.0, std: float = 0.01) -> Mixture:
    """Gaussians on a circle, those of PacGAN's 2D-ring: `(cos(2 pi i / n), sin(2 pi i / n))`.

    Args:
      n: how many.
      radius: of the circle.
      std: of each; 0.01 is a variance of 1e-4.

    Raises:
      ValueError: a number out of its range.
    """
    check_range(1, n=n)
    check_range(0, radius=radius, std=std)
    angles = 2 * np.pi * np.arange(n) / n
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(n: int = 5, spacing: float = 2.0, std: float = 0.05) -> Mixture:
    """Gaussians on a grid about 0, those of PacGAN's 2D-grid: `(-4 + 2i, -4 + 2j)`.

    Args:
      n: how many along either axis, n^2 in all.
      spacing: between neighbours.
      std: of each; 0.05 is a variance of 0.0025.

    Raises:
      ValueError: a number out of its range.
    """
    check_range(1, n=n)
    check_range(0, spacing=spacing, std=std)
    places = spacing * (np.arange(n) - (n - 1) / 2)
    return Mixture(np.stack(np.meshgrid(places, places), axis=2).reshape(-1, 2), std)
