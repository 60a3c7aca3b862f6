"""A layer that reads points of the Poincare ball, Ganea et al. 2018
(https://arxiv.org/abs/1805.09112)."""

import math
from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import variance_scaling, zeros_init
from jaxtyping import Array, Float

from genjax.latents.distributions import leading


def gyroplanes(
    z: Float[Array, '... d'], normals: Float[Array, 'n d'], offsets: Float[Array, 'n'], c: float
) -> Float[Array, '... n']:
    """Signed distances to hyperplanes of the ball, each times the length of its normal a.

    `|a| asinh((2 sqrt(c) <z, a / |a|> cosh(o) - (1 + c |z|^2) sinh(o)) / (1 - c |z|^2)) / sqrt(c)`,
    o the offset times `sqrt(c)`: the hyperplane is orthogonal to a at the point that lies along a
    at its offset from the origin. As c goes to 0 that is `<v, a> - |a| offset` of the tangent v
    that z is the exponential of.

    Args:
      z: points of the ball.
      normals: a, of each hyperplane.
      offsets: distances from the origin, signed.
      c: minus the curvature.
    """
    root = math.sqrt(c)
    length = jnp.sqrt(jnp.sum(jnp.square(normals), axis=-1) + 1e-20)
    squares = c * jnp.sum(jnp.square(z), axis=-1, keepdims=True)
    beside = jnp.maximum(1 - squares, 1e-6)  # As far from the edge as float32 is.
    of_planes = length, jnp.cosh(root * offsets), jnp.sinh(root * offsets)
    length, cosh, sinh = (leading(each, z.ndim) for each in of_planes)
    along = 2 * root * (z @ normals.T) / length
    return length * jnp.arcsinh((along * cosh - (1 + squares) * sinh) / beside) / root


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
