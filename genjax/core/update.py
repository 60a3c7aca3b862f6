"""The one update that every model shares."""

from collections.abc import Callable, Mapping
from functools import cache, partial

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from genjax.core.averages import averaging, begun, slot_of
from genjax.core.checks import check_range
from genjax.core.types import (
    Batch,
    Hyper,
    HyperLike,
    Model,
    Net,
    Network,
    Player,
    State,
    hyper,
)
from genjax.machine import compile_once
from genjax.meshes import alike, as_state, implicit
from genjax.parallel import like_batch
from genjax.random import step_key, stream


def model(
    networks: Mapping[str, Network],
    players: Mapping[str, Player],
    *,
    prepare: Callable[[Batch], Batch] = lambda batch: batch,
    draw: Callable[[Array, Batch], Batch] = lambda key, batch: {},
    ema: Mapping[str, HyperLike] | None = None,
    passes: Mapping[str, Callable[[Net, Array, Batch], Net]] | None = None,
) -> Model:
    """Networks and players put together.

    `train_step` updates the players in the order of `players`, each seeing what those before it
    did. An update whose loss, gradient or learning rate is not finite is left out whole and
    counted, and so are single elements that are not finite. The key of a step is a pure function of
    the root key and the step's number. Within a `jax.shard_map` each device takes a step of its
    own, and nothing is exchanged; for one state and a batch in parts see `genjax.parallel`.

    Args:
      networks: by name.
      players: by name.
      prepare: checks and scales a batch, once a step. It sees no values: images that are floats
        are to be in [-1, 1], and such as are in [0, 1] train pale.
      draw: `(key, batch) -> more leaves of the batch`, for each repeat: noise that all players see.
        Drawn once, equal passes of two players are one in the compiled program; the compiler does
        not merge equal draws inside a scan.
      ema: the decay of the averaged parameters of each network that is to have them. The decay of
        the average of t steps is `min(decay, (1 + t) / (10 + t))`, so that it soon forgets the
        start. What float32 loses of the small steps of an average over more than 10,000 steps, or
        of one whose decay follows a schedule, is kept beside it.
      passes: `(net, key, batch) -> net`, a training pass of each averaged network whose statistics
        are to be those of its own parameters: one at each of the first 40 steps, then at each
        fourth. The statistics of others are copied.

    What is a `Hyper` (weights of terms, `hypers` of players, decays of averages) has the value
    `state.hypers[name] * schedule(state.step)` in a step.

    Raises:
      ValueError: a player trains, or `ema` names, a network that is not there; or a player has two
        things of one name, or a number out of its range.
    """
    averages = {name: hyper(decay) for name, decay in (ema or {}).items()}
    trained = {name for player in players.values() for name in player.trains}
    unknown = sorted((trained | set(averages)) - set(networks))
    if unknown:
        raise ValueError(f'expected networks among {sorted(networks)}, got {unknown}')
    for name, player in players.items():
        _check(name, player)
    check_range(0, 1, **{f'ema of {name}': decay.value for name, decay in averages.items()})
    longest = max(player.repeats for player in players.values())
    hypers = _hypers(players, averages)

    def train_step(state, batch):
        # Each device of a `shard_map` takes a step of its own.
        state, batch = alike((state, prepare(batch)))
        metrics, factors = {}, state.hypers
        state = state.replace(hypers=_moved(hypers, state))
        parts = _deal(batch, longest)
        keys = jax.vmap(partial(step_key, state.key, state.step))(jnp.arange(longest))
        parts |= like_batch(jax.vmap(draw)(keys, parts), axis=1)
        for name, player in players.items():
            state, new = _play(name, player, state, parts, longest)
            metrics |= new
        first = jax.tree.map(lambda x: x[0], parts)
        own = {name: partial(through, batch=first) for name, through in (passes or {}).items()}
        state, told = averaging(averages, state, own)
        return state.replace(step=state.step + 1, hypers=factors), metrics | told

    make = partial(_init, networks, players, averages, hypers)
    inside = jax.jit(make)
    # Asked for when it is wanted: a model may be built before its devices are chosen.
    at_once = cache(lambda: jax.jit(make, compiler_options=compile_once()))

    def init(key):
        # JAX refuses compiler options inside another program.
        made = inside if isinstance(key, jax.core.Tracer) else at_once()
        # Copied outside of jit too: a jitted function may hand its caller's key back as it is.
        return jax.tree.map(jnp.copy, made(key))

    return Model(init, jax.jit(implicit(train_step, as_state)))


