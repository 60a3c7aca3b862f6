"""Batches, on the host, by Grain's threads, and from data on the device."""

import threading

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from genjax import data

IMAGES = np.zeros((4, 5, 5, 1), np.uint8)


def arrays(n=6, shape=(5, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 3, n)


# Batches


def test_batches_follow_the_order():
    x, y = arrays(n=10)
    dataset = data.from_arrays(x, y)
    got = data.batches(dataset, 4, seed=5, start_step=2, steps=3)
    assert got['x'].shape == (3, 4, 5, 4, 3)
    assert got['x'].dtype == np.uint8
    assert got['y'].shape == (3, 4)
    assert got['y'].dtype == np.int32
    for step in range(3):
        for place in range(4):
            row = data.indices(10, 5, (2 + step) * 4 + place, 1)[0]
            np.testing.assert_array_equal(got['x'][step, place], x[row])
            assert got['y'][step, place] == y[row]
    assert set(data.batches(data.from_arrays(x), 4, 0, 0, 1)) == {'x'}


def test_dispatches_of_any_length_see_the_same_examples():
    dataset = data.from_arrays(*arrays(n=7))
    whole = data.batches(dataset, 3, 1, 0, 6)
    pieces = [
        data.batches(dataset, 3, 1, start, steps) for start, steps in ((0, 3), (3, 1), (4, 2))
    ]
    for key in ('x', 'y'):
        np.testing.assert_array_equal(np.concatenate([p[key] for p in pieces]), whole[key])


def test_a_batch_may_be_larger_than_the_dataset():
    dataset = data.from_arrays(IMAGES, np.arange(4))
    got = data.batches(dataset, 10, 0, 0, 2)['y'].ravel()
    np.testing.assert_array_equal(np.bincount(got), [5] * 4)


def test_evaluation_sees_every_example_in_order():
    x, y = arrays(n=10)
    got = list(data.evaluation_batches(data.from_arrays(x, y), 4))
    assert [len(batch['x']) for batch in got] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([batch['x'] for batch in got]), x)
    np.testing.assert_array_equal(np.concatenate([batch['y'] for batch in got]), y)


def test_batch_size_must_be_positive():
    dataset = data.from_arrays(IMAGES)
    with pytest.raises(ValueError, match='expected a batch size >= 1, got 0'):
        data.batches(dataset, 0, 0, 0, 1)
    with pytest.raises(ValueError, match='expected a batch size >= 1, got -2'):
        next(data.evaluation_batches(dataset, -2))


def memory_of(batch):
    """The memory in which the arrays of a batch lie."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(batch)]


@pytest.mark.parametrize('mapped', [False, True])
def test_no_batch_lies_where_another_does(mapped, tmp_path):
    """A step may still read a batch when the next one is made."""
    x, y = arrays(n=16, shape=(16, 16, 3))
    np.save(tmp_path / 'x.npy', x)
    dataset = data.from_arrays(np.load(tmp_path / 'x.npy', mmap_mode='r') if mapped else x, y)
    lying = NamedSharding(jax.make_mesh((1,), ('data',)), P(None, 'data'))
    spans = [(step, 1) for step in range(0, 4)]
    made = {
        'batches': [data.batches(dataset, 16, 0, *span) for span in spans],
        'evaluation': list(data.evaluation_batches(dataset, 4)),
        'stream': list(data.stream(dataset, 16, 0, spans)),
        'divided': list(data.stream(dataset, 16, 0, spans, lying)),
        'orders': [data.indices(16, 0, *span) for span in spans],
        'places': [data.place(16, 0, step) for step, _ in spans],
    }
    for name, each in made.items():
        lies = [*memory_of([each]), *memory_of([dataset.x, dataset.y])]
        for i, one in enumerate(lies):
            assert not any(np.shares_memory(one, other) for other in lies[:i]), name


# Streams


def test_a_stream_gives_the_batches_of_any_spans_on_the_device():
    dataset = data.from_arrays(*arrays(n=7))
    spans = [(5, 3), (8, 1), (9, 4), (13, 4)]
    got = list(data.stream(dataset, 3, 1, spans))
    assert len(got) == 4
    for stacked, span in zip(got, spans, strict=True):
        want = data.batches(dataset, 3, 1, *span)
        assert stacked.keys() == want.keys()
        for name, leaf in stacked.items():
            assert isinstance(leaf, jax.Array)
            assert leaf.dtype == want[name].dtype
            np.testing.assert_array_equal(leaf, want[name])
    assert list(data.stream(dataset, 3, 1, [])) == []


class Watched:
    """Images that tell where they were read, and fail when they are told to."""

    def __init__(self, fails=False):
        self.threads, self.fails, self.third = [], fails, threading.Event()

    def __call__(self, *args):
        self.threads.append(threading.current_thread())
        if len(self.threads) == 3:
            self.third.set()
        if self.fails and len(self.threads) > 1:
            raise data.DataError('the second is broken')
        return real_batches(*args)


real_batches = data.batches


def test_a_stream_works_two_spans_ahead_on_other_threads(monkeypatch):
    watched = Watched()
    monkeypatch.setattr('genjax.data.pipeline.batches', watched)
    stream = data.stream(data.from_arrays(IMAGES), 2, 0, [(step, 1) for step in range(100)])
    next(stream)
    assert watched.third.wait(10)
    stream.close()
    assert len(watched.threads) == 3
    assert threading.current_thread() not in watched.threads
    for thread in set(watched.threads):
        thread.join(10)
        assert not thread.is_alive()


def test_a_stream_raises_where_the_batches_would_have_come(monkeypatch):
    monkeypatch.setattr('genjax.data.pipeline.batches', Watched(fails=True))
    stream = data.stream(data.from_arrays(IMAGES), 2, 0, [(0, 1), (1, 1)])
    with pytest.raises(data.DataError, match='the second is broken'):
        list(stream)


# On the device


def test_a_program_gathers_the_batches_of_the_host():
    dataset = data.from_arrays(*arrays(n=7))
    resident = data.on_device(dataset)

    @jax.jit
    def program(arrays, place):
        return data.gather(arrays, data.indices_from(7, place, 12), dataset.image_shape)

    got, want = program(resident, data.place(7, 3, 8)), data.batches(dataset, 4, 3, 2, 3)
    for name in ('x', 'y'):
        assert got[name].dtype == want[name].dtype
        np.testing.assert_array_equal(got[name], want[name].reshape(got[name].shape))
    assert set(data.on_device(data.from_arrays(IMAGES))) == {'x'}


def test_what_is_mapped_from_a_file_does_not_fit(tmp_path):
    np.save(tmp_path / 'x.npy', IMAGES)
    mapped = data.from_arrays(np.load(tmp_path / 'x.npy', mmap_mode='r'))
    assert not data.fits(mapped)
    assert not data.fits(data.from_arrays(np.load(tmp_path / 'x.npy', mmap_mode='r')[1:, ..., 0]))
    assert data.fits(data.from_arrays(IMAGES))


class Device:
    """A device that says how much memory it has."""

    def __init__(self, limit):
        self.limit = limit

    def memory_stats(self):
        return {'bytes_limit': self.limit}


@pytest.mark.parametrize(('limit', 'fit'), [(399, False), (400, True)])
def test_a_quarter_of_the_memory_that_the_device_has_is_for_data(limit, fit, monkeypatch):
    monkeypatch.setattr(jax, 'local_devices', lambda: [Device(limit)])
    assert data.fits(data.from_arrays(IMAGES)) is fit
