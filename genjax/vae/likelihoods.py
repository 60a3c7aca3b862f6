"""Likelihoods of images. All densities are in nats."""

import math
from collections.abc import Callable
from typing import Annotated, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from flax import struct
from jax.nn import sigmoid
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, Key

from genjax.latents.distributions import LOG_VAR_LIMIT, bounded
from genjax.parts import Kind

# The standard deviation of rounding to 256 levels on [-1, 1], as a log-variance: a density sharper
# than the data's own rounding would reward nothing but that rounding.
LOG_VAR_OF_ROUNDING = 2 * math.log(2 / 255) - math.log(12)


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


LIKELIHOOD = Kind('a likelihood', (__name__, 'genjax.vae.levels'), (Likelihood,))
LikelihoodLike = Annotated[Likelihood | Callable[..., Likelihood] | str, LIKELIHOOD]


def as_it_is(key: Key[Array, ''], x: Array) -> Array:
    """An observation of what an image is.

    Args:
      key: not used.
      x: images.
    """
    return x


def pixels(*images: Float[Array, '... h w c']) -> list[Float[Array, '... n']]:
    """The pixels of images as one axis: on a CPU sums over three axes take twice the time.

    Args:
      *images: any.
    """
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
        x, logits = pixels(x, self.logits)
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


@struct.dataclass
class ContinuousBernoulli(Bernoulli):
    """Independent grey pixels whose density is an exponential of their brightness."""

    def log_prob(self, x):
        """That of Bernoulli and `log C - log 2`, `C = l / tanh(l / 2)` of the logit l.

        The density is one on [-1, 1]. Near 0, where C is 2, by its series.
        """
        (logits,) = pixels(self.logits)
        small = jnp.abs(logits) < 0.1
        far = jnp.where(small, 1.0, jnp.abs(logits))
        squares = jnp.square(jnp.where(small, logits, 0.0))
        near = squares / 12 - jnp.square(squares) / 1440
        log_c = jnp.where(small, near, jnp.log(far / 2) - jnp.log(jnp.tanh(far / 2)))
        return super().log_prob(x) + _sum(log_c)

    @property
    def mean(self):
        """`2 / (1 - exp(-l)) - 2 / l - 1`, which is `l / 6` near 0."""
        small = jnp.abs(self.logits) < 0.1
        far = jnp.where(small, 1.0, self.logits)
        near = self.logits / 6 - self.logits**3 / 360
        return jnp.where(small, near, 1 / jnp.tanh(far / 2) - 2 / far)


def continuous_bernoulli() -> Likelihood:
    """Grey pixels with the density that the cross entropy lacks its constant of.

    Loaiza-Ganem and Cunningham 2019 (https://arxiv.org/abs/1907.06845).
    """
    return Likelihood(1, as_it_is, ContinuousBernoulli)


@struct.dataclass
class Beta:
    """Independent grey pixels with a beta density of their brightness."""

    mean_logit: Array
    log_precision: Array

    def log_prob(self, x):
        """`(a - 1) log t + (b - 1) log(1 - t) - log B(a, b) - log 2` with `t = (x + 1) / 2`, moved
        into (0, 1) by half of a level of 256: a density at 0 or 1 may be infinite.
        """
        x, logit, log_precision = pixels(x, self.mean_logit, self.log_precision)
        t = ((x + 1) / 2 * 255 + 0.5) / 256
        precision = jnp.exp(log_precision)
        a, b = precision * sigmoid(logit), precision * sigmoid(-logit)
        log_beta = gammaln(a) + gammaln(b) - gammaln(a + b)
        each = (a - 1) * jnp.log(t) + (b - 1) * jnp.log1p(-t) - log_beta
        return _sum(each + math.log(255 / 512))

    @property
    def mean(self):
        return 2 * sigmoid(self.mean_logit) - 1


def beta() -> Likelihood:
    """Grey pixels of a beta density, of which the decoder puts out mean and precision."""

    def distribution(out):
        logit, log_precision = jnp.split(out, 2, axis=-1)
        return Beta(bounded(logit, -10.0, 10.0), bounded(log_precision, -5.0, 10.0))

    return Likelihood(2, as_it_is, distribution)


def grey_bernoulli() -> Likelihood:
    """Cross entropy with grey targets, the reconstruction loss of many VAE examples.

    It is no likelihood of the grey image (its exponential does not integrate to one; Loaiza-Ganem
    and Cunningham 2019, https://arxiv.org/abs/1907.06845): compare it with its like only.
    """
    return Likelihood(1, as_it_is, Bernoulli)


@struct.dataclass
class Gaussian:
    """Independent Gaussian pixels on the [-1, 1] scale."""

    location: Array
    log_var: Array

    def log_prob(self, x):
        x, location, log_var = pixels(x, self.location, self.log_var)
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

    return Likelihood(1, as_it_is, distribution)


def learned_gaussian() -> Likelihood:
    """Gaussian pixels whose log-variances the decoder puts out too.

    They are bounded below by the variance of rounding to 256 levels, without which the density of
    discrete data has no upper bound (Mattei and Frellsen 2018, https://arxiv.org/abs/1802.04826).
    """

    def distribution(out):
        location, log_var = jnp.split(out, 2, axis=-1)
        return Gaussian(location, bounded(log_var, LOG_VAR_OF_ROUNDING, LOG_VAR_LIMIT))

    return Likelihood(2, as_it_is, distribution)
