"""Convolutions and transposed ones: Flax's, at the machine's speed.

The same functions and parameters as `flax.linen.Conv` and `ConvTranspose`. XLA's convolutions are
slow on a CPU, the more so their gradients and in a scan; there `bilinear` makes them of matrix
products.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import lecun_normal, zeros_init
from jax import lax
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from genjax.nn.bilinear import Geometry, adjoint, convolve
from genjax.nn.products import wide

Padding = str | int | Sequence[int | tuple[int, int]]


def _each(value: int | Sequence) -> tuple:
    """One number for both axes, or one for each."""
    return (value, value) if isinstance(value, int) else tuple(value)


def _strides(strides: int | Sequence[int]) -> tuple[int, ...]:
    each = _each(strides)
    if len(each) != 2 or min(each) < 1:
        raise ValueError(f'expected one or two strides >= 1, got {strides!r}')
    return each


def _pads(padding: Padding, named: Callable[[str], Sequence]) -> Sequence[tuple[int, int]]:
    """A padding as pairs of low and high; `named` makes those that have a name."""
    if isinstance(padding, str):
        pairs = named(padding) if padding in ('SAME', 'VALID') else []
    else:
        pairs = [_each(p) for p in _each(padding)]
    if len(pairs) != 2 or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"expected padding 'SAME', 'VALID' or two pairs, got {padding!r}")
    return pairs


def _check(x: ArrayLike, kernel: ArrayLike) -> tuple[Array, Array]:
    """Both as arrays of JAX, if they fit."""
    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f'expected x [b, h, w, c] and kernel [kh, kw, c, features], '
            f'got {x.shape} and {kernel.shape}'
        )
    if x.dtype != kernel.dtype:
        raise ValueError(f'expected x and kernel of one dtype, got {x.dtype} and {kernel.dtype}')
    return x, kernel


def conv(
    x: Float[Array, 'b h w c'],
    kernel: Float[Array, 'kh kw c features'],
    strides: int | Sequence[int] = 1,
    padding: Padding = 'SAME',
) -> Float[Array, 'b h2 w2 features']:
    """Convolution, `y[i, j] = sum_{k, l} x[s i + k, s j + l] kernel[k, l]` on padded x.

    Args:
      x: images or features.
      kernel: as Flax has it.
      strides: one number or two.
      padding: 'SAME', 'VALID', a number, or a pair of (low, high).

    Raises:
      ValueError: shapes, dtypes, strides or padding do not fit.
    """
    x, kernel = _check(x, kernel)
    sizes, kernels, steps = x.shape[1:3], kernel.shape[:2], _strides(strides)
    pads = _pads(padding, partial(lax.padtype_to_pads, sizes, kernels, steps))
    out = [
        (size + low + high - k) // s + 1
        for size, (low, high), k, s in zip(sizes, pads, kernels, steps, strict=True)
    ]
    lows = [low for low, _ in pads]
    if min(out) < 1:
        raise ValueError(f'expected an image no smaller than the kernel, got {x.shape}, {kernels}')
    return convolve(x, kernel, _geometry(sizes, kernels, out, steps, lows))


def conv_transpose(
    x: Float[Array, 'b h w c'],
    kernel: Float[Array, 'kh kw c features'],
    strides: int | Sequence[int] = 1,
    padding: Padding = 'SAME',
) -> Float[Array, 'b h2 w2 features']:
    """Transposed convolution: a convolution of x with `strides - 1` zeros between its elements.

    Args:
      x: images or features.
      kernel: as Flax has it (`transpose_kernel=False`).
      strides: one number or two.
      padding: 'SAME', 'VALID', a number, or a pair of (low, high), of the dilated x.

    Raises:
      ValueError: shapes, dtypes, strides or padding do not fit.
    """
    x, kernel = _check(x, kernel)
    out, kernels, steps = x.shape[1:3], kernel.shape[:2], _strides(strides)
    axes = list(zip(kernels, steps, strict=True))
    dilated = _pads(padding, lambda name: [_transposed_padding(k, s, name) for k, s in axes])
    sizes = [
        s * (n - 1) + low + high + 2 - k
        for s, n, (low, high), k in zip(steps, out, dilated, kernels, strict=True)
    ]
    if min(sizes) < 1:
        raise ValueError(f'expected a result of one pixel or more, got {x.shape}, {kernels}')
    # The adjoint of the convolution whose kernel is this one turned round.
    lows = [k - 1 - low for k, (low, _) in zip(kernels, dilated, strict=True)]
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return adjoint(x, turned, _geometry(sizes, kernels, out, steps, lows))


def _geometry(*fields: Sequence) -> Geometry:
    return Geometry(*(tuple(field) for field in fields))


def _transposed_padding(k: int, s: int, padding: str) -> tuple[int, int]:
    """As `lax.conv_transpose` pads: SAME makes `s n` of n, VALID `s n + max(k - s, 0)`."""
    if padding == 'SAME':
        total = k + s - 2
        low = k - 1 if s > k - 1 else -(-total // 2)
    else:
        total, low = k + s - 2 + max(k - s, 0), k - 1
    return low, total - low


class Convolution(nn.Module):
    """Parameters and call of all such modules; `function` is what differs."""

    features: int
    kernel_size: Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = 'SAME'
    use_bias: bool = True
    kernel_init: Callable = lecun_normal()
    bias_init: Callable = zeros_init()
    function: ClassVar[Callable[..., Array]] = staticmethod(conv)

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b h2 w2 features']:
        x = jnp.asarray(x)
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param('kernel', self.kernel_init, shape, jnp.float32)
        y = self.function(x, kernel.astype(x.dtype), self.strides, self.padding)
        if self.use_bias:
            bias = self.param('bias', self.bias_init, (self.features,), jnp.float32)
            bias = bias.reshape(1, 1, 1, -1)
            # In a wide dtype, so that the bias's gradient is summed in it.
            y = (y.astype(wide(x)) + bias.astype(wide(x))).astype(x.dtype)
        return y


class Conv(Convolution):
    """`flax.linen.Conv` of images, at the machine's speed: same parameters and values."""


class ConvTranspose(Convolution):
    """`flax.linen.ConvTranspose` of images, at the machine's speed: same parameters and values."""

    function = staticmethod(conv_transpose)
