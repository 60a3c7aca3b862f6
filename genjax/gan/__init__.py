"""Generative adversarial networks."""

from genjax.gan import objectives, penalties
from genjax.gan.adversarial import GAN, adversarial, critic
from genjax.gan.objectives import *  # noqa: F403
from genjax.gan.penalties import dragan, interpolate, one_centered, r1, r2, zero_centered
from genjax.gan.recipes import dcgan, wgan_gp
from genjax.gan.round import Critique, Round, play

# The name `wgan_gp` is the recipe's; the penalty of that name is `penalties.wgan_gp`.
__all__ = [
    'GAN',
    'Critique',
    'Round',
    'adversarial',
    'critic',
    'dcgan',
    'dragan',
    'interpolate',
    'objectives',
    'one_centered',
    'penalties',
    'play',
    'r1',
    'r2',
    'wgan_gp',
    'zero_centered',
    *objectives.__all__,
]
