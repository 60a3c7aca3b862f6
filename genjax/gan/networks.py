"""Pairs of networks for GANs: `(image_shape, latent_dim, num_classes, *, options) -> Pair`."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

from flax import linen as nn

from genjax.core import Network, check_range
from genjax.gan.adversarial import critic
from genjax.nn import linen
from genjax.nn import r3gan as r3gans
from genjax.nn import resnet as resnets
from genjax.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genjax.nn.heads import PROJECTION, Labels
from genjax.nn.mlp import (
    BESIDE,
    MLPDiscriminator,
    MLPGenerator,
    PointDiscriminator,
    PointGenerator,
)
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


def resnet(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    width: int | None = None,
    norm: Norm = 'none',
    attention: bool = False,
    embedding: int = 0,
    stddev: int = 0,
    dropout: float = 0.0,
    labels: Labels = PROJECTION,
) -> Pair:
    """Residual networks, Miyato et al. 2018 (https://arxiv.org/abs/1802.05957); with attention
    those of Zhang et al. 2019 (https://arxiv.org/abs/1805.08318).

    Args:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      width: channels of the generator's last block; by default the paper's, 256 for images of up
        to 32 pixels, for which the discriminator has half as many, and 64 for larger ones.
      norm: of the discriminator.
      attention: whether maps of half the image's size, and 32 pixels at most, have self-attention.
      embedding: length of an embedding of the labels that all norms of the generator share (Brock
        et al. 2019, https://arxiv.org/abs/1809.11096); 0 for norms with tables of their own.
      stddev: images over which the discriminator compares its last map (Karras et al. 2018,
        https://arxiv.org/abs/1710.10196); 0 for none.
      dropout: rate on the discriminator's features.
      labels: how they are used where there are any; by default by projection.
    """
    small = min(image_shape[:2]) <= resnets.LARGE
    width = (256 if small else 64) if width is None else width
    theirs = max(width // 2, 1) if small else width
    check_range(1, width=width)
    check_range(0, embedding=embedding, stddev=stddev)
    check_range(0, 1, dropout=dropout)
    plan, how = (image_shape, width, not small), (num_classes, labels, attention)
    generator = resnets.ResNetGenerator(*plan, *how, embedding)
    judge = resnets.ResNetDiscriminator(theirs, norm, dropout, *how, stddev)
    return of_linen(generator, judge, image_shape, latent_dim, num_classes)


def sncnn(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    width: int = 32,
    generator: Literal['resnet', 'dcgan'] = 'resnet',
    norm: Norm = 'none',
    stddev: int = 0,
    dropout: float = 0.0,
    labels: Labels = PROJECTION,
) -> Pair:
    """SNGAN's convolutional discriminator, Miyato et al. 2018
    (https://arxiv.org/abs/1802.05957), with a residual generator, or DCGAN's.

    Args:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      width: channels of the layer next to the image, doubled with each further halving.
      generator: which one.
      norm: of the discriminator.
      stddev: images over which the discriminator compares its last map but one (Karras et al. 2018,
        https://arxiv.org/abs/1710.10196); 0 for none.
      dropout: rate in the discriminator.
      labels: how they are used where there are any; by default by projection.
    """
    check_range(1, width=width)
    check_range(0, stddev=stddev)
    check_range(0, 1, dropout=dropout)
    makers = {
        'resnet': lambda: resnets.ResNetGenerator(image_shape, width, True, num_classes, labels),
        'dcgan': lambda: DCGANGenerator(image_shape, width, num_classes, labels),
    }
    if generator not in makers:
        raise ValueError(f'expected a generator among {tuple(makers)}, got {generator!r}')
    judge = resnets.ConvDiscriminator(width, norm, dropout, num_classes, labels, stddev)
    return of_linen(makers[generator](), judge, image_shape, latent_dim, num_classes)


def r3gan(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    width: int = 32,
    blocks: int = 1,
    cardinality: int = 4,
    expansion: int = 2,
    doubled: bool = True,
    labels: Labels = PROJECTION,
) -> Pair:
    """Residual networks without norms, Huang et al. 2024 (https://arxiv.org/abs/2501.05441).

    Args:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      width: channels of the largest map.
      blocks: at each size; the paper has 2.
      cardinality: groups at the largest map.
      expansion: channels of the 3x3 convolutions, in those of their map.
      doubled: whether channels and groups double with each halving, up to 16 times. On CIFAR-10 the
        paper's do not: `width=768,blocks=2,cardinality=96,doubled=False`.
      labels: how they are used where there are any; by default by projection.
    """
    check_range(1, width=width, blocks=blocks, cardinality=cardinality, expansion=expansion)
    size = r3gans.Size(width, blocks, cardinality, expansion, doubled)
    return of_linen(
        r3gans.R3GANGenerator(image_shape, size, num_classes),
        r3gans.R3GANDiscriminator(size, num_classes, labels),
        image_shape, latent_dim, num_classes,
    )  # fmt: skip


def points(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    *,
    hidden: Sequence[int] = (400, 400, 400, 400),
    maxout: Sequence[int] = (200, 200, 200),
    pieces: int = 5,
    labels: Labels = BESIDE,
) -> Pair:
    """For points in the plane, images of `(1, 1, 2)`, Lin et al. 2018
    (https://arxiv.org/abs/1712.04086).

    Args:
      image_shape: `(height, width, channels)` of any numbers; they are not bounded.
      latent_dim: length of z.
      num_classes: None; it knows no labels.
      hidden: sizes of the generator's layers.
      maxout: sizes of the discriminator's layers.
      pieces: affine maps of each of their units.
      labels: its head.
    """
    if num_classes is not None:
        raise ValueError(f'expected no num_classes for networks of points, got {num_classes}')
    layers = {'hidden': hidden, 'maxout': maxout}
    sizes = {f'size {i} of {k}': n for k, of in layers.items() for i, n in enumerate(of)}
    check_range(1, pieces=pieces, **sizes)
    return of_linen(
        PointGenerator(image_shape, hidden), PointDiscriminator(maxout, pieces, labels),
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
