"""From a dataset to batches, on the host."""

import contextlib
from collections.abc import Generator, Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array

from genjax.data.dataset import Dataset
from genjax.data.order import indices

Batch = dict[str, Array]


def _check_batch_size(batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f'expected a batch size >= 1, got {batch_size}')


def batches(
    dataset: Dataset, batch_size: int, seed: int, start_step: int, steps: int, offset: int = 0
) -> dict[str, np.ndarray]:
    """The batches of steps `start_step ... start_step + steps - 1`, stacked for one scan.

    Step t sees the `batch_size` positions of `indices` from `t batch_size + offset` on. Batches
    straddle epochs: none is short, and one may be larger than the dataset.

    Args:
      dataset: the examples.
      batch_size: examples a step, >= 1.
      seed: of the order, in [0, 2^64).
      start_step: first step, >= 0.
      steps: how many, >= 0.
      offset: by which all positions are moved, where batches had another size or data.

    Returns:
      `x` uint8 `[steps, batch_size, h, w, c]`, and `y` int32 `[steps, batch_size]` where the
      dataset has labels.

    Raises:
      ValueError: an argument out of its range.
    """
    return _take(dataset, _rows(dataset, batch_size, seed, start_step, steps, offset))


def _rows(dataset, batch_size, seed, start_step, steps, offset):
    _check_batch_size(batch_size)
    start = start_step * batch_size + offset
    order = indices(dataset.size, seed, start, steps * batch_size)
    return order.reshape(steps, batch_size)


def _take(dataset: Dataset, rows: np.ndarray) -> dict[str, np.ndarray]:
    batch = {'x': dataset.x.take(rows, axis=0)}
    return batch if dataset.y is None else batch | {'y': np.take(dataset.y, rows)}


def stream(
    dataset: Dataset,
    batch_size: int,
    seed: int,
    spans: Sequence[tuple[int, int]],
    sharding: Sharding | None = None,
    offset: int = 0,
) -> Generator[Batch, None, None]:
    """The batches of each span of steps, stacked; gathered and put on the device two spans ahead.

    Grain's threads do it. An exception of theirs is raised where its batches would have come.
    Closing the generator ends them. Of a batch that is divided among devices, a process reads what
    is for its own, examples that the global order gives them.

    Args:
      dataset: the examples, in memory or mapped from a file.
      batch_size: examples a step, >= 1.
      seed: of the order, in [0, 2^64).
      spans: `(start_step, steps)` of each, as in `batches`.
      sharding: of `[steps, batch_size]` examples; None for the default device.
      offset: as in `batches`.

    Raises:
      ValueError: an argument out of its range.
    """
    import grain

    def span(start_and_steps):
        if sharding is None:
            return jax.device_put(batches(dataset, batch_size, seed, *start_and_steps, offset))
        rows = _rows(dataset, batch_size, seed, *start_and_steps, offset)
        return _divided(dataset, rows, sharding)

    ahead = grain.ReadOptions(num_threads=2, prefetch_buffer_size=2)
    items = iter(grain.MapDataset.source(spans).map(span).to_iter_dataset(ahead))
    with contextlib.closing(items):
        yield from items


def _divided(dataset, rows, sharding):
    """The examples of some rows on the devices of a sharding; each device's own are read."""

    def on_devices(array):
        def of_device(index):
            return np.take(array, rows[index[:2]], axis=0)

        shape = (*rows.shape, *array.shape[1:])
        return jax.make_array_from_callback(shape, sharding, of_device)

    batch = {'x': on_devices(dataset.x)}
    return batch if dataset.y is None else batch | {'y': on_devices(dataset.y)}


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
