"""Toom-Cook's short convolutions: m outputs of an r-tap filter from m + r - 1 products.

    y = A ((G g) * (B d)),   y[i] = sum_j d[i + j] g[j]

With d a tile of m + r - 1 inputs and g the taps (Winograd 1980; Lavin and Gray 2016,
https://arxiv.org/abs/1509.09308). A polynomial is known by its values at m + r - 1 points; infinity
is one of them.
"""

import functools
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

Matrix = tuple[tuple[Fraction, ...], ...]

# With these the coefficients of inputs and outputs are 0 and +-1, and rounding stays near that of a
# plain sum; larger points amplify it (Barabasz et al. 2020, https://arxiv.org/abs/1803.10986).
_POINTS = tuple(map(Fraction, (0, 1, -1)))


class Scheme(NamedTuple):
    """The three matrices.

    Attributes:
      b: of a tile of inputs, `[n, n]`.
      g: of the taps, `[n, r]`.
      a: of the products, `[m, n]`.
    """

    b: Matrix
    g: Matrix
    a: Matrix


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of `prod (x - root)`, the constant first."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [a - root * b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients


@functools.cache
def scheme(m: int, r: int) -> Scheme:
    """The matrices for m outputs and r taps; m = 1 is the plain sum of r products.

    Args:
      m: outputs of a tile, >= 1.
      r: taps, >= 1; m + r - 1 is at most 4 unless m or r is 1.
    """
    n = m + r - 1
    if 1 in (m, r):
        unit = tuple(tuple(Fraction(i == j) for j in range(n)) for i in range(n))
        ones = ((Fraction(1),) * n,)
        return Scheme(unit, unit if m == 1 else transposed(ones), ones if m == 1 else unit)
    points = _POINTS[: n - 1]
    b, g = [], []
    for point in points:
        others = [other for other in points if other != point]
        scale = Fraction(1)
        for other in others:
            scale *= point - other
        b.append((*_polynomial(others), Fraction(0)))
        g.append(tuple(point**j / scale for j in range(r)))
    b.append(tuple(_polynomial(points)))
    g.append(tuple(Fraction(j == r - 1) for j in range(r)))
    a = tuple((*(point**i for point in points), Fraction(i == m - 1)) for i in range(m))
    return Scheme(tuple(b), tuple(g), a)


def transposed(matrix: Matrix) -> Matrix:
    """The transpose."""
    return tuple(zip(*matrix, strict=True))


def combine(matrix: Matrix, parts: Sequence[Array]) -> list[Array]:
    """The matrix times a vector of arrays; zeros cost nothing, ones no product.

    Args:
      matrix: `[n, k]`, a nonzero in each row.
      parts: k arrays of one shape.
    """
    return [_sum(row, parts) for row in matrix]


def _sum(row: Sequence[Fraction], parts: Sequence[Array]) -> Array:
    total: Array | None = None
    for coefficient, part in zip(row, parts, strict=True):
        if not coefficient:
            continue
        size = abs(coefficient)
        term = part if size == 1 else part * jnp.asarray(float(size), part.dtype)
        if total is None:
            total = term if coefficient > 0 else -term
        else:
            total = total + term if coefficient > 0 else total - term
    assert total is not None
    return total
