"""What a model is made of: networks, players, terms, and the state they share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from flax import struct
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from genjax.meshes import alike
from genjax.parts import SCHEDULE, ScalarOrSchedule, make

Batch = dict[str, Array]
Metrics = dict[str, Array]


class Net(struct.PyTreeNode):
    """The arrays of one network: `params` are trained, `stats` are everything else."""

    params: PyTree
    stats: PyTree


class Network(NamedTuple):
    """A pair of pure functions.

    `init(key) -> Net` and `apply(net, *inputs, key=None, train=True) -> (output, Net)`.
    """

    init: Callable[..., Net]
    apply: Callable[..., tuple[Any, Net]]


def held(init: Callable[[Key[Array, '']], Net]) -> Network:
    """A network that is nothing but its arrays, which are read by whoever knows what they mean.

    Args:
      init: `key -> Net`.
    """
    return Network(init, lambda net, *inputs, **options: (net, net))


class State(struct.PyTreeNode):
    """All that a run has learnt: a pytree of arrays, nothing else.

    Attributes:
      step: number of finished steps, int32.
      key: the root key of the run.
      nets: a `Net` for each network.
      ema: a `Net` of averaged parameters for each network that has one.
      opt: an optimizer state for each player.
      memory: what terms and players remember between steps, by `player/name`, and averages, by
        `ema/network`.
      hypers: float32 scalars that a sweep may `vmap` over, by `player/name`: the weights of terms,
        `player/lr_scale`, which multiplies the player's updates, and `network/ema_decay`. Of what
        follows a schedule it is the factor of that.
      skipped: number of updates not made since their loss, gradient or learning rate was not
        finite, by player.
    """

    step: Int[Array, '']
    key: Key[Array, '']
    nets: dict[str, Net]
    ema: dict[str, Net]
    opt: dict[str, PyTree]
    memory: dict[str, PyTree]
    hypers: dict[str, Float[Array, '']]
    skipped: dict[str, Int[Array, '']]


Loss = Callable[[State, Array, Batch], tuple[Array, State, Metrics]]


def averaged(state: State) -> State:
    """The state with averaged networks in the place of those that have an average."""
    return state.replace(nets={**state.nets, **state.ema})


class Hyper(NamedTuple):
    """A scalar that a sweep may `vmap` over, and that may move: `value * schedule(step)`.

    Attributes:
      value: the initial value in `state.hypers`.
      schedule: a function of the number of finished steps; None stands for 1.
    """

    value: float = 1.0
    schedule: Callable[[Array], Array] | None = None


HyperLike = Hyper | ScalarOrSchedule


def hyper(value: HyperLike) -> Hyper:
    """A number as itself; a schedule as a factor of 1, which a sweep may change.

    Args:
      value: a number, a schedule, the text of one, or a `Hyper`.

    Raises:
      ValueError: something else.
    """
    if isinstance(value, Hyper):
        return value
    made = make(SCHEDULE, value)
    return Hyper(schedule=made) if callable(made) else Hyper(made)


def with_hypers(state: State, values: Mapping[str, Array | float]) -> State:
    """The state with other values of some of its `hypers`, for a sweep or a schedule of one's own.

    Args:
      state: of any model.
      values: numbers or float arrays by `player/name`.

    Raises:
      ValueError: a name that the model does not have.
    """
    unknown = sorted(set(values) - set(state.hypers))
    if unknown:
        raise ValueError(f'expected hypers among {sorted(state.hypers)}, got {unknown}')
    # A Python number would be weakly typed, and compile the step again.
    typed = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
    return state.replace(hypers={**state.hypers, **typed})


class Term(NamedTuple):
    """One summand of a loss, on whatever context its family has.

    Attributes:
      name: how state and metrics call it.
      apply: `(memory, context) -> (loss, memory)`, the loss per example or a scalar.
      init: `key -> memory`; most terms have none.
      weight: of the hyper `player/name`: a number, or a schedule of the steps.
      every: the term is computed at every so manieth step, and is then so many times as strong
        (lazy regularization, Karras et al. 2020, https://arxiv.org/abs/1912.04958). Its metric is
        NaN at the steps between, so that a mean that leaves NaN out is the mean of what was seen.
    """

    name: str
    apply: Callable[[PyTree, Any], tuple[Array, PyTree]]
    init: Callable[[Array], PyTree] = lambda key: ()
    weight: HyperLike = 1.0
    every: int = 1


class Player(NamedTuple):
    """Who updates what, by which loss.

    Attributes:
      trains: names of the networks whose parameters the player updates and whose stats it keeps;
        what its loss does to the stats of other networks is dropped.
      loss: `(state, key, batch) -> (scalar, state, metrics)`.
      optimizer: its state belongs to the player.
      repeats: updates in one step; the batch then holds `repeats * b` examples.
      microbatches: the batch is cut in so many pieces whose gradients are averaged.
      terms: the terms that `loss` adds up by `weighted_sum`; their memories and weights are made
        from this list.
      hypers: other scalars that `loss` reads from `state.hypers['player/name']`, or schedules.
      memory: what else `loss` keeps in `state.memory['player/name']`, each made by `key -> memory`.
    """

    trains: tuple[str, ...]
    loss: Loss
    optimizer: optax.GradientTransformation
    repeats: int = 1
    microbatches: int = 1
    terms: Sequence[Term] = ()
    hypers: Mapping[str, HyperLike] = {}
    memory: Mapping[str, Callable[[Array], PyTree]] = {}


class Model(NamedTuple):
    """`init(key) -> State` and `train_step(state, batch) -> (State, metrics)`, both jitted."""

    init: Callable[[Array], State]
    train_step: Callable[[State, Batch], tuple[State, Metrics]]


def weighted_sum(
    player: str, terms: Sequence[Term], state: State, context: Any
) -> tuple[Float[Array, ''], State, Metrics]:
    """The loss of a list of terms, `sum_i weight_i mean(term_i(context))`.

    Args:
      player: name of the player whose terms these are.
      terms: the same list as in its `Player`.
      state: has the memories and weights; the weights are `state.hypers['player/term']`.
      context: what the terms are functions of.

    Returns:
      The sum, the state with new memories, and the value of each term without its weight; a weight
      that follows a schedule is told by itself.
    """
    total, memory, metrics = jnp.float32(0), dict(state.memory), {}
    for term in terms:
        slot = f'{player}/{term.name}'

        def compute(old, term=term):
            loss, new = term.apply(old, context)
            new = jnp.mean(loss).astype(jnp.float32), lax.stop_gradient(new)
            return alike(new, state.step)

        if term.every == 1:
            value, memory[slot] = compute(memory[slot])
            metrics[slot] = value
        else:
            due = state.step % term.every == 0
            idle = lambda old: alike((jnp.float32(0), old), state.step)  # noqa: E731
            value, memory[slot] = lax.cond(due, compute, idle, memory[slot])
            metrics[slot] = jnp.where(due, value, jnp.nan)
        if hyper(term.weight).schedule:
            metrics[f'{slot}_weight'] = state.hypers[slot]
        total += state.hypers[slot] * term.every * value
    return total, state.replace(memory=memory), metrics
