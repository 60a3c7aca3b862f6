"""Residual networks of SNGAN (Miyato et al. 2018, https://arxiv.org/abs/1802.05957)."""

import math

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import glorot_uniform, variance_scaling
from jaxtyping import Array, Float, Int

from genjax.nn.attention import SelfAttention
from genjax.nn.conv import Conv
from genjax.nn.heads import PROJECTION, Judged, Labels
from genjax.nn.norm import BatchNorm, BatchStddev, ConditionalBatchNorm, normalize
from genjax.nn.resample import DownConv, UpConv, mean_down, nearest_up
from genjax.nn.sizes import cropped, stages

_RESIDUAL = variance_scaling(2.0, 'fan_avg', 'uniform')
LARGE = 32  # pixels up to which all maps have as many channels
_WIDEST, _ATTENDED = 16, 32


def _channels(width: int, doubled: bool, i: int) -> int:
    """Of the map after i halvings."""
    return width * min(2**i, _WIDEST) if doubled else width


def _attended(sizes: list[tuple[int, int]]) -> int:
    """The halvings after which attention stands: the first map of 32 pixels or fewer."""
    return next(i for i in range(1, len(sizes)) if min(sizes[i]) <= _ATTENDED)


class ResNetGenerator(nn.Module):
    """`z -> images` in [-1, 1]: a block for each doubling, of two 3x3 convolutions.

    `h + conv(relu(norm(conv(up(relu(norm(h)))))))`, where h goes up and through a 1x1 convolution
    on its way. SNGAN's has 256 channels everywhere at 32 pixels, and from 64 on twice as many with
    each halving.

    Attributes:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      width: channels of the last block.
      doubled: whether each map has twice as many as the one after it, up to 16 times.
      num_classes: with it labels are taken.
      labels: how.
      attention: whether the maps of half the image's size, and of 32 pixels at most, have
        self-attention.
      embedding: length of an embedding of the labels that all norms share; 0 for a scale and a
        shift of each norm's own for each class.
    """

    image_shape: tuple[int, int, int]
    width: int = 256
    doubled: bool = False
    num_classes: int | None = None
    labels: Labels = PROJECTION
    attention: bool = False
    embedding: int = 0

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w c']:
        h, (classes, y) = self.labels.taken(z, y, self.num_classes)
        sizes = stages(self.image_shape)
        last = len(sizes) - 1
        shared = None
        if classes is not None and self.embedding:
            shared = nn.Embed(classes, self.embedding)(y).astype(h.dtype)

        def norm(h):
            if shared is not None:
                return nn.relu(ConditionalBatchNorm()(h, shared, train))
            return nn.relu(BatchNorm(num_classes=classes)(h, y, train))

        def conv(features, of=Conv, bias=True):
            return of(features, (3, 3), use_bias=bias, kernel_init=_RESIDUAL)

        c = _channels(self.width, self.doubled, last)
        h = nn.Dense(math.prod(sizes[-1]) * c, kernel_init=glorot_uniform())(h)
        h = h.reshape(-1, *sizes[-1], c)
        for i in reversed(range(last)):
            c = _channels(self.width, self.doubled, i)
            inner = cropped(conv(c, UpConv, bias=False)(norm(h)), sizes[i])
            # Cheaper before the map grows, and the same.
            way = nearest_up(Conv(c, (1, 1), kernel_init=glorot_uniform())(h))
            h = cropped(way, sizes[i]) + conv(c)(norm(inner))
            if self.attention and i == _attended(sizes):
                h = SelfAttention()(h)
        last_conv = Conv(self.image_shape[2], (3, 3), kernel_init=glorot_uniform())
        return jnp.tanh(last_conv(norm(h)))


class ResNetDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`: a block for each halving, of two 3x3
    convolutions, then one of the same size; in images of 32 pixels or fewer two of both.

    `h + down(conv(relu(conv(relu(h)))))`, where h goes down and through a 1x1 convolution on its
    way; the first block takes the pixels as they are. The features are summed over all positions.
    In images of 32 pixels or fewer all maps have `width` channels, in larger ones each has twice as
    many as the one before it, up to 16 times. SNGAN's has 128 at 32 pixels, 64 above.

    Attributes:
      width: channels of the first block.
      norm: 'batch', 'layer' or 'none', before each activation but those of the first block.
      dropout: rate on the features.
      num_classes: with it labels are taken.
      labels: how.
      attention: as the generator's.
      stddev: images that the last map is compared over, in one more channel (`BatchStddev`); 0
        for none.
    """

    width: int = 128
    norm: str = 'none'
    dropout: float = 0.0
    num_classes: int | None = None
    labels: Labels = PROJECTION
    attention: bool = False
    stddev: int = 0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h, y = self.labels.seen(x, y, self.num_classes)
        sizes, size = stages((*x.shape[1:3], 1)), min(x.shape[1:3])

        def active(h):
            return nn.relu(normalize(h, self.norm, train))

        def conv(features, of=Conv, bias=True):
            return of(features, (3, 3), use_bias=bias, kernel_init=_RESIDUAL)

        halvings, flat = (2, 2) if size <= LARGE else (len(sizes) - 1, 1)
        for i in range(halvings + flat):
            down, of = (mean_down, DownConv) if i < halvings else (lambda h: h, Conv)
            before, c = h.shape[3], _channels(self.width, size > LARGE, i)
            if i == 0:
                inner = nn.relu(conv(c)(h))
            else:
                inner = active(conv(before, bias=self.norm != 'batch')(active(h)))
            inner = conv(c, of)(inner)
            if i < halvings or before != c:
                h = Conv(c, (1, 1), kernel_init=glorot_uniform())(down(h))
            h = h + inner
            if self.attention and i + 1 == _attended(sizes):
                h = SelfAttention()(h)
        h = BatchStddev(self.stddev)(h, train) if self.stddev else h
        features = jnp.sum(nn.relu(h), axis=(1, 2))
        features = nn.Dropout(self.dropout, deterministic=not train)(features)
        logits = nn.Dense(1, kernel_init=glorot_uniform())(features)[:, 0]
        return self.labels.judged(logits, features, y, self.num_classes)


class ConvDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`: SNGAN's standard network, 3x3 convolutions
    that double the channels before 4x4 ones of stride 2, leaky by 0.1.

    The logit is of the last map as it lies, the features are its sums over the positions.

    Attributes:
      width: channels of the first layer; each halving doubles them.
      norm: 'batch', 'layer' or 'none', of all layers but the first.
      dropout: rate after each halving.
      num_classes: with it labels are taken.
      labels: how.
      stddev: images that the last map but one is compared over, in one more channel
        (`BatchStddev`); 0 for none.
    """

    width: int = 64
    norm: str = 'none'
    dropout: float = 0.0
    num_classes: int | None = None
    labels: Labels = PROJECTION
    stddev: int = 0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h, y = self.labels.seen(x, y, self.num_classes)
        n = len(stages((*x.shape[1:3], 1))) - 1

        def layer(h, features, size=3, strides=1, first=False):
            bias = first or self.norm != 'batch'
            conv = Conv(features, (size, size), strides, 'SAME', bias, glorot_uniform())
            h = conv(h) if first else normalize(conv(h), self.norm, train)
            return nn.leaky_relu(h, 0.1)

        for i in range(n):
            c = self.width * 2**i
            h = layer(layer(h, c, first=i == 0), c, 4, 2)
            h = nn.Dropout(self.dropout, deterministic=not train)(h)
        h = BatchStddev(self.stddev)(h, train) if self.stddev else h
        h = layer(h, self.width * 2**n)
        features = jnp.sum(h, axis=(1, 2))
        logits = nn.Dense(1, kernel_init=glorot_uniform())(h.reshape(len(h), -1))[:, 0]
        return self.labels.judged(logits, features, y, self.num_classes)
