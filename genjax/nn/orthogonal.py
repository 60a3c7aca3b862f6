"""Orthogonal kernels to begin with, whatever the layers are."""

import jax
import jax.numpy as jnp
from flax.linen.initializers import orthogonal

from genjax.core import Network
from genjax.nn.spectral import is_matrix, name_of
from genjax.random import stream


def orthogonal_start(network: Network) -> Network:
    """A network whose kernels and embeddings begin as orthogonal matrices, `W W^T = I` or
    `W^T W = I`, with a row for each input; those that begin at zero stay there.

    Saxe et al. 2014 (https://arxiv.org/abs/1312.6120), in GANs Brock et al. 2019
    (https://arxiv.org/abs/1809.11096).

    Args:
      network: any.
    """
    initializer = orthogonal()

    def init(key):
        net = network.init(key)

        def begun(path, leaf):
            name = name_of(path)
            if not is_matrix(name, leaf):
                return leaf
            drawn = initializer(stream(key, f'orthogonal{name}'), leaf.shape, leaf.dtype)
            return jnp.where(jnp.any(leaf), drawn, leaf)

        return net.replace(params=jax.tree_util.tree_map_with_path(begun, net.params))

    return Network(init, network.apply)
