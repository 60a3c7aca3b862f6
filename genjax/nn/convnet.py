"""Convolutional encoders, decoders and critics, without batch norm: each example stands for
itself."""

import math

from flax import linen as nn
from jaxtyping import Array, Float, Int

from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.labels import with_labels
from genjax.nn.mlp import moments
from genjax.nn.sizes import cropped, stages


class ConvEncoder(nn.Module):
    """`images -> (mean [b, latent_dim], log_var [b, spread])`, not bounded, by 4x4 stride 2.

    Attributes:
      latent_dim: length of z.
      width: channels of the first layer; each layer after it has twice as many.
      num_classes: with it labels are taken, one-hot beside the last features.
      dropout: rate after each layer.
      spread: length of the second output, latent_dim by default.
    """

    latent_dim: int
    width: int = 32
    num_classes: int | None = None
    dropout: float = 0.0
    spread: int | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> tuple[Float[Array, 'b d'], Float[Array, 'b d']]:
        h = x
        for i in range(len(stages(x.shape[1:])) - 1):
            h = nn.relu(Conv(self.width * 2**i, (4, 4), 2)(h))
            h = nn.Dropout(self.dropout, deterministic=not train)(h)
        h = with_labels(h.reshape(h.shape[0], -1), y, self.num_classes)
        h = nn.relu(nn.Dense(8 * self.width)(h))
        return moments(h, self.latent_dim, self.spread)


class ConvDecoder(nn.Module):
    """`z -> outputs` [b, h, w, outputs], of no bounded range: 4x4 stride-2 transposed convolutions.

    Attributes:
      output_shape: `(height, width, outputs)`, multiples of 4 from 16 to 256.
      width: channels of the last hidden layer; each layer before it has twice as many.
      num_classes: with it labels are taken, one-hot beside z.
      dropout: rate after each hidden layer.
    """

    output_shape: tuple[int, int, int]
    width: int = 32
    num_classes: int | None = None
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w outputs']:
        *larger, base = stages((*self.output_shape[:2], 1))
        n = len(larger)
        channels = self.width * 2 ** (n - 1)
        h = nn.relu(nn.Dense(8 * self.width)(with_labels(z, y, self.num_classes)))
        h = nn.relu(nn.Dense(math.prod(base) * channels)(h)).reshape(-1, *base, channels)
        for i in range(n - 1):
            h = nn.Dropout(self.dropout, deterministic=not train)(h)
            h = nn.relu(ConvTranspose(channels // 2 ** (i + 1), (4, 4), 2)(h))
            h = cropped(h, larger[-1 - i])
        return ConvTranspose(self.output_shape[2], (4, 4), 2)(h)


class ConvCritic(nn.Module):
    """`images -> (logits [b], features [b, n])`, by 4x4 stride 2; the features are the last map.

    Attributes:
      width: channels of the first layer; each layer after it has twice as many.
    """

    width: int = 32

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> tuple[Float[Array, 'b'], Float[Array, 'b n']]:
        h = x
        for i in range(len(stages(x.shape[1:])) - 1):
            h = nn.leaky_relu(Conv(self.width * 2**i, (4, 4), 2)(h), 0.2)
        h = h.reshape(h.shape[0], -1)
        return nn.Dense(1)(h)[:, 0], h
