"""Distributions of latents that are fitted after training, to those of the training images."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Key, PyTree

from genjax.core import Net, check_range
from genjax.latents import flows
from genjax.latents.distributions import (
    FullNormal,
    Mixture,
    Normal,
    leading,
    normal,
    standard_normal,
)
from genjax.nn.linen import from_linen
from genjax.nn.mlp import MLPDecoder
from genjax.parts import Kind
from genjax.random import stream
from genjax.vae.priors import FlowDensity

_BATCH, _LEAST = 256, 1e-6  # latents in a batch; a standard deviation above 0

Arrays = Mapping[str, Any]


class Codes(NamedTuple):
    """What a sampler is fitted to.

    Attributes:
      z: a sample of the posterior of each training image [n, d].
      posterior: q(z | x) of the images.
    """

    z: Float[Array, 'n d']
    posterior: Any


class Sampler(NamedTuple):
    """How latents are drawn by what is known of those of the training images.

    Attributes:
      fit: `(key, codes) -> arrays`, by name.
      draw: `(arrays, key) -> z [d]`.
    """

    fit: Callable[[Key[Array, ''], Codes], Arrays]
    draw: Callable[[Arrays, Key[Array, '']], Float[Array, 'd']]


SAMPLER = Kind('a sampler', (__name__, 'genjax.samplers.manifolds'), (Sampler,))
SamplerLike = Annotated[Sampler | Callable[..., Sampler] | str, SAMPLER]


def gmm(components: int = 10) -> Sampler:
    """A mixture of Gaussians with full covariances, by expectation-maximization.

    Ghosh et al. 2020 (https://arxiv.org/abs/1903.12436) fit ten to the codes of autoencoders.

    Args:
      components: of the mixture.
    """
    check_range(1, components=components)

    def fit(key, codes):
        from sklearn.mixture import GaussianMixture

        z = np.asarray(_enough(codes, components).z, np.float64)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        found = GaussianMixture(components, random_state=seed, max_iter=500).fit(z)
        tril = np.linalg.cholesky(found.covariances_)
        return {
            'log_weights': jnp.float32(np.log(found.weights_)),
            'mean': jnp.float32(found.means_),
            'scale_tril': jnp.float32(tril),
        }

    def draw(arrays, key):
        parts = FullNormal(arrays['mean'], arrays['scale_tril'])
        return Mixture(arrays['log_weights'], parts).sample(key, 1)[0]

    return Sampler(fit, draw)


def hypersphere() -> Sampler:
    """Directions evenly on the sphere, with lengths of the training images' latents.

    Of latents on a sphere, Davidson et al. 2018 (https://arxiv.org/abs/1804.00891), their prior.
    """

    def fit(key, codes):
        centre = jnp.zeros(codes.z.shape[1], jnp.float32)
        return {'radii': jnp.linalg.norm(codes.z, axis=-1), 'centre': centre}

    def draw(arrays, key):
        e = jax.random.normal(stream(key, 'direction'), arrays['centre'].shape, jnp.float32)
        radius = jax.random.choice(stream(key, 'radius'), arrays['radii'])
        return arrays['centre'] + radius * e / jnp.linalg.norm(e)

    return Sampler(fit, draw)


def vamp(components: int = 500) -> Sampler:
    """The mean of the posteriors of training images, which a VampPrior learns to be like.

    Tomczak and Welling 2018 (https://arxiv.org/abs/1705.07120).

    Args:
      components: images.
    """
    check_range(1, components=components)

    def fit(key, codes):
        return some_posteriors(key, codes, components)

    def draw(arrays, key):
        even = jnp.zeros(len(arrays['mean']), jnp.float32)
        return Mixture(even, Normal(**arrays)).sample(key, 1)[0]

    return Sampler(fit, draw)


def two_stage(hidden: Sequence[int] = (256, 256), steps: int = 5000) -> Sampler:
    """A second VAE, of the latents: `p(z | u) = N(m(u), g^2 I)` with g learned and u as long as z.

    Dai and Wipf 2019 (https://arxiv.org/abs/1903.05789).

    Args:
      hidden: sizes of the hidden layers of both its networks.
      steps: of its training.
    """

    def half(d, outputs):
        z = jax.ShapeDtypeStruct((1, d), jnp.float32)
        return from_linen(MLPDecoder((outputs,), tuple(hidden), nn.relu), z)

    def decoded(params, u):
        return half(u.shape[-1], u.shape[-1]).apply(Net(params['decoder'], {}), u, train=False)[0]

    def fit(key, codes):
        z, d = codes.z, codes.z.shape[1]
        encoder, decoder = half(d, 2 * d), half(d, d)
        own = {'encoder': encoder, 'decoder': decoder}
        start = {name: net.init(stream(key, name)).params for name, net in own.items()}

        def bound(params, key, z):
            out = encoder.apply(Net(params['encoder'], {}), z, train=False)[0]
            q = normal(*jnp.split(out, 2, axis=-1))
            u = q.sample(key, 1)[0]
            noise = jnp.broadcast_to(2 * params['log_g'], z.shape)
            log_pz = Normal(decoded(params, u), noise).log_prob(z)
            return log_pz - jnp.sum(q.kl_divergence(standard_normal(d)), axis=-1)

        params = start | {'log_g': jnp.float32(0.0)}
        return _standardized(partial(maximized, bound, params, steps), key, z)

    def draw(arrays, key):
        params, shape = arrays['params'], arrays['mean'].shape
        u = jax.random.normal(stream(key, 'u'), shape, jnp.float32)
        e = jax.random.normal(stream(key, 'z'), shape, jnp.float32)
        return _restored(arrays, decoded(params, u[None])[0] + jnp.exp(params['log_g']) * e)

    return Sampler(fit, draw)


def maf(layers: int = 4, hidden: Sequence[int] = (128, 128), steps: int = 5000) -> Sampler:
    """A masked autoregressive flow, Papamakarios et al. 2017 (https://arxiv.org/abs/1705.07057).

    Args:
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
      steps: of its training.
    """
    return _by_flow(lambda d: flows.autoregressive(d, layers, hidden), layers, steps)


def iaf(layers: int = 4, hidden: Sequence[int] = (128, 128), steps: int = 5000) -> Sampler:
    """An inverse autoregressive flow, Kingma et al. 2016 (https://arxiv.org/abs/1606.04934): draws
    at once, and is trained a latent after the other.

    Args:
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
      steps: of its training.
    """
    return _by_flow(
        lambda d: flows.backwards(flows.autoregressive(d, layers, hidden)), layers, steps
    )


def _by_flow(make: Callable[[int], flows.Flow], layers: int, steps: int) -> Sampler:
    check_range(1, layers=layers, steps=steps)
    made = cache(make)

    def density(params, d):
        return FlowDensity(Net(params, {}), d, made(d))

    def fit(key, codes):
        d = codes.z.shape[1]
        start = made(d).network.init(stream(key, 'flow')).params
        log_prob = lambda params, key, z: density(params, d).log_prob(z)  # noqa: E731
        return _standardized(partial(maximized, log_prob, start, steps), key, codes.z)

    def draw(arrays, key):
        return _restored(arrays, density(arrays['params'], len(arrays['mean'])).sample(key, 1)[0])

    return Sampler(fit, draw)


def maximized(
    log_density: Callable, params: PyTree, steps: int, key: Key[Array, ''], z: Float[Array, 'n d']
) -> PyTree:
    """Parameters after so many steps of Adam on batches of 256, from 1e-3 to 0 by a cosine.

    Args:
      log_density: `(params, key, z [b, d]) -> [b]`, or a bound of it, to be maximized.
      params: to start with.
      steps: how many.
      key: of batches, and of what the bound draws.
      z: latents.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, steps))

    def step(carry, key):
        params, opt = carry
        batch = z[jax.random.randint(stream(key, 'batch'), (_BATCH,), 0, len(z))]
        loss = lambda p: -jnp.mean(log_density(p, stream(key, 'noise'), batch))  # noqa: E731
        updates, opt = optimizer.update(jax.grad(loss)(params), opt)
        return (optax.apply_updates(params, updates), opt), None

    @jax.jit
    def run(params, keys):
        return jax.lax.scan(step, (params, optimizer.init(params)), keys)[0][0]

    return run(params, jax.random.split(key, steps))


def _standardized(fit: Callable, key: Array, z: Array) -> dict[str, Any]:
    """What is fitted to latents of mean 0 and variance 1, and the way back to them as they are."""
    mean, scale = jnp.mean(z, axis=0), jnp.std(z, axis=0) + _LEAST
    return {
        'params': fit(key, (z - leading(mean, 2)) / leading(scale, 2)),
        'mean': mean,
        'scale': scale,
    }


def _restored(arrays: Arrays, z: Array) -> Array:
    return arrays['mean'] + arrays['scale'] * z


def _enough(codes: Codes, components: int) -> Codes:
    n = len(codes.z)
    if components > n:
        raise ValueError(f'expected components of {n} training images at most, got {components}')
    return codes


def some_posteriors(key: Key[Array, ''], codes: Codes, components: int) -> Arrays:
    """Means and log-variances of the posteriors of some training images, by name.

    Args:
      key: by which they are chosen.
      codes: of all of them.
      components: how many.

    Raises:
      ValueError: there are fewer, or their posteriors are no diagonal Gaussians.
    """
    q = _enough(codes, components).posterior
    if not isinstance(q, Normal):
        raise ValueError("expected a model with posterior 'gaussian' for this sampler, got another")
    rows = jax.random.choice(key, len(codes.z), (components,), replace=False)
    return {'mean': q.mean[rows], 'log_var': q.log_var[rows]}
