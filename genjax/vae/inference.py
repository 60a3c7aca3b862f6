"""How latents of an image are found: a sample of q(z | x), or more."""

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.core import Net, Network, Term, check_range, held
from genjax.latents.distributions import leading, standard_normal
from genjax.parts import Kind
from genjax.random import stream
from genjax.vae.terms import Forward, Parts, compose, decoded

ImageShape = tuple[int, int, int]


class Inference(NamedTuple):
    """A forward pass.

    Attributes:
      forward: `parts -> Forward`.
      network: `(image_shape, d, num_classes) -> Network`, what it has of its own, called
        `inference` in the state; or None.
      terms: added to the VAE's loss.
      classifies: its network is `x -> logits` [b, num_classes] of q(y | x), and labels of images
        may be -1, not known.
      is_flat: it needs latents that fill all of space.
    """

    forward: Callable[[Parts], Forward]
    network: Callable[[ImageShape, int, int | None], Network] | None = None
    terms: tuple[Term, ...] = ()
    classifies: bool = False
    is_flat: bool = False


_MODULES = (__name__, 'genjax.vae.semi_supervised', 'genjax.vae.riemannian')
INFERENCE = Kind('a way of inference', _MODULES, (Inference,))
InferenceLike = Annotated[Inference | Callable[..., Inference] | str, INFERENCE]


def reparameterized() -> Inference:
    """A sample of the posterior, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114)."""
    return Inference(compose)


def hamiltonian(steps: int = 4, size: float = 0.05, temperature: float = 0.3) -> Inference:
    """A sample of the posterior, and from there steps along the gradient of log p(x, z).

    Hamiltonian VAE, Caterini et al. 2018 (https://arxiv.org/abs/1805.11328): leapfrog steps whose
    size is learned for each latent, from a momentum that is cooled to N(0, I). The maps keep the
    volume, so that the samples with their momenta have a known density, and the bound is one.

    Args:
      steps: of the leapfrog.
      size: of each at the start, in (0, 1).
      temperature: sqrt(beta_0) at the start, in (0, 1): that of the first momentum is 1 by it.

    Raises:
      ValueError: a number out of its range.
    """
    check_range(1, steps=steps)
    for name, value in {'size': size, 'temperature': temperature}.items():
        if not 0 < value < 1:
            raise ValueError(f'expected {name} in (0, 1), got {value}')

    def network(image_shape, d, num_classes):
        starts = {'size': (d, size), 'temperature': ((), temperature)}
        logits = {n: (shape, math.log(p / (1 - p))) for n, (shape, p) in starts.items()}

        def init(key):
            return Net({n: jnp.full(*given, jnp.float32) for n, given in logits.items()}, {})

        return held(init)

    return Inference(partial(_moved, steps), network, is_flat=True)


def _moved(steps: int, parts: Parts) -> Forward:
    plain = compose(parts)

    def forward(state, key, batch, k, train):
        seen, after = plain(state, key, batch, k, train)
        drawing, rest = stream(key, 'leapfrog'), standard_normal(seen.z.shape[-1])

        def log_joint(z):
            log_px_z, _ = decoded(parts, state, drawing, batch, z, train)
            return log_px_z, seen.prior.log_prob(z)

        noise = jax.random.normal(stream(key, 'momentum'), seen.z.shape, seen.z.dtype)
        params = state.nets['inference'].params
        z, momentum = leapfrog(lambda z: sum(log_joint(z)), seen.z, noise, params, steps)
        log_px_z, log_pz = log_joint(z)
        moved = {'z': z, 'kl': None, 'log_px_z': log_px_z}
        moved |= {'log_pz': log_pz + rest.log_prob(momentum)}
        moved |= {'log_qz': seen.log_qz + rest.log_prob(noise)}
        return seen._replace(**moved), after

    return forward


def leapfrog(
    log_density: Callable[[Array], Array],
    z: Float[Array, '... d'],
    noise: Float[Array, '... d'],
    params: dict[str, Array],
    steps: int,
) -> tuple[Float[Array, '... d'], Float[Array, '... d']]:
    """Where z and its momentum come to in so many steps; the volume stays.

    Args:
      log_density: of each z.
      z: to begin with.
      noise: the momentum to begin with, times the temperature.
      params: `size` [d] and `temperature`, the logits of both.
      steps: of the leapfrog.
    """
    size = leading(jax.nn.sigmoid(params['size']), z.ndim)
    start = jax.nn.sigmoid(params['temperature'])
    slope = jax.grad(lambda z: jnp.sum(log_density(z)))
    # 1 / sqrt(beta) falls from that of the start to 1 with the square of the time.
    heat = [1 / start + (1 - 1 / start) * (i / steps) ** 2 for i in range(steps + 1)]
    momentum, force = noise * heat[0], slope(z)
    for i in range(steps):
        momentum += size / 2 * force
        z += size * momentum
        force = slope(z)
        momentum = (momentum + size / 2 * force) * (heat[i + 1] / heat[i])
    return z, momentum
