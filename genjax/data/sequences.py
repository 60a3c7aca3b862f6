"""Examples one by one: what Grain, PyTorch and Hugging Face's datasets have in common."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data import cache
from genjax.data.arrays import from_arrays, labels
from genjax.data.dataset import Dataset
from genjax.data.errors import DataError
from genjax.data.pixels import of_pillow, reason, sizes, strict
from genjax.data.reading import Reading

HUGGING_FACE = 'hf:'
_FEW = 100  # examples that tell what those of a large source are like
_APART = ('test', 'validation', 'valid', 'val')
_IMAGES = ('x', 'image', 'img', 'images', 'pixel_values')
_LABELS = ('y', 'label', 'labels', 'fine_label', 'class', 'target')
_Read = Callable[[int], tuple[np.ndarray, Any]]


def is_sequence(source: Any) -> bool:
    """Whether something has a length and examples by their number.

    Args:
      source: anything.
    """
    fits = hasattr(source, '__len__') and hasattr(source, '__getitem__')
    return fits and not isinstance(source, (bytes, tuple, list, Mapping))


def from_sequence(source: Any, image_size: int | None, reading: Reading) -> Dataset:
    """A dataset of random access, as Grain, PyTorch and Hugging Face have them, read once.

    Images that would take more than a quarter of the host's memory are kept in a file: of a source
    with a `fingerprint` in the user's cache folder, for the next time, of another one in a file
    without a name, which is gone with the process.

    Args:
      source: `len(source)` examples `source[i]`: an image, a pair of an image and a class, or a
        dict of both. An image is one of Pillow's, the bytes of an image file, or an array
        `[h, w]`, `[h, w, c]` or `[c, h, w]`.
      image_size: height and width of the dataset, of images that are no arrays.
      reading: how files become images, what numbers mean, and the keys of dicts.

    Raises:
      DataError: no examples, other ones, or images of different sizes without `image_size`.
    """
    name = type(source).__name__
    if len(source) == 0:
        raise DataError(f'{name}: expected examples, got none')

    def read(row: int) -> tuple[np.ndarray, Any]:
        image, label = _pair(name, source[row], reading.named)
        return _image(f'{name}[{row}]', image, image_size, reading), label

    with strict():
        few = [read(row) for row in range(min(len(source), _FEW))]
        if len(source) * few[0][0].size > cache.SHARE * cache.memory():
            dataset, y = _kept(source, name, [image for image, _ in few], read, reading)
        else:
            rest = (read(row) for row in range(len(few), len(source)))
            dataset, y = _loaded(name, [*few, *rest], reading)
    if any(label is None for label in y):
        return dataset
    found, classes = labels([np.asarray(label).item() for label in y], len(y), name)
    return dataset._replace(y=found, classes=_names(source) or classes)


def _loaded(
    name: str, pairs: list[tuple[np.ndarray, Any]], reading: Reading
) -> tuple[Dataset, list[Any]]:
    """All of it in memory, and the labels."""
    x, y = zip(*pairs, strict=True)
    for row, each in enumerate(x):
        if each.shape[:2] != x[0].shape[:2]:
            raise DataError(f'{name}: {sizes(x[0].shape, each.shape)} in example {row}')
    if all(each.ndim == 3 and each.shape[-1] in (1, 3) for each in x):
        channels = max(each.shape[-1] for each in x)
        x = tuple(np.broadcast_to(each, (*each.shape[:2], channels)) for each in x)
    ends = None if x[0].dtype == np.uint8 else reading.range  # Files have had theirs.
    return from_arrays(np.stack(x), None, name, ends), list(y)


def _kept(
    source: Any, name: str, few: list[np.ndarray], read: _Read, reading: Reading
) -> tuple[Dataset, list[Any]]:
    """All of it in a file, and the labels."""
    channels = reading.channels or max(each.shape[-1] for each in few)
    shape = (len(source), *few[0].shape[:2], channels)
    y: dict[int, Any] = {}

    def fill(rows: range, images: np.ndarray) -> tuple[cache.Unreadable, str]:
        for row, image in zip(rows, images, strict=True):
            found, y[row] = read(row)
            if found.dtype != np.uint8 and reading.range is None:
                raise DataError(
                    f'{name}: expected bytes, or a range (--range LOW HIGH), of images that are '
                    f'too many to be in memory together, got {found.dtype} in example {row}'
                )
            ends = None if found.dtype == np.uint8 else reading.range
            fits = found.shape[:2] == shape[1:3] and found.shape[2] in (1, channels)
            if not fits:
                raise DataError(
                    f'{name}: expected images {shape[1:]} (--image-size, --channels), got '
                    f'{found.shape} in example {row}'
                )
            image[:] = from_arrays(found[None], None, name, ends).x[0]
        return {}, hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()

    images = _in_cache(source, name, shape, fill, reading)
    rest = (row for row in range(len(source)) if row not in y)  # Blocks that were there.
    y |= {row: _pair(name, source[row], reading.named)[1] for row in rest}
    return Dataset(images, None, name), [y[row] for row in range(len(source))]


def _in_cache(
    source: Any, name: str, shape: cache.Shape, fill: cache.Fill, reading: Reading
) -> np.ndarray:
    """The images of a source by its fingerprint, or of one that has none in a file of no name."""
    mark = getattr(source, 'fingerprint', None) or getattr(source, '_fingerprint', None)
    try:
        if isinstance(mark, str):
            facts = {'source': mark, 'shape': shape, **reading.chosen}
            digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
            folder = cache.place() / f'{name[:40]}-{digest}' / 'all'
            return cache.kept(folder, facts, lambda: shape, fill, 1).images
        cache.place().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache.place()) as file:
            images = np.memmap(file, np.uint8, 'w+', shape=shape)
        for start in range(0, len(images), cache.BLOCK):
            rows = range(start, min(start + cache.BLOCK, len(images)))
            fill(rows, images[start : rows.stop])
        return images
    except OSError as error:
        raise DataError(f'{cache.place()}: expected a cache to write, got {error}') from error


def from_hugging_face(source: str, image_size: int | None, reading: Reading) -> Dataset:
    """A dataset that the package `datasets` has written: `save_to_disk`, or parquet files.

    A split `test` or `validation` beside `train` is its `apart`.

    Args:
      source: `hf:FOLDER`.
      image_size: as in `from_sequence`.
      reading: as in `from_sequence`.

    Raises:
      DataError: no such folder, or none of `datasets`, or data that are refused.
    """
    splits = _splits(source, Path(source.removeprefix(HUGGING_FACE)).expanduser())
    name = 'train' if 'train' in splits else next(iter(splits))
    dataset = from_sequence(splits[name], image_size, reading)._replace(name=source)
    apart = next((splits[part] for part in _APART if part in splits and part != name), None)
    if apart is None:
        return dataset
    return dataset._replace(apart=from_sequence(apart, image_size, reading))


def _splits(source: str, folder: Path) -> Mapping[str, Any]:
    """The splits of a folder, their images not yet decoded."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"{source}: expected the package datasets (the extra 'hf'), got {error}"
        ) from error
    saved = any((folder / name).is_file() for name in ('dataset_dict.json', 'state.json'))
    read = datasets.load_from_disk if saved else datasets.load_dataset
    try:
        if not folder.is_dir():
            raise FileNotFoundError(f'no folder {folder}')
        found = read(str(folder))
        splits = found if isinstance(found, Mapping) else {'train': found}
        return {name: _undecoded(datasets, split) for name, split in splits.items()}
    except Exception as error:  # of many kinds, by what is wrong
        raise DataError(
            f'{source}: expected a folder of datasets or of parquet, got {error!r}'
        ) from error


