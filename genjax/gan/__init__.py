"""Generative adversarial networks."""

from genjax.gan.adversarial import GAN, adversarial, critic
from genjax.gan.objectives import (
    Objective,
    hinge,
    least_squares,
    minimax,
    non_saturating,
    relativistic,
    wasserstein,
)
from genjax.gan.penalties import dragan, interpolate, one_centered, r1, r2, zero_centered
from genjax.gan.recipes import dcgan, wgan_gp
from genjax.gan.round import Critique, Round, play

__all__ = [
    'GAN',
    'Critique',
    'Objective',
    'Round',
    'adversarial',
    'critic',
    'dcgan',
    'dragan',
    'hinge',
    'interpolate',
    'least_squares',
    'minimax',
    'non_saturating',
    'one_centered',
    'play',
    'r1',
    'r2',
    'relativistic',
    'wasserstein',
    'wgan_gp',
    'zero_centered',
]
