"""The three maps of a convolution as primitives, each lowered as its platform is fastest.

A convolution is one trilinear form, `<conv(x, kernel), y>`. Its three partial derivatives are the
convolution itself (`convolve`), the adjoint in x (`adjoint`, also the transposed convolution) and
the adjoint in the kernel (`correlate`). Each is bilinear, and the derivatives of each are the
others: every order of derivative is made of these three. On a CPU they are the matrix products of
`products`, elsewhere XLA's own convolutions.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import export, lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import PartitionSpec as P
from jaxtyping import Array

from genjax.meshes import alike, implicit, spec
from genjax.nn import products

Pair = tuple[int, int]
_NUMBERS = ('NHWC', 'HWIO', 'NHWC')
# Kernels of more blocks than this leave no profit in products.
_MOST_TAPS = 4
# What moving one byte costs, in operations of a product; both as measured by
# `python -m experiments.benchmarks --only forms`.
_PER_BYTE = 20
# Images that a program of any batch size, as `jax.export` makes one, is taken to see.
_USUAL_BATCH = 64


class Geometry(NamedTuple):
    """Which elements meet: `y[i] = sum_k x[s i + k - low] kernel[k]` on either axis.

    Attributes:
      size: height and width of x.
      kernel: of the kernel.
      out: of y.
      strides: between windows.
      low: zeros before x, or a crop where negative; what follows x is as far as `out` reaches.
    """

    size: Pair
    kernel: Pair
    out: Pair
    strides: Pair
    low: Pair


def _native_convolve(x: Array, kernel: Array, geometry: Geometry) -> Array:
    # XLA's convolutions go wrong on a CPU where a padding is negative, in a gradient of theirs too.
    within, beyond = [], []
    for size, k, out, s, low in zip(*geometry, strict=True):
        high = s * (out - 1) + k - size - low
        near = (min(max(low, 0), k - 1), min(max(high, 0), k - 1))
        within.append(near)
        beyond.append((low - near[0], high - near[1]))
    if any(map(any, beyond)):
        x = products.pad(x, beyond)
    return lax.conv_general_dilated(x, kernel, geometry.strides, within, dimension_numbers=_NUMBERS)


def _native_adjoint(y: Array, kernel: Array, geometry: Geometry) -> Array:
    x = jax.ShapeDtypeStruct(_shape(_ADJOINT, y, kernel, geometry), y.dtype)
    return jax.linear_transpose(lambda x: _native_convolve(x, kernel, geometry), x)(y)[0]


def _native_correlate(x: Array, y: Array, geometry: Geometry) -> Array:
    kernel = jax.ShapeDtypeStruct(_shape(_CORRELATE, x, y, geometry), x.dtype)
    return jax.linear_transpose(lambda kernel: _native_convolve(x, kernel, geometry), kernel)(y)[0]


def _shape(primitive: Primitive, a: Array, b: Array, geometry: Geometry) -> tuple[int, ...]:
    if primitive is _CONVOLVE:
        return (a.shape[0], *geometry.out, b.shape[3])
    if primitive is _ADJOINT:
        return (a.shape[0], *geometry.size, b.shape[2])
    return (*geometry.kernel, a.shape[3], b.shape[3])


def axes_of(geometry: Geometry, tile: int) -> products.Axes:
    """The two axes in tiles; an axis of one tap has tiles of one output.

    Args:
      geometry: of the convolution.
      tile: outputs of a tile on an axis of several taps.
    """
    rows, columns = (
        products.Axis(size, kernel, out, s, low, tile if kernel > s else 1)
        for size, kernel, out, s, low in zip(*geometry, strict=True)
    )
    return rows, columns


def cost(geometry: Geometry, tile: int, b: int, c: int, features: int, itemsize: int) -> float:
    """Operations of one map, with the bytes that it moves counted as operations too."""
    axes = axes_of(geometry, tile)
    n, count = b, 1
    for axis in axes:
        n, count = n * axis.tiles, count * len(axis.scheme.b)
    q = geometry.strides[0] * geometry.strides[1] * c
    results = n * features * (1 if products.is_joined(axes) else count * geometry.strides[0])
    moved = count * q * (n + features) + results
    return 2.0 * count * n * q * features + _PER_BYTE * itemsize * moved


def best_tile(geometry: Geometry, b: int, c: int, features: int, dtype: jnp.dtype) -> int | None:
    """Outputs of a tile that cost least on a CPU; None for XLA's own convolution.

    Tiles of four outputs would need 0.39 of the products where tiles of two need 0.56, but round
    four times as much and take twice as long to compile, and a DCGAN's step is no faster.

    Args:
      geometry: of the convolution.
      b: images.
      c: channels of x.
      features: channels of y.
      dtype: of all arrays.
    """
    taps = max(axis.taps for axis in axes_of(geometry, 1))
    if taps > _MOST_TAPS:
        return None
    tiles = (1, 2) if taps in (2, 3) else (1,)
    itemsize = jnp.dtype(dtype).itemsize
    return min(tiles, key=lambda tile: cost(geometry, tile, b, c, features, itemsize))


def _on_cpu(fast: Callable, native: Callable, primitive: Primitive) -> Callable:
    """The form of a map that is fastest on a CPU."""

    def apply(a, b, geometry):
        c, features = (a.shape[3], b.shape[3]) if primitive is _CORRELATE else b.shape[2:]
        images = _USUAL_BATCH if export.is_symbolic_dim(a.shape[0]) else a.shape[0]
        # Nothing to multiply leaves nothing to infer a shape from.
        empty = 0 in (*a.shape, *b.shape)
        tile = None if empty else best_tile(geometry, images, c, features, a.dtype)
        return native(a, b, geometry) if tile is None else fast(a, b, axes_of(geometry, tile))

    return apply


def _batched(primitive: Primitive, native: Callable, args, dims, geometry: Geometry):
    """A batch of images joins the images; where kernels differ, one after the other on a CPU."""
    (size,) = {a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None}
    args = [a if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(args, dims, strict=True)]
    axes = [None if d is None else 0 for d in dims]
    if primitive is not _CORRELATE and axes == [0, None]:
        n = args[0].shape[1]
        images = args[0].reshape(size * n, *args[0].shape[2:])
        out = primitive.bind(images, args[1], geometry=geometry)
        return out.reshape(size, n, *out.shape[1:]), 0
    bind = functools.partial(primitive.bind, geometry=geometry)

    def in_turn(*args):
        def one(i):
            each = (a if axis is None else a[i] for a, axis in zip(args, axes, strict=True))
            return bind(*each)

        return lax.map(one, jnp.arange(size))

    at_once = jax.vmap(lambda *args: native(*args, geometry), axes)
    if size == 0:
        return at_once(*args), 0
    return lax.platform_dependent(*args, cpu=in_turn, default=at_once), 0


def _register(primitive: Primitive, fast: Callable, native: Callable) -> None:
    on_cpu = _on_cpu(fast, native, primitive)

    def evaluate(a, b, *, geometry):
        (device,) = {d.platform for x in (a, b) for d in x.devices()}
        return (on_cpu if device == 'cpu' else native)(a, b, geometry)

    def abstract(a, b, *, geometry):
        return a.update(shape=_shape(primitive, a, b, geometry))

    def batch(args, dims, *, geometry):
        return _batched(primitive, native, args, dims, geometry)

    def lower(function):
        return mlir.lower_fun(
            lambda a, b, *, geometry: function(a, b, geometry), multiple_results=False
        )

    primitive.def_impl(evaluate)
    primitive.def_abstract_eval(abstract)
    batching.primitive_batchers[primitive] = batch
    mlir.register_lowering(primitive, lower(native))
    mlir.register_lowering(primitive, lower(on_cpu), platform='cpu')


_CONVOLVE, _ADJOINT, _CORRELATE = map(Primitive, ('convolve', 'adjoint', 'correlate'))
_register(_CONVOLVE, products.convolve, _native_convolve)
_register(_ADJOINT, products.adjoint, _native_adjoint)
_register(_CORRELATE, products.correlate, _native_correlate)


def _bind(primitive: Primitive, a: Array, b: Array, geometry: Geometry) -> Array:
    """The primitive of two arrays that vary along the same axes, as `shard_map` wants them.

    On explicit axes of a mesh images lie as those of `a` do, and a kernel whole on each device.
    """
    a, b = jnp.asarray(a), jnp.asarray(b)
    a, b = alike((a, b))
    bind = functools.partial(primitive.bind, geometry=geometry)
    return implicit(bind, functools.partial(_lies, primitive))(a, b)


def _lies(primitive: Primitive, a: Array, b: Array) -> P:
    return P() if primitive is _CORRELATE else P(spec(a)[0])


def convolve(x: Array, kernel: Array, geometry: Geometry) -> Array:
    """`y = conv(x, kernel)`.

    Args:
      x: `[b, h, w, c]`.
      kernel: `[kh, kw, c, features]`, of the dtype of x.
      geometry: of the convolution.
    """
    return _bind(_CONVOLVE, x, kernel, geometry)


def adjoint(y: Array, kernel: Array, geometry: Geometry) -> Array:
    """The x of `<x', x> = <conv(x', kernel), y>` for all x'.

    Args:
      y: `[b, h, w, features]`.
      kernel: `[kh, kw, c, features]`, of the dtype of y.
      geometry: of the convolution.
    """
    return _bind(_ADJOINT, y, kernel, geometry)


def correlate(x: Array, y: Array, geometry: Geometry) -> Array:
    """The kernel of `<kernel', kernel> = <conv(x, kernel'), y>` for all kernel'.

    Args:
      x: `[b, h, w, c]`.
      y: `[b, h, w, features]`, of the dtype of x.
      geometry: of the convolution.
    """
    return _bind(_CORRELATE, x, y, geometry)


ad.defbilinear(
    _CONVOLVE,
    lambda y, x, kernel, *, geometry: adjoint(y, kernel, geometry),
    lambda y, x, kernel, *, geometry: correlate(x, y, geometry),
)
ad.defbilinear(
    _ADJOINT,
    lambda x, y, kernel, *, geometry: convolve(x, kernel, geometry),
    lambda x, y, kernel, *, geometry: correlate(x, y, geometry),
)
ad.defbilinear(
    _CORRELATE,
    lambda kernel, x, y, *, geometry: adjoint(y, kernel, geometry),
    lambda kernel, x, y, *, geometry: convolve(x, kernel, geometry),
)
