"""What a training settles with the devices and the processes that take part in it."""

import contextlib
import math
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from genjax import parallel
from genjax.train.errors import RunError, check_integers
from genjax.train.logs import RECORDS


def training_mesh(devices: int, shard_params: int, batch_size: int) -> Mesh:
    """The devices to train on, each with as many examples of a batch as the others.

    Args:
      devices: how many, or 0 for all.
      shard_params: over how many of them large leaves of the state are divided.
      batch_size: examples an update.

    Raises:
      RunError: they are not there, or do not divide.
    """
    check_integers(0, devices=devices)
    check_integers(1, shard_params=shard_params)
    try:
        found = parallel.mesh(devices, shard_params)
    except ValueError as error:
        raise RunError(str(error)) from None
    if batch_size % found.size:
        near = -(-batch_size // found.size) * found.size
        raise RunError(
            f'expected a batch size that {found.size} devices divide, got {batch_size}: take '
            f'{near}, or devices={math.gcd(batch_size, found.size)}'
        )
    return found


def compare(written: Path, given: Any) -> None:
    """Refuses processes of one run that were given different things, or see different folders.

    Args:
      written: a file that the first process has written.
      given: what all are to have, with a `repr` that tells.

    Raises:
      RunError: in all of them.
    """
    digest = zlib.crc32(repr(given).encode()) >> 1
    if parallel.agreed(digest) != -parallel.agreed(-digest):
        raise RunError('expected the same data and options in all processes of a run, got others')
    if parallel.agreed(not written.is_file()):
        raise RunError(
            f'expected {written.parent} to be a folder that all processes of a run share'
        )


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[Path]:
    """Where this process leaves pictures and records; of several, those of the first are kept.

    Args:
      folder: of the run.
    """
    if parallel.leads():
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        if (folder / RECORDS).is_file():  # They tell whether training ends early.
            shutil.copy(folder / RECORDS, scratch)
        yield Path(scratch)
