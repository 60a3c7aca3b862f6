"""The loop: scans K steps a dispatch, and between dispatches logs, looks, saves and listens."""

import contextlib
import math
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from genjax import plots
from genjax.core import Batch, Metrics, State
from genjax.data import Dataset, batches, prefetch
from genjax.train.checkpoint import Checkpoints
from genjax.train.logs import Log, Record
from genjax.train.views import View


class Pace(NamedTuple):
    """How long to train and what to do how often.

    Attributes:
      steps: in all, those of an earlier run on the same folder included.
      dispatch: steps that one call of the compiled program takes; all else happens between calls.
      sample_every: steps between pictures; 0 for about twenty in all.
      eval_every: steps between held-out evaluations and checkpoints; 0 for about ten in all.
      patience: evaluations without an improvement after which training ends; 0 for never.
    """

    steps: int
    dispatch: int = 50
    sample_every: int = 0
    eval_every: int = 0
    patience: int = 0


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
    for name, values in metrics.items():
        values = np.asarray(values, np.float64)
        seen = values[~np.isnan(values)]
        if name.endswith('/skipped'):
            record[name] = float(values[-1])
        else:
            record[name] = float(seen.mean()) if len(seen) else math.nan
    return record


def lengths(start: int, pace: Pace) -> list[int]:
    """Steps of each dispatch from `start` on; all but the outer ones end at multiples of K.

    Args:
      start: finished steps.
      pace: of the training.
    """
    found = []
    while start < pace.steps:
        found.append(min(pace.dispatch - start % pace.dispatch, pace.steps - start))
        start += found[-1]
    return found


@contextlib.contextmanager
def listening() -> Iterator[list[int]]:
    """Notes SIGINT and SIGTERM instead of dying of them; a second one has its usual effect."""
    heard: list[int] = []
    handlers: dict[int, Any] = {}

    def note(number, frame):
        heard.append(number)
        signal.signal(number, handlers[number])

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError):  # Only the main thread may listen.
                handlers[number] = signal.signal(number, note)
        yield heard
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _every(pace: Pace) -> tuple[int, int]:
    """Steps between pictures and between evaluations, multiples of the dispatch."""
    wanted = (pace.sample_every or pace.steps / 20, pace.eval_every or pace.steps / 10)
    pictures, evaluations = (max(1, round(n / pace.dispatch)) * pace.dispatch for n in wanted)
    return pictures, evaluations


class _Folder:
    """What the loop leaves in the run's folder."""

    def __init__(self, folder: Path, view: View, log: Log, checkpoints: Checkpoints):
        self.folder, self.view, self.log, self.checkpoints = folder, view, log, checkpoints

    def look(self, step: int, state: State) -> None:
        for name, image in self.view.pictures(state).items():
            plots.save(self.folder / name / f'step_{step:08d}.png', image)

    def judge(self, state: State, record: Record) -> None:
        """Adds the held-out figures to the record and saves a checkpoint with them."""
        figures = self.view.evaluate(state)
        record |= figures
        monitor = self.view.monitor(figures) if self.view.monitor else None
        finite = monitor if monitor is not None and math.isfinite(monitor) else None
        self.checkpoints.save(record['step'], state, finite)

    def finish(self) -> None:
        frames = sorted((self.folder / 'samples').glob('step_*.png'))
        if frames:
            plots.timeline(frames, self.folder / 'timeline.gif')
        if self.log.records:
            plots.curves(self.log.records, self.folder / 'loss.png')


def fit(
    model: Any,
    train: Dataset,
    view: View,
    state: State,
    folder: Path,
    checkpoints: Checkpoints,
    pace: Pace,
    batch_size: int,
    seed: int,
) -> Finished:
    """Trains from a state to `pace.steps` steps in all.

    Args:
      model: a `GAN` or a `VAE`.
      train: what to train on.
      view: how to look at the model.
      state: where to start; it is donated.
      folder: of the run.
      checkpoints: of the run.
      pace: how long, and what how often.
      batch_size: examples an update.
      seed: of the order of the examples.
    """
    start, run = int(state.step), scan_steps(model.train_step)
    log = Log(folder, start)
    room = _Folder(folder, view, log, checkpoints)
    if start == 0:
        room.look(0, state)
    examples, steps = batch_size * model.repeats, lengths(start, pace)
    starts = start + np.cumsum([0, *steps])
    stacked = prefetch(
        batches(train, examples, seed, int(first), count)
        for first, count in zip(starts, steps, strict=False)
    )
    pictures, evaluations = _every(pace)
    early, record = False, None
    # `sys.stderr` may be no terminal; then a line at each evaluation is enough.
    with listening() as heard, contextlib.closing(stacked), _bar(start, pace.steps) as bar:
        for count, batch in zip(steps, stacked, strict=True):
            state, metrics = run(state, batch)
            step = int(state.step)
            record = {'step': step} | summarize(metrics)
            last = step == pace.steps or bool(heard)
            if step % evaluations == 0 or last:
                room.judge(state, record)
            log.add(record)
            if step % pictures == 0 or last:
                room.look(step, state)
            bar.set_postfix(_brief(record), refresh=False)
            bar.update(count)
            if step % evaluations == 0:
                _say(bar, step, record)
                early = bool(pace.patience) and view.stop(log.records, pace.patience)
            if heard or early:
                break
    room.finish()
    log.close()
    return Finished(state, log.records, heard[0] if heard else None, early)


def _bar(start: int, steps: int):
    from tqdm import tqdm

    quiet = not sys.stderr.isatty()
    return tqdm(total=steps, initial=start, unit='step', disable=quiet, dynamic_ncols=True)


def _brief(record: Record) -> dict[str, str]:
    return {k.replace('/loss', ''): f'{v:.3g}' for k, v in record.items() if k.endswith('/loss')}


def _say(bar, step, record):
    figures = {k: v for k, v in record.items() if k.endswith('/loss') or k.startswith('heldout/')}
    bar.write(f'step {step}  ' + '  '.join(f'{k} {v:.4g}' for k, v in figures.items()))
