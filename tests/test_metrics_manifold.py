"""Spheres and neighbours, against whole matrices of distances."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from genjax import metrics
from genjax.metrics import neighbours

RANDOM = np.random.default_rng(0)
REAL, FAKE = RANDOM.standard_normal((70, 6)), 0.8 * RANDOM.standard_normal((50, 6)) + 0.2


@pytest.fixture(params=[2**23, 333], ids=['one block', 'blocks'])
def cells(request, monkeypatch):
    monkeypatch.setattr(neighbours, 'CELLS', request.param)


def reach(x, k):
    """To the k-th of the others, each of which is looked at by itself."""
    return np.array([np.sort(np.delete(row, i))[k - 1] for i, row in enumerate(cdist(x, x))])


def naive(real, fake, k, within):
    d, real_reach, fake_reach = cdist(real, fake), reach(real, k), reach(fake, k)
    in_real, in_fake = within(d, real_reach[:, None]), within(d, fake_reach[None])
    return [
        in_real.any(axis=0).mean(),
        in_fake.any(axis=1).mean(),
        in_real.sum(axis=0).mean() / k,
        np.mean(within(d.min(axis=1), real_reach)),
    ]


@pytest.mark.parametrize('k', [1, 3, 5])
def test_spheres(cells, k):
    np.testing.assert_allclose(metrics.prdc(REAL, FAKE, k), naive(REAL, FAKE, k, np.less))
    expected = naive(REAL, FAKE, k, np.less_equal)[:2]
    np.testing.assert_allclose(metrics.precision_recall(REAL, FAKE, k), expected)


def test_both_kinds_of_spheres_at_once():
    improved, plain = metrics.precision_recall(REAL, FAKE), metrics.prdc(REAL, FAKE)
    assert metrics.spheres(REAL, FAKE) == (*improved, *plain[2:])


def test_borders_are_ties_however_sums_round(cells):
    """Points of a lattice, turned and moved far: neighbours at equal distances, and copies."""
    lattice = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    fake = lattice[::2]
    turn = np.linalg.qr(RANDOM.standard_normal((3, 3)))[0]
    for k in 1, 3:
        expected = naive(lattice, fake, k, np.less)
        moved = [x @ turn + 1000 for x in (lattice, fake)]
        np.testing.assert_allclose(metrics.prdc(*moved, k), expected)
        expected = naive(lattice, fake, k, np.less_equal)[:2]
        np.testing.assert_allclose(metrics.precision_recall(*moved, k), expected)


def test_samples_like_the_real_ones():
    """The expectations of Naeem et al. 2020: density 1, coverage 1 - 2^-k."""
    real, fake = np.random.default_rng(1).standard_normal((2, 3000, 64))
    found = metrics.prdc(real, fake)
    assert abs(found.density - 1) < 0.1
    assert abs(found.coverage - (1 - 2**-5)) < 0.015


@pytest.mark.parametrize('times', [3, 6])
def test_repeated_images(times):
    """A sphere without a radius has its centre within: equal sets are equal."""
    x = np.repeat(RANDOM.standard_normal((9, 4)), times, axis=0)
    d, reached = cdist(x, x), reach(x, 5)
    within = (d < reached) | (d < 1e-9)
    found = metrics.prdc(x, x)
    assert found[:2] == (1, 1)
    np.testing.assert_allclose(found[2:], (within.sum(axis=1).mean() / 5, 1))
    assert metrics.precision_recall(x, x) == (1, 1)
    # Nothing else is: the figures tell copies from what is new.
    if times > 5:
        assert metrics.prdc(x, x + 1e-3) == (0, 0, 0, 0)


def test_the_nearest(cells):
    d = cdist(FAKE, REAL)
    distances, rows = metrics.nearest(FAKE, REAL, 4)
    np.testing.assert_array_equal(rows, np.argsort(d, axis=1)[:, :4])
    np.testing.assert_allclose(distances, np.sort(d, axis=1)[:, :4], rtol=1e-12)
    distances, rows = metrics.nearest(REAL + 1e5, REAL + 1e5)
    np.testing.assert_array_equal(rows[:, 0], np.arange(len(REAL)))
    np.testing.assert_allclose(distances, 0, atol=1e-4)


def test_authenticity():
    d, alone = cdist(FAKE, REAL), reach(REAL, 1)
    expected = [row.min() < alone[row.argmin()] for row in d]
    found = metrics.authenticity(REAL, FAKE)
    np.testing.assert_array_equal(found.copied, expected)
    assert found.share == 1 - np.mean(expected)
    near = np.concatenate([REAL + offset * alone[:, None] * np.eye(1, 6) for offset in (0.4, 0.6)])
    nearest = [row.min() < alone[row.argmin()] / 2 for row in cdist(near, REAL)]
    np.testing.assert_array_equal(metrics.authenticity(REAL, near).near, nearest)
    assert all(nearest[: len(REAL)])
    assert not all(nearest[len(REAL) :])
    twice = np.concatenate([REAL, REAL[:5]])
    copies = metrics.authenticity(twice, np.concatenate([REAL[:20], FAKE[:10] + 9]))
    np.testing.assert_array_equal(copies.copied, [True] * 20 + [False] * 10)
    np.testing.assert_array_equal(copies.near, copies.copied)
    np.testing.assert_array_equal(copies.nearest[5:20], np.arange(5, 20))


def test_no_more_than_a_block_of_distances(monkeypatch):
    seen = []
    original = neighbours.squared

    def watched(a, b):
        out = original(a, b)
        seen.append(out.size)
        return out

    monkeypatch.setattr(neighbours, 'CELLS', 5000)
    monkeypatch.setattr(neighbours, 'squared', watched)
    x = np.random.default_rng(2).standard_normal((413, 3))
    metrics.nearest(x, x, 2)
    assert seen
    assert max(seen) <= 5000


@pytest.mark.parametrize(
    ('act', 'message'),
    [
        (lambda: metrics.prdc(REAL[:5], FAKE), r'real features \[n >= 6, d >= 1\], got \[5, 6\]'),
        (lambda: metrics.prdc(REAL, FAKE[:, :3]), 'of one extractor, got 6 and 3 columns'),
        (lambda: metrics.prdc(REAL, FAKE, 0), 'expected k >= 1, got 0'),
        (lambda: metrics.nearest(REAL, FAKE, 51), 'and 1 <= k <= 50, got 6 and 6 columns and k=51'),
        (lambda: metrics.authenticity(REAL[:1], FAKE), 'expected two training images or more'),
        (lambda: metrics.nearest(REAL * np.inf, FAKE), 'expected finite queries, got NaN or inf'),
    ],
)
def test_what_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()
