"""A generator and a discriminator put together into a GAN."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
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
    model,
    weighted_sum,
)
from genjax.gan.objectives import Objective
from genjax.gan.round import MEMORY, Critique, apply_labelled, play
from genjax.images import looked_at, prepare, scale
from genjax.meshes import implicit
from genjax.nn.labels import check_labels, draw_labels
from genjax.random import stream


class GAN(NamedTuple):
    """A generative adversarial network as pure, jitted functions.

    Labels out of their range, and floats that are not in [-1, 1] or without negative values, are
    refused where NumPy or Python has them; where a device has them, such labels make NaN.

    Attributes:
      init: `key -> State`.
      train_step: `(state, batch) -> (state, metrics)`; a batch is `{'x': images [n b, h, w, c]}`,
        with `'y'` where there are labels, and n the discriminator's updates in a step. Images are
        uint8, or float in [-1, 1]. On a CPU a step may read arrays of NumPy after the call has
        returned: do not refill them for the next batch, make new ones.
      sample: `(state, key, n, y=None) -> images` [n, h, w, c], float32 in [-1, 1]. Without `y`
        a conditional model draws labels evenly.
      score: `(state, x, y=None) -> logits` [b] of the discriminator, as in evaluation.
      generate: `(state, z, y=None) -> images`, what `sample` does with noise [n, latent_dim].
      standing: `(state, key, passes=100, n=64) -> state`, with the statistics that the sampled
        generator's batch norms have after so many training passes of n samples each, in place of
        those of the networks along the way (standing statistics of Brock et al. 2019,
        https://arxiv.org/abs/1809.11096).
      latent_dim: length of z.
      image_shape: `(height, width, channels)`.
      num_classes: None for a model without labels.
      repeats: n, how many times the batch size a step takes.
    """

    init: Callable[[Key[Array, '']], State]
    train_step: Callable[[State, Batch], tuple[State, Metrics]]
    sample: Callable[..., Float[Array, 'n h w c']]
    score: Callable[..., Float[Array, 'b']]
    generate: Callable[..., Float[Array, 'n h w c']]
    standing: Callable[..., State]
    latent_dim: int
    image_shape: tuple[int, int, int]
    num_classes: int | None
    repeats: int


def critic(network: Network) -> Network:
    """A discriminator whose output `(logits, features, ...)` becomes a `Critique`.

    Args:
      network: say `from_linen(DCGANDiscriminator(...), ...)`.
    """

    def apply(net, *inputs, **options):
        out, net = network.apply(net, *inputs, **options)
        return Critique(*out), net

    return Network(network.init, apply)


def adversarial(
    generator: Network,
    discriminator: Network,
    *,
    image_shape: tuple[int, int, int],
    latent_dim: int,
    objective: Objective,
    optimizers: tuple[optax.GradientTransformation, optax.GradientTransformation],
    discriminator_terms: Sequence[Term] = (),
    generator_terms: Sequence[Term] = (),
    augment: Augment | None = None,
    num_classes: int | None = None,
    n_critic: int = 1,
    ema_decay: HyperLike | None = None,
    microbatches: int = 1,
) -> GAN:
    """The two-player game of one generator and one discriminator.

    Each step updates the discriminator `n_critic` times, each on real images of its own, then the
    generator once. Both players of a step see the same noise.

    Args:
      generator: `z -> images`, or `(z, y) -> images`.
      discriminator: `x -> Critique`, or `(x, y) -> Critique`.
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      objective: what the players minimize.
      optimizers: the generator's and the discriminator's.
      discriminator_terms: penalties and other terms of the discriminator, functions of a `Round`.
      generator_terms: the same of the generator.
      augment: of all that the discriminator sees.
      num_classes: None for a model without labels.
      n_critic: discriminator updates in a step.
      ema_decay: of the generator that `sample` uses, a number or a schedule of the steps; None to
        use the trained one.
      microbatches: pieces in which each batch is taken.
    """
    augment, passed = augment or chain(), partial(_passed, generator)
    rounds = partial(play, generator, discriminator, augment)
    terms = {
        'discriminator': [_adversarial_term(objective, 'discriminator'), *discriminator_terms],
        'generator': [_adversarial_term(objective, 'generator'), *generator_terms],
    }

    def player(name, optimizer, **options):
        loss = partial(_loss, rounds, augment, terms[name], name)
        options |= {'microbatches': microbatches, 'terms': terms[name]}
        return Player((name,), loss, optimizer, **options)

    built = model(
        {'generator': generator, 'discriminator': discriminator},
        {
            'discriminator': player(
                'discriminator', optimizers[1], repeats=n_critic, memory={'augment': augment.init}
            ),
            'generator': player('generator', optimizers[0]),
        },
        prepare=prepare(image_shape, num_classes),
        draw=lambda key, batch: {'z': _noise(key, len(batch['x']), latent_dim)},
        ema={} if ema_decay is None else {'generator': ema_decay},
        passes={'generator': lambda net, key, batch: passed(net, key, batch['z'], batch.get('y'))},
    )
    functions = {
        'train_step': built.train_step,
        **_sampling(generator, latent_dim, num_classes),
        'score': _scoring(discriminator, image_shape, num_classes),
    }
    return GAN(
        built.init,
        **looked_at(functions, num_classes),
        latent_dim=latent_dim,
        image_shape=image_shape,
        num_classes=num_classes,
        repeats=n_critic,
    )


def _loss(rounds, augment, terms, player, state, key, batch):
    played, after = rounds(state, key, batch)
    total, after, metrics = weighted_sum(player, terms, after, played)
    if player == 'discriminator':
        logits = {'real': played.real_out.logits, 'fake': played.fake_out.logits}
        metrics |= {f'{player}/{name}_logits': jnp.mean(x) for name, x in logits.items()}
        kept = augment.update(after.memory[MEMORY], played)
        after = after.replace(memory={**after.memory, MEMORY: kept})
    return total, after, metrics


def _adversarial_term(objective, player):
    def apply(memory, round):
        now = objective.at(round.state.step) if objective.at else objective
        half = getattr(now, player)
        return half(round.real_out.logits, round.fake_out.logits), memory

    return Term('adversarial', apply)


def _passed(generator, net, key, z, y):
    """The generator after a training pass."""
    return apply_labelled(generator, net, z, y, key=stream(key, 'generator'))[1]


def _noise(key, n, latent_dim):
    return jax.random.normal(stream(key, 'z'), (n, latent_dim), jnp.float32)


def _sampling(generator, latent_dim, num_classes):
    @jax.jit
    @implicit
    def generate(state, z, y=None):
        if z.ndim != 2 or z.shape[1] != latent_dim:
            raise ValueError(f'expected noise z [n, {latent_dim}], got {z.shape}')
        y = check_labels(y, z.shape[0], num_classes)
        net = averaged(state).nets['generator']
        return apply_labelled(generator, net, z, y, train=False)[0].astype(jnp.float32)

    @partial(jax.jit, static_argnames='n')
    @implicit
    def sample(state, key, n, y=None):
        z = _noise(key, n, latent_dim)
        y = draw_labels(key, n, num_classes) if y is None else y
        return generate(state, z, y)

    @partial(jax.jit, static_argnames=('passes', 'n'))
    @implicit
    def standing(state, key, passes=100, n=64):
        def one(i, net):
            draw = jax.random.fold_in(key, i)
            y = draw_labels(draw, n, num_classes)
            return _passed(generator, net, draw, _noise(draw, n, latent_dim), y)

        sampled = 'ema' if 'generator' in state.ema else 'nets'
        nets = getattr(state, sampled)
        net = lax.fori_loop(0, passes, one, nets['generator'])
        return state.replace(**{sampled: {**nets, 'generator': net}})

    return {'sample': sample, 'generate': generate, 'standing': standing}


def _scoring(discriminator, image_shape, num_classes):
    @jax.jit
    @implicit
    def score(state, x, y=None):
        x = scale(x, image_shape)
        y = check_labels(y, x.shape[0], num_classes)
        out, _ = apply_labelled(discriminator, state.nets['discriminator'], x, y, train=False)
        return jnp.mean(out.logits.reshape(x.shape[0], -1), axis=1)

    return score
