"""The three maps of a convolution as matrix products, for CPUs.

Rows and columns are cut in blocks of the stride s, so that a kernel of k taps has r = ceil(k / s)
taps of blocks. With tiles of one output the products are those of the definition, side by side in
one matrix (im2col). Larger tiles need fewer products by `toom_cook`: (m + r - 1)^2 in place of
(m r)^2 for m^2 outputs. The rows of a block stay apart, each a product of its own, since bringing
them together would transpose all of x.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from genjax.nn.toom_cook import Scheme, combine, scheme, transposed

Pieces = list[list[Array]]  # by product, then by row of a block


class Axis(NamedTuple):
    """One of the two axes of a convolution in tiles.

    Attributes:
      size: of the image.
      kernel: taps.
      out: outputs.
      stride: between windows.
      low: zeros before the image.
      tile: outputs of a tile.
    """

    size: int
    kernel: int
    out: int
    stride: int
    low: int
    tile: int

    @property
    def taps(self) -> int:
        """Blocks that a kernel touches."""
        return -(-self.kernel // self.stride)

    @property
    def tiles(self) -> int:
        """Tiles that hold all outputs."""
        return -(-self.out // self.tile)

    @property
    def blocks(self) -> int:
        """Blocks of the image that the tiles touch."""
        return self.tile * self.tiles + self.taps - 1

    @property
    def scheme(self) -> Scheme:
        """How a tile is computed."""
        return scheme(self.tile, self.taps)


Axes = tuple[Axis, Axis]


def pad(x: Array, widths: Sequence[tuple[int, int]]) -> Array:
    """Pads the leading axes but the batch, or crops them where a width is negative."""
    config = [(0, 0, 0), *((low, high, 0) for low, high in widths)]
    config += [(0, 0, 0)] * (x.ndim - len(config))
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def wide(x: Array) -> jnp.dtype:
    """The dtype in which sums of x are taken: float32 at least."""
    return jnp.promote_types(x.dtype, jnp.float32)


def _dot(x: Array, y: Array, contract: tuple[int, int] = (1, 0)) -> Array:
    """A product of matrices over the named axes, summed in float32 at least."""
    dims = (((contract[0],), (contract[1],)), ((), ()))
    return lax.dot_general(x, y, dims, preferred_element_type=wide(x))


def is_joined(axes: Axes) -> bool:
    """Whether all products are parts of one."""
    return axes[0].tile == axes[1].tile == 1


def _flat(pieces: Pieces) -> list[Array]:
    return [piece for row in pieces for piece in row]


def _nested(pieces: Sequence[Array], rows: int) -> Pieces:
    return [list(pieces[i : i + rows]) for i in range(0, len(pieces), rows)]


def convolve(x: Array, kernel: Array, axes: Axes) -> Array:
    """`y = conv(x, kernel)`, [b, h, w, features]."""
    rows, columns = axes
    v, u = _inputs(x, axes), _kernels(kernel, axes)
    if is_joined(axes):
        y = _dot(jnp.concatenate(_flat(v), 1), jnp.concatenate(_flat(u), 0))
        return y.reshape(x.shape[0], rows.out, columns.out, -1).astype(x.dtype)
    products = [functools.reduce(lax.add, map(_dot, *pair)) for pair in zip(v, u, strict=True)]
    return _outputs(products, x.shape[0], axes).astype(x.dtype)


def adjoint(y: Array, kernel: Array, axes: Axes) -> Array:
    """The x of `<x', x> = <conv(x', kernel), y>`: the gradient, and the transposed convolution."""
    u, lines = _kernels(kernel, axes), axes[0].stride
    if is_joined(axes):
        flat = _flat(u)
        p = _dot(y.reshape(-1, y.shape[3]), jnp.concatenate(flat, 0), (1, 1))
        pieces = _nested(jnp.split(p, len(flat), 1), lines)
    else:
        n = _cotangents(y, axes)
        pieces = [[_dot(a, c, (1, 1)) for c in row] for a, row in zip(n, u, strict=True)]
    return _add_inputs(pieces, y.shape[0], axes).astype(y.dtype)


def correlate(x: Array, y: Array, axes: Axes) -> Array:
    """The kernel of `<k', kernel> = <conv(x, k'), y>`: the kernel's gradient."""
    v = _inputs(x, axes)
    if is_joined(axes):
        flat = _flat(v)
        d = _dot(y.reshape(-1, y.shape[3]), jnp.concatenate(flat, 1), (0, 0))
        pieces = _nested([piece.T for piece in jnp.split(d, len(flat), 1)], axes[0].stride)
    else:
        # The larger matrix second: XLA is slower when the first one is read across.
        n = _cotangents(y, axes)
        pieces = [[_dot(a, c, (0, 0)).T for c in row] for a, row in zip(n, v, strict=True)]
    return _add_kernels(pieces, x.shape[3], axes).astype(x.dtype)


