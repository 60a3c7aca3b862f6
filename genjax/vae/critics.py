"""A second player: critics of latents (total correlations, adversarial priors) and of images."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from genjax.core import Network, Player, State, Term, check_range
from genjax.nn.convnet import ConvCritic
from genjax.nn.linen import from_linen
from genjax.nn.mlp import MLPDecoder
from genjax.optim import OptimizerLike
from genjax.optim import optimizer as guarded
from genjax.parts import Kind, ScalarOrSchedule
from genjax.precision import Precision, mixed_precision
from genjax.random import stream
from genjax.vae.terms import Terms

Seen = Callable[[State, Array, dict], Terms]
Judge = Callable[[State, Array], Any]


class Critic(NamedTuple):
    """Who tells latents of images from others, or images from those that are decoded.

    What a critic says is `judge(state, inputs)`.

    Attributes:
      network: `(image_shape, d) -> Network`, called `critic` in the state.
      terms: `judge -> ` what is added to the VAE's loss.
      loss: `(judge, key, terms) -> [b]`, what the critic lowers.
      optimizer: of the critic.
      learning_rate: of the critic.
    """

    network: Callable[[tuple[int, ...], int], Network]
    terms: Callable[[Judge], tuple[Term, ...]]
    loss: Callable[[Judge, Array, Terms], Array]
    optimizer: OptimizerLike
    learning_rate: ScalarOrSchedule


CRITIC = Kind('a critic', (__name__,), (Critic,))
CriticLike = Annotated[Critic | Callable[..., Critic] | str, CRITIC]
_leaky = partial(nn.leaky_relu, negative_slope=0.2)


def _of_latents(
    name: str,
    term: Callable[[Array], Array],
    others: Callable[[Array, Terms], Array],
    hidden: Sequence[int],
    weight: ScalarOrSchedule,
    optimizer: OptimizerLike,
    learning_rate: ScalarOrSchedule,
) -> Critic:
    """`z -> logits [b]`, of which a term is made; its loss is `softplus(-D(z)) + softplus(D(z'))`,
    z' the others that z are told from."""

    def network(image_shape, d):
        z = jax.ShapeDtypeStruct((1, d), jnp.float32)
        return from_linen(MLPDecoder((), tuple(hidden), _leaky), z)

    def terms(judge):
        def apply(memory, seen):
            return term(judge(seen.state, seen.z[0])), memory

        return (Term(name, apply, weight=weight),)

    def loss(judge, key, seen):
        z, other = jax.lax.stop_gradient((seen.z[0], others(key, seen)))
        both = nn.softplus(-judge(seen.state, z)) + nn.softplus(judge(seen.state, other))
        return both / 2

    return Critic(network, terms, loss, optimizer, learning_rate)


def total_correlation(
    weight: ScalarOrSchedule = 35.0,
    hidden: Sequence[int] = (1000, 1000, 1000, 1000, 1000),
    learning_rate: ScalarOrSchedule = 1e-4,
) -> Critic:
    """`E_q(z) D(z)`, where D tells latents from such with each permuted over the batch: at its best
    the total correlation.

    FactorVAE, Kim and Mnih 2018 (https://arxiv.org/abs/1802.05983).

    Args:
      weight: of the term, or a schedule of it.
      hidden: sizes of the critic's hidden layers.
      learning_rate: of the critic.
    """

    def permuted(key, terms):
        return jax.random.permutation(key, terms.z[0], independent=True)

    return _of_latents(
        'total_correlation', lambda logits: logits, permuted, hidden,
        weight, 'adam:b1=0.5,b2=0.9', learning_rate,
    )  # fmt: skip


