"""What the latents of a VAE know of its images: from the Gaussian posteriors of many, in nats.

The prior is N(0, I).
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from genjax.metrics.arrays import matrix

# Densities at once: posteriors are compared in blocks of so many pairs.
CELLS = 2**23


class Latents(NamedTuple):
    """How much each latent is used.

    Attributes:
      kl: `E_x KL(q(z_i | x) || p(z_i))`, nats `[d]`.
      activity: `Var_x E[z_i | x]` `[d]`.
      active: whether the activity is above the threshold `[d]`.
    """

    kl: Float[np.ndarray, 'd']
    activity: Float[np.ndarray, 'd']
    active: Bool[np.ndarray, 'd']

    @property
    def collapse(self) -> str:
        """What to tell of latents that are not active: which, or that all are; '' of none."""
        (silent,) = np.nonzero(~self.active)
        if not len(silent):
            return ''
        of = f'{len(self.active)} latents'
        if len(silent) == len(self.active):
            return f'posterior collapse: none of {of} depends on the image'
        names = ', '.join(map(str, silent))
        return (
            f'posterior collapse of {len(silent)} of {of}, which do not depend on the image: '
            f'{names}; their KL is {self.kl[silent].sum():.3g} of {self.kl.sum():.3g} nats'
        )


def latent_use(mean: Any, log_var: Any, threshold: float = 0.01) -> Latents:
    """The KL and the activity of each latent; those whose mean varies are active units.

    Burda et al. 2016 (https://arxiv.org/abs/1509.00519) count `Var_x E[z_i | x] > 0.01`.

    Args:
      mean: of q(z | x), of n images `[n, d]`.
      log_var: logarithms of its variances `[n, d]`.
      threshold: of the activity.

    Raises:
      ValueError: other shapes, NaN or infinity.
    """
    mean, log_var = _posteriors(mean, log_var)
    activity = mean.var(axis=0)
    return Latents(_kl(mean, log_var).mean(axis=0), activity, activity > threshold)


class AggregatedPosterior(NamedTuple):
    """The two parts of the KL: `E_x KL(q(z | x) || p(z)) = mutual_information + gap`.

    Attributes:
      mutual_information: I(x; z), nats, of an image drawn of the n and a sample of its posterior;
        at most log n. Where it is close to that, more images would raise it.
      gap: KL(q(z) || p(z)), nats: how far samples of the prior are from what the decoder knows.
      standard_error: of the mutual information.
    """

    mutual_information: float
    gap: float
    standard_error: float


def aggregated_posterior(
    key: Key[Array, ''], mean: Any, log_var: Any, samples: int = 1
) -> AggregatedPosterior:
    """Mutual information and the gap between prior and `q(z) = (1/n) sum_j q(z | x_j)`.

    `I(x; z) = E log q(z | x) - log q(z)` by samples z of each posterior, against all n; the gap is
    the KL in closed form less that, which has less noise than `E log q(z) - log p(z)`. In float64.

    Hoffman and Johnson 2016, "ELBO surgery".

    Args:
      key: of the samples.
      mean: of q(z | x), of n images `[n, d]`.
      log_var: logarithms of its variances `[n, d]`.
      samples: of each posterior.

    Raises:
      ValueError: other shapes, NaN or infinity, no samples.
    """
    mean, log_var = _posteriors(mean, log_var)
    if samples < 1:
        raise ValueError(f'expected samples >= 1, got {samples}')
    # In float32, since a TPU draws no other.
    noise = np.float64(jax.random.normal(key, (samples, *mean.shape), jnp.float32))
    with jax.enable_x64(True):
        ratios = np.asarray(_log_ratios(noise, mean, log_var))
    each = ratios.mean(axis=0)
    information = float(each.mean())
    return AggregatedPosterior(
        information,
        float(_kl(mean, log_var).sum(axis=1).mean() - information),
        float(each.std() / math.sqrt(len(each))),
    )


@jax.jit
def _log_ratios(
    noise: Float[Array, 'samples n d'], mean: Float[Array, 'n d'], log_var: Float[Array, 'n d']
) -> Float[Array, 'samples n']:
    """`log q(z | x) - log q(z)` of samples of each posterior, without the constants of both."""
    n, d = mean.shape
    z = mean[None] + jnp.exp(log_var / 2)[None] * noise
    precision = jnp.exp(-log_var)
    constant = jnp.sum(jnp.square(mean) * precision + log_var, axis=1)

    def log_sum(z):
        # (z - mean)^2 / var multiplied out: matrix products, once this is mapped over z.
        return jax.nn.logsumexp(mean * precision @ z - (precision @ jnp.square(z) + constant) / 2)

    log_qz = jax.lax.map(log_sum, z.reshape(-1, d), batch_size=max(1, CELLS // n)) - jnp.log(n)
    log_qz_x = -(jnp.sum(jnp.square(noise), axis=-1) + jnp.sum(log_var, axis=1)[None]) / 2
    return log_qz_x - log_qz.reshape(-1, n)


def _kl(mean: np.ndarray, log_var: np.ndarray) -> Float[np.ndarray, 'n d']:
    return (np.exp(log_var) + mean**2 - 1 - log_var) / 2


def _posteriors(mean: Any, log_var: Any) -> tuple[np.ndarray, np.ndarray]:
    mean, log_var = matrix('means', mean), matrix('log-variances', log_var)
    if mean.shape != log_var.shape:
        raise ValueError(
            f'expected as many means as log-variances, got {list(mean.shape)} and '
            f'{list(log_var.shape)}'
        )
    return mean.astype(np.float64), log_var.astype(np.float64)
