"""How long a training is, what happens how often in it, and which checkpoints stay."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from genjax.train.errors import RunError, check_integers

LATEST = 2  # are kept, and the best
ROOM = 2**30  # bytes of all that were evaluated
MOST = 100  # of them
BOUND = 'heldout/elbo'  # by which alone an older genjax ranked


class Pace(NamedTuple):
    """How long to train and what to do how often.

    Attributes:
      steps: in all, those of an earlier run on the same folder included.
      dispatch: steps that one call of the compiled program takes; all else happens between calls.
      sample_every: steps between pictures; 0 for about twenty in all.
      eval_every: steps between held-out evaluations and checkpoints; 0 for about ten in all.
      patience: evaluations without an improvement after which training ends; 0 for never.
      keep_every: steps from one checkpoint that is kept to the next; 0 keeps all that were
        evaluated, as long as they are small.
    """

    steps: int
    dispatch: int = 50
    sample_every: int = 0
    eval_every: int = 0
    patience: int = 0
    keep_every: int = 0


def checked_pace(pace: Pace, epochs: float) -> Pace:
    """A pace of integers; its steps may be 0 where passes over the data are counted.

    Args:
      pace: of the training.
      epochs: passes over the data, in place of the steps; 0 for none.

    Raises:
      RunError: a number out of its range, or neither of both, or both.
    """
    if epochs and (pace.steps or not 0 < epochs < math.inf):
        raise RunError(f'expected steps or epochs > 0, got steps={pace.steps} and epochs={epochs}')
    check_integers(0 if epochs else 1, steps=pace.steps)
    check_integers(1, dispatch=pace.dispatch)
    check_integers(0, **pace._asdict())
    if pace.steps >= 2**31:
        raise RunError(f'expected steps below 2^31, got {pace.steps}')
    return Pace(*map(int, pace))


def timed(pace: Pace, epochs: float, steps: float) -> Pace:
    """A pace with its steps.

    Args:
      pace: of the training.
      epochs: passes over the data, in place of the steps; 0 for none.
      steps: of a pass.
    """
    return pace._replace(steps=max(1, math.ceil(epochs * steps))) if epochs else pace


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


class Ranking(NamedTuple):
    """What a checkpoint is ranked by.

    Attributes:
      figure: its name, the mark of its features included; None of what is not ranked.
      value: more is better; None where it was not finite.
    """

    figure: str | None = None
    value: float | None = None


class Saved(NamedTuple):
    """A checkpoint as Orbax lists it: its step, and what was said of it."""

    step: int
    metrics: Any


def ranking(metrics: Any) -> Ranking:
    """What a checkpoint was ranked by; nothing where that is not a finite number.

    Args:
      metrics: as they were saved; None where they are gone.
    """
    told = {} if metrics is None else metrics
    value = told.get('monitor')
    if not isinstance(value, float | int) or not math.isfinite(value):
        return Ranking()
    # Figures from before the data were others are of another kind.
    return Ranking(f'{told.get("figure", BOUND)} since {told.get("since", 0)}', float(value))


def bests(saved: Sequence[Saved]) -> list[int]:
    """The best checkpoint by each figure, that by the newest figure last; of equals the newest.

    Args:
      saved: all checkpoints, in the order of their steps.
    """
    found: dict[str, tuple[float, int]] = {}
    for one in saved:
        figure, value = ranking(one.metrics)
        if figure is not None and value is not None:
            # Once more at the end: the newest figure comes last.
            found[figure] = max(found.pop(figure, (value, one.step)), (value, one.step))
    return [step for _, step in found.values()]


class Preservation(NamedTuple):
    """Which checkpoints are kept, a policy of Orbax: the last two, the best by each figure, and

    - the first of each `every` steps; or, if that is 0,
    - the newest that were evaluated, up to 100 and a GiB in all.

    Attributes:
      every: steps, or 0.
    """

    every: int = 0

    def should_preserve(self, checkpoints: Sequence[Saved], *, context: Any = None) -> list[bool]:
        """Whether each is kept.

        Args:
          checkpoints: all, in the order of their steps.
          context: of Orbax, which has nothing in it.
        """
        others = self._paced(checkpoints) if self.every else self._small(checkpoints)
        kept = {one.step for one in checkpoints[-LATEST:]} | {*bests(checkpoints), *others}
        return [one.step in kept for one in checkpoints]

    def _paced(self, checkpoints: Sequence[Saved]) -> list[int]:
        numbers = [0, *(one.step // self.every for one in checkpoints)]
        pairs = zip(checkpoints, numbers, numbers[1:], strict=False)
        return [one.step for one, before, now in pairs if now > before]

    def _small(self, checkpoints: Sequence[Saved]) -> list[int]:
        kept: list[int] = []
        room = ROOM
        for one in reversed(checkpoints):
            told = one.metrics or {}
            room -= told.get('bytes', 0)
            if room < 0 or len(kept) == MOST:
                break
            if 'bytes' in told:
                kept.append(one.step)
        return kept
