"""Flax Linen modules as networks."""

import inspect

import jax
import jax.numpy as jnp
from flax import linen
from jaxtyping import PyTree

from genjax.core import Net, Network
from genjax.random import stream


def example_inputs(
    image_shape: tuple[int, int, int], latent_dim: int, num_classes: int | None
) -> tuple[tuple[jax.ShapeDtypeStruct, ...], tuple[jax.ShapeDtypeStruct, ...]]:
    """What a network of images takes, and what one of latents: each with labels where there are.

    Args:
      image_shape: `(height, width, channels)`.
      latent_dim: length of z.
      num_classes: number of labels; None for none.
    """
    y = () if num_classes is None else (jax.ShapeDtypeStruct((1,), jnp.int32),)
    shapes = (1, *image_shape), (1, latent_dim)
    x, z = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    return (x, *y), (z, *y)


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
