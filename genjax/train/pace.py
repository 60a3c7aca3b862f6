"""How long a training is, and what happens how often in it."""

from typing import NamedTuple


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


def spans(start: int, pace: Pace) -> list[tuple[int, int]]:
    """`(first step, steps)` of each dispatch; all but the outer ones end at multiples of K.

    Args:
      start: finished steps.
      pace: of the training.
    """
    found = []
    while start < pace.steps:
        steps = min(pace.dispatch - start % pace.dispatch, pace.steps - start)
        found.append((start, steps))
        start += steps
    return found


def periods(pace: Pace) -> tuple[int, int]:
    """Steps between pictures and between evaluations, multiples of the dispatch.

    Args:
      pace: of the training.
    """
    wanted = (pace.sample_every or pace.steps / 20, pace.eval_every or pace.steps / 10)
    pictures, evaluations = (max(1, round(n / pace.dispatch)) * pace.dispatch for n in wanted)
    return pictures, evaluations
