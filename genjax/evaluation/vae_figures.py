"""Figures of what a VAE says of images, in nats, and of what its codes stand for."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from genjax import metrics
from genjax.evaluation.figures import Figure, with_error
from genjax.evaluation.inference import SAMPLES, Likelihoods, Posteriors
from genjax.random import stream

_ENOUGH = 100  # images, from which on figures of factors are computed

# Likelihoods of the levels of pixels. Others have no bits of an image: binary pixels are drawn from
# it, and a density is not bounded by its levels.
_OF_LEVELS = ('discretized_logistic', 'logistic_mixture', 'poisson', 'negative_binomial')


def _mean(name: str, values: Any) -> Figure:
    x = np.asarray(values, np.float64)
    return with_error(name, float(x.mean()), float(x.std() / math.sqrt(x.size)))


def of_likelihoods(found: Likelihoods) -> Iterator[Figure]:
    """What a VAE says of held-out images, in nats an image.

    Args:
      found: of these.
    """
    for name in ('elbo', 'log_px_z', 'kl'):
        yield _mean(f'{name} (nats)', found.bounds[name])
    yield _mean('elbo of training images (nats)', found.trained)
    if found.estimate is None:
        return
    nll = metrics.nll(found.estimate)
    yield with_error(f'nll (nats, k={SAMPLES})', nll.value, nll.standard_error)
    yield Figure('median effective samples', float(np.median(found.estimate.effective_samples)))
    if found.name in _OF_LEVELS:
        bits = metrics.bits_per_dim(found.estimate.value, found.dims)
        yield _mean(f'bits_per_dim ({found.name})', bits)


def of_classifier(right: Bool[np.ndarray, 'n']) -> Iterator[Figure]:
    """How often q(y | x) knows the class of a held-out image.

    Args:
      right: of each.
    """
    yield _mean('label_accuracy (of q(y | x))', right)


def of_latents(q: Posteriors, key: Key[Array, '']) -> Iterator[Figure]:
    """What the latents of a VAE know of an image, in nats.

    The mutual information is that with an image drawn from the training images: of few images it is
    close to the logarithm of their number, whatever the model.

    Args:
      q: its posteriors.
      key: of the evidence.
    """
    use = metrics.latent_use(q.held_out.mean, q.held_out.log_var)
    yield Figure('active_units', float(use.active.sum()))
    key = stream(key, 'aggregate')
    found = metrics.aggregated_posterior(key, q.train.mean, q.train.log_var)
    name = f'mutual_information (nats, at most {math.log(len(q.train.mean)):.3g})'
    yield with_error(name, found.mutual_information, found.standard_error)
    yield Figure('aggregated_posterior_gap (nats, to N(0, I))', found.gap)


def of_factors(
    codes: Float[np.ndarray, 'n d'], factors: Int[np.ndarray, 'n f'], key: Key[Array, '']
) -> Iterator[Figure]:
    """How far single codes stand for single factors of images.

    Nothing of fewer than 100 images. Factors that have one value in them are left out, and figures
    that tell factors apart where one is left.

    Args:
      codes: of held-out images.
      factors: of these.
      key: of what is random.
    """
    factors = factors[:, factors.min(axis=0) < factors.max(axis=0)]
    if len(codes) < _ENOUGH or not factors.shape[1]:
        return
    yield Figure('mig', metrics.mig(codes, factors))
    yield Figure('sap', metrics.sap(key, codes, factors))
    if factors.shape[1] < 2:
        return
    found = metrics.dci(key, codes, factors)
    for name in ('disentanglement', 'completeness', 'informativeness'):
        yield Figure(f'dci_{name}', getattr(found, name))
    yield Figure('modularity', metrics.modularity(codes, factors))
    if all(np.unique(column).size < len(column) for column in factors.T):
        yield Figure('beta_vae', metrics.beta_vae_score(key, codes, factors))
        yield Figure('factor_vae', metrics.factor_vae_score(key, codes, factors))
