"""VAEs of the literature: parts put together, nothing else."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from genjax.augment import AugmentLike, chain, clip
from genjax.core import Network, check_range, made
from genjax.nn.convnet import ConvDecoder, ConvEncoder
from genjax.nn.linen import from_linen
from genjax.nn.mlp import MLPDecoder, MLPEncoder
from genjax.optim import ScalarOrSchedule, adam
from genjax.precision import Precision, mixed_precision
from genjax.vae.bounds import Bound, elbo
from genjax.vae.distributions import LikelihoodLike, bernoulli, normal, standard_normal
from genjax.vae.terms import Parts, compose
from genjax.vae.variational import VAE, Settings, variational

__all__ = ['conv_vae', 'vae']


def gaussian_parts(encoder: Network, decoder: Network, settings: Settings) -> Parts:
    """A diagonal-Gaussian posterior, a standard normal prior, and the likelihood of the settings.

    Args:
      encoder: `x -> (mean, log_var)`, called `encoder` in the state.
      decoder: `z -> outputs`, called `decoder` in the state.
      settings: has the likelihood and the length of z.
    """

    def run(name, network, state, key, x, y, train):
        labels = () if y is None else (y,)
        out, net = network.apply(state.nets[name], x, *labels, key=key, train=train)
        return out, state.replace(nets={**state.nets, name: net})

    def encode(state, key, x, y, train):
        out, state = run('encoder', encoder, state, key, x, y, train)
        return normal(*out), state

    def decode(state, key, z, y, train):
        out, state = run('decoder', decoder, state, key, z, y, train)
        return settings.likelihood.distribution(out), state

    return Parts(encode, lambda state: standard_normal(settings.latent_dim), decode)


def _augmentation(augment):
    """The chain of the parts, within the range that likelihoods are made for."""
    return chain(*map(made, augment), clip()) if augment else chain()


def _check(dropout, *sizes):
    check_range(0, 1, dropout=dropout)
    check_range(1, **{f'size {i} of a layer': size for i, size in enumerate(sizes)})


def _assemble(encoder, decoder, settings, precision, **options):
    """A VAE of two Linen modules."""
    y = () if settings.num_classes is None else (jax.ShapeDtypeStruct((1,), jnp.int32),)
    x = jax.ShapeDtypeStruct((1, *settings.image_shape), jnp.float32)
    z = jax.ShapeDtypeStruct((1, settings.latent_dim), jnp.float32)
    networks = {'encoder': from_linen(encoder, x, *y), 'decoder': from_linen(decoder, z, *y)}
    networks = {name: mixed_precision(net, precision) for name, net in networks.items()}
    parts = gaussian_parts(networks['encoder'], networks['decoder'], settings)
    return variational(networks, parts, compose(parts), settings, **options)


def vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    latent_dim: int = 20,
    hidden: Sequence[int] = (400,),
    likelihood: LikelihoodLike = bernoulli,
    bound: Bound = elbo,
    k: int = 1,
    beta: float = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    num_classes: int | None = None,
    learning_rate: ScalarOrSchedule = 1e-3,
    ema_decay: float | None = None,
    augment: Sequence[AugmentLike] = (),
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    microbatches: int = 1,
    precision: Precision = 'auto',
) -> VAE:
    """The VAE of Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114), fully connected.

    `bound=iwae` and k > 1 make it an IWAE, beta > 1 a beta-VAE.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
      likelihood: of images.
      bound: what is maximized.
      k: samples of the posterior for each image.
      beta: weight of the KL.
      warmup: steps in which the KL's weight grows from 0 to beta.
      free_bits: nats of each latent that cost nothing more.
      num_classes: number of labels; None trains without labels.
      learning_rate: a number or a schedule.
      ema_decay: of the averaged networks that everything but training uses; None for no average.
      augment: of the training images.
      dropout: rate after each hidden layer.
      l1: decoupled L1 decay of the kernels.
      l2: decoupled L2 decay of the kernels.
      clip_norm: greatest global norm of the gradients.
      microbatches: pieces in which each batch is taken, to save memory.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
    """
    _check(dropout, *hidden)
    pixels = made(likelihood)
    settings = Settings(
        image_shape, latent_dim, pixels, bound, k, beta, warmup, free_bits, num_classes,
        _augmentation(augment),
    )  # fmt: skip
    common: dict[str, Any] = {'num_classes': num_classes, 'dropout': dropout}
    outputs = (*image_shape[:2], image_shape[2] * pixels.outputs)
    return _assemble(
        MLPEncoder(latent_dim, tuple(hidden), **common),
        MLPDecoder(outputs, tuple(reversed(hidden)), **common),
        settings,
        precision,
        optimizer=adam(learning_rate, l1=l1, l2=l2, clip_norm=clip_norm),
        ema_decay=ema_decay,
        microbatches=microbatches,
    )


def conv_vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    latent_dim: int = 32,
    width: int = 32,
    likelihood: LikelihoodLike = bernoulli,
    bound: Bound = elbo,
    k: int = 1,
    beta: float = 1.0,
    warmup: int = 0,
    free_bits: float = 0.0,
    num_classes: int | None = None,
    learning_rate: ScalarOrSchedule = 1e-3,
    ema_decay: float | None = None,
    augment: Sequence[AugmentLike] = (),
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    microbatches: int = 1,
    precision: Precision = 'auto',
) -> VAE:
    """A VAE of 4x4 stride-2 convolutions, for 28, 32, 64 or 128 pixels and 1 or 3 channels.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      width: channels of the layer next to the image, doubled with each further layer.
      likelihood: of images.
      bound: what is maximized.
      k: samples of the posterior for each image.
      beta: weight of the KL.
      warmup: steps in which the KL's weight grows from 0 to beta.
      free_bits: nats of each latent that cost nothing more.
      num_classes: number of labels; None trains without labels.
      learning_rate: a number or a schedule.
      ema_decay: of the averaged networks that everything but training uses; None for no average.
      augment: of the training images.
      dropout: rate after each hidden layer.
      l1: decoupled L1 decay of the kernels.
      l2: decoupled L2 decay of the kernels.
      clip_norm: greatest global norm of the gradients.
      microbatches: pieces in which each batch is taken, to save memory.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
    """
    _check(dropout, width)
    pixels = made(likelihood)
    settings = Settings(
        image_shape, latent_dim, pixels, bound, k, beta, warmup, free_bits, num_classes,
        _augmentation(augment),
    )  # fmt: skip
    common: dict[str, Any] = {'num_classes': num_classes, 'dropout': dropout}
    outputs = (*image_shape[:2], image_shape[2] * pixels.outputs)
    return _assemble(
        ConvEncoder(latent_dim, width, **common),
        ConvDecoder(outputs, width, **common),
        settings,
        precision,
        optimizer=adam(learning_rate, l1=l1, l2=l2, clip_norm=clip_norm),
        ema_decay=ema_decay,
        microbatches=microbatches,
    )
