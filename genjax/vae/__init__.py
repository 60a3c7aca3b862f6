"""Variational autoencoders."""

from genjax.vae import bounds, networks
from genjax.vae.bounds import elbo, log_weights, sampled_elbo
from genjax.vae.distributions import (
    Likelihood,
    Normal,
    bernoulli,
    discretized_logistic,
    gaussian,
    grey_bernoulli,
    learned_gaussian,
    normal,
    standard_normal,
)
from genjax.vae.family import gaussian_parts, warmed_up
from genjax.vae.methods import *  # noqa: F403
from genjax.vae.methods import __all__ as _methods
from genjax.vae.networks import Pair
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
    'discretized_logistic',
    'elbo',
    'gaussian',
    'gaussian_parts',
    'grey_bernoulli',
    'learned_gaussian',
    'log_weights',
    'networks',
    'normal',
    'sampled_elbo',
    'standard_normal',
    'variational',
    'warmed_up',
    *_methods,
]
