"""VAEs of the literature: what each changes of the family.

The docstring's first paragraph names the method, its paper and what it is for; `Reached:` tells a
figure and the command that gives it.
"""

from genjax.parts import preset
from genjax.vae.family import vae

__all__ = [
    'aae', 'ae', 'beta_tc_vae', 'beta_vae', 'ciwae', 'conv_vae', 'cvae', 'dip_vae',
    'disentangled_beta_vae', 'exemplar_vae', 'factor_vae', 'hvae', 'hyperspherical_vae', 'iaf_vae',
    'info_vae', 'iwae', 'm2', 'miwae', 'msssim_vae', 'nf_vae', 'piwae', 'poincare_vae', 'rae_gp',
    'rae_l2', 'rhvae', 'vae', 'vae_gan', 'vamp_vae', 'wae_mmd',
]  # fmt: skip

_WIDE = 'mlp:hidden=(1200, 1200)'


@preset(vae, networks='conv', latent_dim=32)
def conv_vae():
    """A convolutional VAE, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114): the same for
    larger images.

    Reached: NLL 107.82 +- 1.97 nats on the digits, `python -m experiments.methods`.
    """


@preset(vae, num_classes=10)
def cvae():
    """Conditional VAE, Sohn et al. 2015 (https://papers.nips.cc/paper/5775): images of classes,
    whose latents hold what the labels do not tell.

    Reached: nothing yet, by nothing.
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


@preset(
    vae, networks='mlp:hidden=(500,),activation=softplus', latent_dim=50, num_classes=10,
    inference='semi_supervised', learning_rate=3e-4,
)  # fmt: skip
def m2():
    """M2, Kingma et al. 2014 (https://arxiv.org/abs/1406.5298): classes of images of which few have
    labels; the others have y = -1.

    Reached: nothing yet, by nothing.
    """


@preset(vae, networks=_WIDE, latent_dim=10, beta=4.0)
def beta_vae():
    """beta-VAE, Higgins et al. 2017 (https://openreview.net/forum?id=Sy2fzU9gl): latents that stand
    for one thing each, at the price of the reconstructions.

    Reached: NLL 132.4 +- 1.8 nats on the digits, `python -m experiments.methods`.
    """


@preset(vae, posterior='point', likelihood='gaussian')
def ae():
    """Autoencoder, Hinton and Salakhutdinov 2006 (https://doi.org/10.1126/science.1127647): codes
    alone; its samples are of no use without a sampler that is fitted afterwards.

    Reached: Frechet distance 33.1 +- 0.9 on the digits by `--sampler maf`, `python -m
    experiments.samplers`.
    """


@preset(beta_vae, bound='capacity', beta=1000.0, learning_rate=5e-4)
def disentangled_beta_vae():
    """beta-VAE with capacity, Burgess et al. 2018 (https://arxiv.org/abs/1804.03599): latents that
    stand for one thing each, with better reconstructions, as the KL's target grows.

    Reached: nothing yet, by nothing.
    """


@preset(beta_vae, bound='beta_tc', beta=6.0)
def beta_tc_vae():
    """beta-TC-VAE, Chen et al. 2018 (https://arxiv.org/abs/1802.04942): latents that do not depend
    on each other, by the batch's own total correlation.

    Reached: nothing yet, by nothing.
    """


@preset(vae, networks=_WIDE, latent_dim=10, critic='total_correlation', learning_rate=1e-4)
def factor_vae():
    """FactorVAE, Kim and Mnih 2018 (https://arxiv.org/abs/1802.05983): latents that do not depend
    on each other, by a critic's total correlation.

    Reached: nothing yet, by nothing.
    """


@preset(vae, networks=_WIDE, latent_dim=10, regularizers=('dip',))
def dip_vae():
    """DIP-VAE, Kumar et al. 2018 (https://arxiv.org/abs/1711.00848): latents that do not correlate,
    with less lost than by a larger KL.

    Reached: nothing yet, by nothing.
    """


@preset(vae, beta=0.0, regularizers=('mmd:weight=1000.0,kernel=rbf',))
def info_vae():
    """InfoVAE, Zhao et al. 2019 (https://arxiv.org/abs/1706.02262): latents that know much of the
    image, and together look like the prior.

    With alpha of 1 and lambda of 1,000: no KL of each image.

    Reached: nothing yet, by nothing.
    """


@preset(ae, regularizers=('mmd',))
def wae_mmd():
    """Wasserstein autoencoder, Tolstikhin et al. 2018 (https://arxiv.org/abs/1711.01558): one code
    for an image, and codes that together look like the prior.

    Reached: nothing yet, by nothing.
    """


@preset(ae, critic='aggregate')
def aae():
    """Adversarial autoencoder, Makhzani et al. 2016 (https://arxiv.org/abs/1511.05644): the same by
    a critic of codes.

    Reached: nothing yet, by nothing.
    """


@preset(vae, likelihood='grey_bernoulli', bound='divergence', regularizers=('ms_ssim',))
def msssim_vae():
    """Expected-loss VAE, Snell et al. 2017 (https://arxiv.org/abs/1511.06409): reconstructions by
    structural similarity, which no likelihood stands for.

    Reached: nothing yet, by nothing.
    """


@preset(
    vae, networks='conv', latent_dim=128, likelihood='grey_bernoulli', bound='divergence',
    critic='discriminator', optimizer='rmsprop', learning_rate=3e-4,
)  # fmt: skip
def vae_gan():
    """VAE-GAN, Larsen et al. 2016 (https://arxiv.org/abs/1512.09300): sharp images, and
    reconstructions by the features of a discriminator.

    Reached: nothing yet, by nothing.
    """


@preset(ae, bound='sampled_elbo', l2=1e-6)
def rae_l2():
    """Regularized autoencoder, Ghosh et al. 2020 (https://arxiv.org/abs/1903.12436): small codes
    and small kernels, for a sampler that is fitted afterwards.

    Reached: nothing yet, by nothing.
    """


@preset(ae, bound='sampled_elbo', regularizers=('decoder_gradient',))
def rae_gp():
    """RAE with a gradient penalty, Ghosh et al. 2020 (https://arxiv.org/abs/1903.12436): the same
    with a decoder that moves little.

    Reached: nothing yet, by nothing.
    """


@preset(iwae, bound='miwae:groups=8', k=64)
def miwae():
    """MIWAE, Rainforth et al. 2018 (https://arxiv.org/abs/1802.04537): IWAE of groups of samples,
    whose encoder still learns.

    Reached: nothing yet, by nothing.
    """


@preset(iwae, encoder_bound='miwae:groups=8', k=64)
def piwae():
    """PIWAE, Rainforth et al. 2018 (https://arxiv.org/abs/1802.04537): IWAE for the decoder, MIWAE
    for the encoder.

    Reached: nothing yet, by nothing.
    """


@preset(iwae, bound='ciwae', k=64)
def ciwae():
    """CIWAE, Rainforth et al. 2018 (https://arxiv.org/abs/1802.04537): between the ELBO and IWAE.

    Reached: nothing yet, by nothing.
    """


@preset(
    vae,
    networks='mlp:hidden=(300, 300),activation=glu',
    latent_dim=40,
    prior='vamp:components=500',
    learning_rate=5e-4,
)
def vamp_vae():
    """VampPrior, Tomczak and Welling 2018 (https://arxiv.org/abs/1705.07120): a prior of the
    posteriors of learned pseudo-inputs, for better likelihoods and samples.

    Reached: nothing yet, by nothing.
    """


@preset(vamp_vae, prior='exemplar:components=500')
def exemplar_vae():
    """Exemplar VAE, Norouzi et al. 2020 (https://arxiv.org/abs/2004.04795): a prior of the
    posteriors of training images.

    Reached: nothing yet, by nothing.
    """


@preset(vae, posterior='planar')
def nf_vae():
    """Normalizing flows, Rezende and Mohamed 2015 (https://arxiv.org/abs/1505.05770): posteriors
    that are no Gaussians, by planar maps.

    Reached: nothing yet, by nothing.
    """


@preset(vae, posterior='iaf')
def iaf_vae():
    """IAF, Kingma et al. 2016 (https://arxiv.org/abs/1606.04934): posteriors by inverse
    autoregressive flows, for many latents.

    Reached: nothing yet, by nothing.
    """


@preset(
    vae, networks='mlp:hidden=(300,),activation=softplus', latent_dim=64, inference='hamiltonian',
    optimizer='adamax', learning_rate=5e-4,
)  # fmt: skip
def hvae():
    """Hamiltonian VAE, Caterini et al. 2018 (https://arxiv.org/abs/1805.11328): posteriors that go
    on along the gradient of the likelihood, for a pass back through the decoder a step.

    Reached: nothing yet, by nothing.
    """


@preset(vae, latent_dim=2, inference='riemannian')
def rhvae():
    """Riemannian Hamiltonian VAE, Chadebec et al. 2020 (https://arxiv.org/abs/2010.11518): the same
    in a space whose metric is learned, for few images and few latents.

    Reached: nothing yet, by nothing.
    """


@preset(vae, networks='mlp:hidden=(256, 128)', latent_dim=11, posterior='von_mises_fisher')
def hyperspherical_vae():
    """Hyperspherical VAE, Davidson et al. 2018 (https://arxiv.org/abs/1804.00891): latents on a
    sphere, for few dimensions and directions.

    Reached: nothing yet, by nothing.
    """


@preset(vae, networks='gyroplane', latent_dim=5, posterior='poincare', learning_rate=5e-4)
def poincare_vae():
    """Poincare VAE, Mathieu et al. 2019 (https://arxiv.org/abs/1901.06033): latents in hyperbolic
    space, for hierarchies.

    Reached: nothing yet, by nothing.
    """
