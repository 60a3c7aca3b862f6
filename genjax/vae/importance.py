"""Likelihoods by importance weights, with errors, and in bits per dimension."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class Estimate(NamedTuple):
    """Estimates of log p(x) by importance weights, in nats.

    Each is a lower bound in expectation, by Jensen's inequality: it falls short of log p(x) by
    about half of its squared standard error. With few effective samples the heaviest weights have
    not been seen yet, and the error is larger than what is reported.

    Attributes:
      value: log p(x) `[b]`.
      standard_error: of each, by the delta method `[b]`; infinite for a single sample.
      effective_samples: `(sum w)^2 / sum w^2` of each, from 1 to the number of samples `[b]`.
    """

    value: Float[Array, 'b']
    standard_error: Float[Array, 'b']
    effective_samples: Float[Array, 'b']


class Weights(NamedTuple):
    """Importance weights w added up, which needs no memory for the samples.

    Attributes:
      log_sum: `log sum w`, `[b]`.
      concentration: `sum w^2 / (sum w)^2`, one over the effective samples, `[b]`. It is kept in the
        place of `log sum w^2`, whose digits are lost beside a large log p(x).
    """

    log_sum: Float[Array, 'b']
    concentration: Float[Array, 'b']


def summed(log_w: Float[Array, 'k b']) -> Weights:
    """The sums of k weights.

    Args:
      log_w: logarithms of the weights, -inf for what does not count.
    """
    shares = jax.nn.softmax(log_w, axis=0)
    return Weights(jax.nn.logsumexp(log_w, axis=0), jnp.sum(jnp.square(shares), axis=0))


def merge(a: Weights, b: Weights) -> Weights:
    """The sums of two sets of weights together.

    Args:
      a: of the one.
      b: of the other.
    """
    share = jax.nn.sigmoid(a.log_sum - b.log_sum)
    concentration = share**2 * a.concentration + (1 - share) ** 2 * b.concentration
    return Weights(jnp.logaddexp(a.log_sum, b.log_sum), concentration)


def estimate(weights: Weights, k: int) -> Estimate:
    """What k weights say: `log mean w`, with the error `std(w) / (mean(w) sqrt(k))`.

    Args:
      weights: the sums of k weights.
      k: how many there were.
    """
    spread = jnp.maximum(weights.concentration - 1 / k, 0.0)
    error = jnp.sqrt(spread * k / (k - 1)) if k > 1 else jnp.full_like(spread, jnp.inf)
    return Estimate(weights.log_sum - jnp.log(jnp.float32(k)), error, 1 / weights.concentration)


def importance_weighted(log_w: Float[Array, 'k b']) -> Estimate:
    """log p(x) by the logarithm of the mean of k importance weights.

    `log (1/k) sum_k p(x, z_k) / q(z_k | x)` of samples z_k of q; Burda et al. 2016
    (https://arxiv.org/abs/1509.00519).

    Args:
      log_w: `log p(x, z) - log q(z | x)` of k samples for each of b examples, in nats.

    Raises:
      ValueError: no samples, or another rank.
    """
    if log_w.ndim != 2 or not len(log_w):
        raise ValueError(f'expected log weights [k >= 1, b], got {list(log_w.shape)}')
    return estimate(summed(log_w), len(log_w))


class NLL(NamedTuple):
    """The mean of -log p(x) over a data set, in nats; an upper bound in expectation.

    Attributes:
      value: nats of an example.
      standard_error: of it as an estimate for all that the examples were drawn from. The examples'
        estimates spread by their own errors too, so that those are in it.
      sampling_error: the part of the importance samples: how far another key takes it on the same
        examples.
      effective_samples: of the example that has the fewest.
    """

    value: float
    standard_error: float
    sampling_error: float
    effective_samples: float


def nll(log_px: Estimate) -> NLL:
    """The negative log-likelihood of a data set.

    Args:
      log_px: of all its examples, from samples of their own each. Those of several batches are
        joined by `jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches)`.

    Raises:
      ValueError: no examples, or another rank.
    """
    value, error, samples = (np.asarray(leaf, np.float64) for leaf in log_px)
    n = len(value) if value.ndim == 1 else 0
    if not n:
        raise ValueError(f'expected estimates [n >= 1], got {list(value.shape)}')
    spread = value.std(ddof=1) if n > 1 else math.inf
    return NLL(
        value=float(-value.mean()),
        standard_error=float(spread / math.sqrt(n)),
        sampling_error=float(np.linalg.norm(error) / n),
        effective_samples=float(samples.min()),
    )


def bits_per_dim(
    log_px: Float[Array, '...'] | float, dims: int, width: float = 1.0
) -> Float[Array, '...'] | float:
    """Bits for each dimension of discrete data: `-(log p(x) / dims + log width) / log 2`.

    A probability of levels (`bernoulli`, `discretized_logistic`) is a number of bits as it is. A
    density (`gaussian` on [-1, 1]) is not: its bits are those of the level about x, of the mass
    `p(x) width` in each dimension. Images in [-1, 1] have 256 levels of `width=2/255`, so that
    `log2(127.5)`, 6.99 bits, come to those of the density. With noise uniform over the level added
    to x (uniform dequantization) they are an upper bound, in expectation, on the bits of a discrete
    model (Theis et al. 2016, https://arxiv.org/abs/1511.01844); without noise they are no bound,
    and a density that is narrower than a level makes them as low as it likes.

    Args:
      log_px: nats of each example.
      dims: numbers in an example, `h * w * c`.
      width: of a level, on the scale of x; 1 of a probability.

    Raises:
      ValueError: `dims` or `width` is not positive.
    """
    if dims < 1 or not width > 0:
        raise ValueError(f'expected dims >= 1 and a width > 0, got {dims} and {width}')
    return -(log_px / dims + math.log(width)) / math.log(2)
