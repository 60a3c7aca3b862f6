"""What a training leaves in its run's folder, and shows."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from genjax import plots
from genjax.core import Metrics, State
from genjax.train.checkpoint import Checkpoints
from genjax.train.health import Health
from genjax.train.logs import Log, Progress, Record
from genjax.train.pace import Pace, Ranking, periods
from genjax.train.views import View

_PICTURES = ('samples', 'reconstructions')
_REDRAWN = 30.0  # seconds after which curves are drawn again while training goes on
# Not the caller's arrays: those are donated to the next dispatch.
_copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state))


def nothing() -> None:
    """Writes nothing."""


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


def _pictures(folder: Path) -> list[tuple[int, Path]]:
    """The pictures that a recorder wrote, by step; others may lie beside them."""
    named = ((path.stem.removeprefix('step_'), path) for path in folder.glob('step_*.png'))
    return sorted((int(step), path) for step, path in named if step.isdecimal())


class Recorder:
    """What the loop leaves in the run's folder, and what it asks of it.

    `look` and `capture` enqueue work on the device and wait for nothing; what they return fetches
    and writes. The state may be donated in between.

    Args:
      folder: of the run.
      view: how to look at the model.
      checkpoints: of the run.
      pace: how long, and what how often.
      start: the step that training goes on from; what lies beyond it is removed.
      text: what the pictures of a step say of themselves, in PNG text chunks.

    Attributes:
      early: what was logged says that training should end.
    """

    def __init__(
        self,
        folder: Path,
        view: View,
        checkpoints: Checkpoints,
        pace: Pace,
        start: int,
        text: Callable[[int], Mapping[str, str]],
    ):
        self.folder, self.view, self.checkpoints, self.pace = folder, view, checkpoints, pace
        self.text, self.health = text, Health()
        self.sample_every, self.eval_every = periods(pace)
        for name in _PICTURES:
            for step, picture in _pictures(folder / name):
                if step > start:
                    picture.unlink()
        self.log = Log(folder, start)
        self.progress = Progress(start, pace.steps, *self.log.records[-1:])
        self.early, self._drawn = self._early(), time.monotonic()

    def look(self, step: int, state: State) -> Callable[[], None]:
        """Draws the pictures of one step; what is returned writes them."""
        finish = self.view.pictures(state)

        def write():
            for name, image in finish().items():
                path = self.folder / name / f'step_{step:08d}.png'
                plots.save(path, image, text=self.text(step))

        return write

    def capture(self, step: int, state: State, metrics: Metrics) -> Callable[[], None]:
        """Looks, measures and copies where it is time to; what is returned records it all.

        It saves after all else, so that no record or picture is missing at a checkpoint, and what
        has diverged is not saved.

        Args:
          step: that the dispatch ended with.
          state: after it.
          metrics: of it, stacked.
        """
        last, measured = step == self.pace.steps, self._measures(step)
        figures = self.view.evaluate(state) if measured else dict
        look = self.look(step, state) if last or step % self.sample_every == 0 else nothing
        kept = _copy(state) if measured else None

        def write():
            record = {'step': step, **summarize(metrics), **figures()}
            self.log.add(record)
            look()
            self.health.check(step, metrics)
            if measured:
                self.checkpoints.save(step, kept, self._ranking(record))
                self.early = self._early()
                if time.monotonic() - self._drawn > _REDRAWN:
                    self._curves()
            self.progress.show(record, measured)
            if measured:
                self.progress.tell(self.view.findings(self.log.records))

        return write

    def decides(self, step: int) -> bool:
        """Whether training goes on after a step only if what is measured there lets it."""
        return bool(self.pace.patience) and self._measures(step)

    def draw(self) -> None:
        """Draws the animation and the curves of all that was recorded."""
        if frames := _pictures(self.folder / 'samples'):
            plots.timeline((path for _, path in frames), self.folder / 'timeline.gif')
        self._curves()

    def close(self) -> None:
        """Closes the log and the progress bar."""
        self.progress.close()
        self.log.close()

    def _curves(self) -> None:
        if self.log.records:
            plots.curves(self.log.records, self.folder / 'loss.png')
        self._drawn = time.monotonic()

    def _measures(self, step: int) -> bool:
        return step == self.pace.steps or step % self.eval_every == 0

    def _counts(self, record: Record) -> bool:
        return record['step'] >= self.view.since

    def _ranking(self, record: Record) -> Ranking:
        monitor = self.view.monitor
        if monitor is None or not self._counts(record):
            return Ranking()
        value = monitor(record)
        return Ranking(monitor.name, value if math.isfinite(value) else None)

    def _early(self) -> bool:
        patience = self.pace.patience
        counted = [record for record in self.log.records if self._counts(record)]
        return bool(patience) and self.view.stop(counted, patience)
