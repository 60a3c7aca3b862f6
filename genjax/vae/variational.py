"""A forward pass and a bound put together into a VAE."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from genjax.augment import Augment, chain
from genjax.core import (
    Batch,
    HyperLike,
    Metrics,
    Network,
    Player,
    State,
    Term,
    averaged,
    check_range,
    hyper,
    model,
    weighted_sum,
)
from genjax.images import looked_at, prepare, scale
from genjax.meshes import alike, implicit
from genjax.nn.labels import check_labels, draw_labels, known
from genjax.parts import opened
from genjax.random import stream
from genjax.vae.bounds import Bound, elbo, log_weights, sampled_elbo
from genjax.vae.distributions import Likelihood, Normal
from genjax.vae.importance import Estimate, Weights, estimate, merge, summed
from genjax.vae.terms import Forward, Parts, decoded

# Rows that the decoder takes at once in an evaluation by many samples.
MAX_ROWS = 4096


class VAE(NamedTuple):
    """A variational autoencoder as pure, jitted functions.

    Labels out of their range, and floats that are not in [-1, 1] or without negative values, are
    refused where NumPy or Python has them; where a device has them, such labels make NaN.

    Attributes:
      init: `key -> State`.
      train_step: `(state, batch) -> (state, metrics)`; a batch is `{'x': images [b, h, w, c]}`,
        with `'y'` where there are labels. Images are uint8, or float in [-1, 1]. On a CPU a step
        may read arrays of NumPy after the call has returned: do not refill them for the next
        batch, make new ones.
      evaluate: `(state, key, batch, k) -> {'elbo': [b], 'log_px_z': [b], 'kl': [b], ...}` in nats,
        an example each: the mean over a data set is that of all its examples, whatever the
        batches.
      encode: `(state, x, y=None) -> q(z | x)` of the images as they are, also where the likelihood
        draws binary ones.
      decode: `(state, z, y=None) -> images`, the mean of p(x | z), float32 in [-1, 1].
      sample: `(state, key, n, y=None) -> images`, `decode` of n draws of the prior. Without `y` a
        conditional model draws labels evenly.
      importance_sampling: `(state, key, batch, k=5000, chunk=None) -> Estimate` of log p(x) in nats
        by k importance samples, in chunks that fit in memory.
      log_likelihood: `(state, key, batch, k=5000, chunk=None) -> [b]`, the value of that.
      log_joint: `(state, key, batch, z [k, b, latent_dim]) -> [k, b]`, log p(x, z) in nats, of the
        images that `evaluate` and `log_likelihood` see with this key; differentiable by z.
      latent_dim: length of z.
      image_shape: `(height, width, channels)`.
      num_classes: None for a model without labels.
      repeats: how many times the batch size a step takes.
    """

    init: Callable[[Key[Array, '']], State]
    train_step: Callable[[State, Batch], tuple[State, Metrics]]
    evaluate: Callable[..., dict[str, Float[Array, 'b']]]
    encode: Callable[..., Normal]
    decode: Callable[..., Float[Array, 'n h w c']]
    sample: Callable[..., Float[Array, 'n h w c']]
    importance_sampling: Callable[..., Estimate]
    log_likelihood: Callable[..., Float[Array, 'b']]
    log_joint: Callable[..., Float[Array, 'k b']]
    latent_dim: int
    image_shape: tuple[int, int, int]
    num_classes: int | None
    repeats: int = 1


class Settings(NamedTuple):
    """What defines a VAE's objective beside its networks.

    Attributes:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      likelihood: of images.
      bound: what is maximized; with options, as `partial(elbo, free_bits=0.5)`, an objective beside
        the bound that it is without them.
      k: samples of the posterior.
      beta: of the hyper `vae/beta`, the weight of the KL: a number, or a schedule of the steps.
      num_classes: None for a model without labels.
      augment: of the training images.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    likelihood: Likelihood
    bound: Bound = elbo
    k: int = 1
    beta: HyperLike = 1.0
    num_classes: int | None = None
    augment: Augment = chain()


