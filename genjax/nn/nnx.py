"""Flax NNX modules as networks."""

import functools
import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from genjax.core import Net, Network
from genjax.random import stream


def from_nnx(make: Callable[[nnx.Rngs], nnx.Module]) -> Network:
    """A `Network` of a Flax NNX module.

    Each `nnx.Param` becomes a parameter; what other variables there are becomes `stats`, but for
    the states of random numbers: every generator in the module starts anew from the key that
    `apply` gets. `apply` calls the module's `train()` or `eval()`, and passes `train` on to modules
    whose call takes it. What is sown is dropped.

    Args:
      make: `rngs -> module`, a function or a class; not a module, whose parameters would not depend
        on the key of `init`. Each call must make the same module but for its numbers.

    Raises:
      ValueError: a module in the place of the function; or, by `apply`, no key in the training of
        a module that has generators.
    """
    if isinstance(make, nnx.Module):
        raise ValueError(f'expected a function of nnx.Rngs that makes a module, got {type(make)}')

    def parts(key):
        module = make(nnx.Rngs(stream(key, 'params'), dropout=stream(key, 'dropout')))
        return nnx.split(module, nnx.Param, nnx.RngState, ...)

    @functools.cache
    def plan():
        # Asked for when it is wanted, and without numbers.
        return jax.eval_shape(lambda: parts(jax.random.key(0)))

    def init(key):
        _, params, _, stats = parts(key)
        return Net(nnx.to_pure_dict(params), nnx.to_pure_dict(stats))

    def apply(net, *inputs, key=None, train=True):
        graph, params, rngs, stats = plan()
        if train and key is None and jax.tree.leaves(rngs):
            raise ValueError('expected a key: the module has generators of random numbers')
        states = _filled(params, net.params), _seeded(rngs, key), _filled(stats, net.stats)
        module = nnx.merge(graph, *states)
        module.train() if train else module.eval()
        takes_train = 'train' in inspect.signature(type(module).__call__).parameters
        out = module(*inputs, **({'train': train} if takes_train else {}))
        if not train:
            return out, net
        *_, after = nnx.split(module, nnx.Param, nnx.RngState, nnx.Intermediate, ...)
        return out, Net(net.params, nnx.to_pure_dict(after))

    return Network(init, apply)


def _filled(state, values):
    """A state of shapes with values."""
    state = jax.tree.map(lambda leaf: leaf, state)
    nnx.replace_by_pure_dict(state, values)
    return state


def _seeded(rngs, key):
    """The state of each generator at its start, with a key of its own."""

    def seeded(path, variable):
        of = variable.get_value()
        if not jnp.issubdtype(of.dtype, jax.dtypes.prng_key):
            return variable.replace(jnp.zeros(of.shape, of.dtype))
        own = stream(jax.random.key(0) if key is None else key, '/'.join(map(str, path)))
        return variable.replace(jax.random.split(own, of.shape) if of.shape else own)

    return nnx.from_flat_state((path, seeded(path, of)) for path, of in nnx.to_flat_state(rngs))
