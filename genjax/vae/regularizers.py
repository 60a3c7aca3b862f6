"""Terms of a VAE's loss, each of the `Terms` of a forward pass."""

import math
from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.core import Term
from genjax.parts import Kind, ScalarOrSchedule
from genjax.random import stream
from genjax.similarity import similarities
from genjax.vae.terms import gaussian_of

REGULARIZER = Kind('a term of a VAE', (__name__,), (Term,))
RegularizerLike = Annotated[Term | Callable[..., Term] | str, REGULARIZER]


def dip(
    weight: ScalarOrSchedule = 10.0, diagonal: float = 1.0, kind: Literal['i', 'ii'] = 'ii'
) -> Term:
    """`sum_{i != j} C_ij^2 + diagonal sum_i (C_ii - 1)^2`, C the covariance of the latents.

    DIP-VAE, Kumar et al. 2018 (https://arxiv.org/abs/1711.00848), whose `diagonal` is 10 of kind i
    and 1 of kind ii.

    Args:
      weight: of the term, or a schedule of it.
      diagonal: how much more the diagonal counts.
      kind: i takes the covariance of the means, ii adds the mean variances of the posteriors.

    Raises:
      ValueError: another kind.
    """
    if kind not in ('i', 'ii'):
        raise ValueError(f"expected kind 'i' or 'ii', got {kind!r}")

    def apply(memory, terms):
        q = gaussian_of(terms)
        gap = q.mean - jnp.mean(q.mean, axis=0, keepdims=True)
        c = gap.T @ gap / len(gap)
        if kind == 'ii':
            c += jnp.diag(jnp.mean(jnp.exp(q.log_var), axis=0))
        on = jnp.diagonal(c)
        off = jnp.sum(jnp.square(c)) - jnp.sum(jnp.square(on))
        return off + diagonal * jnp.sum(jnp.square(on - 1)), memory

    return Term('dip', apply, weight=weight)


# Of the inverse multiquadratic kernel, in units of the prior's own spread.
_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def _multiquadratic(squares: Array, d: int) -> Array:
    scales = jnp.array(_SCALES, squares.dtype).reshape(-1, 1, 1)
    return jnp.sum(2 * d * scales / (2 * d * scales + squares[None]), axis=0)


def _radial_basis(squares: Array, d: int) -> Array:
    return jnp.exp(-squares / d)


_KERNELS = {'imq': _multiquadratic, 'rbf': _radial_basis}


def mmd(weight: ScalarOrSchedule = 10.0, kernel: Literal['imq', 'rbf'] = 'imq') -> Term:
    """The squared maximum mean discrepancy of the batch's latents and as many of the prior's.

    `mean_{i != j} k(z_i, z_j) + mean_{i != j} k(z'_i, z'_j) - 2 mean k(z_i, z'_j)`, whose mean is 0
    where both are alike. WAE-MMD, Tolstikhin et al. 2018 (https://arxiv.org/abs/1711.01558), whose
    kernel is `imq`, a sum of `C / (C + |z - z'|^2)` with C of 0.2 d to 20 d; InfoVAE, Zhao et al.
    2019 (https://arxiv.org/abs/1706.02262), whose kernel is `rbf`, `exp(-|z - z'|^2 / d)`.

    Args:
      weight: of the term, or a schedule of it.
      kernel: which.

    Raises:
      ValueError: another kernel.
    """
    if kernel not in _KERNELS:
        raise ValueError(f'expected a kernel among {sorted(_KERNELS)}, got {kernel!r}')
    of = _KERNELS[kernel]

    def apply(memory, terms):
        z = terms.z[0]
        n, d = z.shape
        if n < 2:
            raise ValueError(f'expected a batch of 2 or more for mmd, got {n}')
        other = terms.prior.sample(stream(terms.key, 'mmd'), n)
        within = sum(_off_diagonal(of(_squared_distances(a, a), d)) for a in (z, other))
        return within - 2 * jnp.mean(of(_squared_distances(z, other), d)), memory

    return Term('mmd', apply, weight=weight)


def _squared_distances(a: Float[Array, 'n d'], b: Float[Array, 'm d']) -> Float[Array, 'n m']:
    return jnp.sum(jnp.square(a[:, None] - b[None]), axis=-1)


def _off_diagonal(k: Array) -> Array:
    n = len(k)
    return (jnp.sum(k) - jnp.trace(k)) / (n * (n - 1))


def decoder_gradient(weight: ScalarOrSchedule = 1e-3) -> Term:
    """`|dD(z) / dz|^2`, of Frobenius, by one random projection: RAE-GP.

    Ghosh et al. 2020 (https://arxiv.org/abs/1903.12436).

    Args:
      weight: of the term, or a schedule of it.
    """

    def apply(memory, terms):
        z = terms.z[0]
        images, pull = jax.vjp(terms.decode, z)
        e = jax.random.normal(stream(terms.key, 'decoder_gradient'), images.shape, images.dtype)
        return jnp.sum(jnp.square(pull(e)[0]), axis=-1), memory

    return Term('decoder_gradient', apply, weight=weight)


# Below this a scale counts by an exponential: where images have nothing in common, or less, there
# is a gradient too, which a power of 0 has not.
_LEAST = 0.01


def ms_ssim(weight: ScalarOrSchedule = 100.0) -> Term:
    """`1 - MS-SSIM(x, D(z))`, the multi-scale structural similarity of an image and its
    reconstruction: in the likelihood's place where the bound is `divergence`.

    `prod_j m_j^w_j` of the scales, averaged over channels (Wang et al. 2003,
    https://doi.org/10.1109/ACSSC.2003.1292216), with `m = e exp(m / e - 1)` below e = 0.01. The
    scales are halvings that leave the 11 pixels of the window, at most five: 28 pixels have two.
    Expected-loss VAE, Snell et al. 2017 (https://arxiv.org/abs/1511.06409).

    Args:
      weight: of the term in nats, or a schedule of it.
    """

    def apply(memory, terms):
        return 1 - _alike((terms.x + 1) / 2, (terms.decode(terms.z[0]) + 1) / 2), memory

    return Term('ms_ssim', apply, weight=weight)


def _alike(a: Float[Array, 'n h w c'], b: Float[Array, 'n h w c']) -> Float[Array, 'n']:
    weights, means = similarities(a, b)
    m = jnp.stack(means)
    # Each where the other is not taken at the edge: no logarithm of 0.
    above, below = jnp.maximum(m, _LEAST), jnp.minimum(m, _LEAST)
    logs = jnp.where(m > _LEAST, jnp.log(above), math.log(_LEAST) + below / _LEAST - 1)
    each = jnp.asarray(weights, m.dtype).reshape(-1, 1, 1) * logs
    return jnp.mean(jnp.exp(jnp.sum(each, axis=0)), axis=1)
