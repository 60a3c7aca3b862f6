"""Networks, players and the one update that every model shares.

A model is *networks* and *players*. A player names the networks it trains, a loss and an optax
optimizer; a training step updates the players in turn. A GAN has two players, a VAE one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax import lax
from jaxtyping import Array, Float, Int, Key, PyTree

from genjax.random import step_key, stream

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


class State(struct.PyTreeNode):
    """All that a run has learnt: a pytree of arrays, nothing else.

    Attributes:
      step: number of finished steps, int32.
      key: the root key of the run.
      nets: a `Net` for each network.
      ema: a `Net` of averaged parameters for each network that has one.
      opt: an optimizer state for each player.
      memory: what a term remembers between steps, by `player/term`.
      hypers: float32 scalars that a sweep may `vmap` over, by `player/name`: the weights of terms,
        and `player/lr_scale`, which multiplies the player's updates.
      skipped: number of updates not made since loss or gradient were not finite, by player.
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


class Term(NamedTuple):
    """One summand of a loss, on whatever context its family has.

    Attributes:
      name: how state and metrics call it.
      apply: `(memory, context) -> (loss, memory)`, the loss per example or a scalar.
      init: `key -> memory`; most terms have none.
      weight: the initial value of the hyper `player/name`.
      every: the term is computed at every so manieth step, and is then so many times as strong
        (lazy regularization, Karras et al. 2020, https://arxiv.org/abs/1912.04958). Its metric is
        NaN at the steps between, so that a mean that leaves NaN out is the mean of what was seen.
    """

    name: str
    apply: Callable[[PyTree, Any], tuple[Array, PyTree]]
    init: Callable[[Array], PyTree] = lambda key: ()
    weight: float = 1.0
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
      hypers: other scalars that `loss` reads from `state.hypers['player/name']`.
    """

    trains: tuple[str, ...]
    loss: Loss
    optimizer: optax.GradientTransformation
    repeats: int = 1
    microbatches: int = 1
    terms: Sequence[Term] = ()
    hypers: Mapping[str, float] = {}


class Model(NamedTuple):
    """`init(key) -> State` and `train_step(state, batch) -> (State, metrics)`, both jitted."""

    init: Callable[[Array], State]
    train_step: Callable[[State, Batch], tuple[State, Metrics]]


def made(part: Any, *args, **kwargs) -> Any:
    """A part itself where it was given made, else what the function that makes it returns."""
    return part(*args, **kwargs) if callable(part) else part


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
      The sum, the state with new memories, and the value of each term without its weight.
    """
    total, memory, metrics = jnp.float32(0), dict(state.memory), {}
    for term in terms:
        slot = f'{player}/{term.name}'

        def compute(old, term=term):
            loss, new = term.apply(old, context)
            return jnp.mean(loss).astype(jnp.float32), lax.stop_gradient(new)

        if term.every == 1:
            value, memory[slot] = compute(memory[slot])
            metrics[slot] = value
        else:
            due = state.step % term.every == 0
            idle = lambda old: (jnp.float32(0), old)  # noqa: E731
            value, memory[slot] = lax.cond(due, compute, idle, memory[slot])
            metrics[slot] = jnp.where(due, value, jnp.nan)
        total += state.hypers[slot] * term.every * value
    return total, state.replace(memory=memory), metrics


def model(
    networks: Mapping[str, Network],
    players: Mapping[str, Player],
    *,
    prepare: Callable[[Batch], Batch] = lambda batch: batch,
    ema: Mapping[str, float] | None = None,
) -> Model:
    """Networks and players put together.

    `train_step` updates the players in the order of `players`, each seeing what those before it
    did. An update whose loss or gradient is not finite is left out whole and counted. The key of
    a step is a pure function of the root key and the step's number.

    Args:
      networks: by name.
      players: by name.
      prepare: checks and scales a batch, once a step.
      ema: the decay of the averaged parameters of each network that is to have them. The decay at
        step t is `min(decay, (1 + t) / (10 + t))`, so that the average soon forgets the start.
        Statistics are copied.

    Raises:
      ValueError: a player trains, or `ema` names, a network that is not there.
    """
    decays = dict(ema or {})
    trained = {name for player in players.values() for name in player.trains}
    unknown = sorted((trained | set(decays)) - set(networks))
    if unknown:
        raise ValueError(f'expected networks among {sorted(networks)}, got {unknown}')
    longest = max(player.repeats for player in players.values())

    def init(key):
        nets = {name: network.init(stream(key, name)) for name, network in networks.items()}
        memory, hypers, opt = {}, {}, {}
        for name, player in players.items():
            opt[name] = player.optimizer.init(_params(nets, player))
            hypers |= {f'{name}/{hyper}': value for hyper, value in player.hypers.items()}
            hypers |= {f'{name}/{term.name}': term.weight for term in player.terms}
            hypers[f'{name}/lr_scale'] = 1.0
            for term in player.terms:
                slot = f'{name}/{term.name}'
                memory[slot] = term.init(stream(key, slot))
        state = State(
            step=jnp.int32(0),
            key=key,
            nets=nets,
            ema={name: nets[name] for name in decays},
            opt=opt,
            memory=memory,
            hypers={name: jnp.float32(value) for name, value in hypers.items()},
            skipped={name: jnp.int32(0) for name in players},
        )
        return jax.tree.map(_strong, state)

    def train_step(state, batch):
        batch, metrics = prepare(batch), {}
        parts = _deal(batch, longest)
        for name, player in players.items():
            state, new = _play(name, player, state, parts, longest)
            metrics |= new
        averages = {
            name: _average(state.ema[name], state.nets[name], decay, state.step)
            for name, decay in decays.items()
        }
        return state.replace(step=state.step + 1, ema=averages), metrics

    jitted = jax.jit(init)
    # Copied outside of jit too: a jitted function may hand its caller's key back as it is.
    return Model(lambda key: jax.tree.map(jnp.copy, jitted(key)), jax.jit(train_step))


