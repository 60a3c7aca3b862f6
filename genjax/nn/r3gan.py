"""Networks of R3GAN (Huang et al. 2024, https://arxiv.org/abs/2501.05441), without norms."""

import math
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal, zeros_init
from jax import lax
from jaxtyping import Array, Float, Int

from genjax.nn.conv import Conv
from genjax.nn.heads import PROJECTION, Labels, with_planes
from genjax.nn.labels import check_labels, with_labels
from genjax.nn.products import wide
from genjax.nn.resample import bilinear_down, bilinear_up
from genjax.nn.sizes import cropped, stages

_SLOPE = 0.2


def _scaled(gain: float, fan_in: int):
    """N(0, gain^2 / fan_in), or zeros."""
    return normal(gain / math.sqrt(fan_in)) if gain else zeros_init()


def grouped_conv(
    x: Float[Array, 'b h w c'], kernel: Float[Array, '3 3 g c/g d/g']
) -> Float[Array, 'b h w d']:
    """A 3x3 convolution within each group of channels: on a CPU a product of all groups for each
    place of the kernel, elsewhere XLA's own.

    Args:
      x: any map.
      kernel: of each group.
    """
    b, h, w, _ = x.shape
    groups, into, out = kernel.shape[2:]

    def products(x, kernel):
        padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).reshape(b, h + 2, w + 2, groups, into)
        parts = (
            jnp.einsum(
                'bhwgc,gcd->bhwgd',
                padded[:, i : i + h, j : j + w],
                kernel[i, j],
                preferred_element_type=wide(x),
            )
            for i in range(3)
            for j in range(3)
        )
        return sum(parts).astype(x.dtype).reshape(b, h, w, groups * out)

    def native(x, kernel):
        flat = jnp.moveaxis(kernel, 2, 3).reshape(3, 3, into, groups * out)
        numbers = ('NHWC', 'HWIO', 'NHWC')
        return lax.conv_general_dilated(
            x, flat, (1, 1), 'SAME', dimension_numbers=numbers, feature_group_count=groups
        )

    return lax.platform_dependent(x, kernel, cpu=products, default=native)


class _Block(nn.Module):
    """`h + conv1x1(act(grouped 3x3(act(conv1x1(h)))))`, the last kernel zero at the start."""

    cardinality: int
    expansion: int
    gain: float

    @nn.compact
    def __call__(self, h: Array) -> Array:
        c = h.shape[3]
        inner = c * self.expansion
        if inner % self.cardinality:
            raise ValueError(
                f'expected a cardinality that divides {inner} channels, got {self.cardinality}'
            )
        each = inner // self.cardinality

        def active(h, name):
            bias = self.param(name, zeros_init(), (h.shape[3],), jnp.float32)
            return nn.leaky_relu(h + bias.astype(h.dtype).reshape(1, 1, 1, -1), _SLOPE)

        y = Conv(inner, (1, 1), use_bias=False, kernel_init=_scaled(self.gain, c))(h)
        shape = (3, 3, self.cardinality, each, each)
        kernel = self.param('kernel', _scaled(self.gain, 9 * each), shape, jnp.float32)
        y = grouped_conv(active(y, 'bias_0'), kernel.astype(h.dtype))
        y = Conv(c, (1, 1), use_bias=False, kernel_init=zeros_init())(active(y, 'bias_1'))
        return h + y


def _plan(image_shape, width: int, blocks: int) -> tuple[list, list[int], float]:
    """Sizes of the maps, channels of each, and the gain of residual layers: of a network of n
    blocks `gain n^(-1/4)`, which keeps its outputs as loud as its inputs (Zhang et al. 2019)."""
    sizes = stages((*image_shape[:2], 1))
    channels = [min(width * 2**i, width * 16) for i in range(len(sizes))]
    gain = math.sqrt(2 / (1 + _SLOPE**2)) * (blocks * len(sizes)) ** -0.25
    return sizes, channels, gain


def _straight(features: int, fan_in: int) -> Conv:
    return Conv(features, (1, 1), use_bias=False, kernel_init=_scaled(1.0, fan_in))


class R3GANGenerator(nn.Module):
    """`z -> images`, not bounded: a learned base, then residual blocks and bilinear doublings.

    Attributes:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      width: channels of the largest map, doubled with each halving.
      blocks: at each size.
      cardinality: groups of the 3x3 convolutions; the paper's have 16 channels each.
      expansion: channels of these, in those of their map.
      num_classes: with it labels are taken, one-hot beside z.
      labels: how; labels that would go into norms stand beside z.
    """

    image_shape: tuple[int, int, int]
    width: int = 32
    blocks: int = 1
    cardinality: int = 4
    expansion: int = 2
    num_classes: int | None = None
    labels: Labels = PROJECTION

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w c']:
        if z.ndim != 2:
            raise ValueError(f'expected noise z [b, d], got {z.shape}')
        stages(self.image_shape)
        sizes, channels, gain = _plan(self.image_shape, self.width, self.blocks)
        z = with_labels(z, y, self.num_classes, math.sqrt(z.shape[1]))
        c = channels[-1]
        base = self.param('base', normal(1.0), (*sizes[-1], c), jnp.float32).astype(z.dtype)
        h = nn.Dense(c, use_bias=False, kernel_init=_scaled(1.0, z.shape[1]))(z)
        h = base[None] * h[:, None, None]
        for i in reversed(range(len(sizes))):
            if h.shape[1:3] != sizes[i]:
                h = cropped(bilinear_up(_straight(channels[i], h.shape[3])(h)), sizes[i])
            for _ in range(self.blocks):
                h = _Block(self.cardinality * min(2**i, 16), self.expansion, gain)(h)
        return _straight(self.image_shape[2], h.shape[3])(h)


class R3GANDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`: the generator in reverse, then a product of
    the last map with a kernel for each channel.

    Attributes:
      width: channels of the largest map, doubled with each halving.
      blocks: at each size.
      cardinality: groups of the 3x3 convolutions.
      expansion: channels of these, in those of their map.
      num_classes: with it labels are taken.
      labels: how.
    """

    width: int = 32
    blocks: int = 1
    cardinality: int = 4
    expansion: int = 2
    num_classes: int | None = None
    labels: Labels = PROJECTION

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> tuple[Float[Array, 'b'], Float[Array, 'b d'], dict[str, Any]]:
        y = check_labels(y, x.shape[0], self.num_classes)
        sizes, channels, gain = _plan(x.shape[1:3], self.width, self.blocks)
        h = with_planes(x, y, self.num_classes) if self.labels.planes else x
        h = _straight(channels[0], h.shape[3])(h)
        for i in range(len(sizes)):
            if i:
                h = _straight(channels[i], h.shape[3])(bilinear_down(h))
            for _ in range(self.blocks):
                h = _Block(self.cardinality * min(2**i, 16), self.expansion, gain)(h)
        places = sizes[-1][0] * sizes[-1][1]
        kernel = self.param('kernel', _scaled(1.0, places), h.shape[1:], jnp.float32)
        features = jnp.sum(h * kernel[None].astype(h.dtype), axis=(1, 2))
        last = nn.Dense(1, use_bias=False, kernel_init=_scaled(1.0, h.shape[3]))
        logits, said = self.labels.head(last(features)[:, 0], features, y, self.num_classes)
        return logits, features, said
