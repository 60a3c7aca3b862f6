"""One process at a time in a folder, on every file system."""

import contextlib
import fcntl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_LOCK, _SOFT = '.lock', '.lock.held'


@contextlib.contextmanager
def held(folder: Path, busy: Callable[[str], None]) -> Iterator[None]:
    """Holds a folder by `flock`, whose lock goes with the process, however that ends.

    Some network file systems have no `flock`. There a file that is there stands for the lock.

    Args:
      folder: that is there.
      busy: called where another process holds the folder, with what else is to be known of that; it
        raises, or returns to wait.

    Raises:
      OSError: the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(folder / _LOCK, 'ab'))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # Which of them, systems differ in.
            busy('')
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL: by the file system.
            stack.enter_context(_softly(folder / _SOFT, busy))
        yield


@contextlib.contextmanager
def _softly(path: Path, busy: Callable[[str], None]) -> Iterator[None]:
    from filelock import SoftFileLock, Timeout

    print(f'genjax: no flock on this file system: {path} stands for the lock', file=sys.stderr)
    lock = SoftFileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy(f'; where there is none, one that was killed left {path}: remove it')
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
