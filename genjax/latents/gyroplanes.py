"""A layer that reads points of the Poincare ball, Ganea et al. 2018
(https://arxiv.org/abs/1805.09112)."""

import math
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import variance_scaling, zeros_init
from jaxtyping import Array, Float

from genjax.latents.hyperbolic import exponential, mobius_add


def gyroplanes(
    z: Float[Array, '... d'], normals: Float[Array, 'n d'], offsets: Float[Array, 'n'], c: float
) -> Float[Array, '... n']:
    """Signed distances to hyperplanes of the ball, each times the length of its normal a.

    `|a| asinh(2 sqrt(c) <w, a / |a|> / (1 - c |w|^2)) / sqrt(c)` with `w = -p + z` of Moebius; the
    hyperplane is orthogonal to a at p, which lies along a at the given offset from the origin. As
    c goes to 0 that is `<v, a> - |a| offset` of the tangent v that z is the exponential of.

    Args:
      z: points of the ball.
      normals: a, of each hyperplane.
      offsets: distances from the origin, signed.
      c: minus the curvature.
    """
    root = math.sqrt(c)
    length = jnp.sqrt(jnp.sum(jnp.square(normals), axis=-1) + 1e-20)
    unit = normals / length[:, None]
    p = exponential(jnp.zeros_like(unit), offsets[:, None] * unit, c)
    w = mobius_add(*jnp.broadcast_arrays(-p, z[..., None, :]), c)
    beside = 1 - c * jnp.sum(jnp.square(w), axis=-1)
    along = jnp.sum(w * jnp.broadcast_to(unit, w.shape), axis=-1)
    return jnp.broadcast_to(length, along.shape) * jnp.arcsinh(2 * root * along / beside) / root


class Gyroplanes(nn.Module):
    """`z [b, d] -> [b, features]`, of points of the ball: what a dense layer is of flat space.

    Mathieu et al. 2019 (https://arxiv.org/abs/1901.06033) begin their decoder with it.

    Attributes:
      features: hyperplanes.
      c: minus the curvature.
      kernel_init: of the normals.
    """

    features: int
    c: float = 1.0
    kernel_init: Callable = variance_scaling(1 / 3, 'fan_in', 'uniform')

    @nn.compact
    def __call__(self, z: Float[Array, 'b d']) -> Float[Array, 'b features']:
        kernel = self.param('kernel', self.kernel_init, (z.shape[-1], self.features), jnp.float32)
        bias = self.param('bias', zeros_init(), (self.features,), jnp.float32)
        # Near the edge of the ball bfloat16 knows no distances.
        h = gyroplanes(z.astype(jnp.float32), kernel.T.astype(jnp.float32), bias, self.c)
        return h.astype(kernel.dtype)
