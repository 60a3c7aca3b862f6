"""What JAX wants to know of arrays on a mesh: how they lie on explicit axes, those of a plain
`jax.make_mesh`, and along which axes of a `shard_map` they vary. Each is answered once for a whole
function."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.sharding import NamedSharding, auto_axes
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, PyTree


def implicit(function: Callable, lies: Callable | None = None) -> Callable:
    """The function, within which no axis is explicit.

    Args:
      function: of arrays and of whatever is static to a `jax.jit` around.
      lies: `arguments -> specs` of the results, where axes are explicit; None for rows that lie as
        those of the last array among the arguments.
    """

    @functools.wraps(function)
    def run(*args, **kwargs):
        leaves, tree = jax.tree.flatten((args, kwargs))
        arrays = {i: leaf for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)}
        meshes = [jax.sharding.get_abstract_mesh(), *(_sharding(x).mesh for x in arrays.values())]
        mesh = next((mesh for mesh in meshes if mesh.explicit_axes), None)
        if mesh is None:
            return function(*args, **kwargs)

        def inside(arrays):
            filled = [arrays.get(i, leaf) for i, leaf in enumerate(leaves)]
            args, kwargs = tree.unflatten(filled)
            return function(*args, **kwargs)

        specs = lies(*args, **kwargs) if lies else _as_rows(arrays)
        out = jax.tree.map(functools.partial(NamedSharding, mesh), specs, is_leaf=_is_spec)
        return auto_axes(inside, axes=mesh.explicit_axes, out_sharding=out)(arrays)

    return run


def spec(x: Array) -> P:
    """How an array lies on the explicit axes of its mesh."""
    return _sharding(x).spec


def as_state(state: PyTree, batch: PyTree) -> tuple[PyTree, P]:
    """How the results of a step lie: the state as it did, metrics whole on each device."""
    return jax.tree.map(spec, state), P()


def alike(tree: PyTree, *others: PyTree) -> PyTree:
    """The arrays of a tree, varying along every axis of a `shard_map` that one of all varies along.

    Branches and loops want results of one type, and a gradient by what does not vary would be
    summed over the devices.

    Args:
      tree: arrays.
      *others: more of them, to look at.
    """
    axes = frozenset[str]().union(*map(_varying, jax.tree.leaves((tree, others))))

    def one(x):
        missing = tuple(axes - _varying(x))
        return lax.pcast(x, missing, to='varying') if missing else x

    return jax.tree.map(one, tree)


def _varying(x: Array) -> frozenset[str]:
    aval: Any = jax.typeof(x)
    return aval.vma if hasattr(aval, 'vma') else aval.mat.varying  # JAX renamed it.


def _sharding(x):
    return jax.typeof(x).sharding


def _is_spec(x):
    return isinstance(x, P)


def _as_rows(arrays):
    return P(*spec(arrays[max(arrays)])[:1])
