"""The order of examples: a shuffle of each epoch that is computed where it is needed.

It is the swap-or-not shuffle of Hoang, Morris and Rogaway 2012 (https://arxiv.org/abs/1208.1176).
A round with the key k pairs x with k - x modulo n, and a hash of the greater of the two decides
whether the pair changes places. So the place of one example costs no sort and no table, and a
compiled program computes it like the host does, bit for bit.
"""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int64, UInt32

_GOLDEN = np.uint32(0x9E3779B9)  # 2^32 over the golden ratio: counters that are far apart
_KEYS, _SALTS = np.uint32(0x243F6A88), np.uint32(0x85A308D3)  # of pi: two streams of words


def indices(n: int, seed: int, start: int, count: int) -> Int64[np.ndarray, 'count']:
    """Which examples stand at positions `start ... start + count - 1` of the endless stream.

    Epoch e, positions `e n ... (e + 1) n - 1`, is a permutation of `range(n)` drawn from
    `(seed, e)` alone, so that any position can be reached without those before it.

    Args:
      n: number of examples, in [1, 2^31).
      seed: of the order, in [0, 2^64).
      start: first position, in [0, 2^64 n).
      count: number of positions, in [0, 2^31).

    Raises:
      ValueError: an argument out of its range.
    """
    n, start, count = int(n), int(start), int(count)  # NumPy's would overflow.
    if not 0 <= count < 2**31:
        raise ValueError(f'expected count in [0, 2^31), got count={count}')
    return _shuffled(np, _loop, n, place(n, seed, start), count).astype(np.int64)


def place(n: int, seed: int, start: int) -> UInt32[np.ndarray, '5']:
    """A seed and a position as words for `indices_from`: the seed's, the epoch's, the offset in it.

    Args:
      n: number of examples, in [1, 2^31).
      seed: of the order, in [0, 2^64).
      start: the position, in [0, 2^64 n).

    Raises:
      ValueError: an argument out of its range.
    """
    n, seed, start = int(n), int(seed), int(start)  # NumPy's would overflow.
    if not (1 <= n < 2**31 and 0 <= seed < 2**64 and 0 <= start < n * 2**64):
        raise ValueError(
            'expected n in [1, 2^31), seed in [0, 2^64) and start in [0, 2^64 n), '
            f'got n={n}, seed={seed}, start={start}'
        )
    epoch, offset = divmod(start, n)
    halves = [half for word in (seed, epoch) for half in (word % 2**32, word >> 32)]
    return np.array([*halves, offset], np.uint32)


def indices_from(n: int, place: UInt32[Array, '5'], count: int) -> UInt32[Array, 'count']:
    """What `indices` gives, inside a jitted program.

    Args:
      n: number of examples, in [1, 2^31).
      place: where to start, as `place` gives it.
      count: number of positions, in [0, 2^31); static.
    """
    return _shuffled(jnp, lax.fori_loop, n, jnp.asarray(place), count)


def _loop(start, stop, body, x):
    return functools.reduce(lambda x, i: body(i, x), range(start, stop), x)


def rounds(n: int) -> int:
    """Rounds of the shuffle: 4 for each bit of n, and 16.

    After r rounds the joint distribution of the places of any two examples is within
    `2 n^1.5 / (r + 2) (1/2 + 1/n)^(r/2 + 1)` of the uniform one in total variation (Theorem 2 of
    the paper): 4e-4 or less for n >= 10, 2e-7 for n = 60,000. In truth each round about halves
    what is left of the start.

    Args:
      n: number of examples.
    """
    return 4 * n.bit_length() + 16


def _mix(x):
    # The 32-bit finalizer `lowbias32` of Wellons 2018, a bijection whose every bit counts.
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def _words(xp: Any, stream: Any, n: int, place: Any, count: int) -> Any:
    """A word for each round and each epoch that `count` positions may touch, `[rounds, epochs]`."""
    later = xp.arange((n + count - 2) // n + 1, dtype=np.uint32)
    low = place[2:3] + later
    high = place[3:4] + (low < later).astype(np.uint32)
    word = stream
    for half in (place[0:1], place[1:2], low, high):
        word = _mix((word ^ half) + _GOLDEN)
    turns = xp.arange(1, rounds(n) + 1, dtype=np.uint32) * _GOLDEN
    return _mix(word[None, :] + turns[:, None])


def _shuffled(xp: Any, loop: Any, n: int, place: Any, count: int) -> Any:
    """The shuffle, in NumPy with a Python loop or in `jax.numpy` with a compiled one."""
    size = np.uint32(n)
    keys = _words(xp, _KEYS, n, place, count) % size
    salts = _words(xp, _SALTS, n, place, count)
    positions = place[4:5] + xp.arange(count, dtype=np.uint32)
    epoch = positions // size

    def turn(i, x):
        key = keys[i][epoch]
        other = xp.where(key < x, key + size, key) - x
        swap = _mix(xp.maximum(x, other) ^ salts[i][epoch]) >> np.uint32(31)
        return xp.where(swap == 1, other, x)

    return loop(0, rounds(n), turn, positions % size)
