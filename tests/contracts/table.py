"""The recipes that keep the contracts: a row each, and rows for what else a recipe is made of."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from genjax import gan, vae
from genjax.augment import Augment, flip
from genjax.core import Batch
from tests.contracts.nnx_gan import nnx_gan

IMAGE_SHAPE = (28, 28, 1)
EIGHT = 8

_GAN = {'generator': ('generator',), 'discriminator': ('discriminator',)}
_VAE = {'vae': ('encoder', 'decoder')}
_JUDGED = _VAE | {'critic': ('critic',)}
# Equal sizes let the rows share what they compile in eager mode.
_TINY_GAN = {
    'latent_dim': 4,
    'width': 4,
    'generator_learning_rate': 1e-2,
    'discriminator_learning_rate': 1e-2,
}
_TINY_SN = {**_TINY_GAN, 'networks': 'dcgan', 'norm': 'none'}
_TINY_VAE = {'latent_dim': 4, 'learning_rate': 1e-2}


class Row(NamedTuple):
    """One method, tiny.

    Attributes:
      name: of the row.
      recipe: the function that builds the model.
      options: what it is given beside the shape of images.
      batch: what a step takes.
      players: the networks whose parameters each player may change.
      normed: the networks that carry statistics.
      cuts: the lengths of scans that make up a run of six steps; each length is a program.
      full: whether all contracts are tried; of methods that put together what other rows have
        too, the short ones are.
      runs: whether a run in a folder is tried too; of what other rows have tried there it is not.
    """

    name: str
    recipe: Callable[..., Any]
    options: dict[str, Any]
    batch: Batch
    players: Mapping[str, tuple[str, ...]]
    normed: tuple[str, ...] = ()
    cuts: tuple[int, ...] = (1,) * 6
    full: bool = True
    runs: bool = True


def eight_images() -> np.ndarray:
    """A white square on black, off the centre in eight directions: uint8 [8, 28, 28, 1]."""
    pixels = np.arange(28) - 13.5
    angles = 2 * np.pi * np.arange(EIGHT)[:, None] / EIGHT
    rows, columns = (abs(pixels - 3 * f(angles)) < 7 for f in (np.sin, np.cos))
    return np.uint8(255 * (rows[:, :, None] & columns[:, None, :])[..., None])


def batch(repeats: int = 1, classes: int | None = None) -> Batch:
    """The eight images for each of so many updates, with labels where there are classes."""
    labels = {} if classes is None else {'y': np.int32(np.arange(EIGHT) % classes)}
    whole = {'x': eight_images(), **labels}
    return {name: np.repeat(leaf, repeats, axis=0) for name, leaf in whole.items()}


def shade() -> Augment:
    """Darkens all images alike, the more so the greater the logits of the real ones were."""

    def update(memory, round):
        return 0.9 * memory + 0.1 * jnp.mean(jnp.tanh(round.real_out.logits))

    return Augment(lambda memory, key, x: x - 0.1 * memory, lambda key: jnp.float32(0), update)


def _with(network: str) -> dict[str, tuple[str, ...]]:
    return {'vae': ('encoder', 'decoder', network)}


def _vae_row(
    recipe: Callable,
    players: Mapping[str, tuple[str, ...]] = _VAE,
    normed: tuple[str, ...] = (),
    full: bool = False,
    runs: bool = False,
    batch: Batch = batch(),
    **options: Any,
) -> Row:
    options = {**_TINY_VAE, 'hidden': (16,), **options}
    return Row(recipe.__name__, recipe, options, batch, players, normed, full=full, runs=runs)


# Of what other rows have tried too.
_SHORT: dict[str, bool] = {'full': False, 'runs': False}
ROWS = [
    Row(
        'dcgan', gan.dcgan, {**_TINY_GAN, 'ema_decay': None}, batch(), _GAN, tuple(_GAN), (3, 1, 2)
    ),
    Row(
        'dcgan_with_all',
        gan.dcgan,
        {
            **_TINY_GAN,
            'num_classes': 2,
            'norm': 'none',
            'ema_decay': 0.9,
            'augment': (flip, shade),
            'penalties': (partial(gan.r1, 0.1, every=2),),
        },
        batch(classes=2),
        _GAN,
        ('generator',),
    ),
    Row('wgan_gp', gan.wgan_gp, {**_TINY_GAN, 'n_critic': 2}, batch(2), _GAN, ('generator',)),
    Row('vae', vae.vae, {**_TINY_VAE, 'hidden': (16,)}, batch(), _VAE),
    Row(
        'vae_with_all',
        vae.vae,
        {
            **_TINY_VAE,
            'hidden': (16,),
            'num_classes': 2,
            'bound': vae.bounds.iwae,
            'k': 3,
            'warmup': 4,
            'dropout': 0.1,
        },
        batch(classes=2),
        _VAE,
    ),
    Row('conv_vae', vae.conv_vae, {**_TINY_VAE, 'width': 4}, batch(), _VAE),
    Row('nnx', nnx_gan, {}, batch(), _GAN, ('generator',)),
    Row(
        'gan',
        gan.gan,
        {**_TINY_GAN, 'width': None, 'hidden': (32,)},
        batch(),
        _GAN,
        **_SHORT,
    ),
    Row('lsgan', gan.lsgan, _TINY_GAN, batch(), _GAN, tuple(_GAN), **_SHORT),
    Row('hinge_gan', gan.hinge_gan, _TINY_GAN, batch(), _GAN, tuple(_GAN), **_SHORT),
    Row('dragan', gan.dragan, _TINY_GAN, batch(), _GAN, ('generator',), **_SHORT),
    Row(
        'wgan',
        gan.wgan,
        {**_TINY_GAN, 'n_critic': 2, 'weight_clip': 0.1},
        batch(2),
        _GAN,
        tuple(_GAN),
        **_SHORT,
    ),
    # The networks of the next five are tried in test_nn_residual: they take long to compile.
    Row(
        'sncnn',
        gan.sncnn,
        {**_TINY_SN, 'num_classes': 2},
        batch(classes=2),
        _GAN,
        tuple(_GAN),
        **_SHORT,
    ),
    Row(
        'sngan',
        gan.sngan,
        {**_TINY_SN, 'n_critic': 2},
        batch(2),
        _GAN,
        tuple(_GAN),
        **_SHORT,
    ),
    Row(
        'cgan_projection',
        gan.cgan_projection,
        {**_TINY_SN, 'n_critic': 1, 'num_classes': 2},
        batch(classes=2),
        _GAN,
        tuple(_GAN),
        full=False,
    ),
    Row('sagan', gan.sagan, _TINY_SN, batch(), _GAN, tuple(_GAN), **_SHORT),
    Row('r3gan', gan.r3gan, _TINY_SN, batch(), _GAN, ('generator',), **_SHORT),
    Row(
        'acgan',
        gan.acgan,
        {**_TINY_GAN, 'num_classes': 2},
        batch(classes=2),
        _GAN,
        tuple(_GAN),
        **_SHORT,
    ),
    Row(
        'infogan',
        gan.infogan,
        {**_TINY_GAN, 'conditioning': 'information:categories=2,continuous=1'},
        batch(),
        _GAN,
        tuple(_GAN),
        full=False,
    ),
    Row('pacgan', gan.pacgan, _TINY_GAN, batch(), _GAN, tuple(_GAN), **_SHORT),
    _vae_row(vae.iwae, hidden=(64,), k=2),
    _vae_row(vae.beta_vae),
    # A row for each way in which a VAE may be made otherwise: a critic, two bounds, networks of
    # posterior and prior, latents of another space.
    _vae_row(vae.aae, _JUDGED, critic='aggregate:weight=0.3,hidden=(8,)'),
    _vae_row(vae.ae),
    _vae_row(vae.beta_tc_vae, beta=1.0),
    _vae_row(vae.ciwae, hidden=(64,), k=2),
    _vae_row(vae.cvae, batch=batch(classes=2), num_classes=2),
    _vae_row(vae.dip_vae, regularizers=('dip:weight=0.1',)),
    _vae_row(vae.disentangled_beta_vae, beta=1.0),
    _vae_row(vae.exemplar_vae, _with('prior'), ('prior',), prior='exemplar:components=8'),
    _vae_row(vae.factor_vae, _JUDGED, critic='total_correlation:weight=0.1,hidden=(8,)'),
    _vae_row(vae.hvae, _with('inference'), inference='hamiltonian:steps=2'),
    _vae_row(vae.hyperspherical_vae, full=True, runs=True),
    _vae_row(vae.iaf_vae, _with('posterior'), posterior='iaf:hidden=(8,)'),
    _vae_row(vae.info_vae, regularizers=('mmd:kernel=rbf',)),
    _vae_row(
        vae.m2,
        _with('inference'),
        batch=batch() | {'y': np.int32([0, 1, 0, 1, -1, -1, 0, -1])},
        num_classes=2,
        inference='semi_supervised:hidden=(8,)',
        full=True,
        runs=True,
    ),
    _vae_row(vae.miwae, hidden=(64,), k=2, bound='miwae:groups=2'),
    _vae_row(vae.msssim_vae),
    _vae_row(vae.nf_vae),
    _vae_row(vae.piwae, hidden=(64,), k=4, encoder_bound='miwae:groups=2'),
    _vae_row(vae.poincare_vae, hidden=(32,), learning_rate=5e-3),
    _vae_row(vae.rae_gp),
    _vae_row(vae.rae_l2),
    _vae_row(
        vae.rhvae,
        _with('inference'),
        ('inference',),
        inference='riemannian:steps=2,images=8,hidden=(8,)',
    ),
    _vae_row(
        vae.vae_gan,
        _JUDGED,
        hidden=None,
        width=4,
        optimizer='adam',
        critic='discriminator:weight=0.1,width=4',
    ),
    _vae_row(vae.vamp_vae, _with('prior'), prior='vamp:components=8'),
    _vae_row(vae.wae_mmd),
]
