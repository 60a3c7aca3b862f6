"""Strided and transposed convolutions as matrix products.

The same functions and parameters as `flax.linen.Conv` and `ConvTranspose`, but made of slices and
one matrix product: XLA's convolutions are slow on a CPU, the more so their gradients and in a scan.
Every order of derivative, `vmap` and sharding are those of plain array operations.
"""

import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import lecun_normal, zeros_init
from jax import lax
from jaxtyping import Array, Float

Padding = str | int | Sequence[int | tuple[int, int]]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    first, second = (value, value) if isinstance(value, int) else value
    return first, second


def _explicit(padding: Padding) -> list[tuple[int, int]]:
    """A padding that is not a name, as pairs of low and high."""
    each: Sequence = (padding, padding) if isinstance(padding, int) else padding
    if len(each) != 2 or any(not isinstance(p, int) and len(p) != 2 for p in each):
        raise ValueError(f"expected padding 'SAME', 'VALID' or two pairs, got {padding!r}")
    return [_pair(p) for p in each]


def _check(x: Array, kernel: Array) -> None:
    if x.ndim != 4 or kernel.ndim != 4 or x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f'expected x [b, h, w, c] and kernel [kh, kw, c, features], '
            f'got {x.shape} and {kernel.shape}'
        )


def _pad(x: Array, widths: Sequence[tuple[int, int]]) -> Array:
    """Pads the leading axes but the batch, or crops them where a width is negative."""
    config = [(0, 0, 0), *((low, high, 0) for low, high in widths)]
    config += [(0, 0, 0)] * (x.ndim - len(config))
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _dot(x: Array, y: Array) -> Array:
    """`x @ y` over the last axis of x, summed in float32 at least."""
    dims = (((x.ndim - 1,), (0,)), ((), ()))
    wide = jnp.promote_types(x.dtype, jnp.float32)
    return lax.dot_general(x, y, dims, preferred_element_type=wide).astype(x.dtype)


