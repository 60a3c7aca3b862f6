"""The command `genjax` as a process: what it needs before the imports, which take seconds."""

import errno
import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once, as a signal would, by a line.

    A KeyboardInterrupt would show an import's traceback, or be lost: in callbacks of the garbage
    collector, and where a library has a bare `except:`. What is under way is left as SIGKILL would
    leave it, which the next start goes on from.

    Args:
      number: of the signal.
      frame: where the process is.
    """
    os.write(2, b'genjax: interrupted\n')
    os._exit(128 + number)


class _Output(io.FileIO):
    """A file whose reader may go first, as `| head` and closed terminals do: what is written then
    goes nowhere."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            return memoryview(data).nbytes


def _outliving(stream: Any, number: int) -> io.TextIOWrapper:
    """Standard output or error, for a process that goes on without its reader."""
    if stream is None:  # It was closed from the first.
        return open(os.devnull, 'w')
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(number, 'w', closefd=False)),
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def begin() -> None:
    """Makes this process one of the command, to be interrupted from the first moment."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # Under nohup it is ignored.
        signal.signal(signal.SIGINT, leave)
    sys.stdout, sys.stderr = _outliving(sys.stdout, 1), _outliving(sys.stderr, 2)


def _is_command() -> bool:
    """Whether this process is `genjax ...`, or `python -m genjax.cli ...`."""
    started = zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    return Path(sys.argv[0]).stem == 'genjax' or ('-m', 'genjax.cli') in started


if _is_command():
    begin()
