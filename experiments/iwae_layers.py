"""Two stochastic layers as one vector of latents: the parts of IWAE's larger model.

Burda et al. 2016 (https://arxiv.org/abs/1509.00519), section 5: q(h1 | x) q(h2 | h1) and
p(h2) p(h1 | h2) p(x | h1), with z = (h1, h2). A posterior and a prior like any others.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Float, Key

from genjax import from_linen
from genjax.core import Net, Network
from genjax.latents import Normal, normal, standard_normal
from genjax.nn.mlp import MLPDecoder, moments
from genjax.random import stream
from genjax.vae.posteriors import Posterior
from genjax.vae.priors import Prior


class _Conditional(nn.Module):
    """`h -> (mean, log_var)` of another layer, by two hidden layers."""

    d: int
    hidden: int
    kernel_init: Callable

    @nn.compact
    def __call__(self, h: Float[Array, 'b n']) -> tuple[Float[Array, 'b d'], Float[Array, 'b d']]:
        for _ in range(2):
            h = jnp.tanh(nn.Dense(self.hidden, kernel_init=self.kernel_init)(h))
        return moments(h, self.d, kernel_init=self.kernel_init)


class Lower(nn.Module):
    """A decoder of z that sees its first latents alone.

    Attributes:
      d: how many.
      decoder: of these.
    """

    d: int
    decoder: MLPDecoder

    def __call__(self, z: Float[Array, 'b d'], train: bool = True) -> Float[Array, 'b ...']:
        return self.decoder(z[:, : self.d], train=train)


@struct.dataclass
class Layered:
    """One layer, and another given it.

    Attributes:
      first: the layer that is drawn first.
      net: parameters of the conditional.
      conditional: `first [n, d] -> (mean, log_var)` of the other layer.
      d: length of the lower layer, which z begins with.
      up: whether the lower layer is drawn first.
    """

    first: Normal
    net: Net
    conditional: Network = struct.field(pytree_node=False)
    d: int = struct.field(pytree_node=False)
    up: bool = struct.field(pytree_node=False)

    def _given(self, h):
        flat, _ = self.conditional.apply(self.net, h.reshape(-1, h.shape[-1]), train=False)
        return normal(*jax.tree.map(lambda leaf: leaf.reshape(*h.shape[:-1], -1), flat))

    def _joined(self, first, other):
        return jnp.concatenate([first, other] if self.up else [other, first], axis=-1)

    @property
    def mean(self) -> Float[Array, '... d']:
        """The mean of the first layer, and of the other given it."""
        return self._joined(self.first.mean, self._given(self.first.mean).mean)

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization."""
        first = self.first.sample(stream(key, 'first'), k)
        return self._joined(first, self._given(first).sample(stream(key, 'rest'), 1)[0])

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """The sum of both log-densities."""
        lower, upper = jnp.split(z, [self.d], axis=-1)
        first, other = (lower, upper) if self.up else (upper, lower)
        return self.first.log_prob(first) + self._given(first).log_prob(other)

    def kl_divergence(self, other: Any) -> None:
        """Not known in closed form."""
        return None


def two_layers(lower: int, upper: int, hidden: int, init: Callable) -> tuple[Posterior, Prior]:
    """q(h1 | x) q(h2 | h1), whose encoder is of h1 alone, and p(h2) p(h1 | h2).

    Args:
      lower: length of h1.
      upper: length of h2.
      hidden: size of the hidden layers between the two.
      init: of their kernels.
    """
    up, down = (
        from_linen(_Conditional(d, hidden, init), jax.ShapeDtypeStruct((1, n), jnp.float32))
        for d, n in ((upper, lower), (lower, upper))
    )

    def posterior(net, mean, log_var):
        return Layered(normal(mean, log_var), net, up, lower, True)

    def prior(net, d, encode):
        return Layered(standard_normal(upper), net, down, lower, False)

    return Posterior(posterior, network=lambda d: up), Prior(prior, lambda shape, d: down)
