"""VAEs of the literature: what each changes of the family.

The docstring's first paragraph names the method, its paper and what it is for; `Reached:` tells a
figure and the command that gives it.
"""

from genjax.parts import preset
from genjax.vae.family import vae

__all__ = ['beta_vae', 'conv_vae', 'iwae', 'vae']


@preset(vae, networks='conv', latent_dim=32)
def conv_vae():
    """A convolutional VAE, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114): the same for
    larger images.

    Reached: NLL 107.82 +- 1.97 nats on the digits, `python -m experiments.methods`.
    """


@preset(
    vae,
    networks='mlp:hidden=(200, 200),activation=tanh',
    latent_dim=50,
    bound='iwae',
    k=50,
    optimizer='adam:eps=1e-4',
)
def iwae():
    """IWAE, Burda et al. 2016 (https://arxiv.org/abs/1509.00519): a tighter bound, by the
    importance weights of k samples.

    Reached: NLL 90.3 nats on MNIST, one seed, `python -m experiments.iwae`.
    """


@preset(vae, networks='mlp:hidden=(1200, 1200)', latent_dim=10, beta=4.0)
def beta_vae():
    """beta-VAE, Higgins et al. 2017 (https://openreview.net/forum?id=Sy2fzU9gl): latents that stand
    for one thing each, at the price of the reconstructions.

    Reached: NLL 132.4 +- 1.8 nats on the digits, `python -m experiments.methods`.
    """
