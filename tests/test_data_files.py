"""Reading .npz and idx files, whole and damaged."""

import gzip
import hashlib
import struct
import zipfile

import numpy as np
import pytest

from genjax import data
from genjax.data import DataError

IMAGES = np.zeros((4, 5, 5, 1), np.uint8)


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
    images, unzipped = write_idx(tmp_path, x, y + 1, '', prefix='t10k')
    assert_same(data.from_idx(images), x[..., None], y + 1)
    unzipped.unlink()
    assert_same(data.from_idx(images), x[..., None], y)


def test_an_idx_header_that_lies_allocates_nothing(tmp_path):
    absurd = struct.pack('>4I', 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(100)
    for name, content in (('plain', absurd), ('zipped', gzip.compress(absurd))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match='in its header, got 100 bytes'):
            data.from_idx(tmp_path / name)


IDX = struct.pack('>4I', 2051, 4, 5, 5) + bytes(100)
BAD_IDX = {
    'empty': (b'', 'expected an idx header of 16 bytes, got 0'),
    'short header': (IDX[:10], 'expected an idx header of 16 bytes, got 10'),
    'labels': (struct.pack('>2I', 2049, 50) + bytes(50), 'magic number 2051, got 2049'),
    'floats': (struct.pack('>I', 0xD03) + IDX[4:], 'magic number 2051, got 3331'),
    'short': (IDX[:-1], r'expected 100 bytes of \[4, 5, 5\] in its header, got 99 bytes'),
    'long': (IDX + b'0', r'expected 100 bytes of \[4, 5, 5\] in its header, got more'),
    'no images': (struct.pack('>4I', 2051, 0, 5, 5), r'n, h, w >= 1 .*got \(0, 5, 5\)'),
    'cut gzip': (gzip.compress(IDX)[:-9], 'expected a readable idx file, got EOFError'),
    'gzip checksum': (gzip.compress(IDX)[:-8] + bytes(8), 'readable idx file, got BadGzipFile'),
    'text': (b'a page that says: not found', 'magic number 2051, got 1629515873'),
}


@pytest.mark.parametrize(('content', 'message'), BAD_IDX.values(), ids=BAD_IDX)
def test_bad_idx_files_are_refused(tmp_path, content, message):
    (tmp_path / 'images').write_bytes(content)
    with pytest.raises(DataError, match=message):
        data.load(tmp_path / 'images')


def test_idx_labels_must_match_the_images(tmp_path):
    x, y = arrays(shape=(7, 3))
    images, _ = write_idx(tmp_path, x, y[:-1])
    with pytest.raises(DataError, match=r'expected integer labels \[6\], got uint8 \(5,\)'):
        data.from_idx(images)
    with pytest.raises(DataError, match='expected a file, got none'):
        data.from_idx(images, tmp_path / 'labels')
    with pytest.raises(DataError, match='expected a file, got a folder'):
        data.from_idx(tmp_path)


def test_a_directory_without_mnist(tmp_path):
    with pytest.raises(DataError, match='images, or MNIST idx files, got none in the folder'):
        data.load(tmp_path)


def test_bad_npz_files_are_refused(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez(path, images=IMAGES)
    with pytest.raises(DataError, match=r"expected the keys \['x'\], got \['images'\]"):
        data.from_npz(path)
    np.savez(path, x=np.array([IMAGES, None], object))
    with pytest.raises(DataError, match="expected an array of numbers, got objects in 'x'"):
        data.from_npz(path)
    np.savez(path, x=IMAGES, y=[0, 1])
    with pytest.raises(DataError, match=r'a.npz: expected integer labels \[4\], got int64 \(2,\)'):
        data.from_npz(path)
    path.write_bytes(b'no zip')
    with pytest.raises(DataError, match=r'expected a whole .npz file, got BadZipFile'):
        data.from_npz(path)
    with pytest.raises(DataError, match='expected a file, got none'):
        data.from_npz(tmp_path / 'b.npz')


def test_an_npz_header_that_lies_allocates_nothing(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 5, 5), }"
    npy = b'\x93NUMPY\x01\x00' + struct.pack('<H', 118) + header.ljust(117) + b'\n' + bytes(50)
    with zipfile.ZipFile(tmp_path / 'a.npz', 'w') as archive:
        archive.writestr('x.npy', npy)
    with pytest.raises(DataError, match=r"expected uint8 \(99999999999, 5, 5\) in 'x', got 50"):
        data.from_npz(tmp_path / 'a.npz')


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
