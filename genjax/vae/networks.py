"""Pairs of networks for VAEs.

Each is `(image_shape, latent_dim, num_classes, output_shape, spread, *, options) -> Pair`.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple, get_args

from flax import linen as nn

from genjax.core import Network, check_range
from genjax.latents.gyroplanes import Gyroplanes
from genjax.nn import linen
from genjax.nn.convnet import ConvDecoder, ConvEncoder
from genjax.nn.mlp import MLPDecoder, MLPEncoder
from genjax.parts import Kind

Activation = Literal['relu', 'tanh', 'softplus', 'glu']
ImageShape = tuple[int, int, int]


class Pair(NamedTuple):
    """The two networks of a VAE.

    Attributes:
      encoder: `x -> (mean [b, latent_dim], log_var [b, spread])`, or `(x, y) -> ...`: of other
        posteriors than the Gaussian two outputs of these shapes.
      decoder: `z -> outputs` [b, *output_shape], or `(z, y) -> ...`.
    """

    encoder: Network
    decoder: Network


_GIVEN = ('image_shape', 'latent_dim', 'num_classes', 'output_shape', 'spread')
NETWORKS = Kind('networks', (__name__,), (Pair,), given=_GIVEN)
NetworksLike = Annotated[Pair | Callable[..., Pair] | str, NETWORKS]


def mlp(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    output_shape: ImageShape,
    spread: int,
    *,
    hidden: Sequence[int] = (400,),
    activation: Activation = 'relu',
    dropout: float = 0.0,
) -> Pair:
    """Fully connected, as in Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114): any images.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      output_shape: of what the decoder puts out for an image.
      spread: length of the encoder's second output.
      hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
      activation: of the hidden layers; glu has gated units (Dauphin et al. 2017,
        https://arxiv.org/abs/1612.08083).
      dropout: rate after each hidden layer.

    Raises:
      ValueError: another activation, or a number out of its range.
    """
    common = _checked(hidden, activation, dropout), num_classes, dropout
    return of_linen(
        MLPEncoder(latent_dim, tuple(hidden), *common, spread=spread),
        MLPDecoder(output_shape, tuple(reversed(hidden)), *common),
        image_shape, latent_dim, num_classes,
    )  # fmt: skip


def _checked(hidden, activation, dropout):
    """The activation, if all that layers are made of is in its range."""
    if activation not in get_args(Activation):
        known = get_args(Activation)
        raise ValueError(f'expected an activation among {known}, got {activation!r}')
    check_range(1, **{f'size {i} of a layer': size for i, size in enumerate(hidden)})
    check_range(0, 1, dropout=dropout)
    return getattr(nn, activation)


def gyroplane(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    output_shape: ImageShape,
    spread: int,
    *,
    hidden: Sequence[int] = (600,),
    activation: Activation = 'relu',
    dropout: float = 0.0,
    c: float = 1.0,
) -> Pair:
    """Fully connected, with distances to hyperplanes of the Poincare ball as the decoder's first
    layer, as in Mathieu et al. 2019 (https://arxiv.org/abs/1901.06033): for `--posterior poincare`.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      output_shape: of what the decoder puts out for an image.
      spread: length of the encoder's second output.
      hidden: sizes of the encoder's hidden layers; the decoder has them in reverse.
      activation: of the hidden layers.
      dropout: rate after each hidden layer.
      c: minus the curvature, > 0, as the posterior has it.

    Raises:
      ValueError: no layer, another activation, or a number out of its range.
    """
    common = _checked(hidden, activation, dropout), num_classes, dropout
    if not hidden or activation == 'glu' or c <= 0:
        raise ValueError(
            f'expected a hidden layer, an activation other than glu and c > 0, got '
            f'{tuple(hidden)}, {activation!r} and {c}'
        )
    *others, first = hidden
    decoder = MLPDecoder(output_shape, others[::-1], *common, first=Gyroplanes(first, c))
    encoder = MLPEncoder(latent_dim, tuple(hidden), *common, spread=spread)
    return of_linen(encoder, decoder, image_shape, latent_dim, num_classes)


def conv(
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
    output_shape: ImageShape,
    spread: int,
    *,
    width: int = 32,
    dropout: float = 0.0,
) -> Pair:
    """4x4 convolutions of stride 2, without norms.

    Args:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
      output_shape: of what the decoder puts out for an image.
      spread: length of the encoder's second output.
      width: channels of the layer next to the image, doubled with each further layer.
      dropout: rate after each hidden layer.
    """
    check_range(1, width=width)
    check_range(0, 1, dropout=dropout)
    return of_linen(
        ConvEncoder(latent_dim, width, num_classes, dropout, spread),
        ConvDecoder(output_shape, width, num_classes, dropout),
        image_shape, latent_dim, num_classes,
    )  # fmt: skip


def of_linen(
    encoder: nn.Module,
    decoder: nn.Module,
    image_shape: ImageShape,
    latent_dim: int,
    num_classes: int | None,
) -> Pair:
    """The pair of two Linen modules.

    Args:
      encoder: `(x, y=None, train=True) -> (mean, log_var)`.
      decoder: `(z, y=None, train=True) -> outputs`.
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
    """
    images, latents = linen.example_inputs(image_shape, latent_dim, num_classes)
    return Pair(linen.from_linen(encoder, *images), linen.from_linen(decoder, *latents))
