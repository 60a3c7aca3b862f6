"""Distributions of latents in space. All densities are in nats."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.random import stream

# exp(20) is far from overflow in float32, also when squared.
LOG_VAR_LIMIT = 20.0


def bounded(x: Array, low: float, high: float) -> Array:
    """A smooth, increasing map of the reals into (low, high), near the identity at 0.

    `tanh(x / limit) * limit` on each side of 0: what a network puts out cannot overflow, and its
    gradient does not vanish at a clip.

    Args:
      x: any numbers.
      low: bound < 0.
      high: bound > 0.
    """
    limit = jnp.where(x < 0, -low, high)
    return limit * jnp.tanh(x / limit)


def leading(leaf: Float[Array, '...'], ndim: int) -> Float[Array, '...']:
    """With axes of one before its own.

    Args:
      leaf: any array.
      ndim: how many axes there are to be.
    """
    return leaf.reshape((1,) * (ndim - leaf.ndim) + leaf.shape)


@struct.dataclass
class Normal:
    """A Gaussian with diagonal covariance; the last axis is one event.

    Attributes:
      mean: [..., d].
      log_var: logarithm of the variance, [..., d].
    """

    mean: Float[Array, '... d']
    log_var: Float[Array, '... d']

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization, `mean + exp(log_var / 2) e` with e ~ N(0, I)."""
        e = jax.random.normal(key, (k, *self.mean.shape), self.mean.dtype)
        return self.mean[None] + jnp.exp(self.log_var / 2)[None] * e

    def log_densities(self, z: Float[Array, '... d']) -> Float[Array, '... d']:
        """`-(|z - mean|^2 / var + log_var + log 2 pi) / 2` of each latent by itself."""
        mean, log_var = (leading(leaf, z.ndim) for leaf in (self.mean, self.log_var))
        squares = jnp.square(z - mean) * jnp.exp(-log_var)
        return -0.5 * (squares + log_var + math.log(2 * math.pi))

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """The log-densities of all latents, summed."""
        return jnp.sum(self.log_densities(z), axis=-1)

    def kl_divergence(self, other: Any) -> Float[Array, '... d'] | None:
        """KL(self || other) of each latent; None unless both are Gaussian, the closed form known.

        Args:
          other: a distribution of the same last axis.
        """
        if not isinstance(other, Normal):
            return None
        mean, log_var = (leading(leaf, self.mean.ndim) for leaf in (other.mean, other.log_var))
        ratio = self.log_var - log_var
        squares = jnp.square(self.mean - mean) * jnp.exp(-log_var)
        return 0.5 * (jnp.exp(ratio) + squares - 1.0 - ratio)


def normal(mean: Float[Array, '... d'], log_var: Float[Array, '... d']) -> Normal:
    """A Gaussian of a network's outputs, its log-variance bounded so that nothing overflows.

    Args:
      mean: any numbers.
      log_var: any numbers; bounded to (-20, 20).
    """
    return Normal(mean, bounded(log_var, -LOG_VAR_LIMIT, LOG_VAR_LIMIT))


def standard_normal(d: int) -> Normal:
    """N(0, I) of d dimensions."""
    return Normal(jnp.zeros(d, jnp.float32), jnp.zeros(d, jnp.float32))


@struct.dataclass
class FullNormal:
    """A Gaussian with any covariance, `L L'`.

    Attributes:
      mean: [..., d].
      scale_tril: L, lower triangular with a positive diagonal, [..., d, d].
    """

    mean: Float[Array, '... d']
    scale_tril: Float[Array, '... d d']

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization, `mean + L e` with e ~ N(0, I)."""
        e = jax.random.normal(key, (k, *self.mean.shape), self.mean.dtype)
        return self.mean[None] + jnp.einsum('...ij,k...j->k...i', self.scale_tril, e)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """`-(|L^-1 (z - mean)|^2 + d log 2 pi) / 2 - log det L`."""
        gap = z - leading(self.mean, z.ndim)
        tril = leading(self.scale_tril, gap.ndim + 1)
        tril = jnp.broadcast_to(tril, (*gap.shape, gap.shape[-1]))
        e = jax.scipy.linalg.solve_triangular(tril, gap[..., None], lower=True)[..., 0]
        return -0.5 * jnp.sum(jnp.square(e) + math.log(2 * math.pi), axis=-1) - _log_det(tril)

    def kl_divergence(self, other: Any) -> Float[Array, '... 1'] | None:
        """KL(self || N(0, I)) or to another diagonal Gaussian, of all latents together; else None.

        Args:
          other: a distribution of the same last axis.
        """
        if not isinstance(other, Normal):
            return None
        log_var = leading(other.log_var, self.mean.ndim)
        var = jnp.sum(jnp.square(self.scale_tril), axis=-1)
        squares = var + jnp.square(self.mean - leading(other.mean, self.mean.ndim))
        each = squares * jnp.exp(-log_var) - 1.0 + log_var
        return (0.5 * jnp.sum(each, axis=-1) - _log_det(self.scale_tril))[..., None]


def _log_det(tril: Array) -> Array:
    return jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), axis=-1)


@struct.dataclass
class Point:
    """All mass on one point: the code of an autoencoder. It has no density: `log_prob` is 0, which
    leaves `log p(x | z) + log p(z)` of a bound by samples, and its KL counts as 0.

    Attributes:
      mean: [..., d].
    """

    mean: Float[Array, '... d']

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """The point, k times."""
        return jnp.broadcast_to(self.mean[None], (k, *self.mean.shape))

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """0 everywhere."""
        return jnp.zeros(z.shape[:-1], z.dtype)

    def kl_divergence(self, other: Any) -> Float[Array, '... d']:
        """0 for each latent."""
        return jnp.zeros_like(self.mean)


@struct.dataclass
class Mixture:
    """A mixture of distributions that lie along one axis, `sum_i w_i p_i(z)`.

    Attributes:
      log_weights: log w [n].
      components: a distribution of n examples, as an encoder makes one of n images.
    """

    log_weights: Float[Array, 'n']
    components: Any

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k d']:
        """k samples, each of a component drawn by its weight, by which there is no gradient."""
        rows = jax.random.categorical(stream(key, 'component'), self.log_weights, shape=(k,))
        chosen = jax.tree.map(lambda leaf: leaf[rows], self.components)
        return chosen.sample(stream(key, 'sample'), 1)[0]

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """`logsumexp_i(log w_i + log p_i(z))`."""
        each = self.components.log_prob(z[..., None, :])
        return jax.nn.logsumexp(each + leading(self.log_weights, each.ndim), axis=-1)
