"""Data sets of TensorFlow Datasets, read without TensorFlow."""

import functools
import importlib.util
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data.arrays import from_arrays
from genjax.data.dataset import Dataset
from genjax.data.errors import DataError, check_size
from genjax.data.pixels import decode, reason, sizes, strict
from genjax.data.reading import PLAIN, Reading

PREFIX = 'tfds:'
# A version is a part of the name, as in tfds: `tfds:mnist:3.0.1:test`.
_NAME = re.compile(r'tfds:([^:\[\]]+?(?::[0-9*.]+)?)(?::([^0-9].*))?')
_CHUNK = 4096  # examples that are read at once


def from_tfds(source: str, image_size: int | None = None, reading: Reading = PLAIN) -> Dataset:
    """A split of a data set of TensorFlow Datasets, with labels where it has a class label.

    It is read from where tfds prepared it, `TFDS_DATA_DIR` or tfds's own folder. Where it is not
    prepared, tfds is asked to download and prepare it.

    Args:
      source: `tfds:NAME` or `tfds:NAME:SPLIT`, such as `tfds:mnist:train[:50%]`; the split is
        `train` by default.
      image_size: height and width of the dataset, as in `from_folder`.
      reading: as in `from_folder`.

    Raises:
      DataError: no such data set or split, no images in it, different sizes without `image_size`,
        or what is missing to prepare it.
    """
    check_size(image_size)
    match = _NAME.fullmatch(source)
    if match is None:
        raise DataError(f'expected tfds:NAME or tfds:NAME:SPLIT, got {source!r}')
    name, split = match[1], match[2] or 'train'
    builder = _prepared(name)
    features = builder.info.features
    image, label = _features(name, features)
    import tensorflow_datasets

    # Pillow decodes, as it does all else, so that sizes and modes may be mixed here too.
    raw = {image: tensorflow_datasets.decode.SkipDecoding()}
    try:
        examples = builder.as_data_source(split=split, decoders=raw)
    except Exception as error:
        known = ', '.join(builder.info.splits)
        raise DataError(
            f'{source}: expected a split of {known}, in array_record, got {_line(error)}; '
            "tfds.builder(NAME).download_and_prepare(file_format='array_record') prepares it so, "
            'and TFDS_DATA_DIR names its folder'
        ) from error
    with strict():
        channels = reading.channels or (1 if features[image].shape[-1] == 1 else 3)
        read = functools.partial(decode, channels=channels, size=image_size, reading=reading)
        x, y = _read(source, examples, image, label, read)
    classes = tuple(features[label].names) if label else None
    y = None if y is None else y.astype(np.int32)
    return from_arrays(x, None, source)._replace(y=y, classes=classes)


def _prepared(name: str) -> Any:
    """A builder whose data are there."""
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise DataError(
            f"tfds:{name}: expected the package tensorflow-datasets (the extra 'tfds'), got {error}"
        ) from error
    try:
        builder = tensorflow_datasets.builder(name, data_dir=os.environ.get('TFDS_DATA_DIR'))
    except Exception as error:  # tfds raises many kinds, of names and of what is damaged
        raise DataError(
            f'tfds:{name}: expected a data set that tfds knows, got {_line(error)}'
        ) from error
    # tfds's own error for a folder without data is a misleading one.
    if not (Path(builder.data_path) / 'dataset_info.json').is_file():
        _prepare(name, builder)
    return builder


def _prepare(name: str, builder: Any) -> None:
    missing = f'tfds:{name}: expected a prepared data set in {builder.data_path}, which has none; '
    # Nearly all builders need it, but try the network first, for minutes.
    if importlib.util.find_spec('tensorflow') is None:
        raise DataError(f'{missing}to prepare it tfds needs TensorFlow, which is not installed')
    try:
        builder.download_and_prepare(file_format='array_record')
    except Exception as error:
        raise DataError(f'{missing}tfds could not prepare it: {_line(error)}') from error


def _features(name: str, features: Any) -> tuple[str, str | None]:
    """The names of the image and of the class label, by their types."""
    import tensorflow_datasets.core.features as kinds

    def first(kind):
        return next((key for key, f in features.items() if isinstance(f, kind)), None)

    image = first(kinds.Image)
    if image is None:
        raise DataError(f'tfds:{name}: expected a feature of images, got {list(features)}')
    return image, first(kinds.ClassLabel)


def _read(
    source: str, examples: Any, image: str, label: str | None, read: Callable
) -> tuple[np.ndarray, np.ndarray | None]:
    """All images and labels, in chunks."""
    n = len(examples)
    x, y = None, None if label is None else np.zeros(n, np.int64)
    for start in range(0, n, _CHUNK):
        try:
            chunk = examples.__getitems__(list(range(start, min(start + _CHUNK, n))))
        except Exception as error:
            raise DataError(f'{source}: expected whole records, got {_line(error)}') from error
        for row, example in enumerate(chunk, start):
            try:
                pixels = read(example[image])
            except Exception as error:
                raise DataError(f'{source}: image {row}: {reason(error)}') from error
            x = np.zeros((n, *pixels.shape), np.uint8) if x is None else x
            if pixels.shape != x.shape[1:]:
                raise DataError(f'{source}: {sizes(x.shape[1:], pixels.shape)} in image {row}')
            x[row] = pixels
            if y is not None:
                y[row] = example[label]
    if x is None:
        raise DataError(f'{source}: expected images, got none')
    return x, y


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[0]}'
