"""A forward pass and a bound put together into a VAE."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

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
    check_range,
    hyper,
    model,
    weighted_sum,
)
from genjax.images import looked_at, prepare
from genjax.parts import opened
from genjax.random import stream
from genjax.vae.bounds import Bound, dreg, elbo
from genjax.vae.importance import Estimate
from genjax.vae.likelihoods import Likelihood
from genjax.vae.terms import Forward, Parts
from genjax.vae.uses import (
    bounds_of,
    classification,
    evaluations,
    generation,
    joint,
    observed,
)

# The networks that make q(z | x).
_INFERENCE = ('encoder', 'posterior', 'inference')


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
      latents: `(state, keys [n]) -> z [n, latent_dim]`, a draw of the prior for each key; None
        where that is N(0, I).
      repeats: how many times the batch size a step takes.
      has_density: whether q(z | x) has a density: without one there is no bound and no likelihood.
      classify: `(state, x) -> log q(y | x)` [b, num_classes], of a model that learns from images
        without labels: in the batches of `train_step`, `evaluate` and likelihoods y may be -1. They
        are of p(x) there, and of p(x, y) of what has a label. None of others.
    """

    init: Callable[[Key[Array, '']], State]
    train_step: Callable[[State, Batch], tuple[State, Metrics]]
    evaluate: Callable[..., dict[str, Float[Array, 'b']]]
    encode: Callable[..., Any]
    decode: Callable[..., Float[Array, 'n h w c']]
    sample: Callable[..., Float[Array, 'n h w c']]
    importance_sampling: Callable[..., Estimate]
    log_likelihood: Callable[..., Float[Array, 'b']]
    log_joint: Callable[..., Float[Array, 'k b']]
    latent_dim: int
    image_shape: tuple[int, int, int]
    num_classes: int | None
    latents: Callable[..., Float[Array, 'n d']] | None = None
    repeats: int = 1
    has_density: bool = True
    classify: Callable[..., Float[Array, 'b classes']] | None = None


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
      encoder_bound: what the networks of q(z | x) follow, where it is another bound.
      has_density: whether q(z | x) has a density.
      has_normal_prior: whether p(z) is N(0, I).
      classifies: whether there is a q(y | x), and labels may be -1, not known.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    likelihood: Likelihood
    bound: Bound = elbo
    k: int = 1
    beta: HyperLike = 1.0
    num_classes: int | None = None
    augment: Augment = chain()
    encoder_bound: Bound | None = None
    has_density: bool = True
    has_normal_prior: bool = True
    classifies: bool = False


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
        prepare=prepare(settings.image_shape, settings.num_classes, settings.classifies),
        ema={} if ema_decay is None else dict.fromkeys(trains, ema_decay),
    )
    batches = {'train_step': built.train_step, **evaluations(forward, settings)}
    others = joint(parts, settings) | generation(parts, settings)
    others |= classification(parts, settings)
    return VAE(
        built.init,
        **looked_at(batches, settings.num_classes, settings.classifies),
        **looked_at(others, settings.num_classes),
        latent_dim=settings.latent_dim,
        image_shape=settings.image_shape,
        num_classes=settings.num_classes,
        repeats=max(player.repeats for player in everyone.values()),
        has_density=settings.has_density,
    )


def _check(settings):
    check_range(1, latent_dim=settings.latent_dim, k=settings.k)
    if opened(settings.bound)[0] is dreg:
        raise ValueError(
            'expected dreg as encoder_bound: its gradient is that of the encoder alone'
        )
    free_bits = opened(settings.bound)[1].get('free_bits', 0)
    check_range(0, beta=hyper(settings.beta).value, free_bits=free_bits)


def _loss(forward, settings, terms, state, key, batch):
    """Minus the objective, with the bound itself among the metrics."""
    memory = state.memory['vae/augment']
    x = settings.augment.apply(memory, stream(key, 'augment'), batch['x'])
    given = key, observed(settings, key, {**batch, 'x': x}), settings.k, True
    seen, after = forward(state, *given)
    extra, after, metrics = weighted_sum('vae', terms, after, seen)
    new = settings.augment.update(memory, seen)
    after = after.replace(memory={**after.memory, 'vae/augment': new})
    beta = state.hypers['vae/beta']
    if settings.encoder_bound is None:
        objective = jnp.mean(settings.bound(seen, beta))
    else:
        objective = _two_objectives(settings, beta, state, lambda s: forward(s, *given)[0])
    bounds = {f'vae/{name}': jnp.mean(b) for name, b in bounds_of(seen, settings.bound).items()}
    return extra - objective, after, metrics | bounds | {'vae/beta': beta}


def _two_objectives(settings, beta, state, seen):
    """One bound for the decoder and the prior, another for the encoder.

    Both passes compute the same, which XLA does once; their gradients are two.
    """

    def still(names):
        nets = {
            n: net.replace(params=jax.lax.stop_gradient(net.params)) if n in names else net
            for n, net in state.nets.items()
        }
        return seen(state.replace(nets=nets))

    value = jnp.mean(settings.bound(still(_INFERENCE), beta))
    steer = jnp.mean(settings.encoder_bound(still(set(state.nets) - {*_INFERENCE}), beta))
    return value + steer - jax.lax.stop_gradient(steer)
