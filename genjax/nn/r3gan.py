"""Networks of R3GAN (Huang et al. 2024, https://arxiv.org/abs/2501.05441), without norms."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal, zeros_init
from jaxtyping import Array, Float, Int

from genjax.nn.conv import Conv, conv
from genjax.nn.heads import PROJECTION, Judged, Labels
from genjax.nn.resample import bilinear_down, bilinear_up
from genjax.nn.sizes import cropped, stages

_SLOPE = 0.2


def _scaled(gain: float, fan_in: int):
    """N(0, gain^2 / fan_in), or zeros."""
    return normal(gain / math.sqrt(fan_in)) if gain else zeros_init()


def grouped_conv(
    x: Float[Array, 'b h w c'], kernel: Float[Array, 'kh kw e d']
) -> Float[Array, 'b h w d']:
    """A convolution within each group of e channels: on a CPU one after the other, elsewhere XLA's
    grouped one.

    Args:
      x: any map; e divides c.
      kernel: as Flax has it, the outputs of the first group first.
    """
    groups = x.shape[3] // kernel.shape[2]
    maps, kernels = (a.reshape(*a.shape[:3], groups, -1) for a in (x, kernel))
    return jax.vmap(conv, 3, 3)(maps, kernels).reshape(*x.shape[:3], -1)


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
        shape = (3, 3, each, inner)
        kernel = self.param('kernel', _scaled(self.gain, 9 * each), shape, jnp.float32)
        y = grouped_conv(active(y, 'bias_0'), kernel.astype(h.dtype))
        y = Conv(c, (1, 1), use_bias=False, kernel_init=zeros_init())(active(y, 'bias_1'))
        return h + y


class Size(NamedTuple):
    """How large both networks are.

    Attributes:
      width: channels of the largest map.
      blocks: at each size.
      cardinality: groups of the 3x3 convolutions of the largest map; the paper's have 16 channels
        each.
      expansion: channels of these, in those of their map.
      doubled: whether channels and groups double with each halving, up to 16 times.
    """

    width: int = 32
    blocks: int = 1
    cardinality: int = 4
    expansion: int = 2
    doubled: bool = True

    def plan(self, n: int) -> tuple[list[tuple[int, int]], float]:
        """Channels and groups of each of n maps, and the gain of residual layers: of a network of b
        blocks `gain b^(-1/4)`, which keeps its outputs as loud as its inputs (Zhang et al. 2019).

        Args:
          n: maps, the largest first.
        """
        gain = math.sqrt(2 / (1 + _SLOPE**2)) * (self.blocks * n) ** -0.25
        times = [min(2**i, 16) if self.doubled else 1 for i in range(n)]
        return [(self.width * t, self.cardinality * t) for t in times], gain


def _straight(h: Array, features: int) -> Array:
    """A 1x1 convolution, a layer of the module that is running."""
    scaled = _scaled(1.0, h.shape[3])
    return Conv(features, (1, 1), use_bias=False, kernel_init=scaled)(h)


def _widened(h: Array, features: int) -> Array:
    """The same between maps of other numbers of channels; those of as many have none."""
    return h if h.shape[3] == features else _straight(h, features)


class R3GANGenerator(nn.Module):
    """`z -> images`, not bounded: a learned base, then residual blocks and bilinear doublings.

    Attributes:
      image_shape: `(height, width, channels)`; multiples of 4 from 16 to 256, 1 or 3 channels.
      size: of the network.
      num_classes: with it labels are taken, one-hot beside z.
    """

    image_shape: tuple[int, int, int]
    size: Size = Size()
    num_classes: int | None = None

    @nn.compact
    def __call__(
        self, z: Float[Array, 'b d'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, 'b h w c']:
        z, _ = PROJECTION.taken(z, y, self.num_classes)
        sizes = stages(self.image_shape)
        maps, gain = self.size.plan(len(sizes))
        c, _ = maps[-1]
        base = self.param('base', normal(1.0), (*sizes[-1], c), jnp.float32).astype(z.dtype)
        h = nn.Dense(c, use_bias=False, kernel_init=_scaled(1.0, z.shape[1]))(z)
        h = base[None] * h[:, None, None]
        for size, (c, groups) in reversed(list(zip(sizes, maps, strict=True))):
            if h.shape[1:3] != size:
                h = cropped(bilinear_up(_widened(h, c)), size)
            for _ in range(self.size.blocks):
                h = _Block(groups, self.size.expansion, gain)(h)
        return _straight(h, self.image_shape[2])


class R3GANDiscriminator(nn.Module):
    """`images -> (logits [b], features [b, d], said)`: the generator in reverse, then a product of
    the last map with a kernel for each channel.

    Attributes:
      size: of the network.
      num_classes: with it labels are taken.
      labels: how.
    """

    size: Size = Size()
    num_classes: int | None = None
    labels: Labels = PROJECTION

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Judged:
        h, y = self.labels.seen(x, y, self.num_classes)
        sizes = stages((*x.shape[1:3], 1))
        maps, gain = self.size.plan(len(sizes))
        for i, (c, groups) in enumerate(maps):
            h = _widened(bilinear_down(h), c) if i else _straight(h, c)
            for _ in range(self.size.blocks):
                h = _Block(groups, self.size.expansion, gain)(h)
        places = math.prod(sizes[-1])
        kernel = self.param('kernel', _scaled(1.0, places), h.shape[1:], jnp.float32)
        features = jnp.sum(h * kernel[None].astype(h.dtype), axis=(1, 2))
        last = nn.Dense(1, use_bias=False, kernel_init=_scaled(1.0, h.shape[3]))
        return self.labels.judged(last(features)[:, 0], features, y, self.num_classes)
