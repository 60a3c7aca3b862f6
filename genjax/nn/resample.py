"""Maps of twice and half the size, of slices and sums, and convolutions of those maps.

A convolution of a map whose values stand four times, or the means of one, is a convolution of
stride 2 with a kernel of one more tap, of sums of the given one's: the same numbers from 4 in place
of 9 products each, as the code of Karras et al. 2018 (https://arxiv.org/abs/1710.10196) has it.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from genjax.nn.conv import Convolution, conv, conv_transpose

Map = Float[Array, 'b h w c']


def nearest_up(x: Map) -> Float[Array, 'b 2*h 2*w c']:
    """Each value four times.

    Args:
      x: any map.
    """
    b, h, w, c = x.shape
    wide = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    # One axis at a time, or explicit axes of a mesh refuse it.
    return wide.reshape(b, h, 2, 2 * w, c).reshape(b, 2 * h, 2 * w, c)


def mean_down(x: Map) -> Float[Array, 'b h2 w2 c']:
    """The means of 2x2 values; an odd side is made even by its last value once more.

    Args:
      x: any map.
    """
    odd = [(0, 0), *((0, size % 2) for size in x.shape[1:3]), (0, 0)]
    x = jnp.pad(x, odd, mode='edge') if any(size % 2 for size in x.shape[1:3]) else x
    b, h, w, c = x.shape
    pairs = x.reshape(b, h // 2, 2, w, c).reshape(b, h // 2, 2, w // 2, 2, c)
    return jnp.mean(pairs, axis=(2, 4), dtype=x.dtype)


def up_conv(x: Map, kernel: Float[Array, 'k k c features']) -> Float[Array, 'b 2*h 2*w features']:
    """`conv(nearest_up(x), kernel)`, without the larger map.

    Args:
      x: any map.
      kernel: as Flax has it, of odd size.
    """
    return conv_transpose(x, _overlaid(kernel), 2)


def down_conv(x: Map, kernel: Float[Array, 'k k c features']) -> Float[Array, 'b h2 w2 features']:
    """`mean_down(conv(x, kernel))`, without the larger map where both sides are even.

    Args:
      x: any map.
      kernel: as Flax has it, of odd size.
    """
    if any(size % 2 for size in x.shape[1:3]):
        return mean_down(conv(x, kernel))
    return conv(x, _overlaid(kernel) / 4, 2)


def _overlaid(kernel: Array) -> Array:
    """The sum of a kernel and of itself moved by one along either axis, and along both."""
    wide = jnp.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    tall = wide[1:] + wide[:-1]
    return tall[:, 1:] + tall[:, :-1]


class UpConv(Convolution):
    """`Conv` of `nearest_up`: same parameters and values."""

    function = staticmethod(lambda x, kernel, *_: up_conv(x, kernel))


class DownConv(Convolution):
    """`mean_down` of `Conv`: same parameters and values."""

    function = staticmethod(lambda x, kernel, *_: down_conv(x, kernel))


def bilinear_up(x: Map) -> Float[Array, 'b 2*h 2*w c']:
    """Two values for each along each axis, `(x[i - 1] + 3 x[i]) / 4` and `(3 x[i] + x[i + 1]) / 4`,
    zero outside; four times the adjoint of `bilinear_down`.

    Args:
      x: any map.
    """
    for axis in (1, 2):
        before, after = _moved(x, axis, 1), _moved(x, axis, -1)
        pairs = jnp.stack([(before + 3 * x) / 4, (3 * x + after) / 4], axis + 1)
        x = pairs.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
    return x


def bilinear_down(x: Map) -> Float[Array, 'b h2 w2 c']:
    """`(x[2 i - 1] + 3 x[2 i] + 3 x[2 i + 1] + x[2 i + 2]) / 8` along each axis, zero outside.

    Args:
      x: any map.
    """
    for axis in (1, 2):
        x = jnp.pad(x, [(0, x.shape[a] % 2 if a == axis else 0) for a in range(4)])
        pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1 :])
        even, odd = (lax.index_in_dim(pairs, i, axis + 1, keepdims=False) for i in (0, 1))
        x = (_moved(odd, axis, 1) + 3 * (even + odd) + _moved(even, axis, -1)) / 8
    return x


def _moved(x: Array, axis: int, by: int) -> Array:
    """A map moved along an axis, zeros behind it."""
    edges = [(by, -by, 0) if a == axis else (0, 0, 0) for a in range(x.ndim)]
    return lax.pad(x, jnp.zeros((), x.dtype), edges)