def _params(nets, player):
    return {name: nets[name].params for name in player.trains}


def _strong(leaf):
    """Without weak types: a weakly typed state compiles its second step again."""
    leaf = jnp.asarray(leaf)
    return (
        leaf
        if jnp.issubdtype(leaf.dtype, jax.dtypes.extended)
        else lax.convert_element_type(leaf, leaf.dtype)
    )


def _average(mean, net, decay, step):
    decay = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return Net(optax.incremental_update(net.params, mean.params, 1.0 - decay), net.stats)


def _deal(batch, n):
    """A batch of `n * b` examples as n batches of b: leaves `[n, b, ...]`.

    Split by `(b, n)` and an exchange of axes: a batch that is sharded over its examples stays so.
    """
    for name, leaf in batch.items():
        if leaf.shape[0] % n:
            raise ValueError(
                f'expected a multiple of {n} examples in batch[{name!r}], got {leaf.shape[0]}'
            )
    return jax.tree.map(lambda x: x.reshape(-1, n, *x.shape[1:]).swapaxes(0, 1), batch)


def _play(name, player, state, parts, longest):
    """All repeats of one player's update in one step."""
    if player.repeats == 1:
        first = jax.tree.map(lambda x: x[0], parts)
        return _update(name, player, state, step_key(state.key, state.step), first)
    if player.repeats < longest:
        parts = jax.tree.map(lambda x: x[: player.repeats], parts)

    def body(state, item):
        repeat, batch = item
        return _update(name, player, state, step_key(state.key, state.step, repeat), batch)

    state, metrics = lax.scan(body, state, (jnp.arange(player.repeats), parts))
    return state, jax.tree.map(lambda metric: jnp.nanmean(metric, axis=0), metrics)


def _update(name, player, state, key, batch):
    """One update of one player, left out where loss or gradient is not finite."""
    params = _params(state.nets, player)
    loss, grads, stats, memory, metrics = _gradient(player, state, params, key, batch)
    norm = optax.tree.norm(grads)
    scale = state.hypers[f'{name}/lr_scale']
    optimizer = optax.with_extra_args_support(player.optimizer)
    updates, opt = optimizer.update(grads, state.opt[name], params, lr_scale=scale)
    updates = jax.tree.map(lambda u: scale.astype(u.dtype) * u, updates)
    stepped = optax.apply_updates(params, updates)
    nets = {n: Net(stepped[n], stats[n]) for n in player.trains}
    new = state.replace(nets={**state.nets, **nets}, opt={**state.opt, name: opt}, memory=memory)
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    new = _where(finite, new, state)
    skipped = state.skipped[name] + (~finite).astype(jnp.int32)
    new = new.replace(skipped={**state.skipped, name: skipped})
    extra = {f'{name}/loss': loss, f'{name}/grad_norm': norm, f'{name}/skipped': skipped}
    return new, metrics | {k: jnp.asarray(v, jnp.float32) for k, v in extra.items()}


def _where(condition, new, old):
    """`new` where the condition holds, else `old`; leaves that are the same are not touched."""
    return jax.tree.map(lambda a, b: a if a is b else jnp.where(condition, a, b), new, old)


def _gradient(player, state, params, key, batch):
    """Loss, gradients, stats of the trained networks, memories and metrics."""

    def objective(params, carried, key, batch):
        stats, memory = carried
        nets = {n: Net(params[n], stats[n]) for n in player.trains}
        played = state.replace(nets={**state.nets, **nets}, memory=memory)
        loss, after, metrics = player.loss(played, key, batch)
        kept = {n: after.nets[n].stats for n in player.trains}, after.memory
        return loss, lax.stop_gradient((kept, metrics))

    gradient = jax.value_and_grad(objective, has_aux=True)
    carried = {n: state.nets[n].stats for n in player.trains}, state.memory
    if player.microbatches == 1:
        (loss, ((stats, memory), metrics)), grads = gradient(params, carried, key, batch)
        return loss, grads, stats, memory, metrics

    def body(carried, item):
        index, piece = item
        folded = jax.random.fold_in(stream(key, 'microbatch'), index)
        (loss, (carried, metrics)), grads = gradient(params, carried, folded, piece)
        return carried, (loss, grads, metrics)

    pieces = jnp.arange(player.microbatches), _deal(batch, player.microbatches)
    (stats, memory), (loss, grads, metrics) = lax.scan(body, carried, pieces)
    mean = lambda tree: jax.tree.map(lambda x: jnp.mean(x, axis=0), tree)  # noqa: E731
    return mean(loss), mean(grads), stats, memory, mean(metrics)
