"""Training with a folder: the loop, its pictures, logs and checkpoints."""

from genjax.train.checkpoint import Checkpoints
from genjax.train.dispatch import dispatches, scan_steps
from genjax.train.errors import DivergedError, RunError
from genjax.train.loop import Finished, fit
from genjax.train.pace import Pace
from genjax.train.run import Run, held_out, load, train
from genjax.train.views import View, view

__all__ = [
    'Checkpoints',
    'DivergedError',
    'Finished',
    'Pace',
    'Run',
    'RunError',
    'View',
    'dispatches',
    'fit',
    'held_out',
    'load',
    'scan_steps',
    'train',
    'view',
]
