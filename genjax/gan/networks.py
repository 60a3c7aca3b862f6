"""Pairs of networks for GANs: `(image_shape, latent_dim, num_classes, *, options) -> Pair`."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

from flax import linen as nn

from genjax.core import Network, check_range
from genjax.gan.adversarial import critic
from genjax.nn import linen
from genjax.nn.dcgan import PROJECTION, DCGANDiscriminator, DCGANGenerator
from genjax.nn.heads import Labels
from genjax.nn.mlp import BESIDE, MLPDiscriminator, MLPGenerator
from genjax.parts import Kind

Norm = Literal['batch', 'layer', 'none']
ImageShape = tuple[int, int, int]


class Pair(NamedTuple):
    """The two networks of a GAN.

    Attributes:
      generator: `z -> images` in [-1, 1], or `(z, y) -> images`.
      discriminator: `x -> Critique`, or `(x, y) -> Critique`.
    """

    generator: Network
    discriminator: Network


_GIVEN = ('image_shape', 'latent_dim', 'num_classes')
NETWORKS = Kind('networks', (__name__,), (Pair,), given=_GIVEN)
NetworksLike = Annotated[Pair | Callable[..., Pair] | str, NETWORKS]


def dcgan(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    width: int = 64,
    norm: Norm = 'batch',
    dropout: float = 0.0,
    labels: Labels = PROJECTION,
) -> Pair:
    """4x4 convolutions of stride 2, Radford et al. 2016 (https://arxiv.org/abs/1511.06434).

    Args:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      width: channels of the layer next to the image, doubled with each further layer.
      norm: of the discriminator; gradient penalties want layer or none.
      dropout: rate in the discriminator.
      labels: how they are used where there are any; by default by projection.
    """
    check_range(1, width=width)
    check_range(0, 1, dropout=dropout)
    return of_linen(
        DCGANGenerator(image_shape, width, num_classes, labels),
        DCGANDiscriminator(width, norm, dropout, num_classes, labels),
        image_shape, latent_dim, num_classes,
    )  # fmt: skip


def mlp(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    hidden: Sequence[int] = (512, 256),
    dropout: float = 0.0,
    labels: Labels = BESIDE,
) -> Pair:
    """Fully connected, as in Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661): any images.

    Labels stand one-hot beside z, and beside the pixels where planes are asked for.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      hidden: sizes of the discriminator's hidden layers; the generator has them in reverse.
      dropout: rate in the discriminator.
      labels: how they are used where there are any; by default one-hot beside the pixels.
    """
    check_range(
        1, latent_dim=latent_dim, **{f'size {i} of a layer': n for i, n in enumerate(hidden)}
    )
    check_range(0, 1, dropout=dropout)
    return of_linen(
        MLPGenerator(image_shape, tuple(reversed(hidden)), num_classes=num_classes),
        MLPDiscriminator(tuple(hidden), dropout, num_classes, labels),
        image_shape, latent_dim, num_classes,
    )  # fmt: skip


def of_linen(
    generator: nn.Module,
    discriminator: nn.Module,
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
) -> Pair:
    """The pair of two Linen modules.

    Args:
      generator: `(z, y=None, train=True) -> images`.
      discriminator: `(x, y=None, train=True) -> (logits, features, said)`, or without the last.
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
    """
    images, latents = linen.example_inputs(image_shape, latent_dim, num_classes)
    return Pair(
        linen.from_linen(generator, *latents), critic(linen.from_linen(discriminator, *images))
    )
