"""The leaves of a state by their paths, as they are saved, and as earlier versions saved them."""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from genjax.core import State
from genjax.core.averages import slot_of

_AVERAGES, _COUNT = f".memory['{slot_of('')}", "']['steps']"


def is_key(leaf: Any) -> bool:
    """Whether a leaf is a key of JAX.

    Args:
      leaf: an array, or its shape and type.
    """
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def plain(state: State) -> Any:
    """Leaves by their path: plain arrays, keys as their data.

    Args:
      state: of any model.
    """
    return {
        jax.tree_util.keystr(path): jax.random.key_data(leaf) if is_key(leaf) else leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def struct(leaf: Any) -> jax.ShapeDtypeStruct:
    """What is on disk of a leaf, and where it lies if that is a mesh.

    Args:
      leaf: an array, or its shape and type.
    """
    data = jax.eval_shape(jax.random.key_data, leaf) if is_key(leaf) else leaf
    sharding = getattr(leaf, 'sharding', None)
    on_mesh = sharding if isinstance(sharding, NamedSharding) else None
    return jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=on_mesh)


def structs(state: State) -> dict[str, jax.ShapeDtypeStruct]:
    """Leaves by their path: what is on disk of each.

    Args:
      state: of any model, arrays or their shapes and types.
    """
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): struct(leaf) for path, leaf in leaves}


def host(leaf: Any) -> Any:
    """A copy in host memory; of what several processes have, Orbax makes one itself.

    Args:
      leaf: an array.
    """
    return np.array(leaf) if leaf.is_fully_addressable else leaf


def digest(arrays: dict[str, Any]) -> str | None:
    """A hash of all leaves, which Orbax does not keep; None where no process has all of them.

    Args:
      arrays: by their paths.
    """
    digest = hashlib.sha256()
    for name, leaf in sorted(arrays.items()):
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return None
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def count_of(name: str) -> str:
    """Where a state has the number of steps that an average is of.

    Args:
      name: of the network.
    """
    return f'{_AVERAGES}{name}{_COUNT}'


def places(wanted: Iterable[str], saved: Iterable[str]) -> dict[str, str]:
    """Where the leaves of a state are among those of a saved one, by the paths of both.

    An optimizer is a chain of others, which have moved in it: what is found nowhere is looked for
    by its path without the places in chains.

    Args:
      wanted: paths of the leaves.
      saved: paths of those that were saved.
    """
    wanted, saved = list(wanted), set(saved)
    at = {name: name for name in wanted if name in saved}
    # An average was of all steps of its run, and had no count of its own.
    counted = (n for n in wanted if n not in at and n.startswith(_AVERAGES) and '.step' in saved)
    at |= {name: '.step' for name in counted if name.endswith(_COUNT)}
    old = sorted(name for name in saved - set(at) if name.startswith('.opt['))
    # Decay has a count of its own now, which is that of the learning rate.
    counts = sorted(n for n in saved if n.startswith('.opt[') and n.endswith('.count'))
    for name in sorted(name for name in wanted if name not in at and name.startswith('.opt[')):
        found = next((o for o in (*old, *counts) if _nowhere(o) == _nowhere(name)), None)
        if found is not None:
            at[name] = found
            old = [other for other in old if other != found]
    return at


def is_newer(path: str) -> bool:
    """Whether a leaf is one that an older genjax did not have, and that may be made anew.

    Args:
      path: of the leaf.
    """
    return path.endswith("/ema_decay']") or (
        path.startswith(_AVERAGES) and not path.endswith(_COUNT)
    )


def misplaced(
    wanted: Mapping[str, Any],
    saved: Mapping[str, Any],
    at: Mapping[str, str],
    missing: Collection[str] = (),
) -> str:
    """Which leaf of a saved state is not as a state has it; '' where all are.

    Counts of schedules that are no longer there are left.

    Args:
      wanted: shapes and types of the leaves by path.
      saved: those of the saved ones.
      at: where they are, as `places` gives it.
      missing: paths that need not be there.
    """
    told = lambda leaf: (tuple(leaf.shape), str(leaf.dtype))  # noqa: E731
    expected = {at.get(n, n): told(leaf) for n, leaf in wanted.items() if n not in missing}
    counts = {n for n in saved if n.startswith('.opt[') and n.endswith('.count')}
    found = {n: told(leaf) for n, leaf in saved.items() if n in expected or n not in counts}
    odd = sorted(n for n in {*found, *expected} if found.get(n) != expected.get(n))
    return f'expected {odd[0]} {expected.get(odd[0])}, got {found.get(odd[0])}' if odd else ''


def _nowhere(path: str) -> str:
    return re.sub(r'\[\d+\]', '', path)
