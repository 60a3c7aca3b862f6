"""GANs of the literature: what each changes of the family.

The docstring's first paragraph names the method, its paper and what it is for; `Reached:` tells a
figure and the command that gives it.
"""

from genjax.gan.family import gan
from genjax.parts import preset

__all__ = [
    'acgan',
    'cgan_projection',
    'dcgan',
    'dragan',
    'gan',
    'hinge_gan',
    'infogan',
    'lsgan',
    'pacgan',
    'r3gan',
    'sagan',
    'sncnn',
    'sngan',
    'wgan',
    'wgan_gp',
]


# From the 400th step on, to 0.3 of it every 1,000 steps.
_FALLING = 'transition_steps=1000,decay_rate=0.3,transition_begin=400'


@preset(gan, networks='dcgan')
def dcgan():
    """DCGAN, Radford et al. 2016 (https://arxiv.org/abs/1511.06434): the plain convolutional GAN.

    With classes the generator takes labels by class-conditional batch norm and one-hot beside z,
    and the discriminator by projection (Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637).

    Reached: Frechet distance 17.7 +- 0.3 on the digits, `python -m experiments.methods`.
    """


@preset(gan, networks='dcgan', objective='least_squares')
def lsgan():
    """LSGAN, Mao et al. 2017 (https://arxiv.org/abs/1611.04076): squared errors, which also draw
    back samples that are far on the right side.

    Reached: Frechet distance 33.1 +- 8.9 on the digits, `python -m experiments.methods`.
    """


@preset(gan, networks='dcgan', objective='hinge', optimizer='rmsprop:decay=0.99')
def hinge_gan():
    """Geometric GAN, Lim and Ye 2017 (https://arxiv.org/abs/1705.02894): a discriminator that
    learns by samples within its margin only.

    Theirs updates the generator ten times for each update of the discriminator, here it is once.

    Reached: Frechet distance 16.6 +- 1.0 on the digits, `python -m experiments.methods`.
    """


@preset(
    gan,
    networks='dcgan',
    objective='wasserstein',
    weight_clip=0.01,
    n_critic=5,
    optimizer='rmsprop:decay=0.99',
    generator_learning_rate=5e-5,
    discriminator_learning_rate=5e-5,
)
def wgan():
    """WGAN, Arjovsky et al. 2017 (https://arxiv.org/abs/1701.07875): a loss that tells a
    distance, by a critic of clipped weights.

    Reached: Frechet distance 1524 +- 68 in 200 steps, too few, `python -m experiments.methods`.
    """


@preset(
    gan,
    networks='dcgan:norm=layer',
    objective='wasserstein',
    penalties=('wgan_gp',),
    n_critic=5,
    latent_dim=128,
    optimizer='adam:b1=0.0,b2=0.9',
    generator_learning_rate=1e-4,
    discriminator_learning_rate=1e-4,
)
def wgan_gp():
    """WGAN-GP, Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028): the same by a gradient
    penalty, with which a critic may be deep.

    Reached: Frechet distance 1531 +- 99 in 200 steps, too few, `python -m experiments.methods`.
    """


@preset(gan, networks='dcgan:norm=layer', penalties=('dragan',))
def dragan():
    """DRAGAN, Kodali et al. 2017 (https://arxiv.org/abs/1705.07215): a discriminator smooth
    around the data, against the loss of modes.

    Layer norm in the discriminator, since the penalty is of each image by itself.

    Reached: Frechet distance 32.5 +- 8.8 on the digits, `python -m experiments.methods`.
    """


@preset(
    gan,
    networks='sncnn:width=16',
    objective='hinge',
    spectral_norm='discriminator',
    optimizer='adam:b1=0.0,b2=0.9',
    generator_learning_rate=f'exponential_decay:init_value=2e-3,{_FALLING},end_value=1e-4',
    discriminator_learning_rate=f'exponential_decay:init_value=4e-3,{_FALLING},end_value=2e-4',
)
def sncnn():
    """SNGAN's standard networks, Miyato et al. 2018 (https://arxiv.org/abs/1802.05957): what to
    begin with, with labels where there are any.

    The generator is residual. The learning rates are two (Heusel et al. 2017,
    https://arxiv.org/abs/1706.08500); they begin at ten to twenty times the paper's, which kernels
    of a fixed norm bear, and are about as small after 3,000 steps.

    Reached: Frechet distance 0.79 +- 0.06 and class accuracy 0.990 +- 0.004 on the digits after
    2,500 steps, `python -m experiments.labelled_digits`.
    """


@preset(
    gan,
    networks='resnet',
    objective='hinge',
    spectral_norm='discriminator',
    n_critic=5,
    latent_dim=128,
    optimizer='adam:b1=0.0,b2=0.9',
)
def sngan():
    """SNGAN, Miyato et al. 2018 (https://arxiv.org/abs/1802.05957): a discriminator whose layers
    stretch nothing, by their spectral norms.

    Theirs lets the learning rates fall to 0 along a line.

    Reached: nothing yet, by nothing.
    """


@preset(
    gan,
    networks='resnet',
    objective='hinge',
    spectral_norm='discriminator',
    conditioning='projection',
    num_classes=10,
    n_critic=5,
    latent_dim=128,
    optimizer='adam:b1=0.0,b2=0.9',
)
def cgan_projection():
    """cGAN with projection, Miyato and Koyama 2018 (https://arxiv.org/abs/1802.05637): SNGAN of
    images with labels.

    Reached: nothing yet, by nothing.
    """


@preset(
    gan,
    networks='resnet:attention=True',
    objective='hinge',
    spectral_norm='both',
    latent_dim=128,
    optimizer='adam:b1=0.0,b2=0.9',
    generator_learning_rate=1e-4,
    discriminator_learning_rate=4e-4,
)
def sagan():
    """SAGAN, Zhang et al. 2019 (https://arxiv.org/abs/1805.08318): attention, so that distant parts
    of an image agree, and spectral norm in both networks.

    Reached: nothing yet, by nothing.
    """


@preset(
    gan,
    networks='r3gan',
    objective='relativistic',
    penalties=('r1:weight=0.05', 'r2:weight=0.05'),
    latent_dim=64,
    optimizer='adam:b1=0.0,b2=0.99',
)
def r3gan():
    """R3GAN, Huang et al. 2024 (https://arxiv.org/abs/2501.05441): relativistic pairs with both
    penalties and networks without norms, which keep all modes without tricks.

    Theirs lets penalties, learning rates, b2 and the average follow a cosine; each may be a
    schedule here.

    Reached: nothing yet, by nothing.
    """


@preset(gan, networks='dcgan', conditioning='auxiliary', num_classes=10)
def acgan():
    """AC-GAN, Odena et al. 2017 (https://arxiv.org/abs/1610.09585): a discriminator that also names
    the classes.

    Reached: nothing yet, by nothing.
    """


@preset(
    gan,
    networks='dcgan',
    conditioning='information',
    latent_dim=74,
    generator_learning_rate=1e-3,
)
def infogan():
    """InfoGAN, Chen et al. 2016 (https://arxiv.org/abs/1606.03657): kinds and ways of the images
    found without labels, as codes in front of the noise.

    Reached: nothing yet, by nothing.
    """


@preset(gan, networks='dcgan', packing=2)
def pacgan():
    """PacGAN, Lin et al. 2018 (https://arxiv.org/abs/1712.04086): a discriminator that sees several
    images at once, and so that they are alike.

    Reached: nothing yet, by nothing.
    """
