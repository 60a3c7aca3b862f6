"""Distances of features, against closed forms, other algorithms and the figures of others."""

import jax
import numpy as np
import pytest
from scipy import linalg

from experiments import metrics_peers as peers
from genjax import metrics

CASES = peers.cases()
# What torch-fidelity 0.4.0 and prdc say of them, by `python -m experiments.metrics_peers`.
RECORDED = {
    'plenty': {
        'frechet_inception_distance': 3.18678882103,
        'kernel_inception_distance_mean': 0.635712901134,
        'kernel_inception_distance_std': 0.215345708059,
        'precision': 0.436666667461,
        'recall': 0.71749997139,
        'prdc_precision': 0.526666666667,
        'prdc_recall': 0.8175,
        'prdc_density': 0.458666666667,
        'prdc_coverage': 0.715,
    },
    'fewer rows than columns': {
        'frechet_inception_distance': 10.0163052356,
        'kernel_inception_distance_mean': -0.0841531361816,
        'kernel_inception_distance_std': 0.0163533380711,
        'precision': 0.911111116409,
        'recall': 1,
        'prdc_precision': 0.922222222222,
        'prdc_recall': 1,
        'prdc_density': 0.995555555556,
        'prdc_coverage': 1,
    },
    'near copies': {
        'frechet_inception_distance': 0.000101444877245,
        'kernel_inception_distance_mean': -0.124809431044,
        'kernel_inception_distance_std': 0.0110980550491,
        'precision': 1,
        'recall': 1,
        'prdc_precision': 1,
        'prdc_recall': 1,
        'prdc_density': 1.10333333333,
        'prdc_coverage': 1,
    },
    'singular': {
        'frechet_inception_distance': 0.410141770026,
        'kernel_inception_distance_mean': 0.0179469105755,
        'kernel_inception_distance_std': 0.0190197059437,
        'precision': 1,
        'recall': 0.996666669846,
        'prdc_precision': 1,
        'prdc_recall': 1,
        'prdc_density': 0.852,
        'prdc_coverage': 0.956666666667,
    },
    '2048 columns': {
        'frechet_inception_distance': 1225.22467172,
        'kernel_inception_distance_mean': -0.000315503805846,
        'kernel_inception_distance_std': 0.00354323404887,
        'precision': 0.409999996424,
        'recall': 0.574999988079,
        'prdc_precision': 0.52,
        'prdc_recall': 0.65,
        'prdc_density': 0.822,
        'prdc_coverage': 0.958333333333,
    },
}


def singular_values(a):
    """By rotations of pairs of columns (one-sided Jacobi), in 64 bits of precision."""
    a = np.array(a, np.longdouble)
    a = a if a.shape[0] >= a.shape[1] else a.T
    for _ in range(12):
        for i in range(a.shape[1]):
            for j in range(i):
                x, y = a[:, i].copy(), a[:, j].copy()
                both = x @ y
                if not both:
                    continue
                zeta = (y @ y - x @ x) / (2 * both)
                t = (1 if zeta >= 0 else -1) / (abs(zeta) + np.sqrt(1 + zeta**2))
                c = 1 / np.sqrt(1 + t**2)
                a[:, i], a[:, j] = c * (x - t * y), c * (t * x + y)
    return np.sqrt(np.sum(a**2, axis=0))


def precise(real, fake):
    """The Fréchet distance by the singular values of all centred features."""
    total, factors = np.longdouble(0), []
    for x in real, fake:
        x = np.array(x, np.longdouble)
        factors.append((x - x.mean(axis=0)) / np.sqrt(np.longdouble(len(x) - 1)))
        total += np.sum(factors[-1] ** 2)
    gap = np.mean(np.longdouble(real), axis=0) - np.mean(np.longdouble(fake), axis=0)
    root = singular_values(factors[0] @ factors[1].T).sum()
    return float(gap @ gap + total - 2 * root), float(total)


