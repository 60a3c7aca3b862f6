"""Variational autoencoders."""

from genjax.latents import Normal, normal, standard_normal
from genjax.vae import (
    bounds,
    critics,
    inference,
    levels,
    likelihoods,
    networks,
    posteriors,
    priors,
    regularizers,
    riemannian,
    semi_supervised,
)
from genjax.vae.bounds import elbo, log_weights, sampled_elbo
from genjax.vae.family import parts_of, warmed_up
from genjax.vae.levels import discretized_logistic
from genjax.vae.likelihoods import (
    Likelihood,
    bernoulli,
    gaussian,
    grey_bernoulli,
    learned_gaussian,
)
from genjax.vae.methods import *  # noqa: F403
from genjax.vae.methods import __all__ as _methods
from genjax.vae.networks import Pair
from genjax.vae.priors import of_distribution
from genjax.vae.terms import Parts, Terms, compose
from genjax.vae.variational import VAE, Settings, variational

# `iwae` is the method; the bound of that name is in `bounds`.
__all__ = [
    'VAE',
    'Likelihood',
    'Normal',
    'Pair',
    'Parts',
    'Settings',
    'Terms',
    'bernoulli',
    'bounds',
    'compose',
    'critics',
    'discretized_logistic',
    'elbo',
    'gaussian',
    'grey_bernoulli',
    'inference',
    'learned_gaussian',
    'levels',
    'likelihoods',
    'log_weights',
    'networks',
    'normal',
    'of_distribution',
    'parts_of',
    'posteriors',
    'priors',
    'regularizers',
    'riemannian',
    'sampled_elbo',
    'semi_supervised',
    'standard_normal',
    'variational',
    'warmed_up',
    *_methods,
]