def aggregate(
    weight: ScalarOrSchedule = 10.0,
    hidden: Sequence[int] = (512, 512),
    learning_rate: ScalarOrSchedule = 2e-4,
) -> Critic:
    """`E_q(z) softplus(D(z))`, where D tells latents from draws of the prior.

    Adversarial autoencoder, Makhzani et al. 2016 (https://arxiv.org/abs/1511.05644), whose encoder
    does not saturate.

    Args:
      weight: of the term, or a schedule of it.
      hidden: sizes of the critic's hidden layers.
      learning_rate: of the critic.
    """

    def drawn(key, terms):
        return terms.prior.sample(key, len(terms.z[0]))

    return _of_latents(
        'aggregate', nn.softplus, drawn, hidden, weight, 'adam:b1=0.5', learning_rate
    )


def discriminator(
    weight: ScalarOrSchedule = 1.0,
    width: int = 32,
    learning_rate: ScalarOrSchedule = 3e-4,
) -> Critic:
    """`|f(x) - f(G(z))|^2 / 2` of the features f of a discriminator of images, in the likelihood's
    place where the bound is `divergence`, and `softplus(-D(G(z))) + softplus(-D(G(z')))` of the
    decoder G alone, z of the posterior and z' of the prior.

    VAE-GAN, Larsen et al. 2016 (https://arxiv.org/abs/1512.09300), here without batch norm and with
    a decoder that does not saturate. Their gamma, the weight of the first term for the decoder, is
    `1 / weight`, and so many times as large a step where an optimizer does not know the scale.

    Args:
      weight: of the second term, or a schedule of it.
      width: channels of the discriminator's first layer, doubled with each further layer.
      learning_rate: of the discriminator.
    """
    check_range(1, width=width)

    def network(image_shape, d):
        return from_linen(ConvCritic(width), jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))

    def made(seen):
        """Images of both kinds of latents, which are not to be changed by them."""
        drawn = seen.prior.sample(stream(seen.key, 'drawn'), len(seen.z[0]))
        return [seen.decode(z) for z in jax.lax.stop_gradient((seen.z[0], drawn))]

    def terms(judge):
        def features(memory, seen):
            real, fake = (judge(seen.state, x)[1] for x in (seen.x, seen.decode(seen.z[0])))
            return jnp.sum(jnp.square(real - fake), axis=1) / 2, memory

        def adversarial(memory, seen):
            return sum(nn.softplus(-judge(seen.state, x)[0]) for x in made(seen)), memory

        return Term('features', features), Term('adversarial', adversarial, weight=weight)

    def loss(judge, key, seen):
        fake = sum(nn.softplus(judge(seen.state, x)[0]) for x in made(seen))
        return nn.softplus(-judge(seen.state, seen.x)[0]) + fake

    return Critic(network, terms, loss, 'rmsprop', learning_rate)


class Judged(NamedTuple):
    """What a critic brings into a model.

    Attributes:
      networks: its own.
      terms: of the VAE's loss.
      players: itself.
    """

    networks: Mapping[str, Network] = MappingProxyType({})
    terms: tuple[Term, ...] = ()
    players: Mapping[str, Player] = MappingProxyType({})


def judged(
    critic: Critic | None,
    image_shape: tuple[int, int, int],
    d: int,
    seen: Seen,
    precision: Precision = 'float32',
) -> Judged:
    """A critic as a network, terms and a player.

    Args:
      critic: who it is; None for nobody.
      image_shape: `(height, width, channels)`.
      d: length of z.
      seen: `(state, key, batch) -> Terms`, a pass of the VAE.
      precision: of the critic in training passes.
    """
    if critic is None:
        return Judged()
    network = mixed_precision(critic.network(image_shape, d), precision)

    def judge(state, inputs):
        return network.apply(state.nets['critic'], inputs)[0]

    def loss(state, key, batch):
        terms = seen(state, key, batch)
        return jnp.mean(critic.loss(judge, stream(key, 'others'), terms)), state, {}

    optimizer = guarded(critic.optimizer, critic.learning_rate)
    player = Player(('critic',), loss, optimizer)
    return Judged({'critic': network}, critic.terms(judge), {'critic': player})
