"""Latents in the Poincare ball, Mathieu et al. 2019 (https://arxiv.org/abs/1901.06033).

The ball of radius `1 / sqrt(c)` has curvature -c. Densities are by its volume, in nats.
"""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.latents import radii
from genjax.latents.distributions import Normal, leading
from genjax.latents.radii import Radius
from genjax.latents.spheres import log_area

# Of the radius of the ball, beyond which float32 knows no distance.
_EDGE = 1 - 1e-6


def _norm(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(jnp.square(x), axis=-1, keepdims=True) + 1e-20)


def _inside(z: Array, c: float) -> Array:
    norm = _norm(z) * math.sqrt(c)
    return z * jnp.minimum(1.0, _EDGE / norm)


def mobius_add(
    x: Float[Array, '... d'], y: Float[Array, '... d'], c: float
) -> Float[Array, '... d']:
    """x + y of Moebius, the translation of y by x.

    Args:
      x: points of the ball.
      y: points of the ball.
      c: minus the curvature.
    """
    dot, xx, yy = (jnp.sum(a * b, axis=-1, keepdims=True) for a, b in ((x, y), (x, x), (y, y)))
    top = (1 + 2 * c * dot + c * yy) * x + (1 - c * xx) * y
    # 1 + 2 c <x, y> + c^2 |x|^2 |y|^2 as a sum of squares: at opposite edges it would round to 0.
    size, other = _norm(x), _norm(y)
    apart = jnp.sum(jnp.square(x / size + y / other), axis=-1, keepdims=True)
    lengths = c * size * other
    return _inside(top / (jnp.square(1 - lengths) + lengths * apart), c)


def exponential(mean: Float[Array, '... d'], v: Float[Array, '... d'], c: float) -> Array:
    """The point at distance |v| of another one, in the direction of v there.

    Args:
      mean: a point of the ball.
      v: in an orthonormal frame of its tangents.
      c: minus the curvature.
    """
    norm = _norm(v)
    step = jnp.tanh(math.sqrt(c) * norm / 2) * v / (math.sqrt(c) * norm)
    return mobius_add(mean, _inside(step, c), c)


def logarithm(mean: Float[Array, '... d'], z: Float[Array, '... d'], c: float) -> Array:
    """The v of which z is the exponential.

    Args:
      mean: a point of the ball.
      z: points of the ball.
      c: minus the curvature.
    """
    gap = mobius_add(-mean, z, c)
    norm = _norm(gap)
    length = jnp.minimum(math.sqrt(c) * norm, _EDGE)
    return 2 * jnp.arctanh(length) * gap / (math.sqrt(c) * norm)


def _log_stretch(r: Array, c: float) -> Array:
    """`log(sinh(sqrt(c) r) / (sqrt(c) r))`, 0 at 0: how much wider space is at a distance."""
    x = math.sqrt(c) * jnp.maximum(r, 1e-6)
    near = jnp.square(x) / 6
    far = x + jnp.log(-jnp.expm1(-2 * x)) - jnp.log(2 * x)
    return jnp.where(x < 1e-2, near, far)


@struct.dataclass
class WrappedNormal:
    """A Gaussian of the tangents at a point, laid on the ball by the exponential.

    Attributes:
      mean: a point of the ball, [..., d].
      log_var: of the tangents, [..., d].
      c: minus the curvature.
    """

    mean: Float[Array, '... d']
    log_var: Float[Array, '... d']
    c: float = struct.field(pytree_node=False, default=1.0)

    def _tangent(self) -> Normal:
        return Normal(jnp.zeros_like(self.mean), self.log_var)

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization."""
        return exponential(self.mean[None], self._tangent().sample(key, k), self.c)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """Of the Gaussian, less `(d - 1) log(sinh(sqrt(c) r) / (sqrt(c) r))`, r the distance."""
        v = logarithm(leading(self.mean, z.ndim), z, self.c)
        flat = self._tangent().log_prob(v)
        return flat - (z.shape[-1] - 1) * _log_stretch(_norm(v)[..., 0], self.c)

    def kl_divergence(self, other: Any) -> None:
        """Not known in closed form."""
        return None


@cache
def _distance(d: int, c: float) -> Radius:
    """From the centre of a Riemannian normal: `f ~ exp(-r^2 / 2 s^2) (sinh(sqrt(c) r))^(d - 1)`."""

    def bounds(s):
        flat, curved = s * math.sqrt(d - 1), jnp.square(s) * (d - 1) * math.sqrt(c)
        return jnp.maximum(flat, curved), flat + curved

    def mode_of(s):
        def halve(_, ends):
            middle = (ends[0] + ends[1]) / 2
            slope = (d - 1) * math.sqrt(c) / jnp.tanh(math.sqrt(c) * middle)
            rising = slope > middle / jnp.square(s)
            return jnp.where(rising, middle, ends[0]), jnp.where(rising, ends[1], middle)

        # A loop: this is part of all that is asked of a distance.
        low, high = jax.lax.fori_loop(0, 30, halve, bounds(s))
        return (low + high) / 2

    def log_bare(r, s):
        spread = jnp.log(jnp.maximum(r, 1e-30)) + _log_stretch(r, c)
        return -jnp.square(r / s) / 2 + ((d - 1) * spread if d > 1 else 0.0)

    def log(r, s):
        fixed = jax.lax.stop_gradient(s)
        return log_bare(r, s) - log_bare(mode_of(fixed), fixed)

    def support(s):
        mode = mode_of(s)
        return jnp.maximum(mode - 12 * s, 0.0), mode, mode + 12 * s

    return Radius(log, support)


@struct.dataclass
class RiemannianNormal:
    """`p(z) ~ exp(-distance(mean, z)^2 / 2 scale^2)`.

    Attributes:
      mean: a point of the ball, [..., d].
      scale: > 0, [...].
      c: minus the curvature.
    """

    mean: Float[Array, '... d']
    scale: Float[Array, '...']
    c: float = struct.field(pytree_node=False, default=1.0)

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization: a distance, and a direction."""
        away, direction = jax.random.split(key)
        radius = _distance(self.mean.shape[-1], self.c)
        u = jax.random.uniform(away, (k, *self.scale.shape), self.scale.dtype)
        e = jax.random.normal(direction, (k, *self.mean.shape), self.mean.dtype)
        r = radii.quantile(radius, u, self.scale)
        return exponential(self.mean[None], r[..., None] * e / _norm(e), self.c)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """`-distance^2 / 2 scale^2` less the logarithm of its integral."""
        r = _norm(logarithm(leading(self.mean, z.ndim), z, self.c))[..., 0]
        s, log_total = (leading(leaf, r.ndim) for leaf in (self.scale, self._log_total()))
        return -jnp.square(r / s) / 2 - log_total

    def _log_total(self) -> Array:
        d, fixed = self.mean.shape[-1], jax.lax.stop_gradient(self.scale)
        radius = _distance(d, self.c)
        _, mode, _ = radius.support(fixed)
        # `radius.log` is 0 at the mode for this scale.
        spread = (d - 1) * (jnp.log(mode) + _log_stretch(mode, self.c)) if d > 1 else 0.0
        peak = spread - jnp.square(mode / fixed) / 2
        return log_area(d) + peak + radii.log_normalizer(radius, self.scale)

    def kl_divergence(self, other: Any) -> None:
        """Not known in closed form."""
        return None