def _inputs(x: Array, axes: Axes) -> Pieces:
    """Tiles of x times B, as matrices [b * tiles, stride * c]."""
    rows, columns = axes
    b, _, _, c = x.shape
    widths = [(a.low, a.stride * a.blocks - a.low - a.size) for a in axes]
    x = pad(x, widths).reshape(b, rows.blocks, rows.stride, columns.blocks, columns.stride * c)
    across = combine(rows.scheme.b, _tiles(x.astype(wide(x)), 1, rows))
    pieces = []
    for part in across:
        for piece in combine(columns.scheme.b, _tiles(part, 3, columns)):
            low = piece.astype(x.dtype)
            pieces.append([low[:, :, i].reshape(-1, low.shape[4]) for i in range(rows.stride)])
    return pieces


def _tiles(x: Array, at: int, axis: Axis) -> list[Array]:
    """The first blocks of all tiles, the second ones, and so on."""
    reach = axis.tile * (axis.tiles - 1) + 1
    places = range(axis.tile + axis.taps - 1)
    return [lax.slice_in_dim(x, i, i + reach, axis.tile, at) for i in places]


def _add_inputs(pieces: Pieces, b: int, axes: Axes) -> Array:
    """The adjoint of `_inputs`."""
    rows, columns = axes
    n, lines = len(columns.scheme.b), []
    for i in range(rows.stride):
        parts = [row[i].reshape(b, rows.tiles, columns.tiles, -1) for row in pieces]
        across = [
            jnp.stack(_add_tiles(parts[j : j + n], 2, columns), 3) for j in range(0, len(parts), n)
        ]
        lines.append(_add_tiles(across, 1, rows))
    x = jnp.stack([jnp.stack(phase, 2) for phase in zip(*lines, strict=True)], 2)
    totals = [x.shape[1] * rows.tile * rows.stride, x.shape[4] * columns.tile * columns.stride]
    x = x.reshape(b, *totals, -1)
    sizes = zip(axes, totals, strict=True)
    return pad(x, [(-a.low, a.size + a.low - total) for a, total in sizes])


def _add_tiles(parts: Sequence[Array], at: int, axis: Axis) -> list[Array]:
    """The adjoint of `combine` after `_tiles`: where tiles overlap, they add up."""
    found, m = combine(transposed(axis.scheme.b), parts), axis.tile
    reach = (len(found) - 1) // m

    def shifted(place):
        widths = [(0, 0)] * (at - 1) + [(place // m, reach - place // m)]
        return pad(found[place], widths)

    phases = [[shifted(i) for i in range(phase, len(found), m)] for phase in range(m)]
    return [functools.reduce(lax.add, phase) for phase in phases]


def _kernels(kernel: Array, axes: Axes) -> Pieces:
    """G times the taps, as matrices [stride * c, features]."""
    rows, columns = axes
    _, _, c, features = kernel.shape
    fill = [(0, a.taps * a.stride - a.kernel) for a in axes]
    shape = (rows.taps, rows.stride, columns.taps, columns.stride * c, features)
    taps = jnp.pad(kernel, (*fill, (0, 0), (0, 0))).reshape(shape).astype(wide(kernel))
    down = combine(rows.scheme.g, list(taps))
    return [
        list(piece.astype(kernel.dtype))
        for part in down
        for piece in combine(columns.scheme.g, [part[:, i] for i in range(columns.taps)])
    ]


def _add_kernels(pieces: Pieces, c: int, axes: Axes) -> Array:
    """The adjoint of `_kernels`."""
    rows, columns = axes
    n, lines = len(columns.scheme.g), []
    for i in range(rows.stride):
        parts = [row[i] for row in pieces]
        down = [
            jnp.stack(combine(transposed(columns.scheme.g), parts[j : j + n]))
            for j in range(0, len(parts), n)
        ]
        lines.append(jnp.stack(combine(transposed(rows.scheme.g), down)))
    taps = jnp.stack(lines, 1)
    sizes = [a.taps * a.stride for a in axes]
    return taps.reshape(*sizes, c, -1)[: rows.kernel, : columns.kernel]


def _cotangents(y: Array, axes: Axes) -> list[Array]:
    """The adjoint of `_outputs`, as matrices [b * tiles, features]."""
    rows, columns = axes
    b, _, _, features = y.shape
    y = pad(y, [(0, a.tile * a.tiles - a.out) for a in axes])
    y = y.reshape(b, rows.tiles, rows.tile, columns.tiles, columns.tile, features)
    down = combine(
        transposed(rows.scheme.a), [y[:, :, i].astype(wide(y)) for i in range(rows.tile)]
    )
    return [
        piece.astype(y.dtype).reshape(-1, features)
        for part in down
        for piece in combine(
            transposed(columns.scheme.a), [part[:, :, :, i] for i in range(columns.tile)]
        )
    ]


def _outputs(products: Sequence[Array], b: int, axes: Axes) -> Array:
    """A times the products, put side by side."""
    rows, columns = axes
    n = len(columns.scheme.b)
    parts = [product.reshape(b, rows.tiles, columns.tiles, -1) for product in products]
    across = [
        jnp.stack(combine(columns.scheme.a, parts[i : i + n]), 3) for i in range(0, len(parts), n)
    ]
    y = jnp.stack(combine(rows.scheme.a, across), 2)
    y = y.reshape(b, rows.tile * rows.tiles, columns.tile * columns.tiles, -1)
    return y[:, : rows.out, : columns.out]
