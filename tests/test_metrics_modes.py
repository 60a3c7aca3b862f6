"""Modes that samples are of, digits that are stacked, and mixtures in the plane."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from genjax import data, metrics
from genjax.data import DataError

# Modes


def test_coverage_is_the_entropy_relative_to_even_modes():
    labels = np.random.default_rng(0).choice(10, 500, p=np.r_[np.arange(9) / 36, 0])
    found = metrics.mode_coverage(labels, 10)
    counts = [sum(label == mode for label in labels.tolist()) for mode in range(10)]
    assert found.counts.tolist() == counts
    assert found.modes == sum(count > 0 for count in counts) == 8
    want = scipy.stats.entropy(np.array(counts) / 500, np.full(10, 0.1))
    np.testing.assert_allclose(found.kl, want, rtol=1e-12)
    np.testing.assert_allclose(
        found.total_variation, sum(max(count / 500 - 0.1, 0) for count in counts), rtol=1e-12
    )


def test_coverage_at_its_ends():
    even = metrics.mode_coverage(np.arange(30) % 10, 10)
    assert (even.modes, even.kl, even.total_variation) == (10, 0, 0)
    collapsed = metrics.mode_coverage(np.full(30, 3), 10)
    assert collapsed.modes == 1
    np.testing.assert_allclose([collapsed.kl, collapsed.total_variation], [np.log(10), 0.9])


def test_coverage_beside_real_data():
    real, labels = np.array([0, 0, 0, 1]), np.array([0, 1])
    found = metrics.mode_coverage(labels, 3, reference=real)
    np.testing.assert_allclose(found.kl, (np.log(0.5 / 0.75) + np.log(0.5 / 0.25)) / 2)
    assert found.total_variation == 0.25
    assert metrics.mode_coverage(np.array([0, 2]), 3, reference=real).kl == np.inf


def test_even_draws_are_not_quite_even():
    labels = np.random.default_rng(0).integers(0, 1000, 26_000)
    np.testing.assert_allclose(metrics.mode_coverage(labels, 1000).kl, 999 / 52_000, rtol=0.1)


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        ([0, 10], r'expected labels in \[0, 10\), got values in \[0, 10\]'),
        ([-1, 3], r'expected labels in \[0, 10\), got values in \[-1, 3\]'),
        ([0.0, 1.0], r'expected integer labels \[n\], got float64 \(2,\)'),
        ([[0, 1]], r'expected integer labels \[n\], got int64 \(1, 2\)'),
        (np.arange(0), 'expected one label or more, got none'),
    ],
)
def test_coverage_refuses(labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.mode_coverage(labels, 10)


# Stacked digits


def marked(n=10, y=True):
    """Images 3x2 of one value each, ten times the label."""
    x = np.full((n, 3, 2, 1), 10, np.uint8) * np.arange(n, dtype=np.uint8)[:, None, None, None]
    return data.from_arrays(x, np.arange(n) if y else None, 'marked')


def test_stacked_images_are_three_of_the_dataset():
    found = data.stacked(marked(), 500, seed=3)
    assert (found.x.shape, found.x.dtype) == ((500, 3, 2, 3), np.uint8)
    assert (found.y.shape, found.y.dtype) == ((500,), np.int32)
    assert (found.x == found.x[:, :1, :1]).all()
    a, b, c = (found.x[:, 0, 0] // 10).T.astype(int)
    np.testing.assert_array_equal(found.y, 100 * a + 10 * b + c)
    for channel in (a, b, c):
        assert scipy.stats.chisquare(np.bincount(channel)).pvalue > 1e-3
    assert scipy.stats.chi2_contingency(np.histogram2d(a, b, 10)[0]).pvalue > 1e-3


def test_stacked_images_are_a_function_of_the_seed():
    again = [data.stacked(marked(), 20, seed) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(again[0].x, again[1].x)
    assert set(again[0].y.tolist()) != set(again[2].y.tolist())
    # NumPy promises the raw stream: the same images tomorrow.
    words = np.random.PCG64(3).random_raw(60) % 10
    np.testing.assert_array_equal(again[0].x[:, 0, 0].ravel(), 10 * words)
    assert again[0].y[:3].tolist() == [18, 467, 212]


def test_stacked_images_without_labels_and_from_a_file(tmp_path):
    np.save(tmp_path / 'x.npy', marked().x)
    mapped = marked(y=False)._replace(x=np.load(tmp_path / 'x.npy', mmap_mode='r'))
    part, _ = data.split(mapped, 0.5)
    found = data.stacked(part, 5, seed=0)
    assert found.y is None
    assert set(found.x.ravel()) <= set(np.asarray(part.x).ravel())


@pytest.mark.parametrize(
    ('dataset', 'n', 'seed', 'message'),
    [
        (marked(11), 5, 0, r'of one channel and at most 10 classes, got \(3, 2, 1\) and 11'),
        (data.from_arrays(np.zeros((2, 3, 2, 3), np.uint8)), 5, 0, r'got \(3, 2, 3\) and None'),
        (marked(), 0, 0, 'expected n >= 1 and a seed >= 0, got 0 and 0'),
        (marked(), 1.5, 0, 'got 1.5 and 0'),
        (marked(), 5, -1, 'got 5 and -1'),
    ],
)
def test_stacked_refuses(dataset, n, seed, message):
    with pytest.raises(DataError, match=message):
        data.stacked(dataset, n, seed)


def reader():
    """An extractor that reads `marked` without a mistake."""

    def apply(images):
        digit = jnp.int32(images[:, 0, 0, 0]) // 10
        return metrics.Activations(digit[:, None], jax.nn.one_hot(digit, 10))

    return metrics.of_function('reader', apply)


def test_names_of_stacked_images_are_their_labels():
    stacked = data.stacked(marked(), 300, seed=0)
    np.testing.assert_array_equal(metrics.name_stacked(reader(), stacked.x), stacked.y)
    found = metrics.stacked_coverage(reader(), stacked.x)
    assert found.modes == len(set(stacked.y.tolist()))
    assert len(found.counts) == 1000
    with pytest.raises(ValueError, match=r'expected images \[n, h, w, 3\], got \(300, 3, 2, 2\)'):
        metrics.stacked_coverage(reader(), stacked.x[..., :2])


@pytest.mark.usual_compiler
def test_real_digits_have_a_figure_of_their_own():
    """The classifier misnames some triples of held-out digits, thrice as many as digits."""
    _, held_out = data.split(data.digits())
    stacked = data.stacked(held_out, 500, seed=0)
    right = metrics.name_stacked(metrics.digits(), stacked.x) == stacked.y
    single = metrics.accuracy(metrics.digits(), held_out.x, held_out.y).total
    np.testing.assert_allclose(right.mean(), single**3, atol=0.03)
    found = metrics.stacked_coverage(metrics.digits(), stacked.x)
    truth = metrics.mode_coverage(stacked.y, 1000)
    np.testing.assert_allclose(found.kl, truth.kl, rtol=0.05)


# Mixtures


def test_the_centres_are_those_of_the_papers():
    want = [(np.cos(2 * np.pi * i / 8), np.sin(2 * np.pi * i / 8)) for i in range(8)]
    np.testing.assert_allclose(metrics.ring().centres, want, atol=1e-12)
    assert metrics.ring().std ** 2 == pytest.approx(1e-4)
    want = {(-4 + 2 * i, -4 + 2 * j) for i in range(5) for j in range(5)}
    assert set(map(tuple, metrics.grid().centres.tolist())) == want
    assert metrics.grid().std ** 2 == pytest.approx(0.0025)


@pytest.mark.parametrize('mixture', [metrics.ring(), metrics.grid()])
def test_samples_are_of_the_mixture(mixture):
    n, k = 20_000, len(mixture.centres)
    points = np.asarray(mixture.sample(jax.random.key(0), n))
    nearest = np.argmin(((points[:, None] - mixture.centres[None]) ** 2).sum(axis=2), axis=1)
    assert scipy.stats.chisquare(np.bincount(nearest, minlength=k)).pvalue > 1e-3
    residual = (points - mixture.centres[nearest]) / mixture.std
    assert scipy.stats.kstest(residual.ravel(), 'norm').pvalue > 1e-3
    found = mixture.modes(points)
    assert found.modes == k
    close = 1 - np.exp(-4.5)
    assert abs(found.high_quality - close) < 4 * np.sqrt(close * (1 - close) / n)
    assert found.kl < (k - 1) / n
    assert mixture.modes(points, sigmas=4).high_quality > found.high_quality


def test_modes_are_counted_of_close_points_and_kl_of_all():
    mixture = metrics.grid(2, spacing=2.0, std=0.1)
    points = [(-1, -1), (-1, -1.29), (1.2, 1.2), (-1, 1.31), (30, -40), (1, 1)]
    found = mixture.modes(np.array(points))
    # Near (-1, -1) two, near (1, 1) two; (-1, 1.31) and (30, -40) are far from their modes.
    assert found.modes == 2
    assert found.high_quality == pytest.approx(4 / 6)
    p = np.array([2, 2, 1, 1]) / 6
    np.testing.assert_allclose(found.kl, np.sum(p * np.log(4 * p)))
    one = mixture.modes(np.array([[-1.0, -1.0]] * 5))
    assert (one.modes, one.high_quality) == (1, 1.0)
    np.testing.assert_allclose(one.kl, np.log(4))
    lost = mixture.modes(np.zeros((3, 2)))
    assert (lost.modes, lost.high_quality) == (0, 0.0)


@pytest.mark.parametrize(
    ('points', 'message'),
    [
        (np.zeros((4, 3)), r'expected points \[n, 2\], got \[4, 3\]'),
        (np.zeros((4, 1, 1, 2)), r'expected points .* got \[4, 1, 1, 2\]'),
        (np.array([[0, np.nan]]), 'expected finite points, got NaN or infinity in 1 rows'),
        (np.zeros((0, 2)), r'expected points .* got \[0, 2\]'),
    ],
)
def test_modes_refuse(points, message):
    with pytest.raises(ValueError, match=message):
        metrics.ring().modes(points)


@pytest.mark.parametrize('make', [lambda: metrics.ring(0), lambda: metrics.grid(5, std=-1)])
def test_mixtures_refuse(make):
    with pytest.raises(ValueError, match=r'expected (n >= 1|std >= 0), got'):
        make()
