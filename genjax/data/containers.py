"""Files of arrays, .npy and .npz, as people and packages write them, and files of other kinds."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data.arrays import from_arrays, labels, with_factors
from genjax.data.dataset import Dataset
from genjax.data.errors import DataError
from genjax.data.files import existing, npz_shapes, read_npz
from genjax.data.reading import PLAIN, Reading, checked

# Of savez(x=..., y=...), Keras, MedMNIST and others.
_PAIRS = (
    ('x', 'y'), ('x_train', 'y_train'), ('train_images', 'train_labels'), ('images', 'labels'),
    ('X', 'y'), ('data', 'labels'), ('data', 'target'), ('image', 'label'), ('imgs', 'labels'),
)  # fmt: skip
_FACTORS = ('factors', 'latents_classes')  # the latter are dSprites'
_NPZ = 'numpy.savez("images.npz", x=images, y=labels)'
_H5 = f'with h5py.File(...) as f: {_NPZ} of its arrays f[NAME][:]'
_TABLE = f'read it with pandas or numpy.loadtxt, reshape the rows to [n, h, w] and {_NPZ}'
_TORCH = f"load it where it was written, and {_NPZ} of its tensors' .numpy()"
_PICKLE = f'a pickle runs code when it is read: load it where it was written, and {_NPZ}'
_OTHER = 'convert them to PNG files, or read them into an array and ' + _NPZ
_HF = 'hf:FOLDER reads the folder that it lies in'
_ONE = 'give the folder that it lies in'
# What other files are, and what makes images of them.
OTHERS = {
    **dict.fromkeys(('.h5', '.hdf5', '.hdf'), ('an HDF5 file', _H5)),
    **dict.fromkeys(('.csv', '.tsv', '.txt', '.xlsx'), ('a table', _TABLE)),
    **dict.fromkeys(('.pkl', '.pickle', '.joblib'), ('a pickle', _PICKLE)),
    **dict.fromkeys(('.pt', '.pth', '.ckpt'), ("a file of PyTorch's", _TORCH)),
    **dict.fromkeys(('.tif', '.tiff'), ('a TIFF image', _OTHER)),
    **dict.fromkeys(('.dcm', '.dicom'), ('a DICOM image', f'read it with pydicom; {_OTHER}')),
    **dict.fromkeys(('.nii', '.nii.gz', '.mha', '.nrrd'), ('a volume', _OTHER)),
    '.mat': ("a file of MATLAB's", f'scipy.io.loadmat (h5py from version 7.3 on), and {_NPZ}'),
    **dict.fromkeys(('.parquet', '.arrow'), ('a table', _HF)),
    '.tfrecord': ('TFRecords', "tfds:NAME reads what tensorflow-datasets prepared as array_record"),
    **dict.fromkeys(('.mp4', '.avi', '.mov', '.mkv', '.webm'), ('a video', _OTHER)),
    **dict.fromkeys(
        ('.png', '.jpg', '.jpeg', '.webp', '.gif', '.bmp'), ('a single picture', _ONE)
    ),
}  # fmt: skip


def other_kind(path: Path) -> str | None:
    """What a file is that is not read, and what makes images of it; None of others.

    Args:
      path: of the file.
    """
    name = path.name.lower()
    found = (about for suffix, about in OTHERS.items() if name.endswith(suffix))
    return next((f'which is {what}: {how}' for what, how in found), None)


def from_npy(path: str | os.PathLike, reading: Reading | dict[str, Any] = PLAIN) -> Dataset:
    """A dataset of a .npy file of images, which is mapped where it has bytes.

    Args:
      path: a file as `numpy.save(path, images)` writes it, images as in `from_arrays`.
      reading: what numbers mean.

    Raises:
      DataError: no such file, a damaged one, objects, or a refused array.
    """
    path, reading = existing(path), checked(reading)
    try:
        x = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f'{path}: expected a whole .npy file of numbers, got {error!r}') from error
    return from_arrays(x, None, path.name, reading.range)


def from_npz(path: str | os.PathLike, reading: Reading | dict[str, Any] = PLAIN) -> Dataset:
    """A dataset of a .npz file: of `x` and `y`, of the names of Keras or MedMNIST, or of its one
    array of images.

    A part for tests is its `apart`. Labels that can be no classes are left aside. Known factors of
    the images are `factors` with `factor_names`, or dSprites' `latents_classes`.

    Args:
      path: a file as `numpy.savez(path, x=x, y=y)` writes it, arrays as in `from_arrays`.
      reading: which arrays to take, and what numbers mean.

    Raises:
      DataError: no such file, a damaged one, one without images, objects, or refused arrays.
    """
    path, reading = existing(path), checked(reading)
    shapes = npz_shapes(path)
    images, y = _chosen(path, shapes, reading.named)
    dataset = _factored(path, shapes, _part(path, images, y, reading))
    for part in ('test', 'val', 'valid'):
        tested = images.replace('train', part)
        if 'train' in images and tested in shapes:
            beside = y and y.replace('train', part)
            apart = _part(path, tested, beside if beside in shapes else None, reading)
            return dataset._replace(apart=apart._replace(name=f'{path.name} ({part})'))
    return dataset


def _chosen(
    path: Path, shapes: Mapping[str, tuple[int, ...]], keys: Mapping[str, str]
) -> tuple[str, str | None]:
    """The names of the images and of the labels among arrays."""
    if missing := [key for key in keys.values() if key not in shapes]:
        raise DataError(f'{path}: expected the keys {missing}, got {list(shapes)}')
    pairs = [(keys['images'], None)] if 'images' in keys else _PAIRS
    images, y = next(((x, y) for x, y in pairs if x in shapes), (None, None))
    if images is None:
        found = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
        if len(found) != 1:
            told = ', '.join(f'{name} {list(shape)}' for name, shape in shapes.items())
            raise DataError(
                f"{path}: expected an array 'x' of images, or one alone, got {told or 'none'}: say "
                'which by --keys images=NAME,labels=NAME'
            )
        images = found[0]
    if 'labels' in keys:
        return images, keys['labels']
    names = (y, 'y', 'labels', 'label', 'target', 'targets')
    return images, next((n for n in names if n in shapes), None) if 'images' not in keys else None


def _part(path: Path, images: str, y: str | None, reading: Reading) -> Dataset:
    arrays = read_npz(path, (images, y) if y else (images,))
    dataset = from_arrays(arrays[images], None, path.name, reading.range)
    if not y:
        return dataset
    if len(np.atleast_1d(arrays[y])) != dataset.size:
        labels(arrays[y], dataset.size, path.name)  # Not those of these images.
    try:
        found, classes = labels(arrays[y], dataset.size, path.name)
    except DataError as error:
        return dataset._replace(notes=(*dataset.notes, f'labels are left aside: {error}'))
    return dataset._replace(y=found, classes=classes)


def _factored(path: Path, shapes: Mapping[str, tuple[int, ...]], dataset: Dataset) -> Dataset:
    """With the factors that the file has, if they can be some."""
    key = next((name for name in _FACTORS if name in shapes), None)
    if key is None:
        return dataset
    names = ('factor_names',) if 'factor_names' in shapes else ()
    try:
        arrays = read_npz(path, (key, *names))
        return with_factors(dataset, arrays[key], *(arrays[name] for name in names))
    except DataError as error:
        return dataset._replace(notes=(*dataset.notes, f'{key} are left aside: {error}'))
