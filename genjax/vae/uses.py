"""What a VAE is used for, as jitted functions: bounds, likelihoods, codes, images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from genjax.core import Batch, State, averaged, check_range
from genjax.images import prepare, scale
from genjax.meshes import alike, implicit
from genjax.nn.labels import check_labels, draw_labels, known
from genjax.parts import opened
from genjax.random import stream
from genjax.vae.bounds import Bound, elbo, log_weights
from genjax.vae.importance import Weights, estimate, merge, summed
from genjax.vae.terms import Forward, Parts, Terms, decoded

# Rows that the decoder takes at once in an evaluation by many samples.
MAX_ROWS = 4096


def bounds_of(seen: Terms, bound: Bound) -> dict[str, Array]:
    """The bounds of each example at beta = 1, and the parts of the ELBO, in nats.

    Args:
      seen: of a forward pass.
      bound: that of the model, beside the ELBO.
    """
    log_px_z, value = jnp.mean(seen.log_px_z, axis=0), elbo(seen)
    # A difference of large numbers would round a small KL away, or below 0.
    kl = log_px_z - value if seen.kl is None else jnp.sum(seen.kl, axis=1)
    named = {'elbo': value, 'log_px_z': log_px_z, 'kl': kl}
    plain = opened(bound)[0]
    # With free bits it is no bound.
    own = value if plain is elbo else bound(seen, 1.0)
    return {getattr(plain, '__name__', 'bound'): own, **named}


def observed(settings: Any, key: Array, batch: Batch, missing: bool = True) -> Batch:
    """The batch as the model sees it: checked, scaled, and its pixels drawn where they are binary.

    Args:
      settings: of the model.
      key: of this pass.
      batch: images, with labels where there are.
      missing: whether labels that the model can do without may be -1.
    """
    missing = missing and settings.classifies
    batch = prepare(settings.image_shape, settings.num_classes, missing)(batch)
    x = settings.likelihood.observe(stream(key, 'observe'), batch['x'])
    return {**batch, 'x': known(x, batch.get('y'))}


def seen_by(forward: Forward, settings: Any) -> Callable[[State, Array, Batch], Terms]:
    """A pass over a batch as another player takes one: a sample of each posterior.

    Args:
      forward: the model's pass.
      settings: of the model.
    """
    return lambda state, key, batch: forward(state, key, observed(settings, key, batch), 1, True)[0]


def evaluations(forward: Forward, settings: Any) -> dict[str, Callable]:
    """`evaluate`, `importance_sampling` and `log_likelihood` of a `VAE`.

    Args:
      forward: the model's pass.
      settings: of the model.
    """

    @partial(jax.jit, static_argnames='k')
    @implicit
    def evaluate(state, key, batch, k=settings.k):
        check_range(1, k=k)
        seen, _ = forward(averaged(state), key, observed(settings, key, batch), k, False)
        return bounds_of(seen, settings.bound)

    @partial(jax.jit, static_argnames=('k', 'chunk'))
    @implicit
    def importance_sampling(state, key, batch, k=5000, chunk=None):
        check_range(1, k=k, chunk=k if chunk is None else chunk)
        _check_density(settings)
        # Observed once: all samples are of the same image.
        state, batch = averaged(state), observed(settings, key, batch)
        b = len(batch['x'])
        size = min(k, chunk or max(1, MAX_ROWS // b))
        chunks = -(-k // size)

        def body(total, index):
            folded = jax.random.fold_in(stream(key, 'chunk'), index)
            log_w = log_weights(forward(state, folded, batch, size, False)[0])
            counted = (index * size + jnp.arange(size) < k)[:, None]
            log_w = jnp.where(counted, log_w, -jnp.inf)
            return merge(total, summed(log_w)), None

        nothing = alike(
            Weights(jnp.full(b, -jnp.inf, jnp.float32), jnp.zeros(b, jnp.float32)),
            state,
            batch,
            key,
        )
        return estimate(jax.lax.scan(body, nothing, jnp.arange(chunks))[0], k)

    def log_likelihood(state, key, batch, k=5000, chunk=None):
        return importance_sampling(state, key, batch, k, chunk).value

    return {
        'evaluate': evaluate,
        'importance_sampling': importance_sampling,
        'log_likelihood': log_likelihood,
    }


def _check_density(settings):
    if not settings.has_density:
        raise ValueError('expected a posterior with a density, got an autoencoder without one')


def joint(parts: Parts, settings: Any) -> dict[str, Callable]:
    """`log_joint` of a `VAE`.

    Args:
      parts: of the model.
      settings: of the model.
    """

    @jax.jit
    @implicit
    def log_joint(state, key, batch, z):
        state, batch = averaged(state), observed(settings, key, batch, missing=False)
        shape = (len(batch['x']), settings.latent_dim)
        if z.ndim != 3 or z.shape[1:] != shape:
            raise ValueError(f'expected latents z [k, {shape[0]}, {shape[1]}], got {z.shape}')
        log_px_z, _ = decoded(parts, state, stream(key, 'decoder'), batch, z, False)
        return parts.prior(state).log_prob(z) + log_px_z

    return {'log_joint': log_joint}


def sampled(latents: Callable, decode: Callable, num_classes: int | None) -> Callable:
    """`(state, key, n, y=None) -> images` of a model whose latents are drawn by keys.

    Args:
      latents: `(state, keys) -> z`.
      decode: `(state, z, y) -> images`.
      num_classes: of the model.
    """

    @partial(jax.jit, static_argnames='n')
    @implicit
    def sample(state, key, n, y=None):
        y = draw_labels(key, n, num_classes) if y is None else y
        return decode(state, latents(state, jax.random.split(stream(key, 'z'), n)), y)

    return sample


def generation(parts: Parts, settings: Any) -> dict[str, Callable]:
    """`encode`, `decode`, `sample` and, of another prior than N(0, I), `latents` of a `VAE`.

    Args:
      parts: of the model.
      settings: of the model.
    """

    def unused():
        """A key, since in evaluation no network draws; made late, or JAX would start at once."""
        return jax.random.key(0)

    @jax.jit
    @implicit
    def encode(state, x, y=None):
        x = scale(x, settings.image_shape)
        y = check_labels(y, x.shape[0], settings.num_classes)
        return parts.encode(averaged(state), unused(), known(x, y), y, False)[0]

    @jax.jit
    @implicit
    def decode(state, z, y=None):
        if z.ndim != 2 or z.shape[1] != settings.latent_dim:
            raise ValueError(f'expected latents z [n, {settings.latent_dim}], got {z.shape}')
        y = check_labels(y, z.shape[0], settings.num_classes)
        images = parts.decode(averaged(state), unused(), known(z, y), y, False)[0].mean
        return images.astype(jnp.float32)

    @jax.jit
    @implicit
    def latents(state, keys):
        prior = parts.prior(averaged(state))
        return jax.vmap(lambda key: prior.sample(key, 1)[0])(keys)

    @partial(jax.jit, static_argnames='n')
    @implicit
    def sample(state, key, n, y=None):
        y = draw_labels(key, n, settings.num_classes) if y is None else y
        return decode(state, parts.prior(averaged(state)).sample(stream(key, 'z'), n), y)

    made = {'encode': encode, 'decode': decode}
    if settings.has_normal_prior:
        return {**made, 'sample': sample}
    by_keys = sampled(latents, decode, settings.num_classes)
    return {**made, 'sample': by_keys, 'latents': latents}


def classification(parts: Parts, settings: Any) -> dict[str, Callable]:
    """`classify` of a `VAE` that has q(y | x), of others nothing.

    Args:
      parts: of the model.
      settings: of the model.
    """
    infer = parts.infer
    if not settings.classifies or infer is None:
        return {}

    @jax.jit
    @implicit
    def classify(state, x):
        x = scale(x, settings.image_shape)
        return jax.nn.log_softmax(infer(averaged(state), jax.random.key(0), x, False)[0])

    return {'classify': classify}
