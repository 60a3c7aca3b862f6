"""Variational autoencoders."""

from genjax.vae.bounds import elbo, iwae, log_weights, sampled_elbo
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
from genjax.vae.recipes import conv_vae, gaussian_parts, vae
from genjax.vae.terms import Parts, Terms, compose
from genjax.vae.variational import VAE, Settings, variational

__all__ = [
    'VAE',
    'Likelihood',
    'Normal',
    'Parts',
    'Settings',
    'Terms',
    'bernoulli',
    'compose',
    'conv_vae',
    'discretized_logistic',
    'elbo',
    'gaussian',
    'gaussian_parts',
    'grey_bernoulli',
    'iwae',
    'learned_gaussian',
    'log_weights',
    'normal',
    'sampled_elbo',
    'standard_normal',
    'vae',
    'variational',
]
