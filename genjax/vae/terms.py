"""What a forward pass of a VAE knows, and the usual way to make one."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from genjax.core import Batch, State
from genjax.latents.distributions import Normal
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
      decode: `z -> images`, the mean of p(x | z) [b, h, w, c] of a latent for each example.
      x: the images as they were observed [b, h, w, c].
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
    decode: Callable[[Array], Array] | None = None
    x: Float[Array, 'b h w c'] | None = None


Forward = Callable[[State, Array, Batch, int, bool], tuple[Terms, State]]


class Parts(NamedTuple):
    """The three conditional distributions of a VAE; each threads the state.

    Attributes:
      encode: `(state, key, x, y, train) -> (q(z | x), state)`.
      prior: `state -> p(z)`.
      decode: `(state, key, z [n, d], y, train) -> (p(x | z), state)`.
      remember: `(state, x) -> state`, what the prior keeps of the images of a training step.
      infer: `(state, key, x, train) -> (what the network of the inference says, state)`.
    """

    encode: Callable[..., tuple[Any, State]]
    prior: Callable[[State], Any]
    decode: Callable[..., tuple[Any, State]]
    remember: Callable[[State, Array], State] = lambda state, x: state
    infer: Callable[..., tuple[Any, State]] | None = None


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


def drawn(posterior: Any, key: Array, k: int) -> tuple[Float[Array, 'k b d'], Float[Array, 'k b']]:
    """k samples and their log-densities, by `sample_and_log_prob` where there is one.

    Args:
      posterior: q(z | x).
      key: of the samples.
      k: how many.
    """
    if hasattr(posterior, 'sample_and_log_prob'):
        return posterior.sample_and_log_prob(key, k)
    z = posterior.sample(key, k)
    return z, posterior.log_prob(z)


def compose(parts: Parts) -> Forward:
    """The forward pass `(state, key, batch, k, train) -> (Terms, state)` of three parts.

    Draws k samples of the posterior by reparameterization (Kingma and Welling 2014,
    https://arxiv.org/abs/1312.6114).

    Args:
      parts: encoder, prior and decoder.
    """

    def mean_image(train, state, key, y, z):
        return parts.decode(state, key, z, y, train)[0].mean

    # Each one object, or a function that returns terms would be compiled anew.
    images = {train: partial(mean_image, train) for train in (False, True)}

    def forward(state, key, batch, k, train):
        encoder = stream(key, 'encoder')
        posterior, after = parts.encode(state, encoder, batch['x'], batch.get('y'), train)
        prior = parts.prior(state)
        z, log_qz = drawn(posterior, stream(key, 'z'), k)
        drawing = stream(key, 'decoder')
        log_px_z, after = decoded(parts, after, drawing, batch, z, train)
        y = batch.get('y')
        terms = Terms(
            log_px_z=log_px_z,
            log_pz=prior.log_prob(z),
            log_qz=log_qz,
            z=z,
            kl=posterior.kl_divergence(prior),
            posterior=posterior,
            prior=prior,
            extra=None,
            key=key,
            state=state,
            # As a pytree, since these terms may leave a jitted function.
            decode=Partial(images[train], state, drawing, y),
            x=batch['x'],
        )
        return terms, after if not train else parts.remember(after, batch['x'])

    return forward


def gaussian_of(terms: Terms) -> Normal:
    """The posterior of a forward pass, which has to be a diagonal Gaussian.

    Args:
      terms: of the pass.

    Raises:
      ValueError: it is another.
    """
    if not isinstance(terms.posterior, Normal):
        got = type(terms.posterior).__name__
        raise ValueError(f"expected posterior 'gaussian' for this loss, got {got}")
    return terms.posterior
