"""Leapfrog steps in latent space with a metric that is learned."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from genjax.core import Net, Network, State, check_range
from genjax.latents.distributions import bounded, leading, standard_normal
from genjax.nn.linen import example_inputs, from_linen
from genjax.nn.mlp import MLPEncoder
from genjax.random import stream
from genjax.vae.inference import ImageShape, Inference
from genjax.vae.terms import Forward, Parts, compose, decoded

# Of the fixed points that implicit steps are: each takes the error down by the size of a step.
_ITERATIONS = 3
# Of the entries of L: steps through a metric that is steeper than their size allows run away, and
# a network that is rewarded for long ways would go there.
_STEEPEST = 2.0


class Metric(NamedTuple):
    """`G^-1(z) = sum_i L_i L_i' exp(-|z - c_i|^2 / T^2) + least I`.

    Attributes:
      centroids: c [n, d].
      factors: L, lower triangles [n, d, d].
      temperature: T.
      least: of the eigenvalues.
    """

    centroids: Float[Array, 'n d']
    factors: Float[Array, 'n d d']
    temperature: float
    least: float

    def inverse(self, z: Float[Array, '... d']) -> Float[Array, '... d d']:
        """G^-1 at each z.

        Args:
          z: latents.
        """
        gap = z[..., None, :] - leading(self.centroids, z.ndim + 1)
        near = jnp.exp(-jnp.sum(jnp.square(gap), axis=-1) / self.temperature**2)
        each = self.factors @ self.factors.mT
        unit = jnp.eye(z.shape[-1], dtype=z.dtype)
        return jnp.einsum('...n,nij->...ij', near, each) + leading(self.least * unit, z.ndim + 1)


def riemannian(
    steps: int = 3,
    size: float = 1e-3,
    temperature: float = 1.5,
    least: float = 0.01,
    start: float = 0.3,
    images: int = 100,
    hidden: Sequence[int] = (400,),
) -> Inference:
    """A sample of the posterior, and from there leapfrog steps of a metric that is learned.

    Riemannian Hamiltonian VAE, Chadebec et al. 2020 (https://arxiv.org/abs/2010.11518): G^-1 is
    large near the means c_i of the posteriors of images, by factors L_i that a network makes of
    these. Here they are the last images that were trained on, in place of all, and L_i has bounded
    entries. The momentum begins in N(0, G(z) / start), is cooled to N(0, G(z)), and with its place
    moves along `H = -log p(x, z) + log |G(z)| / 2 + momentum' G^-1(z) momentum / 2`. The implicit
    steps are iterated three times: the maps keep the volume, and the bound is one, as far as these
    go.

    Args:
      steps: of the leapfrog.
      size: of each, > 0.
      temperature: how far the images reach in latent space, > 0.
      least: of the eigenvalues of G^-1, > 0.
      start: beta_0, in (0, 1].
      images: that are kept.
      hidden: sizes of the hidden layers of the network of factors.

    Raises:
      ValueError: a number out of its range.
    """
    check_range(1, steps=steps, images=images)
    for name, value in {'size': size, 'temperature': temperature, 'least': least}.items():
        if not value > 0:
            raise ValueError(f'expected {name} > 0, got {value}')
    if not 0 < start <= 1:
        raise ValueError(f'expected start in (0, 1], got {start}')
    make = partial(_metric, temperature, least)
    return Inference(
        partial(_moved, make, steps, size, start), partial(_network, images, hidden), is_flat=True
    )


def _network(
    images: int, hidden: Sequence[int], shape: ImageShape, d: int, num_classes: int | None
) -> Network:
    """`images -> (log-diagonal, what is below)` of L, and in `stats` the images that are kept."""
    if num_classes is not None:
        raise ValueError(
            f'expected no num_classes for a Riemannian metric, got num_classes={num_classes}'
        )
    body = MLPEncoder(d, tuple(hidden), spread=d * (d - 1) // 2)
    whole = from_linen(body, *example_inputs(shape, d, None)[0])

    def init(key):
        kept = jax.random.uniform(stream(key, 'images'), (images, *shape), jnp.float32, -1.0)
        return Net(whole.init(key).params, {'images': kept})

    def apply(net, x, **options):
        return whole.apply(Net(net.params, {}), x, **options)[0], net

    return Network(init, apply)


def _metric(
    temperature: float, least: float, parts: Parts, state: State, key: Array, train: bool
) -> Metric:
    assert parts.infer is not None
    kept = state.nets['inference'].stats['images']
    q, _ = parts.encode(state, stream(key, 'centroids'), kept, None, train)
    (first, below), _ = parts.infer(state, stream(key, 'factors'), kept, train)
    n, d = first.shape
    rows, columns = jnp.tril_indices(d, -1)
    below = bounded(below, -_STEEPEST, _STEEPEST)
    lower = jnp.zeros((n, d, d), first.dtype).at[:, rows, columns].set(below)
    diagonal = jnp.exp(bounded(first, -5.0, math.log(_STEEPEST)))
    unit = jnp.eye(d, dtype=first.dtype)[None]
    return Metric(q.mean, lower + unit * diagonal[..., None], temperature, least)


def _moved(make: Callable, steps: int, size: float, start: float, parts: Parts) -> Forward:
    plain = compose(parts)

    def forward(state, key, batch, k, train):
        seen, after = plain(state, key, batch, k, train)
        metric = make(parts, state, stream(key, 'metric'), train)
        drawing, rest = stream(key, 'leapfrog'), standard_normal(seen.z.shape[-1])

        def log_joint(z):
            log_px_z, _ = decoded(parts, state, drawing, batch, z, train)
            return log_px_z, seen.prior.log_prob(z)

        noise = jax.random.normal(stream(key, 'momentum'), seen.z.shape, seen.z.dtype)
        root = jnp.linalg.cholesky(metric.inverse(seen.z))
        momentum = _solved(root, noise)
        z, momentum = generalized_leapfrog(
            lambda z: sum(log_joint(z)), metric, seen.z, momentum, steps, size, start
        )
        log_px_z, log_pz = log_joint(z)
        end = jnp.linalg.cholesky(metric.inverse(z))
        whitened = jnp.einsum('...ji,...j->...i', end, momentum)
        moved = {'z': z, 'kl': None, 'log_px_z': log_px_z}
        moved |= {'log_pz': log_pz + rest.log_prob(whitened) + _log_det(end)}
        moved |= {'log_qz': seen.log_qz + rest.log_prob(noise) + _log_det(root)}
        return seen._replace(**moved), _kept(after, batch['x']) if train else after

    return forward


def _kept(state: State, x: Float[Array, 'b h w c']) -> State:
    """The state with the last images that were seen."""
    net = state.nets['inference']
    old = net.stats['images']
    images = jnp.concatenate([old, x.astype(old.dtype)])[-len(old) :]
    return state.replace(nets={**state.nets, 'inference': net.replace(stats={'images': images})})


def _solved(root: Float[Array, '... d d'], noise: Float[Array, '... d']) -> Float[Array, '... d']:
    """`root'^-1 noise`, of the covariance G where `root root' = G^-1`."""
    return solve_triangular(root, noise[..., None], trans=1, lower=True)[..., 0]


def _log_det(root: Float[Array, '... d d']) -> Float[Array, '...']:
    return jnp.sum(jnp.log(jnp.diagonal(root, axis1=-2, axis2=-1)), axis=-1)


def generalized_leapfrog(
    log_density: Callable[[Array], Array],
    metric: Metric,
    z: Float[Array, '... d'],
    momentum: Float[Array, '... d'],
    steps: int,
    size: float,
    start: float = 1.0,
    iterations: int = _ITERATIONS,
) -> tuple[Float[Array, '... d'], Float[Array, '... d']]:
    """Where z and its momentum come to in so many steps of a Hamiltonian that has no parts of its
    own: each is implicit (Girolami and Calderhead 2011,
    https://doi.org/10.1111/j.1467-9868.2010.00765.x).

    Args:
      log_density: of each z.
      metric: G.
      z: to begin with.
      momentum: to begin with, times sqrt(start).
      steps: of the leapfrog.
      size: of each.
      start: beta_0; 1 leaves the momentum as it is but for the steps.
      iterations: of each fixed point.
    """

    def still(z):
        return jnp.sum(log_density(z) + _log_det(jnp.linalg.cholesky(metric.inverse(z))))

    def speed(z, momentum):
        return jnp.einsum('...ij,...j->...i', metric.inverse(z), momentum)

    slope = jax.grad(still)
    kinetic = jax.grad(lambda z, momentum: jnp.sum(momentum * speed(z, momentum)) / 2)
    hot = 1 / math.sqrt(start)
    heat = [hot + (1 - hot) * (i / steps) ** 2 for i in range(steps + 1)]
    momentum, force = momentum * heat[0], slope(z)
    for i in range(steps):
        half = momentum
        for _ in range(iterations):
            half = momentum + size / 2 * (force - kinetic(z, half))
        first, place = speed(z, half), z
        for _ in range(iterations):
            place = z + size / 2 * (first + speed(place, half))
        z = place
        force = slope(z)
        momentum = (half + size / 2 * (force - kinetic(z, half))) * (heat[i + 1] / heat[i])
    return z, momentum
