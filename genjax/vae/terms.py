"""What a forward pass of a VAE knows, and the usual way to make one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.core import Batch, State
from genjax.random import stream


class Terms(NamedTuple):
    """The context of a VAE's bounds and terms, in nats.

    Attributes:
      log_px_z: log p(x | z) [k, b].
      log_pz: log p(z) [k, b].
      log_qz: log q(z | x) [k, b].
      z: samples of the posterior [k, b, d].
      kl: KL(q(z | x) || p(z)) of each group of latents [b, groups], or None where it has no
        closed form.
      posterior: q(z | x), of b examples.
      prior: p(z).
      extra: whatever else a forward pass wants its terms to know.
      key: the key of this pass.
      state: the state that the pass was made with.
    """

    log_px_z: Float[Array, 'k b']
    log_pz: Float[Array, 'k b']
    log_qz: Float[Array, 'k b']
    z: Float[Array, 'k b d']
    kl: Float[Array, 'b groups'] | None
    posterior: Any
    prior: Any
    extra: Any
    key: Array
    state: State


Forward = Callable[[State, Array, Batch, int, bool], tuple[Terms, State]]


class Parts(NamedTuple):
    """The three conditional distributions of a VAE; each threads the state.

    Attributes:
      encode: `(state, key, x, y, train) -> (q(z | x), state)`.
      prior: `state -> p(z)`.
      decode: `(state, key, z [n, d], y, train) -> (p(x | z), state)`.
    """

    encode: Callable[..., tuple[Any, State]]
    prior: Callable[[State], Any]
    decode: Callable[..., tuple[Any, State]]


def decoded(
    parts: Parts, state: State, key: Array, batch: Batch, z: Float[Array, 'k b d'], train: bool
) -> tuple[Float[Array, 'k b'], State]:
    """log p(x | z) of k latents for each example, in nats, and the state.

    Args:
      parts: of which the decoder is called, once.
      state: of the model.
      key: of the decoder.
      batch: as it is observed.
      z: latents.
      train: whether the pass is one of training.
    """
    x, y, k = batch['x'], batch.get('y'), len(z)
    # k copies of the batch, one after the other, are one batch for the decoder.
    labels = None if y is None else jnp.tile(y, k)
    likelihood, state = parts.decode(state, key, z.reshape(-1, z.shape[-1]), labels, train)
    log_px_z = likelihood.log_prob(jnp.tile(x, (k,) + (1,) * (x.ndim - 1)))
    return log_px_z.reshape(k, len(x)), state


def compose(parts: Parts) -> Forward:
    """The forward pass `(state, key, batch, k, train) -> (Terms, state)` of three parts.

    Draws k samples of the posterior by reparameterization (Kingma and Welling 2014,
    https://arxiv.org/abs/1312.6114).

    Args:
      parts: encoder, prior and decoder.
    """

    def forward(state, key, batch, k, train):
        encoder = stream(key, 'encoder')
        posterior, after = parts.encode(state, encoder, batch['x'], batch.get('y'), train)
        prior = parts.prior(state)
        z = posterior.sample(stream(key, 'z'), k)
        log_px_z, after = decoded(parts, after, stream(key, 'decoder'), batch, z, train)
        terms = Terms(
            log_px_z=log_px_z,
            log_pz=prior.log_prob(z),
            log_qz=posterior.log_prob(z),
            z=z,
            kl=posterior.kl_divergence(prior),
            posterior=posterior,
            prior=prior,
            extra=None,
            key=key,
            state=state,
        )
        return terms, after

    return forward