def _check(name, player):
    check_range(1, **{f'{name} {k}': getattr(player, k) for k in ('repeats', 'microbatches')})
    names = ['lr_scale', *player.hypers, *player.memory]
    for term in player.terms:
        check_range(1, **{f'every of {name}/{term.name}': term.every})
        names.append(term.name)
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f'expected different names in the player {name}, got twice {twice}')


def _hypers(players: Mapping[str, Player], averages: Mapping[str, Hyper]) -> dict[str, Hyper]:
    """All hypers of a model, by name."""
    found = {f'{name}/ema_decay': decay for name, decay in averages.items()}
    for name, player in players.items():
        own = {'lr_scale': 1.0, **player.hypers, **{t.name: t.weight for t in player.terms}}
        found |= {f'{name}/{each}': hyper(value) for each, value in own.items()}
    return found


def _moved(hypers, state):
    """The values of a step: what follows a schedule is multiplied by it."""
    moved = {
        name: state.hypers[name] * jnp.asarray(own.schedule(state.step), jnp.float32)
        for name, own in hypers.items()
        if own.schedule
    }
    return {**state.hypers, **moved}


def _init(networks, players, averages, hypers, key):
    nets = {name: network.init(stream(key, name)) for name, network in networks.items()}
    memory, opt = {}, {}
    for name, player in players.items():
        opt[name] = player.optimizer.init(_params(nets, player))
        for kept, make in [*((t.name, t.init) for t in player.terms), *player.memory.items()]:
            slot = f'{name}/{kept}'
            memory[slot] = make(stream(key, slot))
    memory |= {slot_of(name): begun(decay, nets[name]) for name, decay in averages.items()}
    state = State(
        step=jnp.int32(0),
        key=key,
        nets=nets,
        ema={name: nets[name] for name in averages},
        opt=opt,
        memory=memory,
        hypers={name: jnp.float32(own.value) for name, own in hypers.items()},
        skipped={name: jnp.int32(0) for name in players},
    )
    return jax.tree.map(_strong, state)


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
    means = jax.tree.map(lambda metric: jnp.nanmean(metric, axis=0), metrics)
    return state, means | {f'{name}/skipped': state.skipped[name].astype(jnp.float32)}


def _update(name, player, state, key, batch):
    """One update of one player, left out where the loss or the gradient is not finite."""
    params = _params(state.nets, player)
    loss, grads, stats, memory, metrics = _gradient(player, state, params, key, batch)
    norm, scale = optax.tree.norm(grads), state.hypers[f'{name}/lr_scale']

    def stepped():
        # Some optimizers ask for the loss too, and `clip_weights` for the scale.
        known = {'lr_scale': scale, 'value': loss, 'grad': grads}
        optimizer = optax.with_extra_args_support(player.optimizer)
        updates, opt = optimizer.update(grads, state.opt[name], params, **known)
        updates = jax.tree.map(lambda u: scale.astype(u.dtype) * u, updates)
        # Element by element: to know of them all first would be two more passes over memory.
        kept = jax.tree.map(lambda u: jnp.where(jnp.isfinite(u), u, jnp.zeros_like(u)), updates)
        # A learning rate that is not finite shows in any leaf.
        finite = jnp.all(jnp.isfinite(min(jax.tree.leaves(updates), key=jnp.size)))
        return optax.apply_updates(params, kept), opt, finite

    finite = jnp.isfinite(loss) & jnp.isfinite(norm)
    params, opt, finite = _if(finite, stepped, (params, state.opt[name], finite))
    old = {n: state.nets[n].stats for n in player.trains}, state.memory
    stats, memory = jax.tree.map(partial(jnp.where, finite), (stats, memory), old)
    nets = {n: Net(params[n], stats[n]) for n in player.trains}
    skipped = state.skipped[name] + (~finite).astype(jnp.int32)
    new = state.replace(
        nets={**state.nets, **nets},
        opt={**state.opt, name: opt},
        memory=memory,
        skipped={**state.skipped, name: skipped},
    )
    extra = {f'{name}/loss': loss, f'{name}/grad_norm': norm, f'{name}/skipped': skipped}
    return new, metrics | {k: jnp.asarray(v, jnp.float32) for k, v in extra.items()}


def _if(condition, new, old):
    """`new()` where the condition holds, else `old`.

    On a CPU by a branch, which saves passes over memory; elsewhere by selection, since there a
    branch waits for the host.
    """

    def branch(condition):
        return lax.cond(condition, lambda: alike(new(), condition), lambda: alike(old, condition))

    def select(condition):
        # One of two: a key of `old` that `new` used is not used twice.
        return jax.tree.map(partial(jnp.where, condition), new(), jax.tree.map(_unused, old))

    return lax.platform_dependent(condition, cpu=branch, default=select)


def _unused(leaf):
    return jax.random.clone(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf


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
