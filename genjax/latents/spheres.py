"""Latents on a sphere: von Mises-Fisher, Davidson et al. 2018 (https://arxiv.org/abs/1804.00891).

Densities are by the area of the sphere, in nats.
"""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.latents import radii
from genjax.latents.distributions import leading
from genjax.latents.radii import Radius


def log_area(d: int) -> float:
    """Of the unit sphere in d dimensions, `log(2 pi^(d/2) / Gamma(d/2))`.

    Args:
      d: dimensions of the space around it.
    """
    return math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)


def _mode(d: int, kappa: Array) -> tuple[Array, Array]:
    """The cosine of the most probable angle, and h with `cos = kappa / h`."""
    h = (d - 2 + jnp.hypot(jnp.float32(d - 2), 2 * kappa)) / 2
    h = jnp.maximum(h, 1e-6)
    return jnp.minimum(kappa / h, 1.0), h


@cache
def _angle(d: int) -> Radius:
    """Of the mean direction and a draw: `f ~ exp(kappa cos) sin^(d - 2)`."""

    def log(r, kappa):
        cosine, h = jax.lax.stop_gradient(_mode(d, kappa))
        mode = jnp.arccos(cosine)
        # As a product: the difference of cosines would be all rounding where kappa is large.
        gap = -2 * jnp.sin((r + mode) / 2) * jnp.sin((r - mode) / 2)
        sines = jnp.maximum(jnp.sin(r), 1e-30) * jnp.sqrt(h / max(d - 2, 1))
        return kappa * gap + ((d - 2) * jnp.log(sines) if d > 2 else 0.0)

    def support(kappa):
        cosine, h = _mode(d, kappa)
        mode, reach = jnp.arccos(cosine), 12 / jnp.sqrt(h + kappa * cosine)
        return jnp.maximum(mode - reach, 0.0), mode, jnp.minimum(mode + reach, math.pi)

    return Radius(log, support)


@struct.dataclass
class UniformSphere:
    """All directions alike.

    Attributes:
      d: dimensions of the space around the sphere.
    """

    d: int = struct.field(pytree_node=False)

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k d']:
        """k directions."""
        return _unit(jax.random.normal(key, (k, self.d), jnp.float32))

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """Minus the logarithm of the area."""
        return jnp.full(z.shape[:-1], -log_area(self.d), z.dtype)


@struct.dataclass
class VonMisesFisher:
    """`p(z) ~ exp(kappa mean_direction . z)` on the unit sphere.

    Attributes:
      direction: the mean direction, of length 1, [..., d].
      concentration: kappa >= 0, [...].
    """

    direction: Float[Array, '... d']
    concentration: Float[Array, '...']

    @property
    def mean(self) -> Float[Array, '... d']:
        """The mean direction."""
        return self.direction

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization: an angle to the direction, and a way across."""
        angle, across = jax.random.split(key)
        d, shape = self.direction.shape[-1], (k, *self.concentration.shape)
        u = jax.random.uniform(angle, shape, self.concentration.dtype)
        r = radii.quantile(_angle(d), u, self.concentration)
        e = jax.random.normal(across, (k, *self.direction.shape), self.direction.dtype)
        direction = self.direction[None]
        e -= jnp.sum(e * direction, axis=-1, keepdims=True) * direction
        return jnp.cos(r)[..., None] * direction + jnp.sin(r)[..., None] * _unit(e)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """`kappa (direction . z) - log of the integral of its exponential`."""
        # 1 - cos by the chord, which a large kappa would make a rounding of.
        chord = jnp.sum(jnp.square(z - leading(self.direction, z.ndim)), axis=-1)
        kappa, log_total = (
            leading(leaf, chord.ndim) for leaf in (self.concentration, self._log_total())
        )
        return -kappa * chord / 2 - log_total

    def _log_total(self) -> Array:
        """`log int exp(kappa (direction . z - 1))`."""
        d, kappa = self.direction.shape[-1], self.concentration
        cosine, h = jax.lax.stop_gradient(_mode(d, kappa))
        # 1 - cos = sin^2 / (1 + cos).
        sines = (d - 2) / h
        at_mode = (d - 2) / 2 * jnp.log(sines) if d > 2 else 0.0
        lost = -kappa * sines / (1 + cosine) + at_mode
        return log_area(d - 1) + lost + radii.log_normalizer(_angle(d), kappa)

    def kl_divergence(self, other: Any) -> Float[Array, '... 1'] | None:
        """KL(self || uniform), None for anything else.

        Args:
          other: a distribution of the same last axis.
        """
        if not isinstance(other, UniformSphere):
            return None
        d, kappa = self.direction.shape[-1], self.concentration
        turned = radii.mean(_angle(d), lambda r, _: -2 * jnp.square(jnp.sin(r / 2)), kappa)
        return (kappa * turned - self._log_total() + log_area(d))[..., None]


def _unit(x: Array) -> Array:
    return x * jax.lax.rsqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-30)
