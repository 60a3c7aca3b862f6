"""What a source holds: counts, classes, the range of values, duplicates, unreadable files."""

import hashlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from genjax.data.dataset import Dataset
from genjax.data.folder import read_folder
from genjax.data.sources import is_folder, load

_CHUNK = 1024  # images that are looked at together


class Report(NamedTuple):
    """What was found.

    Attributes:
      dataset: all that can be read.
      counts: images of each class, by its name; None without labels.
      low: the least value of a pixel, in [0, 255].
      high: the greatest.
      duplicates: how many images each group of equal ones has.
      unreadable: why a file cannot be read, by its name.
    """

    dataset: Dataset
    counts: dict[str, int] | None
    low: int
    high: int
    duplicates: tuple[int, ...]
    unreadable: dict[str, str]

    def __str__(self) -> str:
        dataset = self.dataset
        height, width, channels = dataset.image_shape
        lines = [f'{dataset.name}: {dataset.size} images, {height}x{width}x{channels}']
        lines.append(f'values in [{self.low}, {self.high}]')
        if self.counts is not None:
            lines.append(f'{len(self.counts)} classes:')
            lines += [f'  {name}: {count}' for name, count in self.counts.items()]
        lines.append(
            f'duplicates: {len(self.duplicates)} groups of equal images, '
            f'{sum(self.duplicates)} images in them'
        )
        lines.append(f'unreadable: {len(self.unreadable)} files')
        lines += [f'  {name!r}: {why}' for name, why in self.unreadable.items()]
        return '\n'.join(lines)


def inspect(source: Any, image_size: int | None = None) -> Report:
    """Looks at every image of a source.

    Args:
      source: as `load` takes it.
      image_size: as in `load`.

    Raises:
      DataError: as `load`, but for single files of a folder that cannot be read.
    """
    dataset, unreadable = (
        read_folder(source, image_size) if is_folder(source) else (load(source, image_size), {})
    )
    low, high, seen = 255, 0, Counter[bytes]()
    for start in range(0, dataset.size, _CHUNK):
        chunk = dataset.x[start : start + _CHUNK]
        low, high = min(low, int(chunk.min())), max(high, int(chunk.max()))
        seen.update(hashlib.sha256(image.data).digest() for image in np.ascontiguousarray(chunk))
    groups = tuple(sorted((count for count in seen.values() if count > 1), reverse=True))
    return Report(dataset, _counts(dataset), low, high, groups, unreadable)


def _counts(dataset: Dataset) -> dict[str, int] | None:
    if dataset.y is None:
        return None
    counts = np.bincount(dataset.y, minlength=len(dataset.classes or ()))
    names = dataset.classes or map(str, range(len(counts)))
    return dict(zip(names, counts.tolist(), strict=True))


def examples(dataset: Dataset, columns: int = 10) -> UInt8[np.ndarray, 'n h w c']:
    """Images for a grid: a row for a class where there are some, else a square.

    Args:
      dataset: any.
      columns: images in a row, and rows without classes; what a class lacks is white.
    """
    if dataset.y is None:
        return dataset.x[: columns**2]
    count = int(dataset.y.max()) + 1
    rows = np.full((count, columns, *dataset.image_shape), 255, np.uint8)
    for label, row in enumerate(rows):
        found = np.flatnonzero(dataset.y == label)[:columns]
        row[: len(found)] = dataset.x[found]
    return rows.reshape(-1, *dataset.image_shape)
