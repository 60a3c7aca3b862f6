"""What a training leaves in its run's folder."""

import math
from pathlib import Path

from genjax import plots
from genjax.core import State
from genjax.train.checkpoint import Checkpoints
from genjax.train.logs import Log, Record
from genjax.train.pace import Pace, periods
from genjax.train.views import View

_PICTURES = ('samples', 'reconstructions')


def _pictures(folder: Path) -> list[tuple[int, Path]]:
    """The pictures that a recorder wrote, by step; others may lie beside them."""
    named = ((path.stem.removeprefix('step_'), path) for path in folder.glob('step_*.png'))
    return sorted((int(step), path) for step, path in named if step.isdecimal())


class Recorder:
    """What the loop leaves in the run's folder, and what it asks of it.

    Args:
      folder: of the run.
      view: how to look at the model.
      checkpoints: of the run.
      pace: how long, and what how often.
      start: the step that training goes on from; what lies beyond it is removed.
    """

    def __init__(self, folder: Path, view: View, checkpoints: Checkpoints, pace: Pace, start: int):
        self.folder, self.view, self.checkpoints = folder, view, checkpoints
        self.patience = pace.patience
        self.sample_every, self.eval_every = periods(pace)
        for name in _PICTURES:
            for step, picture in _pictures(folder / name):
                if step > start:
                    picture.unlink()
        self.log = Log(folder, start)

    def look(self, step: int, state: State) -> None:
        """Writes the pictures of one step."""
        for name, image in self.view.pictures(state).items():
            plots.save(self.folder / name / f'step_{step:08d}.png', image)

    def note(self, record: Record, state: State, last: bool) -> bool:
        """Records a dispatch, and looks, measures and saves where it is time to.

        Saves after all else, so that no record or picture is missing at a checkpoint.

        Args:
          record: of the dispatch.
          state: after it.
          last: nothing comes after it.

        Returns:
          Whether the state was measured.
        """
        step = int(record['step'])
        monitor: float | None = None
        measured = last or step % self.eval_every == 0
        if measured:
            figures = self.view.evaluate(state)
            record |= figures
            monitor = self.view.monitor(figures) if self.view.monitor else None
        self.log.add(record)
        if last or step % self.sample_every == 0:
            self.look(step, state)
        if measured:
            finite = monitor is not None and math.isfinite(monitor)
            self.checkpoints.save(step, state, monitor if finite else None)
        return measured

    def early(self) -> bool:
        """Whether what was logged says that training should end."""
        return bool(self.patience) and self.view.stop(self.log.records, self.patience)

    def draw(self) -> None:
        """Draws the animation and the curves of all that was recorded."""
        if frames := _pictures(self.folder / 'samples'):
            plots.timeline((path for _, path in frames), self.folder / 'timeline.gif')
        if self.log.records:
            plots.curves(self.log.records, self.folder / 'loss.png')
