"""Annealed importance sampling, which checks a likelihood without trusting an encoder."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from genjax.random import stream
from genjax.vae.importance import Estimate, importance_weighted

LogDensity = Callable[[Float[Array, 'k b d']], Float[Array, 'k b']]

# The rate of acceptance at which Hamiltonian Monte Carlo costs least (Beskos et al. 2013).
ACCEPTANCE = 0.65
# How fast the logarithm of a step size follows it, and where step sizes start.
ADAPTATION, STEP_SIZE = 0.1, 0.1


class Annealed(NamedTuple):
    """What annealed importance sampling found.

    Attributes:
      log_px: estimates of log p(x), in nats, with errors `[b]`.
      acceptance: share of the transitions that were accepted `[b]`. Far below 0.65 the chains stood
        still, and more temperatures or leapfrogs are needed.
    """

    log_px: Estimate
    acceptance: Float[Array, 'b']


def sigmoidal(steps: int, sharpness: float = 4.0) -> Float[Array, 'steps_and_one']:
    """Inverse temperatures from 0 to 1, densest at the ends: a sigmoid of evenly spaced numbers.

    Wu et al. 2017 (https://arxiv.org/abs/1611.04273).

    Args:
      steps: between 0 and 1.
      sharpness: the sigmoid is taken on [-sharpness, sharpness].

    Raises:
      ValueError: `steps` < 1 or `sharpness` <= 0.
    """
    if steps < 1 or not sharpness > 0:
        raise ValueError(f'expected steps >= 1, sharpness > 0, got {steps} and {sharpness}')
    s = jax.nn.sigmoid(jnp.linspace(-sharpness, sharpness, steps + 1))
    return (s - s[0]) / (s[-1] - s[0])


def annealed_importance_sampling(
    key: Key[Array, ''],
    z: Float[Array, 'chains b d'],
    log_start: LogDensity,
    log_joint: LogDensity,
    temperatures: Float[Array, 'steps_and_one'],
    leapfrogs: int = 10,
) -> Annealed:
    """log p(x) by chains from a simple distribution to the posterior, of b examples at once.

    The distributions on the way are `log f_t = (1 - t) log_start + t log_joint`, t the inverse
    temperature; from the prior that is `p(z) p(x | z)^t`. A chain's weight is the product of
    `f_t(z) / f_s(z)`, s before t, each followed by a transition of Hamiltonian Monte Carlo that
    leaves f_t invariant. The mean of the weights estimates p(x) without bias.

    Neal 2001 (https://arxiv.org/abs/physics/9803008); for decoders Wu et al. 2017
    (https://arxiv.org/abs/1611.04273).

    The first chain of each example finds its step size at each temperature, for an acceptance of
    0.65, and does not count: step sizes that follow a chain's own past would bias its weight.

    A pure function, to be jitted together with what makes the densities:

        @jax.jit
        def check(state, key, batch):
            shape = (17, len(batch['x']), model.latent_dim)
            return annealed_importance_sampling(
                key, jax.random.normal(stream(key, 'z'), shape),
                vae.standard_normal(model.latent_dim).log_prob,
                lambda z: model.log_joint(state, key, batch, z), sigmoidal(1000),
            )

    Args:
      key: of the transitions.
      z: independent samples of the start, the prior or an encoder's posterior; chains >= 3.
      log_start: the log density of the start, `[chains, b, d] -> [chains, b]`, normalized.
      log_joint: log p(x, z) of the same.
      temperatures: inverse temperatures, rising from 0 to 1, as `sigmoidal` makes them.
      leapfrogs: steps of each transition.

    Raises:
      ValueError: other shapes, too few chains or leapfrogs.
    """
    _check(z, temperatures, leapfrogs)

    def move(key, z, t, log_size):
        def density(z):
            return (1 - t) * log_start(z) + t * log_joint(z)

        return _hamiltonian(key, z, density, jnp.exp(log_size), leapfrogs)

    def adapt(carry, step):
        z, log_size = carry
        key, t = step
        z, accepted = move(key, z, t, log_size)
        return (z, log_size + ADAPTATION * (accepted[0] - ACCEPTANCE)), log_size

    def anneal(carry, step):
        z, log_w = carry
        key, before, t, log_size = step
        log_w += (t - before) * (log_joint(z) - log_start(z))
        z, accepted = move(key, z, t, log_size)
        return (z, log_w), jnp.mean(accepted, axis=0)

    (chains, b, _), rising = z.shape, temperatures[1:]
    keys = [jax.random.split(stream(key, name), len(rising)) for name in ('adapt', 'anneal')]
    log_size = jnp.full(b, math.log(STEP_SIZE), z.dtype)
    _, log_sizes = jax.lax.scan(adapt, (z[:1], log_size), (keys[0], rising))
    steps = (keys[1], temperatures[:-1], rising, log_sizes)
    start = (z[1:], jnp.zeros((chains - 1, b), z.dtype))
    (_, log_w), acceptance = jax.lax.scan(anneal, start, steps)
    return Annealed(importance_weighted(log_w), jnp.mean(acceptance, axis=0))


def _check(z: Array, temperatures: Array, leapfrogs: int) -> None:
    if z.ndim != 3 or len(z) < 3:
        raise ValueError(f'expected starts z [chains >= 3, b, d], got {list(z.shape)}')
    if temperatures.ndim != 1 or len(temperatures) < 2:
        raise ValueError(
            f'expected inverse temperatures [steps + 1 >= 2], got {list(temperatures.shape)}'
        )
    if leapfrogs < 1:
        raise ValueError(f'expected leapfrogs >= 1, got {leapfrogs}')


def _hamiltonian(
    key: Key[Array, ''],
    z: Float[Array, 'k b d'],
    log_density: LogDensity,
    size: Float[Array, 'b'],
    leapfrogs: int,
) -> tuple[Float[Array, 'k b d'], Float[Array, 'k b']]:
    """One transition of Hamiltonian Monte Carlo, and the probability that it was accepted with."""
    size = size[None, :, None]

    def with_gradient(z):
        # The chains do not see each other: the gradient of the sum is that of each.
        value, pull = jax.vjp(log_density, z)
        return value, *pull(jnp.ones_like(value))

    def leap(_, at):
        z, momentum, _, gradient = at
        momentum = momentum + size / 2 * gradient
        z = z + size * momentum
        value, gradient = with_gradient(z)
        return z, momentum + size / 2 * gradient, value, gradient

    def energy(momentum, value):
        return jnp.sum(jnp.square(momentum), axis=-1) / 2 - value

    momentum = jax.random.normal(stream(key, 'momentum'), z.shape, z.dtype)
    start = (z, momentum, *with_gradient(z))
    there, momentum_there, value_there, _ = jax.lax.fori_loop(0, leapfrogs, leap, start)
    fall = energy(momentum, start[2]) - energy(momentum_there, value_there)
    # A trajectory that left all bounds is not accepted.
    probability = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(fall), -jnp.inf, fall), 0.0))
    accepted = jax.random.uniform(stream(key, 'accept'), fall.shape, fall.dtype) < probability
    return jnp.where(accepted[..., None], there, z), probability
