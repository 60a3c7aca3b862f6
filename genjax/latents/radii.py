"""Distributions of one number that have no closed form: normalized, drawn and differentiated.

A distribution on a sphere or in hyperbolic space is one of a radius or an angle, times a direction.
Its integrals are taken by quadrature where its mass is. Draws invert the distribution function F;
their derivative is implicit, `dr / da = -(dF / da) / f` (Figurnov et al. 2018,
https://arxiv.org/abs/1805.08498).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax.latents.distributions import leading

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(4)
_CELLS = 128


class Radius(NamedTuple):
    """A distribution of a radius r >= 0 with one parameter.

    Attributes:
      log: `(r, a) -> log f(r; a)` but for a constant of a, near 0 at the mode; where f is greater
        than at both ends its logarithm is concave.
      support: `a -> (low, mode, high)`, outside of which there is no mass that float32 could see.
    """

    log: Callable[[Array, Array], Array]
    support: Callable[[Array], tuple[Array, Array, Array]]


def _integral(f: Callable[[Array], Array], low: Array, high: Array) -> Array:
    """By Gauss and Legendre, along a new last axis."""
    half = (high - low)[..., None] / 2
    nodes, weights = (leading(jnp.asarray(a, half.dtype), half.ndim) for a in (_NODES, _WEIGHTS))
    return jnp.sum(f(low[..., None] + half * (1 + nodes)) * half * weights, axis=-1)


def log_normalizer(radius: Radius, a: Float[Array, '...']) -> Float[Array, '...']:
    """`log int exp(log f(r; a)) dr`, whose derivative is the mean of that of log f.

    Args:
      radius: the distribution.
      a: its parameter.
    """
    low, _, high = jax.lax.stop_gradient(radius.support(a))
    return jnp.log(_integral(lambda r: jnp.exp(radius.log(r, a[..., None])), low, high))


def _score(radius: Radius, r: Array, a: Array) -> Array:
    return jax.jvp(partial(radius.log, r), (a,), (jnp.ones_like(a),))[1]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def quantile(
    radius: Radius, u: Float[Array, 'k ...'], a: Float[Array, '...']
) -> Float[Array, 'k ...']:
    """The r at which the distribution function is u, to the rounding of float32.

    F is tabulated at the ends of 128 cells, and is a cubic in each.

    Args:
      radius: the distribution.
      u: uniform numbers.
      a: its parameter.
    """
    a = a[None]
    low, _, high = radius.support(a)
    step = (high - low) / _CELLS
    ends = jnp.arange(_CELLS + 1, dtype=step.dtype).reshape(-1, *[1] * (a.ndim - 1))
    ends = low + step * ends
    few = leading(jnp.asarray(_FEW_NODES, step.dtype), a.ndim + 1)
    nodes = ends[:-1, ..., None] + step[..., None] * (1 + few) / 2
    each = jnp.exp(radius.log(nodes, a[..., None])) @ jnp.asarray(_FEW_WEIGHTS / 2, step.dtype)
    # In units of a cell, of which all have the same length.
    total = jnp.sum(each, axis=0, keepdims=True)
    below = jnp.cumsum(each, axis=0) / total
    slope = jnp.exp(radius.log(ends, a)) / total
    return low + step * _inverted(jnp.concatenate([jnp.zeros_like(below[:1]), below]), slope, u)


def _inverted(table: Array, slope: Array, u: Array) -> Array:
    """Where a function is u, in cells; it is known at their ends, with its slope there."""
    cell = jnp.sum(table[1:-1][:, None] <= u[None], axis=0)

    def at(values, shift):
        return jnp.take_along_axis(values, cell + shift, axis=0)

    low, high, first, last = at(table, 0), at(table, 1), at(slope, 0), at(slope, 1)
    rise = high - low
    t = jnp.where(rise > 0, (u - low) / jnp.where(rise > 0, rise, 1), 0.5)
    # Hermite's cubic, by Newton's steps from the chord, which stay in the cell.
    cubic, square = first + last - 2 * rise, 3 * rise - 2 * first - last
    for _ in range(4):
        value = low + t * (first + t * (square + t * cubic))
        grows = first + t * (2 * square + 3 * t * cubic)
        t = jnp.clip(t - (value - u) / jnp.maximum(grows, 1e-12), 0.0, 1.0)
    return cell.astype(t.dtype) + t


@quantile.defjvp
def _quantile_jvp(radius, primals, tangents):
    u, a = primals
    r, a = quantile(radius, u, a), a[None]
    low, mode, high = radius.support(a)
    expected = mean(radius, partial(_score, radius), a)
    # From the side that holds less, on which f is nowhere greater than at r.
    begin = jnp.where(r > mode, r, low)
    end = jnp.where(r > mode, high, jnp.maximum(r, low))
    wide, at = a[..., None], radius.log(r, a)[..., None]

    def inner(s):
        return jnp.exp(radius.log(s, wide) - at) * (_score(radius, s, wide) - expected[..., None])

    side = jnp.where(r > mode, 1.0, -1.0)
    moved = side * _integral(inner, begin, jnp.broadcast_to(end, begin.shape))
    # du / dr = f(r).
    density = jnp.exp(at[..., 0] - log_normalizer(radius, a))
    return r, moved * tangents[1][None] + tangents[0] / density


def mean(
    radius: Radius, function: Callable[[Array, Array], Array], a: Float[Array, '...']
) -> Float[Array, '...']:
    """`E f(r, a)`.

    Args:
      radius: the distribution.
      function: of r and a.
      a: its parameter.
    """
    low, _, high = radius.support(a)
    wide = a[..., None]
    total = log_normalizer(radius, a)[..., None]
    return _integral(lambda r: jnp.exp(radius.log(r, wide) - total) * function(r, wide), low, high)
