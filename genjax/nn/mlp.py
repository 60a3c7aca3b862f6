"""Fully connected networks."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal, variance_scaling, zeros_init
from jaxtyping import Array, Float, Int

from genjax.nn.heads import Judged, Labels, plain
from genjax.nn.labels import check_labels, with_labels
from genjax.nn.norm import BatchNorm

# Uniform within 1 / sqrt(fan_in), smaller than LeCun's: outputs start near zero.
_KERNEL = variance_scaling(1 / 3, 'fan_in', 'uniform')
BESIDE = Labels(plain, beside=True, planes=True)


def _leaky(h: Array) -> Array:
    return nn.leaky_relu(h, 0.2)


class _Hidden(nn.Module):
    """Dense layers, each with activation and dropout."""

    sizes: Sequence[int]
    activation: Callable[[Array], Array]
    dropout: float
    kernel_init: Callable

    @nn.compact
    def __call__(self, h: Array, train: bool) -> Array:
        # A gated linear unit is the product of two maps.
        maps = 2 if self.activation is nn.glu else 1
        for size in self.sizes:
            h = self.activation(nn.Dense(maps * size, kernel_init=self.kernel_init)(h))
            h = nn.Dropout(self.dropout, deterministic=not train)(h)
        return h


def moments(
    h: Float[Array, 'b features'], d: int, spread: int | None = None, **options: Any
) -> tuple[Float[Array, 'b d'], Float[Array, 'b spread']]:
    """An encoder's two outputs, layers `mean` and `log_var` of the module that is running.

    Args:
      h: its last features.
      d: length of z.
      spread: length of the second output, d by default.
      **options: of both layers.
    """
    spread = d if spread is None else spread
    mean = nn.Dense(d, name='mean', **options)(h)
    if not spread:
        return mean, mean[:, :0]
    return mean, nn.Dense(spread, name='log_var', **options)(h)


class MLPEncoder(nn.Module):
    """`images -> (mean [b, latent_dim], log_var [b, spread])`, not bounded.

    Images in [-1, 1] are taken as (x + 1) / 2: the background of black images is zero, without
    which the first layer learns more slowly (2 nats after ten epochs of MNIST).

    Attributes:
      latent_dim: length of z.
      hidden: sizes of the hidden layers.
      activation: of the hidden layers.
      num_classes: with it labels are taken, one-hot beside the pixels.
      dropout: rate after each hidden layer.
      kernel_init: of every layer.
      spread: length of the second output, latent_dim by default.
    """

    latent_dim: int
    hidden: Sequence[int] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    num_classes: int | None = None
    dropout: float = 0.0
    kernel_init: Callable = _KERNEL
    spread: int | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b ...'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> tuple[Float[Array, 'b d'], Float[Array, 'b d']]:
        h = with_labels((x.reshape(x.shape[0], -1) + 1) / 2, y, self.num_classes)
        h = _Hidden(self.hidden, self.activation, self.dropout, self.kernel_init)(h, train)
        return moments(h, self.latent_dim, self.spread, kernel_init=self.kernel_init)


class MLPDecoder(nn.Module):
    """`z -> outputs` [b, *output_shape], of no bounded range.

    Attributes:
      output_shape: of one example.
      hidden: sizes of the hidden layers.
      activation: of the hidden layers.
      num_classes: with it labels are taken, one-hot beside z.
      dropout: rate after each hidden layer.
      kernel_init: of every layer.
      output_bias_init: of the last layer's bias; the logit of the pixels' mean is a good start.
      first: a layer before the hidden ones that takes z alone, with the activation behind it.
    """

    output_shape: Sequence[int]
    hidden: Sequence[int] = (400,)
    activation: Callable[[Array], Array] = nn.relu
    num_classes: int | None = None
    dropout: float = 0.0
    kernel_init: Callable = _KERNEL
    output_bias_init: Callable = zeros_init()
    first: nn.Module | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b ...']:
        h = z if self.first is None else self.activation(self.first(z))
        h = with_labels(h, y, self.num_classes)
        h = _Hidden(self.hidden, self.activation, self.dropout, self.kernel_init)(h, train)
        size = math.prod(self.output_shape)
        h = nn.Dense(size, kernel_init=self.kernel_init, bias_init=self.output_bias_init)(h)
        return h.reshape(z.shape[0], *self.output_shape)


class MLPGenerator(nn.Module):
    """`z -> images` in [-1, 1].

    Attributes:
      image_shape: `(height, width, channels)`.
      hidden: sizes of the hidden layers.
      num_classes: with it labels are taken, one-hot beside z.
    """

    image_shape: Sequence[int]
    hidden: Sequence[int] = (256, 512)
    num_classes: int | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w c']:
        if z.ndim != 2:
            raise ValueError(f'expected noise z [b, d], got {z.shape}')
        body = MLPDecoder(self.image_shape, self.hidden, _leaky, self.num_classes)
        return jnp.tanh(body(z, y, train))


class MLPDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`.

    Attributes:
      hidden: sizes of the hidden layers.
      dropout: rate after each hidden layer.
      num_classes: with it labels are taken.
      labels: how; in the place of planes they stand one-hot beside the pixels.
    """

    hidden: Sequence[int] = (512, 256)
    dropout: float = 0.0
    num_classes: int | None = None
    labels: Labels = BESIDE

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b ...'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h, y = x.reshape(x.shape[0], -1), check_labels(y, x.shape[0], self.num_classes)
        h = with_labels(h, y, self.num_classes) if self.labels.planes else h
        features = _Hidden(self.hidden, _leaky, self.dropout, _KERNEL)(h, train)
        logits = nn.Dense(1, kernel_init=_KERNEL)(features)[:, 0]
        return self.labels.judged(logits, features, y, self.num_classes)


class PointGenerator(nn.Module):
    """`z -> points` [b, *shape], not bounded: PacGAN's, layers with batch norm and no bias.

    Lin et al. 2018 (https://arxiv.org/abs/1712.04086).

    Attributes:
      shape: of one point, as an image: `(1, 1, 2)` in the plane.
      hidden: sizes of the hidden layers.
    """

    shape: Sequence[int] = (1, 1, 2)
    hidden: Sequence[int] = (400, 400, 400, 400)

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b ...']:
        for size in self.hidden:
            z = nn.Dense(size, use_bias=False, kernel_init=normal(0.02))(z)
            z = nn.relu(BatchNorm()(z, train=train))
        z = nn.Dense(math.prod(self.shape), kernel_init=normal(0.02))(z)
        return z.reshape(-1, *self.shape)


class PointDiscriminator(nn.Module):
    """`points -> (logits [b], features [b, d], said)`: PacGAN's, layers of maxout.

    Each unit is the greatest of so many affine maps (Goodfellow et al. 2013,
    https://arxiv.org/abs/1302.4389).

    Attributes:
      hidden: sizes of the hidden layers.
      pieces: maps of a unit.
      labels: its head.
    """

    hidden: Sequence[int] = (200, 200, 200)
    pieces: int = 5
    labels: Labels = BESIDE

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b ...'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h = x.reshape(x.shape[0], -1)
        for size in self.hidden:
            h = nn.Dense(size * self.pieces, kernel_init=normal(0.02))(h)
            h = jnp.max(h.reshape(len(h), size, self.pieces), axis=2)
        logits = nn.Dense(1, kernel_init=normal(0.02))(h)[:, 0]
        return self.labels.judged(logits, h, y, None)