def conv(
    x: Float[Array, 'b h w c'],
    kernel: Float[Array, 'kh kw c features'],
    strides: int | Sequence[int] = 1,
    padding: Padding = 'SAME',
) -> Float[Array, 'b h2 w2 features']:
    """Convolution, `y[i, j] = sum_{k, l} x[s i + k, s j + l] kernel[k, l]` on padded x.

    The strided positions are phases of channels, so that the slices are dense; the slices side by
    side make one matrix product.

    Args:
      x: images or features.
      kernel: as Flax has it.
      strides: one number or two.
      padding: 'SAME', 'VALID', a number, or a pair of (low, high).

    Raises:
      ValueError: shapes or padding do not fit.
    """
    _check(x, kernel)
    (sh, sw), (kh, kw) = _pair(strides), kernel.shape[:2]
    if isinstance(padding, str):
        pads = lax.padtype_to_pads(x.shape[1:3], (kh, kw), (sh, sw), padding)
    else:
        pads = _explicit(padding)
    h, w = (
        (size + low + high - k) // s + 1
        for size, (low, high), k, s in zip(x.shape[1:3], pads, (kh, kw), (sh, sw), strict=True)
    )
    if min(h, w) < 1:
        raise ValueError(f'expected an image no smaller than the kernel, got {x.shape}, {kh}x{kw}')
    # Rows and columns are cut in blocks of the stride; m x n blocks cover a kernel.
    m, n = -(-kh // sh), -(-kw // sw)
    x = _pad(x, [
        (low, (out + taps - 1) * s - size - low)
        for size, (low, _), out, taps, s in zip(
            x.shape[1:3], pads, (h, w), (m, n), (sh, sw), strict=True
        )
    ])  # fmt: skip
    b, c, features = len(x), x.shape[3], kernel.shape[3]
    x = x.reshape(b, h + m - 1, sh, w + n - 1, sw, c).transpose(0, 1, 3, 2, 4, 5)
    x = x.reshape(b, h + m - 1, w + n - 1, sh * sw * c)
    slices = [x[:, i : i + h, j : j + w] for i in range(m) for j in range(n)]
    kernel = jnp.pad(kernel, ((0, m * sh - kh), (0, n * sw - kw), (0, 0), (0, 0)))
    kernel = kernel.reshape(m, sh, n, sw, c, features).transpose(0, 2, 1, 3, 4, 5)
    columns = jnp.concatenate(slices, axis=3) if len(slices) > 1 else slices[0]
    return _dot(columns, kernel.reshape(-1, features))


def conv_transpose(
    x: Float[Array, 'b h w c'],
    kernel: Float[Array, 'kh kw c features'],
    strides: int | Sequence[int] = 1,
    padding: Padding = 'SAME',
) -> Float[Array, 'b h2 w2 features']:
    """Transposed convolution: a convolution of x with `strides - 1` zeros between its elements.

    One matrix product makes what each element contributes to the block that it touches; the
    blocks overlap and are added.

    Args:
      x: images or features.
      kernel: as Flax has it (`transpose_kernel=False`).
      strides: one number or two.
      padding: 'SAME', 'VALID', a number, or a pair of (low, high), of the dilated x.

    Raises:
      ValueError: shapes or padding do not fit.
    """
    _check(x, kernel)
    (sh, sw), (kh, kw) = _pair(strides), kernel.shape[:2]
    if isinstance(padding, str):
        pads = [_transposed_padding(k, s, padding) for k, s in zip((kh, kw), (sh, sw), strict=True)]
    else:
        pads = _explicit(padding)
    (b, h, w, c), features = x.shape, kernel.shape[3]
    m, n = -(-kh // sh), -(-kw // sw)
    taps = jnp.flip(kernel, (0, 1))
    taps = jnp.pad(taps, ((0, m * sh - kh), (0, n * sw - kw), (0, 0), (0, 0)))
    taps = taps.reshape(m, sh, n, sw, c, features).transpose(4, 0, 2, 1, 3, 5)
    blocks = _dot(x, taps.reshape(c, -1))
    pieces = jnp.split(blocks, m * n, axis=3) if m * n > 1 else [blocks]
    shifts = [[(i, m - 1 - i), (j, n - 1 - j)] for i in range(m) for j in range(n)]
    y = functools.reduce(lax.add, map(_pad, pieces, shifts))
    y = y.reshape(b, h + m - 1, w + n - 1, sh, sw, features).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(b, (h + m - 1) * sh, (w + n - 1) * sw, features)
    # The full result has s (n - 1) + k rows; a convolution with low padding p starts k - 1 - p in.
    return _pad(y, [
        (low - k + 1, s * (size - 1) + low + high - k + 2 - full + k - 1 - low)
        for (low, high), k, s, size, full in zip(
            pads, (kh, kw), (sh, sw), (h, w), y.shape[1:3], strict=True
        )
    ])  # fmt: skip


def _transposed_padding(k: int, s: int, padding: str) -> tuple[int, int]:
    """As `lax.conv_transpose` pads: SAME makes `s n` of n, VALID `s n + max(k - s, 0)`."""
    if padding == 'SAME':
        total = k + s - 2
        low = k - 1 if s > k - 1 else -(-total // 2)
    elif padding == 'VALID':
        total, low = k + s - 2 + max(k - s, 0), k - 1
    else:
        raise ValueError(f"expected padding 'SAME', 'VALID' or two pairs, got {padding!r}")
    return low, total - low


class _Convolution(nn.Module):
    """Parameters and call of both modules; `function` is what differs."""

    features: int
    kernel_size: Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = 'SAME'
    use_bias: bool = True
    kernel_init: Callable = lecun_normal()
    bias_init: Callable = zeros_init()
    function = staticmethod(conv)

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b h2 w2 features']:
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param('kernel', self.kernel_init, shape)
        y = self.function(x, kernel.astype(x.dtype), self.strides, self.padding)
        if self.use_bias:
            bias = self.param('bias', self.bias_init, (self.features,))
            y += bias.astype(x.dtype).reshape(1, 1, 1, -1)
        return y


class Conv(_Convolution):
    """`flax.linen.Conv` of images, made of matrix products: same parameters and values."""


class ConvTranspose(_Convolution):
    """`flax.linen.ConvTranspose` of images, made of matrix products: same parameters and values."""

    function = staticmethod(conv_transpose)
