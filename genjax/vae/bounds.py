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
from genjax.vae.terms import Terms, gaussian_of

Bound = Callable[..., Float[Array, 'b']]
BOUND = Kind('a bound', (__name__,), returns=("Float[Array, 'b']",), given=('terms', 'beta'))
BoundLike = Annotated[Bound | str, BOUND]


def elbo(terms: Terms, beta: Array | float = 1.0, *, free_bits: float = 0.0) -> Float[Array, 'b']:
    """`E_q log p(x | z) - beta KL(q(z | x) || p(z))`, the KL in closed form or else by samples.

    Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114). With free bits l the KL of each
    group, averaged over the batch, counts as at least l nats (Kingma et al. 2016,
    https://arxiv.org/abs/1606.04934).

    Args:
      terms: of any forward pass.
      beta: weight of the KL.
      free_bits: nats for each group of latents.

    Raises:
      ValueError: free bits, and the KL has no closed form.
    """
    if terms.kl is None and free_bits:
        raise ValueError(
            'expected posterior and prior whose KL has a closed form for free_bits, got '
            f'{type(terms.posterior).__name__} and {type(terms.prior).__name__}'
        )
    if terms.kl is None:
        return sampled_elbo(terms, beta)
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


def miwae(terms: Terms, beta: Array | float = 1.0, *, groups: int = 8) -> Float[Array, 'b']:
    """The mean of the importance-weighted bounds of so many groups of samples.

    `mean_m log mean_k w_mk`, Rainforth et al. 2018 (https://arxiv.org/abs/1802.04537).

    Args:
      terms: of any forward pass.
      beta: tempers prior and posterior.
      groups: into which the samples are divided.

    Raises:
      ValueError: the groups do not divide the samples.
    """
    log_w = log_weights(terms, beta)
    k = len(log_w)
    if groups < 1 or k % groups:
        raise ValueError(f'expected groups that divide k={k} samples, got {groups}')
    log_w = log_w.reshape(groups, k // groups, -1)
    return jnp.mean(jax.nn.logsumexp(log_w, axis=1), axis=0) - jnp.log(k // groups)


def ciwae(terms: Terms, beta: Array | float = 1.0, *, share: float = 0.05) -> Float[Array, 'b']:
    """`share ELBO + (1 - share) IWAE`, Rainforth et al. 2018 (https://arxiv.org/abs/1802.04537).

    Args:
      terms: of any forward pass.
      beta: tempers prior and posterior.
      share: of the ELBO.
    """
    return share * sampled_elbo(terms, beta) + (1 - share) * iwae(terms, beta)


def divergence(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'b']:
    """`-beta KL(q(z | x) || p(z))` alone, where a term of the loss has the likelihood's place.

    As the expected-loss VAE of Snell et al. 2017 (https://arxiv.org/abs/1511.06409) and VAE-GAN
    have it.

    Args:
      terms: of any forward pass.
      beta: weight of the KL.
    """
    return elbo(terms._replace(log_px_z=jnp.zeros_like(terms.log_px_z)), beta)


def stl(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'b']:
    """IWAE whose gradient leaves out the score of q, which is 0 in the mean where k = 1.

    "Sticking the landing", Roeder et al. 2017 (https://arxiv.org/abs/1703.09194): no variance where
    q is exact, and for k > 1 a bias.

    Args:
      terms: of any forward pass whose posterior has a density everywhere.
      beta: tempers prior and posterior.
    """
    return iwae(_by_path(terms), beta)


def dreg(terms: Terms, beta: Array | float = 1.0) -> Float[Array, 'b']:
    """IWAE with the doubly reparameterized gradient: for the encoder, as `encoder_bound`.

    `sum_k w_k^2 d log w_k / dz dz / dphi` with normalized weights: no bias, and a signal that does
    not vanish as k grows. Tucker et al. 2019 (https://arxiv.org/abs/1810.04152).

    Args:
      terms: of any forward pass whose posterior has a density everywhere.
      beta: tempers prior and posterior.
    """
    terms = _by_path(terms)
    log_w = log_weights(terms, beta)
    w = jax.lax.stop_gradient(jax.nn.softmax(log_w, axis=0))
    steer = jnp.sum(jnp.square(w) * log_w, axis=0)
    return jax.lax.stop_gradient(iwae(terms, beta) - steer) + steer


def _by_path(terms: Terms) -> Terms:
    """With a log q that depends on the posterior through the samples alone."""
    still = jax.lax.stop_gradient(terms.posterior)
    return terms._replace(log_qz=still.log_prob(terms.z))


def capacity(
    terms: Terms, beta: Array | float = 1.0, *, nats: float = 25.0, steps: int = 25_000
) -> Float[Array, 'b']:
    """`E_q log p(x | z) - beta |KL - C|`, C growing from 0 to so many nats.

    Burgess et al. 2018 (https://arxiv.org/abs/1804.03599).

    Args:
      terms: of a forward pass.
      beta: weight of the gap, about 1,000 in the paper for sums over pixels.
      nats: C at the end.
      steps: in which it grows.

    Raises:
      ValueError: fewer than one step.
    """
    if steps < 1:
        raise ValueError(f'expected steps >= 1, got {steps}')
    log_px_z = jnp.mean(terms.log_px_z, axis=0)
    kl = log_px_z - elbo(terms) if terms.kl is None else jnp.sum(terms.kl, axis=1)
    allowed = nats * jnp.minimum(1.0, terms.state.step.astype(jnp.float32) / steps)
    # Of the batch's mean, as in the paper: an image alone may need more or less.
    return log_px_z - beta * jnp.abs(jnp.mean(kl) - allowed)


def beta_tc(
    terms: Terms, beta: Array | float = 1.0, *, alpha: float = 1.0, gamma: float = 1.0
) -> Float[Array, 'b']:
    """The ELBO with its KL in three: index-code mutual information, total correlation and
    dimension-wise KL, `alpha MI + beta TC + gamma KL_j`.

    beta-TC-VAE, Chen et al. 2018 (https://arxiv.org/abs/1802.04942). `log q(z)` is that of the mean
    of the batch's posteriors, which is their minibatch-weighted sampling but for a constant: the
    size of the dataset moves no gradient.

    Args:
      terms: of a forward pass whose posterior is a diagonal Gaussian.
      beta: weight of the total correlation.
      alpha: weight of the mutual information.
      gamma: weight of the dimension-wise KL.

    Raises:
      ValueError: another posterior.
    """
    q, z = gaussian_of(terms), terms.z[0]
    n = len(z)
    each = q.log_densities(z[:, None])
    log_qz = jax.nn.logsumexp(jnp.sum(each, axis=2), axis=1) - jnp.log(n)
    log_product = jnp.sum(jax.nn.logsumexp(each, axis=1) - jnp.log(n), axis=1)
    information, correlation = terms.log_qz[0] - log_qz, log_qz - log_product
    alone = log_product - terms.log_pz[0]
    kl = alpha * information + beta * correlation + gamma * alone
    return jnp.mean(terms.log_px_z, axis=0) - kl