def normal(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize(
    ('n', 'm', 'd', 'noise'),
    [(9, 8, 5, None), (6, 9, 12, None), (7, 7, 10, 1e-4), (7, 7, 4, 1e-7), (8, 6, 1, None)],
    ids=['plenty', 'fewer rows', 'near copies', 'nearer copies', 'one column'],
)
def test_the_frechet_distance_in_more_digits(n, m, d, noise):
    real = normal(0, n, d) * np.arange(1, d + 1)
    fake = normal(1, m, d) if noise is None else real + noise * normal(1, m, d)
    expected, total = precise(real, fake)
    np.testing.assert_allclose(
        metrics.frechet_distance(real, fake), expected, rtol=1e-5, atol=1e-9 * total
    )


def test_the_frechet_distance_by_eigenvalues():
    real, fake = CASES['plenty']
    a, b = (np.cov(x, rowvar=False) for x in (real, fake))
    gap = real.mean(axis=0) - fake.mean(axis=0)
    root = linalg.sqrtm(linalg.sqrtm(a) @ b @ linalg.sqrtm(a)).real
    expected = gap @ gap + np.trace(a) + np.trace(b) - 2 * np.trace(root)
    np.testing.assert_allclose(metrics.frechet_distance(real, fake), expected, rtol=1e-8)


@pytest.mark.parametrize('n', [40, 300])
def test_the_frechet_distance_in_closed_form(n):
    real = normal(0, n, 128) @ normal(1, 128, 128)
    shift = normal(2, 1, 128)
    found = metrics.frechet_distance(real, 1.5 * real + shift)
    middle = real.mean(axis=0)
    expected = np.sum((0.5 * middle + shift) ** 2) + 0.25 * np.trace(np.cov(real, rowvar=False))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(metrics.frechet_distance(real, real[::-1]), 0, atol=1e-9 * expected)


def test_moments_of_batches_are_those_of_all():
    rows = normal(0, 10_000, 20) + 100
    found = metrics.moments(iter(np.split(rows.astype(np.float32), [1, 3, 5000])))
    rows = np.float64(rows.astype(np.float32))
    assert found.n == 10_000
    assert found.factor.shape == (20, 20)
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(rows, rowvar=False), atol=1e-12)
    merged = metrics.merge(metrics.moments(rows[:4000]), metrics.moments(rows[4000:]))
    np.testing.assert_allclose(merged.covariance, found.covariance, atol=1e-12)


def test_published_moments():
    real, fake = CASES['plenty']
    known = metrics.of_covariance(fake.mean(axis=0), np.cov(fake, rowvar=False))
    np.testing.assert_allclose(
        metrics.frechet_distance(real, known), metrics.frechet_distance(real, fake), rtol=1e-9
    )
    with pytest.raises(ValueError, match='expected no negative variance, got -1'):
        metrics.of_covariance(np.zeros(2), np.diag([1.0, -1.0]))
    with pytest.raises(ValueError, match=r'a symmetric covariance \[d, d\], got'):
        metrics.of_covariance(np.zeros(2), np.eye(3))


def test_the_frechet_distance_of_infinitely_many_samples():
    """Of one distribution it is zero, where that of finitely many is far above."""
    real = metrics.of_covariance(np.zeros(10), np.eye(10))
    finite, found = [], []
    for seed in range(5):
        fake = normal(seed, 2000, 10)
        finite.append(metrics.frechet_distance(real, fake))
        found.append(metrics.fd_infinity(real, fake, jax.random.key(seed), least=500))
    assert np.mean(finite) > 0.01
    assert abs(np.mean(found)) < 0.3 * np.mean(finite)
    shifted = metrics.fd_infinity(real, fake + 0.5, jax.random.key(0))
    np.testing.assert_allclose(shifted, 10 * 0.5**2, rtol=0.1)


def naive_kernel(real, fake, rows):
    found = []
    for a, b in zip(*rows, strict=True):
        x, y = real[a], fake[b]
        m, d = x.shape

        def k(u, v, d=d):
            return (sum(u * v) / d + 1) ** 3

        within = sum(k(z[i], z[j]) for z in (x, y) for i in range(m) for j in range(m) if i != j)
        across = sum(k(u, v) for u in x for v in y)
        found.append(within / (m * (m - 1)) - 2 * across / m**2)
    return np.mean(found), np.std(found)


