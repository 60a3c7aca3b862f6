"""Reading .npz and idx files, whole and damaged."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from genjax import data
from genjax.data import DataError


def arrays(n=6, shape=(5, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 3, n)


def assert_same(dataset, x, y):
    assert dataset.x.dtype == np.uint8
    np.testing.assert_array_equal(dataset.x, x)
    if y is None:
        assert dataset.y is None
    else:
        assert dataset.y.dtype == np.int32
        np.testing.assert_array_equal(dataset.y, y)


def write_idx(folder, x, y, suffix='', prefix='train'):
    write = gzip.compress if suffix else bytes
    images = folder / f'{prefix}-images-idx3-ubyte{suffix}'
    labels = folder / f'{prefix}-labels-idx1-ubyte{suffix}'
    images.write_bytes(write(struct.pack('>4I', 2051, *x.shape) + x.tobytes()))
    labels.write_bytes(write(struct.pack('>2I', 2049, len(y)) + bytes(y.tolist())))
    return images, labels


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    x, y = arrays()
    save(tmp_path / 'a.npz', x=x, y=y, other=np.array([None, 1], object))
    assert_same(data.from_npz(tmp_path / 'a.npz'), x, y)
    save(tmp_path / 'b.npz', x=np.asfortranarray(x))
    assert_same(data.load(str(tmp_path / 'b.npz')), x, None)


@pytest.mark.parametrize('suffix', ['', '.gz'])
def test_idx_round_trip(tmp_path, suffix):
    x, y = arrays(shape=(7, 3))
    images, labels = write_idx(tmp_path, x, y, suffix)
    for dataset in (data.from_idx(images), data.from_idx(images, labels), data.load(tmp_path)):
        assert_same(dataset, x[..., None], y)
    labels.unlink()
    assert_same(data.load(images), x[..., None], None)


def test_idx_labels_are_found_beside_whether_zipped_or_not(tmp_path):
    x, y = arrays(shape=(7, 3))
    _, _labels = write_idx(tmp_path, x, y, '.gz', prefix='t10k')
    images, unzipped = write_idx(tmp_path, x, 2 - y, '', prefix='t10k')
    assert_same(data.from_idx(images), x[..., None], 2 - y)
    unzipped.unlink()
    assert_same(data.from_idx(images), x[..., None], y)


def outcome(path):
    """A digest of the images, or None where the file is refused."""
    try:
        return hashlib.sha256(data.load(path).x.tobytes()).hexdigest()
    except DataError:
        return None


@pytest.mark.filterwarnings('ignore::UserWarning')  # zipfile's, on names that a flip made equal
@pytest.mark.parametrize('kind', ['a.npz', 'b.npz', 'images', 'images.gz'])
def test_damage_gives_the_same_images_or_a_data_error(tmp_path, kind):
    path = tmp_path / kind
    x, y = arrays(n=3, shape=(6, 5))
    content = struct.pack('>4I', 2051, *x.shape) + x.tobytes()
    if kind.endswith('.npz'):
        (np.savez if kind == 'a.npz' else np.savez_compressed)(path, x=x, y=y)
    else:
        path.write_bytes(gzip.compress(content) if kind.endswith('.gz') else content)
    whole, good = path.read_bytes(), outcome(path)
    assert good is not None
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert outcome(path) is None
    rng = np.random.default_rng(0)
    for position in range(16 if kind == 'images' else len(whole)):  # plain pixels have no checksum
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        assert outcome(path) in (good, None)
