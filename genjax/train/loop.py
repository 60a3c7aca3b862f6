"""The loop: scans K steps a dispatch, and between dispatches logs, looks, saves and listens."""

import contextlib
import math
import signal
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from genjax.core import Batch, Metrics, State
from genjax.data import Dataset, batches, prefetch
from genjax.train.logs import Record
from genjax.train.pace import Pace, lengths
from genjax.train.progress import Progress
from genjax.train.recorder import Recorder


class Finished(NamedTuple):
    """How a training ended.

    Attributes:
      state: the last one.
      records: all that was logged.
      signal: number of the signal that ended it, or None.
      early: it was ended by its held-out figures.
    """

    state: State
    records: list[Record]
    signal: int | None
    early: bool


def scan_steps(
    train_step: Callable[[State, Batch], tuple[State, Metrics]],
) -> Callable[[State, Batch], tuple[State, Metrics]]:
    """A jitted function that takes K steps, with batches and metrics stacked; donates the state.

    Scans of 3, 1 and 2 steps give what a scan of 6 gives, bit for bit; bare steps may not.

    Args:
      train_step: of any model.
    """

    def run(state, stacked):
        return lax.scan(train_step, state, stacked)

    return jax.jit(run, donate_argnums=0)


def summarize(metrics: Metrics) -> Record:
    """Means over the steps of a dispatch, of what was measured; of counts the last.

    Args:
      metrics: stacked.
    """
    record = {}
    for name, stacked in metrics.items():
        values = np.asarray(stacked, np.float64)
        seen = values[~np.isnan(values)]
        if name.endswith('/skipped'):
            record[name] = float(values[-1])
        else:
            record[name] = float(seen.mean()) if len(seen) else math.nan
    return record


@contextlib.contextmanager
def listening() -> Iterator[list[int]]:
    """Notes SIGINT, SIGTERM and SIGHUP instead of dying of them; a second has its usual effect."""
    heard: list[int] = []
    handlers: dict[signal.Signals, Any] = {}

    def note(number, frame):
        heard.append(number)
        signal.signal(number, handlers[number])

    try:
        for name in ('SIGINT', 'SIGTERM', 'SIGHUP'):
            number = getattr(signal, name, None)  # Not every system has all.
            if number is None or signal.getsignal(number) is signal.SIG_IGN:
                continue
            with contextlib.suppress(ValueError):  # Only the main thread may listen.
                handlers[number] = signal.signal(number, note)
        yield heard
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def fit(
    model: Any,
    train: Dataset,
    state: State,
    recorder: Recorder,
    pace: Pace,
    batch_size: int,
    seed: int,
) -> Finished:
    """Trains from a state to `pace.steps` steps in all.

    Args:
      model: a `GAN` or a `VAE`.
      train: what to train on.
      state: where to start; it is donated.
      recorder: of the run's folder; its log is closed at the end.
      pace: how long, and what how often.
      batch_size: examples an update.
      seed: of the order of the examples.
    """
    start, run = int(state.step), scan_steps(model.train_step)
    dispatches = lengths(start, pace)
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(listening())
        stack.enter_context(contextlib.closing(recorder.log))
        if start == 0:
            recorder.look(0, state)
        stacked = _stacked(train, batch_size * model.repeats, seed, start, dispatches)
        stack.enter_context(contextlib.closing(stacked))
        progress = stack.enter_context(contextlib.closing(Progress(start, pace.steps)))
        early = recorder.early()
        for batch in stacked:
            if early or heard:
                break
            state, metrics = run(state, batch)
            record = {'step': int(state.step), **summarize(metrics)}
            last = record['step'] == pace.steps
            measured = recorder.note(record, state, last)
            early = measured and recorder.early()
            progress.show(record, measured)
        if heard:
            recorder.checkpoints.save(int(state.step), state)
        recorder.draw()
    return Finished(state, recorder.log.records, heard[0] if heard else None, early)


def _stacked(train, examples, seed, start, dispatches):
    """The batches of each dispatch, prepared while the one before runs."""
    starts = start + np.cumsum([0, *dispatches])[:-1]
    return prefetch(
        batches(train, examples, seed, int(first), count)
        for first, count in zip(starts, dispatches, strict=True)
    )
