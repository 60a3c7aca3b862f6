"""Bounds on log p(x), each `Terms -> [b]`, in nats.

`beta` tempers prior and posterior. With beta = 1 and no free bits each is a true lower bound;
otherwise it is an objective to train by (beta-VAE, Higgins et al. 2017), not a bound.
"""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.parts import Kind
from genjax.vae.terms import Terms

Bound = Callable[..., Float[Array, 'b']]
BOUND = Kind('a bound', (__name__,), returns=("Float[Array, 'b']",), given=('terms', 'beta'))
BoundLike = Annotated[Bound | str, BOUND]


def elbo(terms: Terms, beta: Array | float = 1.0, *, free_bits: float = 0.0) -> Float[Array, 'b']:
    """`E_q log p(x | z) - beta KL(q(z | x) || p(z))`, the KL in closed form.

    Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114). With free bits l the KL of each
    group, averaged over the batch, counts as at least l nats (Kingma et al. 2016,
    https://arxiv.org/abs/1606.04934).

    Args:
      terms: of a forward pass whose KL has a closed form.
      beta: weight of the KL.
      free_bits: nats for each group of latents.

    Raises:
      ValueError: the KL has no closed form.
    """
    if terms.kl is None:
        raise ValueError('expected a KL in closed form, got none: use sampled_elbo')
    kl = jnp.sum(terms.kl, axis=1)
    if free_bits:
        # Per batch, hence the same for each example.
        floor = jnp.sum(jnp.maximum(free_bits, jnp.mean(terms.kl, axis=0)))
        kl = jnp.full_like(kl, floor)
    return jnp.mean(terms.log_px_z, axis=0) - beta * kl


def log_weights(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'k b']:
    """`log p(x | z) + beta (log p(z) - log q(z | x))` of every sample.

    Args:
      terms: of any forward pass.
      beta: tempers prior and posterior.
    """
    return terms.log_px_z + beta * (terms.log_pz - terms.log_qz)


def sampled_elbo(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'b']:
    """The ELBO by samples alone, `mean_k log w_k`.

    Args:
      terms: of any forward pass.
      beta: tempers prior and posterior.
    """
    return jnp.mean(log_weights(terms, beta), axis=0)


def iwae(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'b']:
    """The importance-weighted bound `log mean_k w_k`.

    Burda et al. 2016 (https://arxiv.org/abs/1509.00519); with k = 1 it is the ELBO, and in
    expectation it does not fall with k.

    Args:
      terms: of any forward pass.
      beta: tempers prior and posterior.
    """
    log_w = log_weights(terms, beta)
    return jax.nn.logsumexp(log_w, axis=0) - jnp.log(len(log_w))