def _undecoded(datasets: Any, split: Any) -> Any:
    kept = {name: f for name, f in split.features.items() if isinstance(f, datasets.Image)}
    for name in kept:
        split = split.cast_column(name, datasets.Image(decode=False))
    return split


def _pair(name: str, example: Any, keys: Mapping[str, str]) -> tuple[Any, Any]:
    if isinstance(example, Mapping):
        images = [keys['images']] if 'images' in keys else _IMAGES
        beside = [keys['labels']] if 'labels' in keys else () if 'images' in keys else _LABELS
        image = next((key for key in images if key in example), None)
        if image is None:
            raise DataError(
                f'{name}: expected an image among {list(images)}, got {list(example)}: say which '
                'by keys="images=NAME,labels=NAME"'
            )
        label = next((key for key in beside if key in example), None)
        return example[image], None if label is None else example[label]
    if isinstance(example, (tuple, list)):
        return (example[0], example[1]) if len(example) > 1 else (example[0], None)
    return example, None


def _image(where: str, image: Any, size: int | None, reading: Reading) -> np.ndarray:
    """One image as an array; of files and Pillow's images of 1 channel where they are grey."""
    if isinstance(image, Mapping) and 'bytes' in image:  # as datasets stores them
        image = image['bytes'] or Path(image['path']).read_bytes()
    if isinstance(image, bytes) or hasattr(image, 'convert'):
        try:
            return of_pillow(image, size, reading)
        except Exception as error:  # A damaged file raises a dozen kinds, by what is wrong.
            raise DataError(f'{where}: {reason(error)}') from error
    array = np.asarray(image)
    if array.ndim not in (2, 3) or array.dtype.kind not in 'uifb':
        raise DataError(
            f'{where}: expected an image [h, w], [h, w, c] or [c, h, w], or one of Pillow, got '
            f'{type(image).__name__} {array.dtype} {array.shape}'
        )
    if array.ndim == 3 and array.shape[-1] not in (1, 3) and array.shape[0] in (1, 3):
        array = np.moveaxis(array, 0, -1)
    return array if array.ndim == 3 else array[..., None]


def _names(source: Any) -> tuple[str, ...] | None:
    """The names of classes, where torchvision and Hugging Face keep them."""
    if isinstance(found := getattr(source, 'classes', None), (list, tuple)):
        return tuple(map(str, found))
    features = getattr(source, 'features', None) or {}
    beside = (features[key] for key in _LABELS if key in features)
    names = next((getattr(feature, 'names', None) for feature in beside), None)
    return tuple(names) if names else None