def variational(
    networks: Mapping[str, Network],
    parts: Parts,
    forward: Forward,
    settings: Settings,
    *,
    optimizer: optax.GradientTransformation,
    trains: Sequence[str] = ('encoder', 'decoder'),
    terms: Sequence[Term] = (),
    players: Mapping[str, Player] | None = None,
    ema_decay: HyperLike | None = None,
    microbatches: int = 1,
) -> VAE:
    """One player, `vae`, who maximizes a bound; other players may follow.

    Args:
      networks: by name.
      parts: encoder, prior and decoder, for encoding and sampling.
      forward: `(state, key, batch, k, train) -> (Terms, state)`, as `compose` makes one.
      settings: of the objective.
      optimizer: the player's.
      trains: the networks that the player trains.
      terms: added to the loss, functions of `Terms`.
      players: who play after `vae`, say FactorVAE's critic.
      ema_decay: of averages of the trained networks that everything but training uses, a number or
        a schedule of the steps.
      microbatches: pieces in which each batch is taken.

    Raises:
      ValueError: a setting is out of its range.
    """
    _check(settings)
    loss = partial(_loss, forward, settings, terms)
    player = Player(
        tuple(trains),
        loss,
        optimizer,
        microbatches=microbatches,
        terms=tuple(terms),
        hypers={'beta': settings.beta},
        memory={'augment': settings.augment.init},
    )
    if players and 'vae' in players:
        raise ValueError("expected players of other names than 'vae'")
    everyone = {'vae': player, **(players or {})}
    built = model(
        networks,
        everyone,
        prepare=prepare(settings.image_shape, settings.num_classes),
        ema={} if ema_decay is None else dict.fromkeys(trains, ema_decay),
    )
    functions = {'train_step': built.train_step, **_evaluations(forward, settings)}
    functions |= _joint(parts, settings) | _generation(parts, settings)
    return VAE(
        built.init,
        **looked_at(functions, settings.num_classes),
        latent_dim=settings.latent_dim,
        image_shape=settings.image_shape,
        num_classes=settings.num_classes,
        repeats=max(player.repeats for player in everyone.values()),
    )


def _check(settings):
    check_range(1, latent_dim=settings.latent_dim, k=settings.k)
    free_bits = opened(settings.bound)[1].get('free_bits', 0)
    check_range(0, beta=hyper(settings.beta).value, free_bits=free_bits)


def _loss(forward, settings, terms, state, key, batch):
    """Minus the objective, with the bound itself among the metrics."""
    memory = state.memory['vae/augment']
    x = settings.augment.apply(memory, stream(key, 'augment'), batch['x'])
    seen, after = forward(state, key, _observed(settings, key, {**batch, 'x': x}), settings.k, True)
    extra, after, metrics = weighted_sum('vae', terms, after, seen)
    new = settings.augment.update(memory, seen)
    after = after.replace(memory={**after.memory, 'vae/augment': new})
    beta = state.hypers['vae/beta']
    objective = jnp.mean(settings.bound(seen, beta))
    bounds = {f'vae/{name}': jnp.mean(b) for name, b in _bounds(seen, settings.bound).items()}
    return extra - objective, after, metrics | bounds | {'vae/beta': beta}


def _bounds(seen, bound):
    """The bounds of each example at beta = 1, and the parts of the ELBO, in nats."""
    usual = sampled_elbo if seen.kl is None else elbo
    log_px_z, value = jnp.mean(seen.log_px_z, axis=0), usual(seen)
    # A difference of large numbers would round a small KL away, or below 0.
    kl = log_px_z - value if seen.kl is None else jnp.sum(seen.kl, axis=1)
    named = {'elbo': value, 'log_px_z': log_px_z, 'kl': kl}
    plain = opened(bound)[0]
    return {getattr(plain, '__name__', 'bound'): plain(seen, 1.0), **named}


def _observed(settings, key, batch):
    batch = prepare(settings.image_shape, settings.num_classes)(batch)
    x = settings.likelihood.observe(stream(key, 'observe'), batch['x'])
    return {**batch, 'x': known(x, batch.get('y'))}


def _evaluations(forward, settings):
    @partial(jax.jit, static_argnames='k')
    @implicit
    def evaluate(state, key, batch, k=settings.k):
        check_range(1, k=k)
        seen, _ = forward(averaged(state), key, _observed(settings, key, batch), k, False)
        return _bounds(seen, settings.bound)

    @partial(jax.jit, static_argnames=('k', 'chunk'))
    @implicit
    def importance_sampling(state, key, batch, k=5000, chunk=None):
        check_range(1, k=k, chunk=k if chunk is None else chunk)
        # Observed once: all samples are of the same image.
        state, batch = averaged(state), _observed(settings, key, batch)
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


def _joint(parts, settings):
    @jax.jit
    @implicit
    def log_joint(state, key, batch, z):
        state, batch = averaged(state), _observed(settings, key, batch)
        shape = (len(batch['x']), settings.latent_dim)
        if z.ndim != 3 or z.shape[1:] != shape:
            raise ValueError(f'expected latents z [k, {shape[0]}, {shape[1]}], got {z.shape}')
        log_px_z, _ = decoded(parts, state, stream(key, 'decoder'), batch, z, False)
        return parts.prior(state).log_prob(z) + log_px_z

    return {'log_joint': log_joint}


def _generation(parts, settings):
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

    @partial(jax.jit, static_argnames='n')
    @implicit
    def sample(state, key, n, y=None):
        prior = parts.prior(averaged(state))
        y = draw_labels(key, n, settings.num_classes) if y is None else y
        return decode(state, prior.sample(stream(key, 'z'), n), y)

    return {'encode': encode, 'decode': decode, 'sample': sample}
