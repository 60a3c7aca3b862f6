"""Trainings that no longer move: they are stopped, and told where they went wrong."""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import flax
import jax
import numpy as np
import optax
from jaxtyping import Array, Float

from genjax.core import Batch, State
from genjax.train.errors import DivergedError

# Steps in a row without an update of a player: no accident of one batch.
LIMIT = 100


class Health:
    """Counts the steps in a row in which a player's update was left out, by its metrics."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._since: dict[str, tuple[int, list[str]]] = {}

    def check(self, step: int, metrics: Mapping[str, Float[Array, 'k']]) -> None:
        """Looks at a dispatch.

        Args:
          step: that it ended with.
          metrics: of it, stacked.

        Raises:
          DivergedError: `LIMIT` steps or more in a row had no update of one player.
        """
        for name in metrics:
            if name.endswith('/skipped'):
                self._count(step, name.removesuffix('/skipped'), metrics)

    def _count(self, step, player, metrics):
        counts = np.asarray(metrics[f'{player}/skipped'])
        moved = np.flatnonzero(np.diff(counts, prepend=self._last.get(player, counts[0])) <= 0)
        self._last[player] = counts[-1]
        start = moved[-1] + 1 if len(moved) else 0
        if len(moved):
            self._since.pop(player, None)
        if start == len(counts):
            return
        first, odd = self._since.setdefault(
            player, (step - len(counts) + 1 + int(start), _not_finite(metrics, start))
        )
        if step - first + 1 >= LIMIT:
            raise DivergedError(
                f'{player} was not updated in {step - first + 1} steps in a row, from step {first} '
                f'on, where these were not finite: {", ".join(odd) or "the learning rate"}'
            )


def _not_finite(metrics, i):
    return sorted(name for name, values in metrics.items() if not np.isfinite(values[i]))


def first_nan(train_step: Callable, state: State, batch: Batch) -> str:
    """Where the first NaN of a step comes from, as a sentence; what is infinite is not looked for.

    Args:
      train_step: of any model.
      state: before the step.
      batch: of the step.
    """
    from jax.experimental import checkify

    error, _ = checkify.checkify(train_step, errors=checkify.nan_checks)(state, batch)
    found = error.get_exception()
    if found is None:
        return 'no NaN arises in the next step'
    message = str(found).rstrip('.')
    told = getattr(found, 'traceback_info', None)
    frames = traceback.extract_tb(told.as_python_traceback()) if told else []
    own = [frame for frame in frames if _own(frame)]
    place = f', at {own[-1].filename}:{own[-1].lineno}, `{own[-1].line}`' if own else ''
    return f'the next step has its first {message}{place}'


def _own(frame: traceback.FrameSummary) -> bool:
    """Whether a line is of genjax or of a user, not of what they call."""
    file, libraries = Path(frame.filename), (jax, flax, optax)
    called = [Path(library.__file__ or '').parent for library in libraries]
    standard = file.parent == Path(traceback.__file__).parent
    return not standard and not any(file.is_relative_to(folder) for folder in called)
