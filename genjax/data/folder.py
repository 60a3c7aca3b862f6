"""Folders of PNG, JPEG and WebP images, flat or with a folder for each class."""

import hashlib
import json
import mimetypes
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.data import cache
from genjax.data.dataset import Dataset, select
from genjax.data.errors import DataError, check_size
from genjax.data.pixels import SUFFIXES, decode, is_colour, reason, sizes, strict

_SHOWN = 5  # files in a message
_LARGEST = 1 << 30  # bytes of a file
_DECODED = 1 << 31  # bytes that the largest photograph takes while it is decoded


class File(NamedTuple):
    """An image file, and what changes when somebody writes to it.

    Attributes:
      name: relative to its folder, with slashes.
      size: in bytes.
      time: of the last change, in ns.
    """

    name: str
    size: int
    time: int


def from_folder(path: str | os.PathLike, image_size: int | None = None) -> Dataset:
    """A dataset of the PNG, JPEG and WebP images in a folder and its subfolders.

    Where the images lie in folders of the folder, each of those is a class, and the labels count
    their sorted names. The images are turned upright, put on white where they are transparent,
    and grey if all are. They are converted once, into the user's cache folder or that which
    `GENJAX_DATA_CACHE` names, and mapped from there where they take more than a quarter of the
    host's memory. A source that has changed is converted again.

    Hidden files and files of other kinds are left aside.

    Args:
      path: of the folder.
      image_size: height and width of the dataset. The short side of an image is brought to it
        with antialiasing, the long one cropped at the centre. None takes the images as they are.

    Raises:
      DataError: no images; images that cannot be read, that are animated, or huge; different
        sizes without `image_size`; images in the folder and in folders of it; a link that leaves
        the folder.
    """
    dataset, bad = read_folder(path, image_size)
    if bad:
        raise _unreadable(Path(path), bad, len(bad) + dataset.size)
    return dataset


