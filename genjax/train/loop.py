"""The loop: K steps a dispatch; what is to be seen of them is written while the next one runs."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from genjax import parallel
from genjax.core import State
from genjax.data import Dataset, batches
from genjax.train.dispatch import dispatches, traced
from genjax.train.errors import DivergedError
from genjax.train.health import first_nan
from genjax.train.logs import Record
from genjax.train.pace import Pace, spans
from genjax.train.recorder import Recorder, nothing


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
    profile: Path | None = None,
    offset: int = 0,
) -> Finished:
    """Trains from a state to `pace.steps` steps in all.

    The device goes from one dispatch to the next without the host: all that is wanted of a
    dispatch is enqueued behind it, and fetched and written once the next is enqueued too. Several
    processes agree before each dispatch on whether a signal ends training.

    Args:
      model: a `GAN` or a `VAE`.
      train: what to train on.
      state: where to start, on the devices that train (`parallel.shard`); it is donated.
      recorder: of the run's folder; it is closed at the end.
      pace: how long, and what how often.
      batch_size: examples an update.
      seed: of the order of the examples.
      profile: where to write a profile of a few dispatches, if anywhere.
      offset: of the positions in that order, as in `data.batches`.

    Raises:
      DivergedError: a hundred steps in a row were not finite; the last checkpoint is kept.
    """
    step = int(state.step)
    pieces = spans(step, pace)
    with contextlib.ExitStack() as stack:
        heard = stack.enter_context(listening())
        stack.enter_context(contextlib.closing(recorder))
        shardings = parallel.state_shardings(state, parallel.mesh_of(state))
        size = batch_size * model.repeats
        ways = dispatches(model.train_step, train, size, seed, pieces, shardings, offset)
        stack.enter_context(contextlib.closing(ways))
        if profile is not None:
            ways = stack.enter_context(contextlib.closing(traced(ways, len(pieces), profile)))
        stack.enter_context(
            _explaining(model.train_step, lambda: (state, train, size, seed, offset))
        )
        write = recorder.look(0, state) if step == 0 else nothing
        for first, steps in pieces:
            if recorder.early or _first(heard):
                break
            try:
                state, metrics = next(ways)(state)
                step = first + steps
                captured = recorder.capture(step, state, metrics)
            finally:
                write()  # What was before, while this runs, and also where this fails.
            write, captured = captured, nothing  # Nothing else holds the state that is given away.
            if recorder.decides(step):
                write()
                write = nothing
        write()
        ended = _first(heard)
        if ended:
            recorder.checkpoints.save(step, state)
        recorder.draw()
    return Finished(state, recorder.log.records, ended, recorder.early)


def _first(heard: list[int]) -> int | None:
    """The signal that ends training, in all processes at once, whichever has heard it."""
    return parallel.agreed(heard[0] if heard else 0) or None


@contextlib.contextmanager
def _explaining(train_step: Callable, now: Callable[[], tuple]) -> Iterator[None]:
    """Adds to the end of a training where its next step goes wrong."""
    try:
        yield
    except DivergedError as error:
        if jax.process_count() > 1:  # None of them has all of the state.
            raise
        state, train, size, seed, offset = now()
        stacked = batches(train, size, seed, int(state.step), 1, offset)
        batch = {name: leaf[0] for name, leaf in stacked.items()}
        raise DivergedError(f'{error}; {first_nan(train_step, state, batch)}') from None
