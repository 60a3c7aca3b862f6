"""What is done to the kernels of a network, whatever its layers are: spectral normalization, and an
orthogonal start."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax.linen.initializers import orthogonal
from jax import lax
from jaxtyping import Array, Float, Key

from genjax.core import Net, Network
from genjax.random import stream

_SLOT = 'spectral'  # the collection of the statistics
_NORMALIZED = ('kernel', 'embedding')
_FIRST = 15  # power iterations of a new network
_EPSILON = 1e-12


class Spectrum(NamedTuple):
    """What is known of one matrix.

    Attributes:
      u: of its left singular vector, of the length of the outputs, a unit vector.
      v: of its right singular vector.
      sigma: its norm as the last training pass saw it, for people to look at.
    """

    u: Float[Array, 'outputs']
    v: Float[Array, 'inputs']
    sigma: Float[Array, '']


def spectral_norm(network: Network) -> Network:
    """A network whose kernels and embeddings have a spectral norm of 1: `W / sigma(W)`.

    `sigma = u^T W v`, by one power iteration a training pass, `u = W v / |W v|` and then
    `v = W^T u / |W^T u|`, where W has an output a row, as PyTorch's parametrization has it.
    Gradients take u and v for constants. A pass in evaluation iterates no further: it takes sigma
    by the stored u and v of the kernels at hand, so that averaged kernels have a sigma of their
    own. What is stored of the kernels stays as it is, from the first; all of it is in float32.

    Miyato et al. 2018 (https://arxiv.org/abs/1802.05957).

    Args:
      network: any; of a mixed-precision one this is to be the outer, so as to see float32.
    """

    def init(key):
        net = network.init(key)
        leaves = jax.tree_util.tree_leaves_with_path(net.params)
        named = ((_name(path), leaf) for path, leaf in leaves)
        found = {
            name: _begun(stream(key, f'{_SLOT}{name}'), leaf)
            for name, leaf in named
            if _matrix(name, leaf)
        }
        return Net(net.params, {**net.stats, _SLOT: found})

    def apply(net, *inputs, key=None, train=True):
        found, stats = net.stats[_SLOT], {n: s for n, s in net.stats.items() if n != _SLOT}
        new = {}

        def normalized(path, leaf):
            name = _name(path)
            if name not in found:
                return leaf
            w = _rows(leaf)
            old = found[name]
            u, v = _iterated(lax.stop_gradient(w), old.u, old.v) if train else old[:2]
            sigma = u @ w @ v
            # A kernel of zeros has none yet.
            scale = jnp.where(sigma == 0, 1.0, sigma)
            new[name] = Spectrum(u, v, lax.stop_gradient(sigma) if train else old.sigma)
            return leaf / scale.astype(leaf.dtype)

        params = jax.tree_util.tree_map_with_path(normalized, net.params)
        out, after = network.apply(Net(params, stats), *inputs, key=key, train=train)
        return out, Net(net.params, {**after.stats, _SLOT: new})

    return Network(init, apply)


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
            name = _name(path)
            if not _matrix(name, leaf):
                return leaf
            drawn = initializer(stream(key, f'orthogonal{name}'), leaf.shape, leaf.dtype)
            return jnp.where(jnp.any(leaf), drawn, leaf)

        return net.replace(params=jax.tree_util.tree_map_with_path(begun, net.params))

    return Network(init, network.apply)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator='.')


def _matrix(name: str, leaf: Array) -> bool:
    return leaf.ndim >= 2 and name.rpartition('.')[2] in _NORMALIZED


def _rows(leaf: Array) -> Float[Array, 'outputs inputs']:
    return leaf.astype(jnp.float32).reshape(-1, leaf.shape[-1]).T


def _begun(key: Key[Array, ''], leaf: Array) -> Spectrum:
    w = _rows(leaf)
    ends = (jax.random.normal(stream(key, f'{n}'), (n,), jnp.float32) for n in w.shape)
    u, v = (_unit(x, x) for x in ends)
    u, v = lax.fori_loop(0, _FIRST, lambda _, found: _iterated(w, *found), (u, v))
    return Spectrum(u, v, u @ w @ v)


def _iterated(w: Array, u: Array, v: Array) -> tuple[Array, Array]:
    u = _unit(w @ v, u)
    return u, _unit(u @ w, v)


def _unit(x: Array, otherwise: Array) -> Array:
    norm = jnp.linalg.norm(x)
    return jnp.where(norm > 0, x / jnp.maximum(norm, _EPSILON), otherwise)