def read_folder(
    path: str | os.PathLike, image_size: int | None = None
) -> tuple[Dataset, dict[str, str]]:
    """The images of a folder that can be read, and why others cannot.

    Args:
      path: of the folder.
      image_size: as in `from_folder`.

    Returns:
      The dataset, and reasons by the name of the file.

    Raises:
      DataError: as `from_folder`, but for images that cannot be read if there are others.
    """
    check_size(image_size)
    root = Path(path).expanduser().resolve()
    files = listed(root)
    classes, y = _labels(root, files)
    source = {'source': str(root), 'image_size': image_size}
    facts = {**source, 'classes': classes, 'files': files}
    folder = cache.place() / f'{root.name[:40]}-{_digest(source)}' / _digest(facts)
    with strict():
        images, bad, mark = cache.kept(
            folder,
            facts,
            lambda: (len(files), *_shape(root, files, image_size)),
            _filler(root, files, image_size),
            max(1, min(os.cpu_count() or 1, cache.memory() // _DECODED)),
        )
    if len(bad) == len(files):
        raise _unreadable(root, {files[row].name: why for row, why in bad.items()}, len(files))
    if bad:
        good = np.setdiff1d(np.arange(len(files)), [*bad])
        images, y = select(images, good), None if y is None else y[good]
    mark = _digest([mark, classes, None if y is None else y.tolist()])
    dataset = Dataset(images, y, root.name, classes, None if bad else mark)
    return dataset, {files[row].name: why for row, why in bad.items()}


def listed(root: Path) -> list[File]:
    """The image files under a folder, sorted by name.

    Args:
      root: the folder, resolved.

    Raises:
      DataError: none, a link that leaves the folder or leads to a folder, an image of another
        kind, or what is no file.
    """
    files, refused = [], []
    try:
        for name, entry in _walk(root):
            if why := _unfit(root, entry):
                refused.append(f'{name!r}: {why}')
            elif _is_image(entry):
                about = entry.stat()
                files.append(File(name, about.st_size, about.st_mtime_ns))
    except OSError as error:
        raise DataError(f'{root}: expected a folder to read, got {error}') from error
    if refused:
        raise _refusal(root, 'PNG, JPEG and WebP files', sorted(refused), len(files) + len(refused))
    if not files:
        raise DataError(
            f'{root}: expected PNG, JPEG or WebP images, or MNIST idx files, got none in the '
            'folder or its subfolders'
        )
    return sorted(files)


def _walk(folder: str | Path, prefix: str = '') -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(str(folder)) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f'{prefix}{entry.name}/')
            else:
                yield prefix + entry.name, entry


def _is_image(entry: os.DirEntry) -> bool:
    return entry.name.lower().endswith(SUFFIXES)


def _unfit(root: Path, entry: os.DirEntry) -> str | None:
    """Why something must not lie in a folder of images, or None."""
    if entry.is_symlink():
        target = Path(entry.path).resolve()
        if not target.is_relative_to(root):
            return 'a link that leaves the folder'
        if not target.is_file():
            return 'a link to what is no file'
    if _is_image(entry):
        if not entry.is_file():
            return 'no regular file'
        size = entry.stat().st_size
        return f'{size} bytes, of at most {_LARGEST}' if size > _LARGEST else None
    kind = mimetypes.guess_type(entry.name)[0] or ''
    return f'an image of another kind ({kind})' if kind.startswith('image/') else None


def _labels(root: Path, files: list[File]) -> tuple[tuple[str, ...] | None, np.ndarray | None]:
    """The class names and a label for each file; None and None where they lie flat."""
    names = [file.name.partition('/') for file in files]
    flat = [name for name, slash, _ in names if not slash]
    if len(flat) == len(files):
        return None, None
    if flat:
        raise DataError(
            f'{root}: expected images in the folder or in a folder for each class, '
            f'got {len(flat)} in the folder, say {flat[0]!r}, and {len(files) - len(flat)} below it'
        )
    classes, y = np.unique([name for name, _, _ in names], return_inverse=True)
    return tuple(map(str, classes)), y.astype(np.int32)


def _shape(root: Path, files: list[File], size: int | None) -> tuple[int, int, int]:
    """The shape of all: the size of the first that can be read, grey if all are."""
    shape = None if size is None else (size, size)
    for file in files:
        with suppress(Exception):  # What cannot be read is told when all are converted.
            path = f'{root}/{file.name}'
            shape = shape or decode(_content(path), 3).shape[:2]
            if is_colour(path):
                return *shape, 3
    return *(shape or (1, 1)), 1


def _filler(root: Path, files: list[File], size: int | None) -> cache.Fill:
    """Decodes files of the dataset; those that cannot be read are black."""

    def fill(rows, images):
        bad = {}
        for row, image in zip(rows, images, strict=True):
            try:
                found = decode(_content(f'{root}/{files[row].name}'), image.shape[-1], size)
            except Exception as error:  # A damaged file raises a dozen kinds, by what is wrong.
                bad[row] = reason(error)
                found = np.zeros_like(image)
            if found.shape != image.shape:
                what = sizes(image.shape, found.shape)
                raise DataError(f'{root}: {what} in {files[row].name!r}')
            image[:] = found
        return bad

    return fill


def _content(path: str) -> bytes:
    # At each call of the system another thread may take the interpreter's lock, and has to wait
    # for it afterwards: unbuffered there are fewer, and two threads on small files gain a half.
    with open(path, 'rb', buffering=0) as file:
        return file.read()


def _unreadable(root: Path, bad: dict[str, str], count: int) -> DataError:
    lines = [f'{name!r}: {why}' for name, why in bad.items()]
    return _refusal(root, 'readable images', lines, count)


def _refusal(root: Path, expected: str, lines: list[str], count: int) -> DataError:
    more = f'\n  and {len(lines) - _SHOWN} more' if len(lines) > _SHOWN else ''
    shown = '\n  '.join(lines[:_SHOWN])
    return DataError(
        f'{root}: expected {expected}, got {len(lines)} others of {count}:\n  {shown}{more}'
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
