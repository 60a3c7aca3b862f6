"""File formats: .npz and MNIST's idx, read with distrust of what their headers say."""

import contextlib
import gzip
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped, UInt8

from genjax.data.cache import memory
from genjax.data.errors import DataError

_CHUNK = 1 << 20


def existing(path: str | os.PathLike) -> Path:
    """`path` with `~` expanded, if there is a file.

    Args:
      path: of a file.

    Raises:
      DataError: there is none.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f'{path}: expected a file, got {"a folder" if path.is_dir() else "none"}')
    return path


def npz_shapes(path: str | os.PathLike) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a .npz file by name, which are not read.

    Args:
      path: of the file.

    Raises:
      DataError: no such file, or a damaged one.
    """
    with _npz(path) as archive:
        found = {}
        for name in archive.namelist():
            with archive.open(name) as file:
                found[name.removesuffix('.npy')] = _header(file)[0]
        return found


def read_npz(
    path: str | os.PathLike, keys: tuple[str, ...]
) -> dict[str, Shaped[np.ndarray, '...']]:
    """Arrays of a .npz file by name; those that are not asked for are not read.

    Args:
      path: of the file.
      keys: names of arrays that are there.

    Raises:
      DataError: no such file, a damaged one, objects in place of numbers, or more than there is
        memory.
    """
    with _npz(path) as archive:
        return {key: _npz_member(archive, key) for key in keys}


@contextlib.contextmanager
def _npz(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    path = existing(path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except Exception as error:  # a damaged zip raises a dozen kinds, by the byte that is wrong
        raise DataError(f'{path}: expected a whole .npz file, got {error!r}') from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and dtype of a .npy file."""
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _npz_member(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    _check_memory(archive.filename, archive.getinfo(f'{key}.npy').file_size)
    # The whole member is read, which checks its CRC; numpy.load would trust the header's shape.
    file = io.BytesIO(archive.read(f'{key}.npy'))
    shape, fortran, dtype = _header(file)
    if dtype.hasobject:
        raise DataError(f'{archive.filename}: expected an array of numbers, got objects in {key!r}')
    data = file.read()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise DataError(
            f'{archive.filename}: expected {dtype} {shape} in {key!r}, got {len(data)} bytes'
        )
    return np.ndarray(shape, dtype, data, order='F' if fortran else 'C')


def _check_memory(path: Any, size: int) -> None:
    """Refuses what would not fit, a decompression bomb among it, before it is read."""
    if size > memory():
        raise DataError(f'{path}: expected an array that fits into memory, got {size} bytes')


def read_idx(path: str | os.PathLike, rank: int) -> UInt8[np.ndarray, '...']:
    """The array of an idx file of unsigned bytes, gzipped or not.

    Args:
      path: of the file.
      rank: number of dimensions that it should have.

    Raises:
      DataError: no such file, another magic number, a size other than its header's, or
        more than there is memory.
    """
    path = existing(path)
    try:
        with open(path, 'rb') as raw:
            zipped = raw.read(2) == b'\x1f\x8b'
            raw.seek(0)
            with gzip.open(raw) if zipped else raw as file:
                header = file.read(4 * (1 + rank))
                shape = _idx_shape(path, header, rank)
                size = math.prod(shape)
                _check_memory(path, size)
                # In pieces and one byte past the end: a lying header allocates nothing, a longer
                # file shows, and gzip gets to check its CRC.
                data = bytearray()
                while part := file.read(min(_CHUNK, size + 1 - len(data))):
                    data += part
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f'{path}: expected a readable idx file, got {error!r}') from error
    if len(data) != size:
        got = f'{len(data)} bytes' if len(data) < size else 'more'
        raise DataError(f'{path}: expected {size} bytes of {list(shape)} in its header, got {got}')
    return np.frombuffer(data, np.uint8).reshape(shape)


def _idx_shape(path: Path, header: bytes, rank: int) -> tuple[int, ...]:
    if len(header) < 4 * (1 + rank):
        raise DataError(
            f'{path}: expected an idx header of {4 * (1 + rank)} bytes, got {len(header)}'
        )
    magic, *shape = struct.unpack(f'>{1 + rank}I', header)
    if magic != 0x800 + rank:  # 8: unsigned bytes
        raise DataError(f'{path}: expected the idx magic number {0x800 + rank}, got {magic}')
    return tuple(shape)
