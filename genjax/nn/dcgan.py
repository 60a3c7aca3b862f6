"""The networks of DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434)."""

import math

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal
from jaxtyping import Array, Float, Int

from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.heads import PROJECTION, Judged, Labels
from genjax.nn.norm import BatchNorm, normalize
from genjax.nn.sizes import cropped, stages

_KERNEL = normal(0.02)


def _scale_init(key, shape, dtype=jnp.float32):
    """N(1, 0.02)."""
    return 1.0 + normal(0.02)(key, shape, dtype)


class DCGANGenerator(nn.Module):
    """`z -> images` in [-1, 1]: project, then 4x4 stride-2 transposed convolutions.

    Layers before a batch norm have no bias: its gradient would be zero but for rounding.

    Attributes:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      width: channels of the last hidden layer; each layer before it has twice as many.
      num_classes: with it labels are taken.
      labels: how.
    """

    image_shape: tuple[int, int, int]
    width: int = 64
    num_classes: int | None = None
    labels: Labels = PROJECTION

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w c']:
        *larger, base = stages(self.image_shape)
        n = len(larger)
        channels = self.width * 2 ** (n - 1)
        h, (classes, y) = self.labels.taken(z, y, self.num_classes)

        def norm(h):
            return nn.relu(BatchNorm(num_classes=classes, scale_init=_scale_init)(h, y, train))

        h = nn.Dense(math.prod(base) * channels, use_bias=False, kernel_init=_KERNEL)(h)
        h = norm(h.reshape(-1, *base, channels))
        for i in range(n - 1):
            features = channels // 2 ** (i + 1)
            h = ConvTranspose(features, (4, 4), 2, use_bias=False, kernel_init=_KERNEL)(h)
            h = norm(cropped(h, larger[-1 - i]))
        return jnp.tanh(ConvTranspose(self.image_shape[2], (4, 4), 2, kernel_init=_KERNEL)(h))


class DCGANDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`: 4x4 stride-2 convolutions, then one logit.

    The features are the last map summed over its positions, as those of Miyato and Koyama 2018
    (https://arxiv.org/abs/1802.05637) are.

    Attributes:
      width: channels of the first layer; each layer after it has twice as many.
      norm: 'batch', 'layer' (for gradient penalties) or 'none', on all layers but the first.
      dropout: rate after each activation.
      num_classes: with it labels are taken.
      labels: how.
    """

    width: int = 64
    norm: str = 'batch'
    dropout: float = 0.0
    num_classes: int | None = None
    labels: Labels = PROJECTION

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h, y = self.labels.seen(x, y, self.num_classes)
        for i in range(len(stages((*x.shape[1:3], 1))) - 1):  # Packs have more channels.
            bias = i == 0 or self.norm == 'none'
            h = Conv(self.width * 2**i, (4, 4), 2, use_bias=bias, kernel_init=_KERNEL)(h)
            h = normalize(h, self.norm, train, _scale_init) if i else h
            h = nn.leaky_relu(h, 0.2)
            h = nn.Dropout(self.dropout, deterministic=not train)(h)
        features = jnp.sum(h, axis=(1, 2))
        logits = nn.Dense(1, kernel_init=_KERNEL)(h.reshape(h.shape[0], -1))[:, 0]
        return self.labels.judged(logits, features, y, self.num_classes)
