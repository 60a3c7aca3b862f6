"""Likelihoods of images. All densities are in nats."""

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jax.nn import log_sigmoid, sigmoid
from jaxtyping import Array, Float

from genjax.latents.distributions import LOG_VAR_LIMIT, bounded
from genjax.parts import Kind

# The standard deviation of rounding to 256 levels on [-1, 1], as a log-variance: a density sharper
# than the data's own rounding would reward nothing but that rounding.
LOG_VAR_OF_ROUNDING = 2 * math.log(2 / 255) - math.log(12)
_LEVEL = 2 / 255


class ImageDistribution(Protocol):
    """p(x | z) over images in [-1, 1]."""

    def log_prob(self, x: Float[Array, '... h w c']) -> Float[Array, '...']:
        """Nats of each image."""

    @property
    def mean(self) -> Float[Array, '... h w c']:
        """The expected image, in [-1, 1]."""


class Likelihood(NamedTuple):
    """How images are observed and what a decoder's outputs mean.

    Attributes:
      outputs: decoder outputs for each channel of a pixel.
      observe: `(key, x) -> x`, what is seen of an image in [-1, 1]; drawn once a pass.
      distribution: `outputs [..., h, w, outputs * c] -> ImageDistribution`.
    """

    outputs: int
    observe: Callable[[Array, Array], Array]
    distribution: Callable[[Array], ImageDistribution]


LIKELIHOOD = Kind('a likelihood', (__name__,), (Likelihood,))
LikelihoodLike = Annotated[Likelihood | Callable[..., Likelihood] | str, LIKELIHOOD]


def _as_it_is(key, x):
    return x


def _pixels(*images: Array) -> list[Array]:
    """The pixels of an image as one axis: on a CPU sums over three axes take twice the time."""
    return [x.reshape(*x.shape[:-3], -1) for x in images]


def _sum(x: Array) -> Array:
    return jnp.sum(x, axis=-1)


def _softplus(x: Array) -> Array:
    """`jax.nn.softplus` in three quarters of its time on a CPU; its gradient at 0 is 1/2 too."""
    # Not `maximum`: at 0 its gradient is 1/2, and that of `abs` is 1.
    return jnp.where(x >= 0, x, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(x)))


@struct.dataclass
class Bernoulli:
    """Independent pixels in {-1, 1}, or grey ones in between, with probability sigmoid(logits)."""

    logits: Array

    def log_prob(self, x):
        """`t log p + (1 - t) log(1 - p)` with the target `t = (x + 1) / 2`."""
        x, logits = _pixels(x, self.logits)
        return _sum((x + 1) / 2 * logits - _softplus(logits))

    @property
    def mean(self):
        return 2 * sigmoid(self.logits) - 1


def bernoulli() -> Likelihood:
    """Binary pixels, drawn anew from the grey ones for every batch (dynamic binarization).

    A pixel x in [-1, 1] is white with probability (x + 1) / 2 (Salakhutdinov and Murray 2008;
    Burda et al. 2016, https://arxiv.org/abs/1509.00519). The bound is one on log p of the binary
    image.
    """

    def observe(key, x):
        white = jax.random.bernoulli(key, (x + 1) / 2)
        # NaN would be black.
        return jnp.where(jnp.isnan(x), x, 2.0 * white.astype(x.dtype) - 1.0)

    return Likelihood(1, observe, Bernoulli)


def grey_bernoulli() -> Likelihood:
    """Cross entropy with grey targets, the reconstruction loss of many VAE examples.

    It is no likelihood of the grey image (its exponential does not integrate to one; Loaiza-Ganem
    and Cunningham 2019, https://arxiv.org/abs/1907.06845): compare it with its like only.
    """
    return Likelihood(1, _as_it_is, Bernoulli)


@struct.dataclass
class Gaussian:
    """Independent Gaussian pixels on the [-1, 1] scale."""

    location: Array
    log_var: Array

    def log_prob(self, x):
        x, location, log_var = _pixels(x, self.location, self.log_var)
        squares = jnp.square(x - location) * jnp.exp(-log_var)
        return -0.5 * _sum(squares + log_var + math.log(2 * math.pi))

    @property
    def mean(self):
        return jnp.clip(self.location, -1.0, 1.0)


def gaussian(scale: float = 1.0) -> Likelihood:
    """Gaussian pixels of a fixed standard deviation; with 1 it is half the squared error and a
    constant.

    Args:
      scale: standard deviation on the [-1, 1] scale, > 0.

    Raises:
      ValueError: `scale` is not positive.
    """
    if scale <= 0:
        raise ValueError(f'expected a scale > 0, got {scale}')

    def distribution(out):
        return Gaussian(out, jnp.full_like(out, 2 * math.log(scale)))

    return Likelihood(1, _as_it_is, distribution)


def learned_gaussian() -> Likelihood:
    """Gaussian pixels whose log-variances the decoder puts out too.

    They are bounded below by the variance of rounding to 256 levels, without which the density of
    discrete data has no upper bound (Mattei and Frellsen 2018, https://arxiv.org/abs/1802.04826).
    """

    def distribution(out):
        location, log_var = jnp.split(out, 2, axis=-1)
        return Gaussian(location, bounded(log_var, LOG_VAR_OF_ROUNDING, LOG_VAR_LIMIT))

    return Likelihood(2, _as_it_is, distribution)


@struct.dataclass
class DiscretizedLogistic:
    """A logistic density integrated over the 256 levels of [-1, 1]."""

    location: Array
    log_scale: Array

    def log_prob(self, x):
        """`log(F(x + 1/255) - F(x - 1/255))`, with the outer levels reaching to infinity."""
        # With u the upper and l the lower edge, F(u) - F(l) = F(u) (1 - F(l)) (1 - exp(l - u)),
        # a product that neither cancels nor underflows before its logarithm is taken.
        x, location, log_scale = _pixels(x, self.location, self.log_scale)
        inverse = jnp.exp(-log_scale)
        upper = (x - location + _LEVEL / 2) * inverse
        lower = (x - location - _LEVEL / 2) * inverse
        inner = log_sigmoid(upper) + log_sigmoid(-lower) + jnp.log(-jnp.expm1(-_LEVEL * inverse))
        first, last = x < -1 + _LEVEL / 2, x > 1 - _LEVEL / 2
        return _sum(
            jnp.where(first, log_sigmoid(upper), jnp.where(last, log_sigmoid(-lower), inner))
        )

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

    return Likelihood(2, _as_it_is, distribution)
