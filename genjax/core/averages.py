"""Moving averages of networks."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

from genjax.core.types import Hyper, Metrics, Net, State
from genjax.meshes import alike
from genjax.random import step_key, stream

# Steps of a longer average are so small that float32 loses much of them.
_LONG = 1 - 1e-4
# Statistics of an average move at each of the first steps, then at every so manieth: a pass is a
# twelfth of a DCGAN's step.
_FIRST, _EVERY = 40, 4

Pass = Callable[[Net, Array], Net]


def slot_of(name: str) -> str:
    """Where `state.memory` has what is to be known of an average beside its parameters.

    Args:
      name: of the network.
    """
    return f'ema/{name}'


def begun(decay: Hyper, net: Net) -> dict[str, Any]:
    """What is to be known of a new average: how many steps it is of, and what rounding has lost.

    Args:
      decay: of the average.
      net: the network.
    """
    lost = jax.tree.map(jnp.zeros_like, net.params) if _long(decay) else ()
    return {'steps': jnp.int32(0), 'lost': lost}


def _long(decay: Hyper) -> bool:
    return decay.schedule is not None or decay.value > _LONG


def _share(own: Hyper, decay: Float[Array, ''], steps: Float[Array, '']) -> Float[Array, '']:
    """`1 - d` of a step; that of a long average is not what float32 leaves of `1 - decay`."""
    if not _long(own):
        return 1 - jnp.minimum(decay, (1.0 + steps) / (10.0 + steps))
    chosen = decay == np.float32(own.value)
    return jnp.maximum(jnp.where(chosen, np.float32(1 - own.value), 1 - decay), 9 / (10 + steps))


def averaging(
    averages: Mapping[str, Hyper], state: State, passes: Mapping[str, Pass]
) -> tuple[State, Metrics]:
    """The state with its averages moved by one step, and the decays that follow a schedule.

    `m <- d m + (1 - d) p` with `d = min(decay, (1 + t) / (10 + t))`, t the steps of the average.

    Args:
      averages: the decay of each, by network.
      state: as the players left it.
      passes: `(net, key) -> net`, a training pass of those that make their own statistics; the
        others copy them.
    """
    means, memory = dict(state.ema), dict(state.memory)
    told: Metrics = {}
    for name, own in averages.items():
        decay, known, net = state.hypers[f'{name}/ema_decay'], memory[slot_of(name)], means[name]
        steps = known['steps'].astype(jnp.float32)
        share = _share(own, decay, steps)
        params, lost = _moved(net.params, state.nets[name].params, share, known['lost'])
        if name in passes and jax.tree.leaves(net.stats):
            moved, key = (
                Net(params, net.stats),
                stream(step_key(state.key, state.step), slot_of(name)),
            )
            means[name] = _settled(moved, known['steps'], passes[name], key)
        else:
            means[name] = Net(params, state.nets[name].stats)
        memory[slot_of(name)] = {'steps': known['steps'] + 1, 'lost': lost}
        told |= {f'{name}/ema_decay': decay} if own.schedule else {}
    return state.replace(ema=means, memory=memory), told


def _settled(mean: Net, steps: Int[Array, ''], through: Pass, key: Array) -> Net:
    """An average whose statistics a training pass has moved, where one is due."""
    due = (steps < _FIRST) | (steps % _EVERY == 0)
    # A `vmap` of it selects among what the branches are given, which would use keys twice.
    keys, stats = (jax.tree.map(_numbers, tree) for tree in (key, mean.stats))

    def moved():
        net = mean.replace(stats=jax.tree.map(_keys, stats, mean.stats))
        after = through(net, _keys(keys, key)).stats
        return alike(jax.tree.map(_numbers, after), due)

    found = lax.cond(due, moved, lambda: alike(stats, due))
    return mean.replace(stats=jax.tree.map(_keys, found, mean.stats))


def _is_key(leaf: Array) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _numbers(leaf: Array) -> Array:
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _keys(leaf: Array, like: Array) -> Array:
    return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf


def _moved(
    mean: PyTree, params: PyTree, share: Float[Array, ''], lost: PyTree
) -> tuple[PyTree, PyTree]:
    """The averages, and what they lack of the true ones (Kahan 1965) where that is kept."""
    if not jax.tree.leaves(lost):
        return optax.incremental_update(params, mean, share), lost
    by = jax.tree.map(lambda m, p, c: share * (p - m) - c, mean, params, lost)
    new = jax.tree.map(jnp.add, mean, by)
    return new, jax.tree.map(lambda n, m, b: (n - m) - b, new, mean, by)
