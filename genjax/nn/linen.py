"""Flax Linen modules as networks."""

import inspect

import jax
import jax.numpy as jnp
from flax import linen
from jaxtyping import PyTree

from genjax.core import Net, Network
from genjax.random import stream


def from_linen(module: linen.Module, *inputs: PyTree) -> Network:
    """A `Network` of a Flax Linen module.

    Every collection but `params` becomes `stats`. The key that `apply` gets feeds the module's
    `dropout` stream. `train` is passed on to modules whose call takes it.

    Args:
      module: an unbound module.
      *inputs: example inputs, arrays or `jax.ShapeDtypeStruct`; only shapes and dtypes count.
    """
    takes_train = 'train' in inspect.signature(type(module).__call__).parameters

    def flag(train):
        return {'train': train} if takes_train else {}

    def init(key):
        zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), inputs)
        rngs = {name: stream(key, name) for name in ('params', 'dropout')}
        variables = dict(module.init(rngs, *zeros, **flag(False)))
        return Net(variables.pop('params', {}), variables)

    def apply(net, *inputs, key=None, train=True):
        rngs = {} if key is None else {'dropout': stream(key, 'dropout')}
        mutable = list(net.stats) if train else False
        variables = {'params': net.params, **net.stats}
        out = module.apply(variables, *inputs, **flag(train), rngs=rngs, mutable=mutable)
        return (out[0], Net(net.params, dict(out[1]))) if train else (out, net)

    return Network(init, apply)
