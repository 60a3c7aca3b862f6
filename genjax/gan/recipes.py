"""GANs of the literature: parts put together, nothing else."""

from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from genjax.augment import AugmentLike, chain
from genjax.core import check_range, made
from genjax.gan.adversarial import GAN, adversarial, critic
from genjax.gan.objectives import ObjectiveLike, non_saturating, wasserstein
from genjax.gan.penalties import TermLike
from genjax.gan.penalties import wgan_gp as gradient_penalty
from genjax.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genjax.nn.linen import from_linen
from genjax.optim import ScalarOrSchedule, adam, clip_weights
from genjax.precision import Precision, mixed_precision

__all__ = ['dcgan', 'wgan_gp']

Norm = Literal['batch', 'layer', 'none']


def _networks(image_shape, latent_dim, width, norm, dropout, num_classes, precision='auto'):
    """The two networks of a DCGAN, with labels where there are classes."""
    check_range(1, latent_dim=latent_dim, width=width)
    check_range(0, 1, dropout=dropout)
    y = () if num_classes is None else (jax.ShapeDtypeStruct((1,), jnp.int32),)
    z = jax.ShapeDtypeStruct((1, latent_dim), jnp.float32)
    x = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    generator = DCGANGenerator(image_shape, width, num_classes=num_classes)
    discriminator = DCGANDiscriminator(width, norm=norm, dropout=dropout, num_classes=num_classes)
    pair = from_linen(generator, z, *y), critic(from_linen(discriminator, x, *y))
    return [mixed_precision(network, precision) for network in pair]


def dcgan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    latent_dim: int = 100,
    width: int = 64,
    norm: Norm = 'batch',
    num_classes: int | None = None,
    objective: ObjectiveLike = non_saturating,
    penalties: Sequence[TermLike] = (),
    generator_learning_rate: ScalarOrSchedule = 2e-4,
    discriminator_learning_rate: ScalarOrSchedule = 2e-4,
    b1: float = 0.5,
    b2: float = 0.999,
    n_critic: int = 1,
    ema_decay: float | None = 0.999,
    augment: Sequence[AugmentLike] = (),
    dropout: float = 0.0,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_clip: float | None = None,
    microbatches: int = 1,
    precision: Precision = 'auto',
) -> GAN:
    """DCGAN, Radford et al. 2016 (https://arxiv.org/abs/1511.06434), with losses to choose from.

    With classes the generator takes labels by class-conditional batch norm and one-hot beside z,
    and the discriminator by projection (Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637).

    Args:
      image_shape: `(height, width, channels)`; 28, 32, 64 or 128 pixels, 1 or 3 channels.
      latent_dim: length of z.
      width: channels of the layer next to the image, doubled with each further layer.
      norm: of the discriminator; gradient penalties want layer or none.
      num_classes: number of labels; None trains without labels.
      objective: what the players minimize.
      penalties: terms added to the discriminator's loss.
      generator_learning_rate: a number or a schedule.
      discriminator_learning_rate: a number or a schedule.
      b1: Adam's decay of the first moment.
      b2: Adam's decay of the second moment.
      n_critic: discriminator updates in a step; a step takes so many batches.
      ema_decay: of the averaged generator that samples are drawn from; None for no average.
      augment: of what the discriminator sees, real and fake.
      dropout: rate in the discriminator.
      l1: decoupled L1 decay of the kernels of both networks.
      l2: decoupled L2 decay of the kernels of both networks.
      weight_clip: bound on every weight of the discriminator, as the first WGAN has it.
      microbatches: pieces in which each batch is taken, to save memory.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
    """
    generator, discriminator = _networks(
        image_shape, latent_dim, width, norm, dropout, num_classes, precision
    )
    generator_adam = adam(generator_learning_rate, b1, b2, l1=l1, l2=l2)
    discriminator_adam = adam(discriminator_learning_rate, b1, b2, l1=l1, l2=l2)
    if weight_clip is not None:
        discriminator_adam = optax.chain(discriminator_adam, clip_weights(weight_clip))
    return adversarial(
        generator,
        discriminator,
        image_shape=image_shape,
        latent_dim=latent_dim,
        objective=made(objective),
        optimizers=(generator_adam, discriminator_adam),
        discriminator_terms=[made(penalty) for penalty in penalties],
        augment=chain(*map(made, augment)),
        num_classes=num_classes,
        n_critic=n_critic,
        ema_decay=ema_decay,
        microbatches=microbatches,
    )


def wgan_gp(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    latent_dim: int = 128,
    width: int = 64,
    num_classes: int | None = None,
    weight: float = 10.0,
    generator_learning_rate: ScalarOrSchedule = 1e-4,
    discriminator_learning_rate: ScalarOrSchedule = 1e-4,
    n_critic: int = 5,
    ema_decay: float | None = 0.999,
    precision: Precision = 'auto',
) -> GAN:
    """WGAN-GP, Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028), on DCGAN's networks.

    A critic with layer norm, five critic updates a step, Adam with b1 = 0 and b2 = 0.9.

    Args:
      image_shape: `(height, width, channels)`; 28, 32, 64 or 128 pixels, 1 or 3 channels.
      latent_dim: length of z.
      width: channels of the layer next to the image, doubled with each further layer.
      num_classes: number of labels; None trains without labels.
      weight: of the gradient penalty.
      generator_learning_rate: a number or a schedule.
      discriminator_learning_rate: a number or a schedule.
      n_critic: critic updates in a step; a step takes so many batches.
      ema_decay: of the averaged generator that samples are drawn from; None for no average.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
    """
    return dcgan(
        image_shape,
        latent_dim=latent_dim,
        width=width,
        norm='layer',
        num_classes=num_classes,
        objective=wasserstein,
        penalties=(gradient_penalty(weight),),
        generator_learning_rate=generator_learning_rate,
        discriminator_learning_rate=discriminator_learning_rate,
        b1=0.0,
        b2=0.9,
        n_critic=n_critic,
        ema_decay=ema_decay,
        precision=precision,
    )
