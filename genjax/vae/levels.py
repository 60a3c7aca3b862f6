"""Likelihoods of the 256 levels of a pixel, masses that add up to one at most. All in nats."""

import jax.numpy as jnp
from flax import struct
from jax.nn import log_sigmoid, log_softmax, logsumexp, softplus
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from genjax.core import check_range
from genjax.latents.distributions import bounded, leading
from genjax.vae.likelihoods import Likelihood, as_it_is, pixels

_LEVEL = 2 / 255


def log_mass(
    x: Float[Array, '...'], location: Float[Array, '...'], log_scale: Float[Array, '...']
) -> Float[Array, '...']:
    """The logarithm of a logistic density's integral over a level.

    Args:
      x: pixels in [-1, 1].
      location: of the density.
      log_scale: of the density.
    """
    # With u the upper and l the lower edge, F(u) - F(l) = F(u) (1 - F(l)) (1 - exp(l - u)),
    # a product that neither cancels nor underflows before its logarithm is taken.
    inverse = jnp.exp(-log_scale)
    upper = (x - location + _LEVEL / 2) * inverse
    lower = (x - location - _LEVEL / 2) * inverse
    inner = log_sigmoid(upper) + log_sigmoid(-lower) + jnp.log(-jnp.expm1(-_LEVEL * inverse))
    first, last = x < -1 + _LEVEL / 2, x > 1 - _LEVEL / 2
    return jnp.where(first, log_sigmoid(upper), jnp.where(last, log_sigmoid(-lower), inner))


@struct.dataclass
class DiscretizedLogistic:
    """A logistic density integrated over the 256 levels of [-1, 1]."""

    location: Array
    log_scale: Array

    def log_prob(self, x):
        """`log(F(x + 1/255) - F(x - 1/255))`, with the outer levels reaching to infinity."""
        return jnp.sum(log_mass(*pixels(x, self.location, self.log_scale)), axis=-1)

    @property
    def mean(self):
        return jnp.clip(self.location, -1.0, 1.0)


def discretized_logistic() -> Likelihood:
    """The 256 levels of a pixel as bins of a logistic density: a likelihood of uint8 images.

    Kingma et al. 2016 (https://arxiv.org/abs/1606.04934), Salimans et al. 2017
    (https://arxiv.org/abs/1701.05517).
    """

    def distribution(out):
        location, log_scale = jnp.split(out, 2, axis=-1)
        return DiscretizedLogistic(location, bounded(log_scale, -7.0, 7.0))

    return Likelihood(2, as_it_is, distribution)


@struct.dataclass
class LogisticMixture:
    """A mixture of logistic densities for each channel of a pixel, integrated over the levels.

    Attributes:
      logits: of the weights, [..., h, w, c, components].
      location: of the densities.
      log_scale: of the densities.
    """

    logits: Array
    location: Array
    log_scale: Array

    def log_prob(self, x):
        """`logsumexp(log w + log mass)`, summed over the channels."""
        each = log_mass(x[..., None], self.location, self.log_scale) + log_softmax(self.logits)
        return jnp.sum(*pixels(logsumexp(each, axis=-1)), axis=-1)

    @property
    def mean(self):
        weights = jnp.exp(log_softmax(self.logits))
        return jnp.sum(weights * jnp.clip(self.location, -1.0, 1.0), axis=-1)


def logistic_mixture(components: int = 5) -> Likelihood:
    """The 256 levels of a pixel as bins of a mixture of logistic densities, channel by channel.

    Salimans et al. 2017 (https://arxiv.org/abs/1701.05517), without their dependence of green and
    blue on red, which a decoder that sees no pixels has no use for.

    Args:
      components: of the mixture.
    """
    check_range(1, components=components)

    def distribution(out):
        groups = out.reshape(*out.shape[:-1], 3, components, out.shape[-1] // (3 * components))
        logits, location, log_scale = jnp.moveaxis(groups, -3, 0).swapaxes(-1, -2)
        # Apart at the start, or all would learn the same.
        spread = jnp.linspace(-0.5, 0.5, components) if components > 1 else jnp.zeros(1)
        location += leading(spread.astype(location.dtype), location.ndim)
        return LogisticMixture(logits, location, bounded(log_scale - 2, -7.0, 7.0))

    return Likelihood(3 * components, as_it_is, distribution)


def _counts(x: Array) -> Array:
    return (x + 1) / 2 * 255


@struct.dataclass
class Poisson:
    """Levels as counts, `rate^k exp(-rate) / k!`; what is beyond 255 counts as lost."""

    rate: Array

    def log_prob(self, x):
        """`k log rate - rate - log k!`, k the level from 0 to 255."""
        x, rate = pixels(x, self.rate)
        k = _counts(x)
        return jnp.sum(k * jnp.log(rate) - rate - gammaln(k + 1), axis=-1)

    @property
    def mean(self):
        return jnp.clip(self.rate / 127.5 - 1, -1.0, 1.0)


def poisson() -> Likelihood:
    """Levels as counts of photons, whose variance is their mean."""

    def distribution(out):
        return Poisson(127.5 * softplus(out) + 1e-4)

    return Likelihood(1, as_it_is, distribution)


@struct.dataclass
class NegativeBinomial:
    """Levels as counts whose variance is `mean + mean^2 / r`."""

    average: Array
    r: Array

    def log_prob(self, x):
        """`log Gamma(k + r) - log Gamma(r) - log k! + r log(r / (r + m)) + k log(m / (r + m))`."""
        x, m, r = pixels(x, self.average, self.r)
        k = _counts(x)
        ways = gammaln(k + r) - gammaln(r) - gammaln(k + 1)
        return jnp.sum(ways - r * jnp.log1p(m / r) - k * jnp.log1p(r / m), axis=-1)

    @property
    def mean(self):
        return jnp.clip(self.average / 127.5 - 1, -1.0, 1.0)


def negative_binomial() -> Likelihood:
    """Levels as counts that vary more than photons do, by as much as the decoder puts out."""

    def distribution(out):
        average, log_r = jnp.split(out, 2, axis=-1)
        return NegativeBinomial(
            127.5 * softplus(average) + 1e-4, jnp.exp(bounded(log_r, -5.0, 10.0))
        )

    return Likelihood(2, as_it_is, distribution)
