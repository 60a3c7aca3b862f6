"""The order of examples, batches and prefetching."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genjax import data
from genjax.data import DataError

IMAGES = np.zeros((4, 5, 5, 1), np.uint8)


def arrays(n=6, shape=(5, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), np.uint8), rng.integers(0, 3, n)


# Order

sizes = st.integers(1, 40)
seeds = st.integers(0, 2**64 - 1)


@given(sizes, seeds, st.integers(0, 100))
@settings(deadline=None, max_examples=50)
def test_every_epoch_is_a_permutation(n, seed, epoch):
    order = data.indices(n, seed, epoch * n, n)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(n))


@given(sizes, seeds, st.integers(0, 200), st.integers(0, 200), st.integers(0, 50))
@settings(deadline=None, max_examples=100)
def test_any_piece_is_a_slice_of_the_stream(n, seed, start, count, more):
    stream = data.indices(n, seed, 0, start + count + more)
    np.testing.assert_array_equal(
        data.indices(n, seed, start, count), stream[start : start + count]
    )


@given(seeds, seeds)
@settings(deadline=None, max_examples=50)
def test_seeds_and_epochs_differ(first, second):
    a, b = data.indices(100, first, 0, 200), data.indices(100, second, 0, 200)
    assert np.array_equal(a, b) == (first == second)
    assert not np.array_equal(a[:100], a[100:])


def test_order_is_uniform():
    # Each of 6 orders of 3 examples comes 1000 times on average; 5 standard deviations are 144.
    epochs = data.indices(3, 7, 0, 18000).reshape(-1, 3)
    _, counts = np.unique(epochs, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 1000).max() < 144


def test_order_stays_what_it_is():
    assert data.indices(10, 0, 0, 10).tolist() == [0, 2, 9, 1, 8, 5, 4, 3, 6, 7]
    far = data.indices(10, 1, 10**15, 20)  # far positions cost nothing
    assert sorted(far) == sorted([*range(10)] * 2)


@pytest.mark.parametrize(
    'bad', [{'n': 0}, {'seed': -1}, {'seed': 2**64}, {'start': -1}, {'count': -1}], ids=str
)
def test_bad_positions_are_refused(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f'expected n >= 1.*{name}={value}'):
        data.indices(**{'n': 3, 'seed': 0, 'start': 0, 'count': 4} | bad)


def test_a_caller_cannot_spoil_the_order():
    data.indices(5, 0, 0, 5)[:] = 0
    assert sorted(data.indices(5, 0, 0, 5)) == list(range(5))


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


# Prefetch


def workers():
    return [t for t in threading.enumerate() if t.name.startswith('prefetch')]


def test_prefetch_gives_the_items_and_ends_its_thread():
    dataset = data.from_arrays(*arrays())
    want = [data.batches(dataset, 4, 0, step, 2) for step in range(0, 10, 2)]
    got = list(data.prefetch(data.batches(dataset, 4, 0, step, 2) for step in range(0, 10, 2)))
    assert len(got) == 5
    assert not workers()
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a['x'], b['x'])
    assert list(data.prefetch([])) == []


@pytest.mark.parametrize('size', [1, 2, 5])
def test_prefetch_works_ahead_on_another_thread_and_no_further(size):
    made, threads, full = [], set(), threading.Event()

    def items():
        for i in range(100):
            made.append(i)
            threads.add(threading.current_thread())
            if len(made) == 1 + size:
                full.set()
            yield i

    stream = data.prefetch(items(), size)
    assert next(stream) == 0
    assert full.wait(10)
    time.sleep(0.05)
    assert len(made) == 1 + size
    assert [next(stream) for _ in range(10)] == list(range(1, 11))
    stream.close()
    assert len(made) <= 11 + size
    assert len(threads) == 1
    assert threading.current_thread() not in threads
    assert not workers()


def test_prefetch_raises_where_the_item_would_have_come():
    def items():
        yield 1
        raise DataError('the second is broken')

    stream = data.prefetch(items())
    assert next(stream) == 1
    with pytest.raises(DataError, match='the second is broken'):
        next(stream)
    assert not workers()


@pytest.mark.parametrize('end', ['close', 'drop', 'error', 'unused'])
def test_prefetch_stops_when_its_reader_does(end):
    closed = []

    def items():
        try:
            yield from iter(int, 1)
        finally:
            closed.append(True)

    source = items()  # held here, so that only `prefetch` can have closed it
    stream = data.prefetch(source)
    if end != 'unused':
        next(stream)
    if end == 'error':
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt())
    elif end == 'close':
        stream.close()
    del stream
    assert not workers()
    assert closed == ([] if end == 'unused' else [True])


def test_prefetch_needs_a_size():
    with pytest.raises(ValueError, match='expected a size >= 1, got 0'):
        next(data.prefetch([1], 0))
