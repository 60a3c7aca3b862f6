"""What a source holds: counts, classes, values, duplicates, what spoils a training."""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt64

from genjax.data.arrays import shown
from genjax.data.dataset import Dataset, marks, split
from genjax.data.folder import read_folder, shapes
from genjax.data.reading import PLAIN, Reading, checked
from genjax.data.sources import is_folder, load

_CHUNK = 1024  # images that are looked at together


_UNBALANCED = 10  # times as many images of one class as of another
_MUCH = 0.1  # of the area, that is cropped
_NARROW = 64  # of 255: the greatest value of images that are nearly black


class Report(NamedTuple):
    """What was found.

    Attributes:
      dataset: all that can be read.
      counts: images of each class, by its name; None without labels.
      low: the least value of a pixel, in [0, 255].
      high: the greatest.
      grey: whether all images are grey.
      duplicates: how many images each group of equal ones has.
      both: images of a tenth held out at random that are equal to one of the rest.
      cropped: share of the images' area that is cut off, on average; 0 where none is scaled.
      enlarged: images that are smaller than the size that they are brought to.
    """

    dataset: Dataset
    counts: dict[str, int] | None
    low: int
    high: int
    grey: bool
    duplicates: tuple[int, ...]
    both: int
    cropped: float = 0.0
    enlarged: int = 0

    def __str__(self) -> str:
        return '\n'.join([*self._facts(), *self._advice()])

    def _facts(self) -> list[str]:
        dataset = self.dataset
        height, width, channels = dataset.image_shape
        lines = [f'{dataset.name}: {dataset.size} images, {height}x{width}x{channels}']
        lines += dataset.notes
        if dataset.apart is not None:
            lines.append(f'held out by its makers: {dataset.apart.size} images')
        lines.append(f'values in [{self.low}, {self.high}]')
        if self.counts is not None:
            lines.append(f'{len(self.counts)} classes:')
            lines += [f'  {name}: {count}' for name, count in self.counts.items()]
        if dataset.factors is not None and dataset.factor_names is not None:
            sizes = (dataset.factors.max(axis=0) + 1).tolist()
            told = zip(dataset.factor_names, sizes, strict=True)
            lines.append('factors: ' + ', '.join(f'{name} ({size})' for name, size in told))
        lines.append(
            f'duplicates: {len(self.duplicates)} groups of equal images, '
            f'{sum(self.duplicates)} images in them'
        )
        lines.append(f'unreadable: {len(dataset.left_out)} files')
        lines += [f'  {name!r}: {why}' for name, why in dataset.left_out.items()]
        return lines

    def _advice(self) -> list[str]:
        """What is to be thought of before a training."""
        lines, counts = [], self.counts or {}
        if self.grey and self.dataset.image_shape[2] == 3:
            lines.append('all images are grey: --channels 1 trains on a third of the numbers')
        if self.high < _NARROW:
            deep = 2 ** int((self.high - 0.5) * 257).bit_length() - 1 if self.high else 1
            lines.append(
                f'nearly black: --range 0 {self.high} makes the greatest value white '
                f'(of files of 16 bits --range 0 {deep})'
            )
        if empty := [name for name, count in counts.items() if not count]:
            lines.append(f'without images: {shown(tuple(empty))}')
        if counts and max(counts.values()) >= _UNBALANCED * max(1, min(counts.values())):
            few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
            lines.append(f'unbalanced: {counts[many]} images of {many}, {counts[few]} of {few}')
        if self.both:
            lines.append(
                f'of a tenth that is held out {self.both} images are equal to one that is trained '
                'on; a training leaves them in one part'
            )
        if self.cropped > _MUCH:
            lines.append(
                f'{self.cropped:.0%} of the area of images is cropped: --fit pad keeps all of them'
            )
        if self.enlarged:
            lines.append(f'enlarged: {self.enlarged} images, which are smaller than this')
        return lines


def inspect(
    source: Any, image_size: int | None = None, reading: Reading | dict[str, Any] = PLAIN
) -> Report:
    """Looks at every image of a source.

    Args:
      source: as `load` takes it.
      image_size: as in `load`.
      reading: as in `load`.

    Raises:
      DataError: as `load`, but for single files of a folder that cannot be read.
    """
    look = read_folder if is_folder(source) else load
    dataset = look(source, image_size, reading)
    low, high, grey, found = 255, 0, True, list[int]()
    for start in range(0, dataset.size, _CHUNK):
        chunk = np.ascontiguousarray(dataset.x[start : start + _CHUNK])
        low, high = min(low, int(chunk.min())), max(high, int(chunk.max()))
        grey = grey and bool((chunk == chunk[..., :1]).all())
        found += marks(chunk).tolist()
    groups = sorted((count for count in Counter(found).values() if count > 1), reverse=True)
    report = Report(
        dataset, _counts(dataset), low, high, grey, tuple(groups), _both(np.array(found))
    )
    if image_size is None or not is_folder(source):
        return report
    sides = shapes(source, reading)
    kept = np.square(sides.min(axis=1)) / sides.prod(axis=1)
    cropped = 0.0 if checked(reading).fit != 'crop' else float(1 - kept.mean())
    return report._replace(cropped=cropped, enlarged=int((sides.min(axis=1) < image_size).sum()))


def _both(found: UInt64[np.ndarray, 'n']) -> int:
    if len(found) < 2:
        return 0
    train, apart = (part.x for part in split(Dataset(found, None, ''), rules=1))
    return int(np.isin(apart, train).sum())


def _counts(dataset: Dataset) -> dict[str, int] | None:
    if dataset.y is None:
        return None
    counts = np.bincount(dataset.y[dataset.y >= 0], minlength=len(dataset.classes or ()))
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
