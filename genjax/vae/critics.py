"""A second player who looks at latents: total correlations and adversarial priors."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from genjax.core import Network, Player, State, Term
from genjax.nn.linen import from_linen
from genjax.nn.mlp import MLPDecoder
from genjax.optim import OptimizerLike
from genjax.optim import optimizer as guarded
from genjax.parts import Kind, ScalarOrSchedule
from genjax.random import stream
from genjax.vae.terms import Terms

Seen = Callable[[State, Array, dict], Terms]


class Critic(NamedTuple):
    """Who tells latents of images from others.

    Attributes:
      name: of the term.
      network: `d -> Network`, `z -> logits [b]`, called `critic` in the state.
      term: `logits of the latents -> [b]`, added to the VAE's loss.
      others: `(key, terms) -> z [b, d]`, which the latents are told from.
      weight: of the term, or a schedule of it.
      optimizer: of the critic.
      learning_rate: of the critic.
    """

    name: str
    network: Callable[[int], Network]
    term: Callable[[Array], Array]
    others: Callable[[Array, Terms], Array]
    weight: ScalarOrSchedule
    optimizer: OptimizerLike
    learning_rate: ScalarOrSchedule


CRITIC = Kind('a critic of latents', (__name__,), (Critic,))
CriticLike = Annotated[Critic | Callable[..., Critic] | str, CRITIC]


def _network(hidden: Sequence[int], d: int) -> Network:
    z = jax.ShapeDtypeStruct((1, d), jnp.float32)
    return from_linen(MLPDecoder((), tuple(hidden), partial(nn.leaky_relu, negative_slope=0.2)), z)


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

    return Critic(
        'total_correlation', partial(_network, hidden), lambda logits: logits, permuted,
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

    return Critic(
        'aggregate', partial(_network, hidden), jax.nn.softplus, drawn,
        weight, 'adam:b1=0.5', learning_rate,
    )  # fmt: skip


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


def judged(critic: Critic | None, d: int, seen: Seen) -> Judged:
    """A critic as a network, a term and a player, who lowers `softplus(-D(z)) + softplus(D(z'))`,
    z' the others.

    Args:
      critic: who it is; None for nobody.
      d: length of z.
      seen: `(state, key, batch) -> Terms`, a pass of the VAE.
    """
    if critic is None:
        return Judged()
    network = critic.network(d)

    def logits(state, z):
        return network.apply(state.nets['critic'], z)[0]

    def term(memory, terms):
        return critic.term(logits(terms.state, terms.z[0])), memory

    def loss(state, key, batch):
        terms = seen(state, key, batch)
        z, other = jax.lax.stop_gradient((terms.z[0], critic.others(stream(key, 'others'), terms)))
        both = nn.softplus(-logits(state, z)) + nn.softplus(logits(state, other))
        return jnp.mean(both) / 2, state, {}

    optimizer = guarded(critic.optimizer, critic.learning_rate)
    return Judged(
        {'critic': network},
        (Term(critic.name, term, weight=critic.weight),),
        {'critic': Player(('critic',), loss, optimizer)},
    )
