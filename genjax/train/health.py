"""Trainings that no longer move, which are stopped and told where they went wrong, and penalties
that are out of balance, by what was logged."""

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
from genjax.train.logs import Record

# Steps in a row without an update of a player: no accident of one batch.
LIMIT = 100
_PENALTIES = ('r1', 'r2')
_RECORDS = 5  # that a judgement needs
# On the digits (DCGAN of width 8 without norms, R1, 400 steps) logits of real and of fake images
# were 0.1 apart at most and samples stayed noise with a weight of 1,000, a hundred times too much;
# from 10 down they were 2 apart and more. With 0.003 the penalty was 1% of the loss.
_HELD_DOWN = 0.2
_NOTHING = 0.02
_SURE = 0.2  # a loss by which the discriminator tells nearly all images


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


def imbalance(records: list[Record]) -> list[str]:
    """What is to be said of R1 and R2: that they are far too strong or far too weak.

    Too strong: never yet were the logits of real and of fake images apart, not even while samples
    were noise. Too weak: a discriminator that tells nearly all images, of whose loss the penalties
    are next to nothing.

    Args:
      records: all that was logged of a GAN.
    """
    seen = [record for record in records if 'discriminator/real_logits' in record]
    names = [name for name in _PENALTIES if seen and f'discriminator/{name}' in seen[-1]]
    if not names or len(seen) < _RECORDS:
        return []
    apart = [r['discriminator/real_logits'] - r['discriminator/fake_logits'] for r in seen]
    last = seen[-_RECORDS:]
    loss, alone = (
        float(np.mean([r[f'discriminator/{name}'] for r in last]))
        for name in ('loss', 'adversarial')
    )
    told, both = [], ' and '.join(names)
    if max(np.abs(apart)) < _HELD_DOWN:
        told.append(
            f'{both} far too strong: logits of real and fake images were never more '
            f'than {max(np.abs(apart)):.2g} apart; a tenth of the weight, or less, lets it learn'
        )
    if 0 <= alone < _SURE and loss - alone < _NOTHING * loss:
        told.append(
            f'{both} far too weak: the discriminator tells nearly all images (loss {alone:.2g}), '
            f'and they are {(loss - alone) / loss:.1%} of its loss; try ten times the weight'
        )
    return told


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
