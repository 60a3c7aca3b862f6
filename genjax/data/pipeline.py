"""From a dataset to batches: the order of examples is a pure function of seed and position."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int64

from genjax.data.sources import Dataset

T = TypeVar('T')


@lru_cache(maxsize=4)
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    # Raw words of Philox are promised to stay what they are, `Generator.permutation` is not: a
    # run resumed under another NumPy goes on in the same order.
    words = np.random.Philox(key=np.array([seed, epoch], np.uint64)).random_raw(n)
    return np.argsort(words, kind='stable')


def indices(n: int, seed: int, start: int, count: int) -> Int64[np.ndarray, 'count']:
    """Which examples stand at positions `start ... start + count - 1` of the endless stream.

    Epoch e, positions `e n ... (e + 1) n - 1`, is a permutation of `range(n)` drawn from
    `(seed, e)` alone, so that any position can be reached without those before it.

    Args:
      n: number of examples, >= 1.
      seed: of the order, in [0, 2^64).
      start: first position, >= 0.
      count: number of positions, >= 0.

    Raises:
      ValueError: an argument out of its range.
    """
    if n < 1 or start < 0 or count < 0 or not 0 <= seed < 2**64:
        raise ValueError(
            'expected n >= 1, seed in [0, 2^64), start >= 0 and count >= 0, '
            f'got n={n}, seed={seed}, start={start}, count={count}'
        )
    stop = start + count
    order = np.empty(count, np.int64)
    position = start
    while position < stop:
        epoch, offset = divmod(position, n)
        length = min(n - offset, stop - position)
        piece = _permutation(n, seed, epoch)[offset : offset + length]
        order[position - start : position - start + length] = piece
        position += length
    return order


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f'expected a batch size >= 1, got {batch_size}')


def batches(
    dataset: Dataset, batch_size: int, seed: int, start_step: int, steps: int
) -> dict[str, np.ndarray]:
    """The batches of steps `start_step ... start_step + steps - 1`, stacked for one scan.

    Step t sees positions `t batch_size ... (t + 1) batch_size - 1` of `indices`. Batches straddle
    epochs: none is short, and one may be larger than the dataset.

    Args:
      dataset: the examples.
      batch_size: examples a step, >= 1.
      seed: of the order, in [0, 2^64).
      start_step: first step, >= 0.
      steps: how many, >= 0.

    Returns:
      `x` uint8 `[steps, batch_size, h, w, c]`, and `y` int32 `[steps, batch_size]` where the
      dataset has labels.

    Raises:
      ValueError: an argument out of its range.
    """
    _check_batch_size(batch_size)
    order = indices(dataset.size, seed, start_step * batch_size, steps * batch_size)
    return _take(dataset, order.reshape(steps, batch_size))


def _take(dataset: Dataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    batch = {'x': np.take(dataset.x, rows, axis=0)}
    return batch if dataset.y is None else batch | {'y': np.take(dataset.y, rows)}


def prefetch(items: Iterable[T], size: int = 2) -> Generator[T, None, None]:
    """The items, prepared on a background thread while the caller works on those before.

    An exception of `items` is raised where its item would have come. Closing the generator, or
    dropping it, ends the thread and closes `items`.

        dispatches = (batches(data, 64, seed, step, 10) for step in range(0, 1000, 10))
        with contextlib.closing(prefetch(dispatches)) as dispatches:
            ...

    Args:
      items: what to prepare; only the background thread touches it.
      size: how many items may lie ready or in the making, >= 1.

    Raises:
      ValueError: another size.
    """
    if size < 1:
        raise ValueError(f'expected a size >= 1, got {size}')
    iterator: Any = iter(items)
    end: Any = object()
    pool = ThreadPoolExecutor(1, thread_name_prefix='prefetch')
    try:
        pending = deque(pool.submit(next, iterator, end) for _ in range(size))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, iterator, end))
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if hasattr(iterator, 'close'):
            iterator.close()


def evaluation_batches(dataset: Dataset, batch_size: int) -> Iterator[dict[str, np.ndarray]]:
    """Every example once and in order; the last batch holds what is left.

    Args:
      dataset: the examples.
      batch_size: the most examples in a batch, >= 1.

    Raises:
      ValueError: another batch size.
    """
    _check_batch_size(batch_size)
    for start in range(0, dataset.size, batch_size):
        yield _take(dataset, np.arange(start, min(start + batch_size, dataset.size)))
