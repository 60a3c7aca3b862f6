"""Processes that convert image files: each imports Pillow alone, and is started when it is asked.

Threads would wait for each other: Pillow gives up the interpreter's lock to decode, not to open.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

from genjax.data import pixels
from genjax.data.errors import DataError
from genjax.data.pixels import Block

Convert = Callable[[Block], tuple[str, dict[int, str]]]


@contextlib.contextmanager
def workers(count: int) -> Iterator[Convert]:
    """`pixels.convert`, done by other processes; to be called by as many threads.

    It raises a DataError where an image has another size and where a process ends, and an OSError
    where it cannot write.

    Args:
      count: of the processes.
    """
    with contextlib.ExitStack() as stack:
        free: SimpleQueue[subprocess.Popen | None] = SimpleQueue()
        for _ in range(count):
            free.put(None)

        def convert(block: Block) -> tuple[str, dict[int, str]]:
            worker = free.get()
            try:
                if worker is None:
                    worker = _started()
                    stack.callback(worker.communicate)  # The end of its input ends it.
                return _read(_asked(worker, block), block, worker)
            finally:
                free.put(worker)

        yield convert


def _started() -> subprocess.Popen:
    from PIL import Image, ImageFile

    # Without -P the modules beside the file would take the names of Python's own. Ctrl-C is for
    # this process, which ends its workers.
    command = [sys.executable, '-P', pixels.__file__]
    options: dict[str, Any] = {'process_group': 0} if os.name == 'posix' else {}
    pipe = subprocess.PIPE
    try:
        worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, **options)
    except OSError as error:
        raise DataError(f'expected to start {sys.executable}, got {error}') from error
    limits = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    print(json.dumps(limits), file=worker.stdin)
    return worker


def _asked(worker: subprocess.Popen, block: Block) -> str:
    """Its answer; nothing of a process that has ended."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(block), file=worker.stdin, flush=True)
    return '' if worker.stdout is None else worker.stdout.readline()


def _read(answer: str, block: Block, worker: subprocess.Popen) -> tuple[str, dict[int, str]]:
    if not answer.endswith('\n'):  # It has ended, perhaps within its answer.
        raise DataError(
            f'{block.folder}: expected a process to convert {block.names[0]!r} to '
            f'{block.names[-1]!r}, got its end with status {worker.wait()}'
        )
    found = json.loads(answer)
    if 'refused' in found:
        raise DataError(f'{block.folder}: {found["refused"]}')
    if 'failed' in found:
        raise OSError(*found['failed'])
    return found['mark'], dict(found['bad'])


def here(block: Block) -> tuple[str, dict[int, str]]:
    """`pixels.convert` in this process.

    Args:
      block: of files.

    Raises:
      DataError: an image of another size.
      OSError: the file cannot be written.
    """
    try:
        return pixels.convert(block)
    except ValueError as error:
        raise DataError(f'{block.folder}: {error}') from error
