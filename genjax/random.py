"""Keys: one root key, folded by step, repeat and name; no key is split and carried."""

import zlib

import jax
from jaxtyping import Array, Int, Key


def step_key(
    key: Key[Array, ''], step: Int[Array, ''] | int, repeat: Int[Array, ''] | int = 0
) -> Key[Array, '']:
    """The key of one repeat of one step, `fold_in(fold_in(key, step), repeat)`.

    Every player of a step gets the same key and hence draws the same z, which lets the compiler
    merge their equal forward passes.

    Args:
      key: the root key of the run.
      step: number of the training step, from 0.
      repeat: number of the player's repeat within the step, from 0.
    """
    return jax.random.fold_in(jax.random.fold_in(key, step), repeat)


def stream(key: Key[Array, ''], name: str) -> Key[Array, '']:
    """The stream of `key` that is called `name`: `fold_in(key, crc32(name))`.

    Args:
      key: any key; it may serve for other names too.
      name: what the stream is for, say `'dropout'`.
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
