"""Profiles of a training, by JAX's profiler."""

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path

import jax

from genjax.train.dispatch import Dispatch
from genjax.train.errors import RunError

DISPATCHES = 3


def traced(
    dispatches: Iterable[Dispatch], count: int, folder: Path
) -> Generator[Dispatch, None, None]:
    """The dispatches, with a trace of the second and a few more: the first has the compilation.

    Args:
      dispatches: of a training.
      count: how many they are.
      folder: of the trace, for TensorBoard, XProf or Perfetto.

    Raises:
      RunError: there is nothing but a first, or the profiler cannot run.
    """
    if count < 2:
        raise RunError(f'expected two dispatches or more to profile, got {count} to be trained')
    return _traced(iter(dispatches), folder)


def _traced(dispatches, folder):
    yield from islice(dispatches, 1)
    with _trace(folder):
        yield from islice(dispatches, DISPATCHES)
    yield from dispatches


@contextlib.contextmanager
def _trace(folder: Path) -> Iterator[None]:
    from tqdm import tqdm

    with _refusing():
        jax.profiler.start_trace(folder)
    try:
        yield
    finally:
        with _refusing():
            jax.profiler.stop_trace()
        tqdm.write(f'genjax: a profile is in {folder}', file=sys.stderr)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of many kinds: another profile under way, a full disk
        raise RunError(f'the profiler cannot run: {error}') from error
