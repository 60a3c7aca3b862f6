"""GANs of the literature: what each changes of the family.

The docstring's first paragraph names the method, its paper and what it is for; `Reached:` tells a
figure and the command that gives it.
"""

from functools import partial

import optax

from genjax.gan.family import gan
from genjax.gan.networks import dcgan as dcgan_networks
from genjax.gan.objectives import hinge, least_squares, wasserstein
from genjax.gan.penalties import dragan as dragan_penalty
from genjax.gan.penalties import wgan_gp as wgan_gp_penalty
from genjax.parts import preset

__all__ = ['dcgan', 'dragan', 'gan', 'hinge_gan', 'lsgan', 'wgan', 'wgan_gp']

_ADAM = partial(optax.adam, b1=0.5)


@preset(gan, latent_dim=100, optimizer=_ADAM)
def dcgan():
    """DCGAN, Radford et al. 2016 (https://arxiv.org/abs/1511.06434): the plain convolutional GAN.

    With classes the generator takes labels by class-conditional batch norm and one-hot beside z,
    and the discriminator by projection (Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637).
    """


@preset(gan, objective=least_squares, latent_dim=100, optimizer=_ADAM)
def lsgan():
    """LSGAN, Mao et al. 2017 (https://arxiv.org/abs/1611.04076): squared errors, which also pull
    samples that are far on the right side.
    """


@preset(gan, objective=hinge, latent_dim=100, optimizer=_ADAM)
def hinge_gan():
    """Geometric GAN, Lim and Ye 2017 (https://arxiv.org/abs/1705.02894): the hinge loss."""


@preset(
    gan,
    objective=wasserstein,
    weight_clip=0.01,
    n_critic=5,
    latent_dim=100,
    optimizer=partial(optax.rmsprop, decay=0.99),
    generator_learning_rate=5e-5,
    discriminator_learning_rate=5e-5,
)
def wgan():
    """WGAN, Arjovsky et al. 2017 (https://arxiv.org/abs/1701.07875): a critic whose
    weights are clipped.
    """


@preset(
    gan,
    networks=partial(dcgan_networks, norm='layer'),
    objective=wasserstein,
    penalties=(wgan_gp_penalty,),
    n_critic=5,
    optimizer=partial(optax.adam, b1=0.0, b2=0.9),
    generator_learning_rate=1e-4,
    discriminator_learning_rate=1e-4,
)
def wgan_gp():
    """WGAN-GP, Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028): a critic with a gradient
    penalty and layer norm, trained five times as often as the generator.
    """


@preset(
    gan,
    networks=partial(dcgan_networks, norm='none'),
    penalties=(dragan_penalty,),
    latent_dim=100,
    optimizer=_ADAM,
)
def dragan():
    """DRAGAN, Kodali et al. 2017 (https://arxiv.org/abs/1705.07215): a gradient penalty around the
    data, against collapse.
    """
