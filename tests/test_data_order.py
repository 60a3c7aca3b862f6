"""The order of examples: permutations, the same everywhere, and as good as drawn by lot."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from genjax import data

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


@pytest.mark.parametrize(
    ('n', 'seed', 'start', 'count'),
    [
        (1, 0, 5, 3),
        (2, 2**64 - 1, 2**60 + 1, 40),
        (3, 7, 4, 50),
        (10, 5, (2**32 - 2) * 10 + 3, 60),  # over the end of the epoch's lower word
        (54_000, 2**40, 53_000, 6400),
        (2**31 - 1, 9, 2**31 - 5, 100),
        (5, 0, 0, 0),
    ],
)
def test_a_program_computes_the_order_of_the_host(n, seed, start, count):
    program = jax.jit(lambda place: data.indices_from(n, place, count))
    got = program(data.place(n, seed, start))
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, data.indices(n, seed, start, count))


def swap_or_not(n, seed, epoch, x):
    """The place of one example, in Python integers and from the paper."""
    mask = 2**32 - 1

    def mix(word):
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            word = (word ^ word >> shift) * factor & mask
        return word ^ word >> 16

    def word(stream, turn):
        for half in (seed & mask, seed >> 32, epoch & mask, epoch >> 32):
            stream = mix((stream ^ half) + 0x9E3779B9 & mask)
        return mix(stream + turn * 0x9E3779B9 & mask)

    for turn in range(1, 4 * n.bit_length() + 17):
        other = (word(0x243F6A88, turn) - x) % n
        if mix(max(x, other) ^ word(0x85A308D3, turn)) >> 31:
            x = other
    return x


@given(st.integers(1, 2**31 - 1), seeds, seeds, st.integers(0, 2**31 - 2))
@settings(deadline=None, max_examples=50)
def test_the_order_is_the_swap_or_not_shuffle(n, seed, epoch, offset):
    offset %= n
    want = swap_or_not(n, seed, epoch, offset)
    assert data.indices(n, seed, epoch * n + offset, 1) == [want]


# Drawn by lot: chi-square tests at fixed seeds. One that fails by chance does so once in 10^4.


def assert_uniform(cells, many, ddof=0):
    counts = np.bincount(np.ravel(cells), minlength=many)
    assert len(counts) == many
    assert 1e-4 < stats.chisquare(counts, ddof=ddof).pvalue < 1 - 1e-4


def test_order_is_uniform():
    # Each of 6 orders of 3 examples comes 1000 times on average; 5 standard deviations are 144.
    epochs = data.indices(3, 7, 0, 18000).reshape(-1, 3)
    _, counts = np.unique(epochs, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 1000).max() < 144


@pytest.mark.parametrize('places', [(0, 1), (0, 9), (3, 4), (2, 7)])
def test_any_two_places_of_ten_hold_any_two_examples(places):
    first, second = data.indices(10, 1, 0, 90_000).reshape(-1, 10)[:, places].T
    assert_uniform(first * 9 + second - (second > first), 90)


@pytest.mark.parametrize('n', [59_600, 65_536])
def test_large_epochs_have_no_pattern(n):
    epochs = data.indices(n, 3, 0, 2 * n).reshape(2, n)
    tenth = epochs * 20 // n
    # The margins of such tables are fixed: they have 19 * 19 degrees of freedom.
    for lag in (1, 2, 64):
        assert_uniform(tenth[0, :-lag] * 20 + tenth[0, lag:], 400, ddof=38)
    assert_uniform(tenth[0] * 20 + np.arange(n) * 20 // n, 400, ddof=38)
    assert_uniform(tenth[0] * 20 + tenth[1], 400, ddof=38)
    assert_uniform(np.diff(epochs[0]) % n * 100 // n, 100)


def test_neighbouring_seeds_have_nothing_in_common():
    orders = [data.indices(2000, seed, 0, 2000) for seed in range(40)]
    same = [np.sum(a == b) for i, a in enumerate(orders) for b in orders[:i]]
    # Of 780 pairs of orders each agrees in a Poisson number of places of mean 1.
    assert abs(np.mean(same) - 1) < 5 / np.sqrt(len(same))
    assert max(same) <= 8


def test_order_stays_what_it_is():
    assert data.indices(10, 0, 0, 10).tolist() == [1, 6, 3, 4, 5, 9, 8, 0, 2, 7]
    far = data.indices(10, 1, 10**15, 20)  # far positions cost nothing
    assert sorted(far) == sorted([*range(10)] * 2)


@pytest.mark.parametrize(
    'bad',
    [
        {'n': 0}, {'n': 2**31}, {'seed': -1}, {'seed': 2**64}, {'start': -1}, {'start': 3 * 2**64},
        {'count': -1}, {'count': 2**31},
    ],
    ids=str,
)  # fmt: skip
def test_bad_positions_are_refused(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError, match=f'expected .*{name} in .*{name}={value}'):
        data.indices(**{'n': 3, 'seed': 0, 'start': 0, 'count': 4} | bad)


def test_numbers_of_numpy_do_not_overflow():
    got = data.indices(np.int32(5), np.uint64(2**64 - 1), np.int32(7), np.int32(4))
    np.testing.assert_array_equal(got, data.indices(5, 2**64 - 1, 7, 4))
