"""Trainings of so many minutes."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def at_most(minutes: float) -> Iterator[None]:
    """Ends the training within as SIGTERM does, with a checkpoint, after so many minutes.

    Args:
      minutes: compilation included.
    """
    seconds = min(60 * minutes, threading.TIMEOUT_MAX)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
