"""TensorFlow Datasets, read without TensorFlow."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from genjax import data
from genjax.data import DataError

PREPARED = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'tfds'
MNIST = PREPARED.parent / 'mnist'


@pytest.fixture
def tfds(monkeypatch):
    pytest.importorskip('tensorflow_datasets')
    if not PREPARED.is_dir():
        pytest.skip('the prepared MNIST is not beside the repository')
    monkeypatch.setenv('TFDS_DATA_DIR', str(PREPARED))


def test_mnist(tfds):
    dataset = data.load('tfds:mnist:test')
    assert (dataset.x.shape, dataset.name) == ((10000, 28, 28, 1), 'tfds:mnist:test')
    assert dataset.classes == tuple('0123456789')
    assert 'tensorflow' not in sys.modules
    if MNIST.is_dir():
        original = data.from_idx(MNIST / 't10k-images-idx3-ubyte.gz')
        pairs = [
            sorted((int(y), x.tobytes()) for x, y in zip(d.x, d.y, strict=True))
            for d in (dataset, original)
        ]
        assert pairs[0] == pairs[1]


def test_splits_sizes_and_versions(tfds):
    dataset = data.load('tfds:mnist:train[:128]')
    assert dataset.x.shape == (128, 28, 28, 1)
    small = data.load('tfds:mnist:3.0.1:train[64:128]', image_size=14)
    assert small.x.shape == (64, 14, 14, 1)
    np.testing.assert_array_equal(small.y, dataset.y[64:])
    assert np.abs(small.x.mean((1, 2, 3)) - dataset.x[64:].mean((1, 2, 3))).max() < 3
    assert data.located('tfds:mnist') == 'tfds:mnist'


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('tfds:', 'expected tfds:NAME or tfds:NAME:SPLIT'),
        ('tfds:mnits', 'tfds:mnits: expected a data set that tfds knows, got DatasetNotFound'),
        ('tfds:mnist:tst', 'expected a split of train, test, in array_record, got ValueError'),
        (
            'tfds:mnist:train[:0]',
            'expected a split of train, test, in array_record, got ValueError',
        ),
    ],
)
def test_what_is_not_there_is_said(tfds, source, message):
    with pytest.raises(DataError, match=message):
        data.load(source)


def test_what_preparing_needs_is_said(tfds, tmp_path, monkeypatch):
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    with pytest.raises(DataError, match='to prepare it tfds needs TensorFlow, which is not'):
        data.load('tfds:mnist')


def test_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorflow_datasets', None)
    with pytest.raises(DataError, match=r"the package tensorflow-datasets \(the extra 'tfds'\)"):
        data.load('tfds:mnist')


def test_damaged_records_are_a_data_error(tfds, tmp_path, monkeypatch):
    """Of the prepared data set a copy, whose records are cut off or changed."""
    shutil.copytree(PREPARED / 'mnist' / '3.0.1', tmp_path / 'mnist' / '3.0.1')
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    path = tmp_path / 'mnist' / '3.0.1' / 'mnist-test.array_record-00000-of-00001'
    path.chmod(0o600)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[200_000:200_400] = bytes(400)
    for content in (bytes(changed), whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(DataError, match='tfds:mnist:test: '):
            data.load('tfds:mnist:test')
