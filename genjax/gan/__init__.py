"""Generative adversarial networks."""

from genjax.gan import conditioning, consistency, networks, objectives, penalties, regularizers
from genjax.gan.adversarial import GAN, adversarial, critic
from genjax.gan.methods import *  # noqa: F403
from genjax.gan.methods import __all__ as _methods
from genjax.gan.networks import Pair
from genjax.gan.objectives import *  # noqa: F403
from genjax.gan.penalties import interpolate, one_centered, r1, r2, zero_centered
from genjax.gan.round import Critique, Round, play

# `dragan` and `wgan_gp` are the methods; the penalties of these names are in `penalties`.
__all__ = [
    'GAN',
    'Critique',
    'Pair',
    'Round',
    'adversarial',
    'conditioning',
    'consistency',
    'critic',
    'interpolate',
    'networks',
    'objectives',
    'one_centered',
    'penalties',
    'play',
    'r1',
    'r2',
    'regularizers',
    'zero_centered',
    *_methods,
    *objectives.__all__,
]
