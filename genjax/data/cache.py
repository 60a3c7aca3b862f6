"""Images that are converted once: a .npy file of uint8 in blocks, each with its hash.

A folder of the cache has `images.npy`, and `manifest.json` when all of it is there; until then
`blocks.txt` has a line for each block that is written. A block counts if its bytes have its hash,
so that a conversion can be killed at any moment and goes on with the blocks that are whole.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from genjax.data.errors import DataError
from genjax.locks import held

BLOCK = 32  # images; an interrupt waits for one in each thread
# Of the host's memory: what takes no more is loaded.
SHARE = 0.25
_IMAGES, _BLOCKS, _MANIFEST = 'images.npy', 'blocks.txt', 'manifest.json'
# A block's number, its hash, and that of what it was made of.
_LINE = re.compile('([0-9]+) ([0-9a-f]{64} [0-9a-f]{64})')

Shape = tuple[int, int, int, int]
Unreadable = dict[int, str]
Fill = Callable[[range, UInt8[np.ndarray, 'rows h w c']], tuple[Unreadable, str]]


class Kept(NamedTuple):
    """What a folder of the cache holds.

    Attributes:
      images: uint8 `[n, h, w, c]`, in memory or mapped.
      bad: why a row could not be converted, by row; such rows are black.
      mark: 16 hex digits of a SHA-256 of the shape and of the blocks' hashes.
      sources: the same of the files' bytes, whatever decodes them.
    """

    images: UInt8[np.ndarray, 'n h w c']
    bad: Unreadable
    mark: str
    sources: str


def place() -> Path:
    """Where converted images are kept: `GENJAX_DATA_CACHE`, or the user's cache folder."""
    if chosen := os.environ.get('GENJAX_DATA_CACHE'):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path('genjax', appauthor=False) / 'data'


def kept(
    folder: Path,
    facts: dict[str, Any],
    shape: Callable[[], Shape],
    fill: Fill,
    threads: int,
) -> Kept:
    """The images of a folder of the cache; blocks that are not whole are converted first.

    One process converts at a time, others wait. What else lies beside the folder is removed when
    it is whole: it was converted from an earlier state of the same source.

    Args:
      folder: in a folder that belongs to the source; made if need be.
      facts: for the manifest, JSON values.
      shape: says `(n, h, w, c)`; only asked where not all is there.
      fill: `(rows, images)`, makes the images of some rows; says why it could not make a row,
        which it leaves black, and a SHA-256 of what they are made of.
      threads: that call it.

    Raises:
      DataError: the cache cannot be written or read.
    """

    def wait(more):
        place = folder.parent
        print(f'{place}: waiting for another process that converts{more}', file=sys.stderr)

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder.parent, wait):
            stored = _open(folder, shape)
            written, trusted = _written(folder)
            hashes, bad = written, Unreadable()
            small = stored.nbytes <= SHARE * memory()
            images = np.empty(stored.shape, np.uint8) if small else stored
            if small or not trusted:  # What is read anyway is checked anyway.
                hashes, bad = _complete(folder, images, stored.offset, written, fill, threads)
            if not bad and not (trusted and hashes == written):
                _finish(folder, facts, hashes)
            if not bad:
                (folder / _BLOCKS).unlink(missing_ok=True)
            # Before the lock is given up: then another process may remove the folder.
            marks, sources = zip(*(each.split() for each in hashes), strict=True)
            told = (json.dumps(what).encode() for what in ([images.shape, marks], sources))
            return Kept(images, bad, *(_hash(each)[:16] for each in told))
    except OSError as error:
        raise DataError(f'{folder}: expected a cache to read and write, got {error}') from error


