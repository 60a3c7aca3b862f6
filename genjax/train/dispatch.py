"""Dispatches: K steps in one compiled program, on data that live on the device or come to it."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from functools import partial

import jax
from jax import lax

from genjax.core import Batch, Metrics, State
from genjax.data import Dataset, fits, gather, indices_from, on_device, place, stream

Step = Callable[[State, Batch], tuple[State, Metrics]]
Dispatch = Callable[[State], tuple[State, Metrics]]


def scan_steps(train_step: Step) -> Step:
    """A jitted function that takes K steps, with batches and metrics stacked; donates the state.

    Scans of 3, 1 and 2 steps give what a scan of 6 gives, bit for bit; bare steps may not.

    Args:
      train_step: of any model.
    """

    def run(state, stacked):
        return lax.scan(train_step, state, stacked)

    return jax.jit(run, donate_argnums=0)


def dispatches(
    train_step: Step,
    dataset: Dataset,
    batch_size: int,
    seed: int,
    spans: Sequence[tuple[int, int]],
) -> Generator[Dispatch, None, None]:
    """For each span of steps a function that takes them; it donates the state.

    Where the dataset fits on the device it lives there, and the program takes its batches itself;
    else Grain brings them ahead of their use. Both take the same steps, bit for bit.

    Args:
      train_step: of any model.
      dataset: what to train on.
      batch_size: examples a step.
      seed: of the order of the examples.
      spans: `(start_step, steps)` of each.
    """
    way = _resident if fits(dataset) else _streamed
    return way(train_step, dataset, batch_size, seed, spans)


def _resident(train_step, dataset, batch_size, seed, spans):
    n, shape = dataset.size, dataset.image_shape

    def run(state, arrays, start, steps):
        def step(state, rows):
            return train_step(state, gather(arrays, rows, shape))

        # All the order at once: it costs a step nothing.
        rows = indices_from(n, start, steps * batch_size)
        return lax.scan(step, state, rows.reshape(steps, batch_size))

    program = jax.jit(run, static_argnames='steps', donate_argnums=0)
    arrays = on_device(dataset)
    for first, steps in spans:
        start = place(n, seed, first * batch_size)
        yield partial(program, arrays=arrays, start=start, steps=steps)


def _streamed(train_step, dataset, batch_size, seed, spans):
    program = scan_steps(train_step)
    with contextlib.closing(stream(dataset, batch_size, seed, spans)) as batches:
        for stacked in batches:
            yield partial(program, stacked=stacked)
