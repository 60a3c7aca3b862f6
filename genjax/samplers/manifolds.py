"""The sampler that takes a latent space for a curved one."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.core import check_range
from genjax.latents.distributions import leading
from genjax.random import stream
from genjax.samplers.learned import Arrays, Sampler, some_posteriors


def manifold(
    components: int = 500, steps: int = 50, leapfrogs: int = 10, step_size: float = 0.1
) -> Sampler:
    """Evenly on the Riemannian manifold that the posteriors span: `p(z) ~ sqrt(det G(z))`.

    `G(z) = sum_i S_i^-1 exp(-(z - m_i)' S_i^-1 (z - m_i) / r^2) + 0.01 exp(-|z|^2 / 10^5) I`, where
    m_i and S_i are moments of the posteriors of training images and r the greatest distance of one
    to its nearest, in its own metric; by Hamiltonian Monte Carlo from one of them. Chadebec and
    Allassonniere 2022 (https://arxiv.org/abs/2209.07370).

    Args:
      components: images.
      steps: of the chain of each sample.
      leapfrogs: of a step.
      step_size: of a leapfrog, in units of the mean standard deviation of the posteriors.
    """
    check_range(1, components=components, steps=steps, leapfrogs=leapfrogs)

    def fit(key, codes):
        found = some_posteriors(key, codes, components)
        squares = _squares(found['mean'], found)
        squares += jnp.diag(jnp.full(len(squares), jnp.inf))
        spread = step_size * jnp.mean(jnp.exp(found['log_var'] / 2))
        return {**found, 'r2': jnp.max(jnp.min(squares, axis=1)), 'step_size': spread}

    def draw(arrays, key):
        start = jax.random.choice(stream(key, 'start'), arrays['mean'])
        volume = partial(log_volume, arrays)

        def step(z, key):
            return _hamiltonian(volume, key, z, arrays['step_size'], leapfrogs), None

        return jax.lax.scan(step, start, jax.random.split(stream(key, 'chain'), steps))[0]

    return Sampler(fit, draw)


def _squares(z: Array, arrays: Arrays) -> Array:
    """Squared distances to the means, each in the metric of its own posterior."""
    gap = jnp.square(z[..., None, :] - leading(arrays['mean'], z.ndim + 1))
    return jnp.sum(gap * leading(jnp.exp(-arrays['log_var']), gap.ndim), axis=-1)


def log_volume(arrays: Arrays, z: Float[Array, 'd']) -> Float[Array, '']:
    """`log sqrt(det G(z))` of `manifold`, whose G is diagonal.

    Args:
      arrays: `mean` and `log_var` [n, d], and `r2`.
      z: a latent.
    """
    near = jnp.exp(-_squares(z, arrays) / arrays['r2'])[:, None]
    far = 0.01 * jnp.exp(-1e-5 * jnp.sum(jnp.square(z)))
    return 0.5 * jnp.sum(jnp.log(jnp.sum(near * jnp.exp(-arrays['log_var']), axis=0) + far))


def _hamiltonian(log_density: Callable, key: Array, z: Array, size: Array, leapfrogs: int) -> Array:
    """A step of Hamiltonian Monte Carlo (Neal 2011, https://arxiv.org/abs/1206.1901)."""
    slope = jax.grad(log_density)
    momentum = jax.random.normal(stream(key, 'momentum'), z.shape, z.dtype)

    def leap(_, at):
        place, pace = at
        place = place + size * pace
        return place, pace + size * slope(place)

    half = momentum + size / 2 * slope(z)
    place, pace = jax.lax.fori_loop(0, leapfrogs, leap, (z, half))
    pace = pace - size / 2 * slope(place)

    def energy(place, pace):
        return jnp.sum(jnp.square(pace)) / 2 - log_density(place)

    gain = energy(z, momentum) - energy(place, pace)
    accepted = jnp.log(jax.random.uniform(stream(key, 'accept'), (), z.dtype)) < gain
    return jnp.where(accepted, place, z)