def _open(folder: Path, shape: Callable[[], Shape]) -> np.memmap:
    """The mapped images, of zeros where they have never been written."""
    path = folder / _IMAGES
    # Until all is converted, what could not be read may become readable, and be coloured.
    wanted = None if (folder / _MANIFEST).is_file() else shape()
    try:
        images = np.load(path, mmap_mode='r', allow_pickle=False)
        if images.dtype == np.uint8 and images.ndim == 4 and wanted in (None, images.shape):
            return images
    except (OSError, ValueError, EOFError):
        pass  # There is none, or a damaged one.
    # Not over the old file, which another process may have mapped.
    path.unlink(missing_ok=True)
    np.lib.format.open_memmap(path, 'w+', np.uint8, wanted or shape())
    return np.load(path, mmap_mode='r')


def _written(folder: Path) -> tuple[list[str], bool]:
    """The hash of each block, '' where it is not known, and whether nobody has written since."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        blocks = [str(mark) for mark in manifest['blocks']]
        if all(' ' in block for block in blocks):  # Else of an earlier version.
            return blocks, manifest['stamp'] == _stamp(folder)
    hashes: dict[int, str] = {}
    with contextlib.suppress(OSError, ValueError):
        lines = (folder / _BLOCKS).read_text(encoding='ascii').splitlines()
        found = (_LINE.fullmatch(line) for line in lines)
        hashes = {int(match[1]): match[2] for match in found if match}
    return [hashes.get(block, '') for block in range(max(hashes, default=-1) + 1)], False


def _complete(
    folder: Path, images: np.ndarray, start: int, hashes: list[str], fill: Fill, threads: int
) -> tuple[list[str], Unreadable]:
    """Converts the blocks whose bytes do not have their hash, and returns the hashes of all.

    Images that are not mapped are filled.
    """
    from tqdm import tqdm

    n, path, mapped = len(images), folder / _IMAGES, isinstance(images, np.memmap)
    blocks = [range(n)[first : first + BLOCK] for first in range(0, n, BLOCK)]
    hashes = [*hashes, *[''] * len(blocks)]

    def work(rows: range, known: str) -> tuple[str, Unreadable]:
        part = images[rows.start : rows.stop]
        part = np.empty(part.shape, np.uint8) if mapped else part
        offset = start + rows.start * images[0].nbytes
        with open(path, 'r+b') as file:
            file.seek(offset)
            whole = bool(known) and file.readinto(part.data) == part.nbytes
            if whole and known.split()[0] == _hash(part):
                return known, {}
            bad, source = fill(rows, part)
            file.seek(offset)
            file.write(part.data)
        return f'{_hash(part)} {source}', bad

    marks, unreadable = list[str](), Unreadable()
    pool = ThreadPoolExecutor(threads)
    bar = tqdm(total=n, unit='image', desc='converting', delay=1, disable=None)
    try:
        with bar, open(folder / _BLOCKS, 'a') as lines:
            for block, (mark, bad) in enumerate(pool.map(work, blocks, hashes)):
                if mark != hashes[block] and not bad:  # Who dies before has lost the block.
                    lines.write(f'{block} {mark}\n')
                    lines.flush()
                marks.append(mark)
                unreadable |= bad
                bar.update(len(blocks[block]))
    finally:
        pool.shutdown(cancel_futures=True)
    if mapped:  # What is loaded whole is checked each time.
        with open(path, 'r+b') as file:
            os.fsync(file.fileno())
    return marks, unreadable


def _finish(folder: Path, facts: dict[str, Any], hashes: list[str]) -> None:
    """Writes the manifest, whole or not at all, and removes earlier states of the source."""
    manifest = {**facts, 'stamp': _stamp(folder), 'blocks': hashes}
    partial = folder / f'.{_MANIFEST}'
    partial.write_text(json.dumps(manifest), encoding='utf-8')
    os.replace(partial, folder / _MANIFEST)
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _hash(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def _stamp(folder: Path) -> list[int]:
    stat = (folder / _IMAGES).stat()
    return [stat.st_size, stat.st_mtime_ns]


def memory() -> int:
    """Bytes of memory of the host, which POSIX systems tell."""
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
