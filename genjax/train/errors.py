"""What can be wrong with a run."""

import contextlib
import operator
import os
import re
from collections.abc import Iterator
from pathlib import Path

# Of XLA, CUDA and cuDNN, each by its own words.
_EXHAUSTED = re.compile('RESOURCE_EXHAUSTED|ALLOC_FAILED|bad_alloc|(?i:out.of.memory)')


class RunError(ValueError):
    """A run that cannot be started, continued or loaded; the message says why."""


class DivergedError(RunError):
    """A training that no longer moves, since its updates are not finite; the message says where."""


def exhausted(error: BaseException) -> bool:
    """Whether an error says that memory has ended, that of the host or that of a device.

    Args:
      error: of NumPy or JAX.
    """
    told = isinstance(error, RuntimeError) and _EXHAUSTED.search(str(error))
    return isinstance(error, MemoryError) or bool(told)


@contextlib.contextmanager
def within_memory(wanted: str) -> Iterator[None]:
    """Says in a sentence that memory has ended.

    Args:
      wanted: what is to fit into it, and what to do where it does not.

    Raises:
      RunError: it has.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not exhausted(error):
            raise
        # XLA tells of all its buffers below.
        told = str(error).partition('\n')[0] or type(error).__name__
        raise RunError(f'expected {wanted}, got {told}') from error


def check_integers(least: int, **values: int) -> None:
    """Refuses what is no integer, or a small one.

    Args:
      least: the least that is taken.
      **values: by the names that the message gives them.

    Raises:
      RunError: one is refused.
    """
    for name, value in values.items():
        try:
            fits = operator.index(value) >= least
        except TypeError:
            fits = False
        if not fits:
            raise RunError(f'expected {name} to be an integer >= {least}, got {value!r}')


def check_seed(seed: int) -> None:
    """Refuses seeds outside of [0, 2^32): keys know no others, and would take them modulo that.

    Args:
      seed: of a run or a picture.

    Raises:
      RunError: it is outside.
    """
    check_integers(0, seed=seed)
    if seed >= 2**32:
        raise RunError(f'expected a seed below 2^32, got {seed}')


def check_vacant(folder: Path) -> None:
    """Refuses a place for a new folder that has something in it.

    Args:
      folder: to be written.

    Raises:
      RunError: it is a file, or a folder that is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f'expected {folder} to be empty or not there, got something in it')


def located(folder: str | os.PathLike) -> Path:
    """A folder that somebody named, a user's home by its tilde.

    Args:
      folder: of a run, or of an exported model.

    Raises:
      RunError: it is no path, or of a user who is not known.
    """
    try:
        return Path(folder).expanduser()
    except (TypeError, RuntimeError) as error:
        raise RunError(f'expected a folder, got {folder!r}: {error}') from None
