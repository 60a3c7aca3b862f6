"""Choices among categories, relaxed so that they can be differentiated."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.latents.distributions import leading


@struct.dataclass
class Concrete:
    """Groups of categories: a Gumbel-softmax each, Jang et al. 2017
    (https://arxiv.org/abs/1611.01144), Maddison et al. 2017 (https://arxiv.org/abs/1611.00712).

    Attributes:
      logits: logarithms of the probabilities, [..., groups, categories].
      temperature: of the relaxation.
      hard: whether a sample is the choice itself, with the gradient of the relaxed one.
    """

    logits: Float[Array, '... groups categories']
    temperature: float = struct.field(pytree_node=False)
    hard: bool = struct.field(pytree_node=False, default=False)

    @property
    def mean(self) -> Float[Array, '... d']:
        """The probabilities of all groups."""
        return _flat(jnp.exp(self.logits))

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples, `softmax((logits + g) / temperature)` with g of Gumbel's distribution."""
        g = jax.random.gumbel(key, (k, *self.logits.shape), self.logits.dtype)
        soft = jax.nn.softmax((self.logits[None] + g) / self.temperature)
        if not self.hard:
            return _flat(soft)
        choice = jax.nn.one_hot(jnp.argmax(soft, axis=-1), soft.shape[-1], dtype=soft.dtype)
        return _flat(choice + soft - jax.lax.stop_gradient(soft))

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """Of hard samples the probability of the choices, else the density of the relaxed ones,
        `(n-1)! t^(n-1) prod(p_i z_i^(-t-1)) / sum(p_i z_i^-t)^n` of each group of n.
        """
        n = self.logits.shape[-1]
        groups = z.reshape(*z.shape[:-1], -1, n)
        logits = leading(self.logits, groups.ndim)
        if self.hard:
            return jnp.sum(groups * logits, axis=(-2, -1))
        log_z = jnp.log(jnp.maximum(groups, jnp.finfo(z.dtype).tiny))
        t = self.temperature
        each = jnp.sum(logits - (t + 1) * log_z, axis=-1)
        each -= n * jax.nn.logsumexp(logits - t * log_z, axis=-1)
        return jnp.sum(each + math.lgamma(n) + (n - 1) * math.log(t), axis=-1)

    def kl_divergence(self, other: Any) -> Float[Array, '... groups'] | None:
        """Of the choices of each group; None to anything else.

        Args:
          other: a distribution of the same groups.
        """
        if not isinstance(other, Concrete) or other.logits.shape[-2:] != self.logits.shape[-2:]:
            return None
        gap = self.logits - leading(other.logits, self.logits.ndim)
        return jnp.sum(jnp.exp(self.logits) * gap, axis=-1)


def _flat(groups: Array) -> Array:
    return groups.reshape(*groups.shape[:-2], -1)


def uniform_categories(d: int, categories: int, temperature: float, hard: bool) -> Concrete:
    """All categories of each group alike.

    Args:
      d: length of z.
      categories: of a group.
      temperature: of the relaxation.
      hard: as `Concrete` has it.
    """
    logits = jnp.full((d // categories, categories), -math.log(categories), jnp.float32)
    return Concrete(logits, temperature, hard)
