"""Folders of PNG, JPEG and WebP images, flat or with a folder for each class, also as archives."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data import cache
from genjax.data.dataset import Dataset, select
from genjax.data.errors import DataError, check_size
from genjax.data.labels import Named, labelled, parts
from genjax.data.pixels import decode, is_colour, reason, sizes, strict
from genjax.data.reading import PLAIN, Reading, checked
from genjax.data.trees import File, Tree, opened

_SHOWN = 5  # files in a message
_DECODED = 1 << 31  # bytes that the largest photograph takes while it is decoded


def from_folder(
    path: str | os.PathLike,
    image_size: int | None = None,
    reading: Reading | dict[str, Any] = PLAIN,
) -> Dataset:
    """A dataset of the PNG, JPEG and WebP images in a folder and its subfolders.

    Where the images lie in folders of the folder, each of those is a class, and the labels count
    their names, numbers in them by their value; folders that are called `train` and `test`, `val`
    or `valid` are parts, of which the second is the dataset's `apart`. StyleGAN's `dataset.json`
    and WebDataset's `.cls` files name classes too. The images are turned upright, put on a ground
    where they are transparent, and grey if all are. They are converted once, into the user's cache
    folder or that which `GENJAX_DATA_CACHE` names, and mapped from there where they take more than
    a quarter of the host's memory. A source that has changed is converted again.

    Hidden files and files of other kinds are left aside.

    Args:
      path: of the folder, of a .zip or .tar of it, or of a folder of .tar shards.
      image_size: height and width of the dataset. The short side of an image is brought to it
        with antialiasing, the long one cropped at the centre. None takes the images as they are.
      reading: other ways to do that, and what to do with files that are refused otherwise.

    Raises:
      DataError: no images; images that cannot be read, that are animated, or huge; different
        sizes without `image_size`; images in the folder and in folders of it; a link that leaves
        the folder.
    """
    dataset = read_folder(path, image_size, reading)
    if dataset.left_out and not checked(reading).skip_unreadable:
        count = len(dataset.left_out) + dataset.size
        raise _refusal(Path(path), 'readable images', dataset.left_out, count)
    return dataset


def read_folder(
    path: str | os.PathLike,
    image_size: int | None = None,
    reading: Reading | dict[str, Any] = PLAIN,
) -> Dataset:
    """The images of a folder that can be read; `left_out` says why others cannot.

    Args:
      path: of the folder.
      image_size: as in `from_folder`.
      reading: as in `from_folder`.

    Raises:
      DataError: as `from_folder`, but for images that cannot be read if there are others.
    """
    check_size(image_size)
    reading = checked(reading)
    root = Path(path).expanduser().resolve()
    with opened(root, reading) as tree, strict():
        skipped = tree.refused if reading.skip_unreadable else {}
        if tree.refused and not skipped:
            count = len(tree.images) + len(tree.refused)
            raise _refusal(root, 'PNG, JPEG and WebP files', tree.refused, count)
        if not tree.images:
            raise DataError(
                f'{root}: expected PNG, JPEG or WebP images, or MNIST idx files, got none in the '
                'folder or its subfolders'
            )
        train, apart, notes = parts(tree, reading.rules)
        dataset = _converted(tree, train, image_size, reading)
        if apart:
            alike = reading._replace(channels=3 if dataset.image_shape[2] == 3 else 1)
            dataset = dataset._replace(apart=_converted(tree, apart, image_size, alike))
    return dataset._replace(
        notes=(*notes, *dataset.notes), left_out={**skipped, **dataset.left_out}
    )


def shapes(path: str | os.PathLike, reading: Reading | dict[str, Any] = PLAIN) -> np.ndarray:
    """Widths and heights of the images of a folder, by their headers; what has none is left out.

    Args:
      path: of the folder.
      reading: as in `from_folder`.
    """
    from PIL import Image

    reading, found = checked(reading), []
    with opened(Path(path).expanduser().resolve(), reading) as tree:
        for file in tree.images:
            with suppress(Exception), Image.open(tree.seen(file)) as image:
                found.append(image.size)
    return np.array(found).reshape(-1, 2)


def _converted(tree: Tree, prefix: str, size: int | None, reading: Reading) -> Dataset:
    """The images under a prefix, from the cache."""
    files = [file for file in tree.images if file.name.startswith(prefix)]
    named = labelled(tree, files, prefix, reading.rules)
    # What an earlier version kept is found again.
    chosen = {name: value for name, value in reading.chosen.items() if name != 'rules'}
    source = {'source': str(tree.root), 'image_size': size, **chosen}
    source |= {'part': prefix} if prefix else {}
    facts = {**source, 'classes': named.classes, 'files': [file[:3] for file in files]}
    folder = cache.place() / f'{tree.root.name[:40]}-{_digest(source)}' / _digest(facts)
    kept = cache.kept(
        folder,
        facts,
        lambda: (len(files), *_shape(tree, files, size, reading)),
        _filler(tree, files, size, reading),
        max(1, min(os.cpu_count() or 1, cache.memory() // _DECODED)),
    )
    return _dataset(tree, files, named, kept, prefix, chosen)


def _dataset(
    tree: Tree, files: list[File], named: Named, kept: cache.Kept, prefix: str, chosen: Mapping
) -> Dataset:
    images, y, classes = kept.images, named.y, named.classes
    names = tuple(file.name for row, file in enumerate(files) if row not in kept.bad)
    bad = {files[row].name: why for row, why in kept.bad.items()}
    if len(bad) == len(files):
        raise _refusal(tree.root, 'readable images', bad, len(files))
    if bad:
        good = np.setdiff1d(np.arange(len(files)), [*kept.bad])
        images, y = select(images, good), None if y is None else y[good]
    told = classes, None if y is None else y.tolist()
    older = _digest([kept.mark, *told])
    mark = _digest([kept.sources, images.shape, dict(chosen), *told])
    name = f'{tree.root.name} ({prefix.strip("/")})' if prefix else tree.root.name
    marks = (None, None) if bad else (mark, older)
    return Dataset(
        images, y, name, classes, mark=marks[0], older=marks[1], notes=named.notes, left_out=bad,
        files=names,
    )  # fmt: skip


def _shape(
    tree: Tree, files: list[File], size: int | None, reading: Reading
) -> tuple[int, int, int]:
    """The shape of all: the size of the first that can be read, grey if all are."""
    shape = None if size is None else (size, size)
    for file in files:
        with suppress(Exception):  # What cannot be read is told when all are converted.
            shape = shape or decode(tree.read(file), 3, None, reading).shape[:2]
            if reading.channels or is_colour(tree.seen(file), reading):
                return *shape, reading.channels or 3
    return *(shape or (1, 1)), 1


def _filler(tree: Tree, files: list[File], size: int | None, reading: Reading) -> cache.Fill:
    """Decodes files of the dataset; those that cannot be read are black."""

    def fill(rows, images):
        bad, digest = {}, hashlib.sha256()
        for row, image in zip(rows, images, strict=True):
            try:
                content = tree.read(files[row])
                digest.update(hashlib.sha256(content).digest())
                found = decode(content, image.shape[-1], size, reading)
            except Exception as error:  # A damaged file raises a dozen kinds, by what is wrong.
                bad[row] = reason(error)
                found = np.zeros_like(image)
            if found.shape != image.shape:
                what = sizes(image.shape, found.shape)
                raise DataError(f'{tree.root}: {what} in {files[row].name!r}')
            image[:] = found
        return bad, digest.hexdigest()

    return fill


def _refusal(root: Path, expected: str, bad: Mapping[str, str], count: int) -> DataError:
    lines = [f'{name!r}: {why}' for name, why in sorted(bad.items())]
    more = f'\n  and {len(lines) - _SHOWN} more' if len(lines) > _SHOWN else ''
    shown = '\n  '.join(lines[:_SHOWN])
    return DataError(
        f'{root}: expected {expected}, got {len(lines)} others of {count}:\n  {shown}{more}\n'
        '--skip-unreadable leaves them out'
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