def test_the_kernel_distance_by_loops():
    real, fake = normal(0, 12, 5), normal(1, 9, 5) + 0.3
    rows = np.array([[0, 3, 5, 11], [2, 1, 4, 9]]), np.array([[8, 0, 1, 4], [5, 3, 2, 1]])
    found = metrics.kernel_distance(real, fake, jax.random.key(0), rows=rows)
    np.testing.assert_allclose(found[:2], naive_kernel(real, fake, rows), rtol=1e-12)
    assert found.size == 4


@pytest.mark.parametrize(('rows', 'size'), [((2200, 2100), 1000), ((90, 60), 30), ((3, 2), 2)])
def test_the_subsets_of_the_kernel_distance_fit_the_images(rows, size):
    real, fake = (normal(i, n, 3) for i, n in enumerate(rows))
    found = metrics.kernel_distance(real, fake, jax.random.key(0), subsets=3)
    assert found.size == size
    assert found == metrics.kernel_distance(real, fake, jax.random.key(0), subsets=3, size=size)
    with pytest.raises(ValueError, match=rf'a size in \[2, {rows[1]}\], .* got 3 of {rows[1] + 1}'):
        metrics.kernel_distance(real, fake, jax.random.key(0), subsets=3, size=rows[1] + 1)


def test_the_kernel_distance_is_unbiased():
    x = normal(0, 2000, 4)
    same = metrics.kernel_distance(x[:1000], x[1000:], jax.random.key(0), subsets=200, size=50)
    assert abs(same.value) < 3 * same.deviation / np.sqrt(200)
    again = metrics.kernel_distance(x[:1000], x[1000:], jax.random.key(0), subsets=200, size=50)
    assert again == same
    other = metrics.kernel_distance(x[:1000], x[1000:] + 1, jax.random.key(0), size=50)
    assert other.value > 10 * other.deviation / 10


@pytest.mark.parametrize('name', CASES)
def test_what_others_say(name):
    """But of near copies, where eigenvalues lose 1% of the Fréchet distance."""
    expected, found = dict(RECORDED[name]), peers.ours(*CASES[name])
    assert found.keys() == expected.keys()
    if name == 'near copies':
        expected['frechet_inception_distance'] = precise(*CASES[name])[0]
    for figure, value in expected.items():
        np.testing.assert_allclose(found[figure], value, rtol=1e-6, err_msg=figure)


def test_what_others_say_today():
    pytest.importorskip('torch_fidelity')
    pytest.importorskip('prdc')
    for figure, value in peers.theirs(*CASES['plenty']).items():
        np.testing.assert_allclose(value, RECORDED['plenty'][figure], rtol=1e-6, err_msg=figure)


@pytest.mark.parametrize(
    ('act', 'message'),
    [
        (lambda x: metrics.frechet_distance(x[0], x), 'expected features .*, got .7.'),
        (lambda x: metrics.frechet_distance(x[:1], x), 'expected two rows of features or more'),
        (lambda x: metrics.frechet_distance(x, x[:, :2]), 'one extractor, got 7 and 2 columns'),
        (lambda x: metrics.frechet_distance(x, x * np.nan), 'got NaN or infinity in 9 rows'),
        (lambda x: metrics.frechet_distance(x, x.astype(str)), 'expected features of numbers'),
        (lambda x: metrics.moments([]), 'expected two rows of features or more, got None'),
        (
            lambda x: metrics.kernel_distance(x, x, jax.random.key(0), size=1000),
            r'of a size in \[2, 9\], the rows that there are, got 100 of 1000',
        ),
        (
            lambda x: metrics.fd_infinity(x, x, jax.random.key(0), points=1),
            'expected points >= 2 and 2 <= least < 9, got 1 and 2',
        ),
    ],
)
def test_what_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act(normal(0, 9, 7))
