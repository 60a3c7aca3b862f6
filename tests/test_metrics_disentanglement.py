"""Figures of disentanglement: hand-made codes whose scores are known, scikit-learn, naive loops."""

import itertools
import math

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import mutual_info_score

from genjax import metrics
from genjax.metrics import disentanglement, predictability
from genjax.random import stream

KEY = jax.random.key(3)
SIZES = (4, 3, 5)
# All combinations, eight times each: factors that do not depend on each other at all.
GRID = np.tile(np.indices(SIZES).reshape(3, -1), 8).T


def scores(codes, factors=GRID):
    found = {
        'mig': metrics.mig(codes, factors),
        'modularity': metrics.modularity(codes, factors),
        'sap': metrics.sap(stream(KEY, 'sap'), codes, factors),
        'beta_vae': metrics.beta_vae_score(stream(KEY, 'beta'), codes, factors, 400),
        'factor_vae': metrics.factor_vae_score(stream(KEY, 'factor'), codes, factors, 400),
    }
    three = metrics.dci(stream(KEY, 'dci'), codes, factors, 3)
    found |= zip(('disentanglement', 'completeness', 'informativeness'), three[:3], strict=True)
    assert all(math.isfinite(value) for value in found.values())
    assert all(type(value) is float for value in found.values())
    return found


def test_codes_that_are_the_factors():
    """In another order, turned round, stretched and shifted; beside one that is constant."""
    codes = np.stack([-3.0 * GRID[:, 2], GRID[:, 0] / 7, np.ones(len(GRID)), GRID[:, 1] + 9], 1)
    found = scores(codes)
    np.testing.assert_allclose(found.pop('modularity'), 3 / 4)  # The constant one counts.
    # Chance taken away, 1 - 1/4, 1 - 1/3 and 1 - 1/5; a code that knows nothing has a little luck.
    assert 0.65 < found.pop('sap') <= np.mean([3 / 4, 2 / 3, 4 / 5])
    assert found == pytest.approx(dict.fromkeys(found, 1.0))


def test_constant_codes_know_nothing():
    found = scores(np.full((len(GRID), 2), 0.3))
    assert abs(found.pop('informativeness') - np.mean([1 / 4, 1 / 3, 1 / 5])) < 0.08
    assert found == dict.fromkeys(found, 0.0)


def test_codes_that_are_entangled():
    """Rotated so that each has as much of each factor, they score less by every figure."""
    unit = (GRID - GRID.mean(axis=0)) / GRID.std(axis=0)
    turn, _ = np.linalg.qr(np.array([[1.0, 1, 1], [1, -2, 1], [1, 0, -1]]))
    rotated, straight = scores(unit @ turn), scores(unit)
    assert rotated['mig'] < 0.2
    assert rotated['sap'] < 0.25
    assert rotated['disentanglement'] < 0.6
    for name in set(rotated) - {'informativeness'}:  # Higgins' score tells the least.
        assert rotated[name] < straight[name] - 0.04, name


def test_noise_is_not_taken_for_more():
    noise = np.random.default_rng(0).normal(size=(len(GRID), 3))
    found = scores(noise)
    assert max(found['mig'], found['sap']) < 0.1
    assert max(found['disentanglement'], found['completeness']) < 0.05
    assert max(found['beta_vae'], found['factor_vae']) < 0.6
    # And does not take away from the codes that are no noise.
    both = scores(np.concatenate([GRID, noise], axis=1))
    assert min(both[name] for name in ('disentanglement', 'completeness')) > 0.9
    assert both['informativeness'] > 0.99


# Information


def test_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    codes = rng.normal(size=(500, 3)) + rng.integers(0, 2, (500, 1))
    factors = np.stack([rng.integers(0, 4, 500), rng.integers(-2, 3, 500)], axis=1)
    got = metrics.mutual_information(codes, factors, bins=7)
    for (i, z), (j, v) in itertools.product(enumerate(codes.T), enumerate(factors.T)):
        cells = np.digitize(z, np.histogram_bin_edges(z, 7)[1:-1])
        np.testing.assert_allclose(got[i, j], mutual_info_score(cells, v), atol=1e-12)


def test_gaps_in_closed_form():
    """A code that knows the value of one factor, and of another whether it is even."""
    a, b = np.indices((4, 4)).reshape(2, -1).repeat(20, axis=1)
    factors = np.stack([a, b], axis=1)
    np.testing.assert_allclose(metrics.mutual_information(a[:, None], factors), [[math.log(4), 0]])
    halves = np.stack([a, b, a // 2, 2 * a + b % 2], axis=1)
    # Of a: all, but the mixed one knows it too. Of b: log 4 less log 2.
    np.testing.assert_allclose(metrics.mig(halves, factors), (0 + 1 / 2) / 2)
    shares = [1, 1, 1, 1 - (math.log(2) / math.log(4)) ** 2]
    np.testing.assert_allclose(metrics.modularity(halves, factors), np.mean(shares))
    assert metrics.mig(np.stack([a, a], axis=1), a[:, None]) == 0
    np.testing.assert_allclose(metrics.mig(a[:, None], a[:, None]), 1)  # No second code.


# Predictions


def test_sap_of_continuous_factors_is_the_gap_of_squared_correlations():
    rng = np.random.default_rng(2)
    factors = rng.integers(0, 9, (400, 2))
    codes = factors @ rng.normal(size=(2, 4)) + rng.normal(size=(400, 4))
    squares = np.corrcoef(codes.T, factors.T)[:4, 4:] ** 2
    first, second = np.sort(squares, axis=0)[::-1][:2]
    got = metrics.sap(KEY, codes, factors, continuous=(0, 1))
    np.testing.assert_allclose(got, np.mean(first - second))


def test_sap_is_the_balanced_accuracy_of_thresholds():
    """A code that tells the frequent value from two others, which it takes for one."""
    v = np.repeat([0, 1, 2], [600, 200, 100])
    z = np.where(v == 0, 0.0, 1.0)[:, None]
    found = metrics.sap(KEY, z, v[:, None])
    np.testing.assert_allclose(found, 2 / 3 - 1 / 3)


def test_importances_are_those_of_what_takes_two_codes():
    """A value that is one of four quadrants, of which each code tells log 2."""
    codes = np.random.default_rng(5).normal(size=(900, 3))
    v = (codes[:, 2] > 0) + 2 * (codes[:, 0] > 0)
    found = metrics.dci(KEY, codes, np.stack([v, codes[:, 1] > 0], axis=1).astype(int))
    np.testing.assert_allclose(found.importances[:, 0], [0.5, 0, 0.5], atol=0.05)
    np.testing.assert_allclose(found.importances[:, 1], [0, 1, 0], atol=0.01)
    assert found.informativeness > 0.97


def test_the_figures_of_importances():
    r = np.array([[0.7, 0, 0.1], [0.2, 1, 0.4], [0, 0, 0.5], [0, 0, 0]])
    want = 1 - scipy.stats.entropy(r[:3], axis=1) / np.log(3)
    np.testing.assert_allclose(predictability._sharpness(r), [*want, 1])
    found = metrics.dci(KEY, GRID @ [[1.0, 0], [1, 1], [0, 3]], GRID, 2)
    weights = found.importances.sum(axis=1) / found.importances.sum()
    each = 1 - scipy.stats.entropy(found.importances, axis=1) / np.log(3)
    np.testing.assert_allclose(found.disentanglement, weights @ each)
    each = 1 - scipy.stats.entropy(found.importances, axis=0) / np.log(2)
    np.testing.assert_allclose(found.completeness, each.mean())


# Rows that agree


def test_rows_that_agree():
    v = np.array([0, 1, 1, 2, 0, 1])
    u, w = (grid.ravel() for grid in np.meshgrid(*[(np.arange(120) + 0.5) / 120] * 2))
    rows, others = disentanglement._agreeing(v, u, w)
    assert np.all(v[rows] == v[others])
    pairs, counts = np.unique(np.stack([rows, others], 1), axis=0, return_counts=True)
    # Not row 3, which is alone; of the two kinds 2 * 1 and 3 * 2 pairs, each row as often.
    assert {*map(tuple, pairs.tolist())} == {
        pair for kind in ((0, 4), (1, 2, 5)) for pair in itertools.permutations(kind, 2)
    }
    assert counts.tolist() == [2880 if v[pair[0]] == 0 else 1440 for pair in pairs]
    rows, others = disentanglement._agreeing(v, u, w, itself=True)
    assert {*zip(rows.tolist(), others.tolist(), strict=True)} == {
        pair for kind in ((0, 4), (1, 2, 5)) for pair in itertools.product(kind, repeat=2)
    }


def test_a_code_of_one_factor_alone():
    """Two thirds by Higgins' score: one of three is known, of the others one is guessed. A third by
    Kim and Mnih's: the one code always varies least."""
    code = GRID[:, :1] * 0.5
    assert abs(metrics.beta_vae_score(KEY, code, GRID, 4000) - 2 / 3) < 0.02
    np.testing.assert_allclose(metrics.factor_vae_score(KEY, code, GRID, 400), 1 / 3)
    # Beside two codes that are noise: these are voted for in two thirds of the cases of the other
    # factors, and then are right in half of them.
    rng = np.random.default_rng(6)
    codes = np.concatenate([code, *(rng.permutation(code) for _ in range(2))], axis=1)
    score = metrics.factor_vae_score(KEY, codes, GRID, 4000)
    assert abs(score - (1 + 2 * (2 / 3) / 2) / 3) < 0.05


def test_units_do_not_matter_but_for_codes_that_fell_silent():
    rng = np.random.default_rng(7)
    codes = GRID + rng.normal(size=GRID.shape)
    for score in metrics.beta_vae_score, metrics.factor_vae_score:
        whole = score(KEY, codes, GRID, 200)
        np.testing.assert_allclose(score(KEY, codes * [1, 50, 0.1], GRID, 200), whole, atol=0.01)
    silent = np.concatenate([codes, 0.04 * GRID / GRID.std(axis=0)], axis=1)
    assert metrics.factor_vae_score(KEY, silent, GRID, 200) == whole
    assert metrics.factor_vae_score(KEY, silent[:, 3:], GRID, 200) == 0


def test_the_linear_classifier_is_that_of_scikit_learn():
    rng = np.random.default_rng(8)
    points = rng.gamma(4, size=(300, 3, 4)) + 1.2 * rng.normal(size=(3, 4))
    known = points[:200].reshape(-1, 4)
    model = LogisticRegression(tol=1e-8, max_iter=1000).fit(known, np.tile(np.arange(3), 200))
    want = model.score(points[200:].reshape(-1, 4), np.tile(np.arange(3), 100))
    assert 0.5 < want < 0.95
    assert abs(disentanglement._told_apart(points) - want) <= 1 / 300


def test_figures_are_functions_of_the_key():
    codes = GRID + 5 * np.random.default_rng(9).normal(size=GRID.shape)
    keys = jax.random.key(0), jax.random.key(0), jax.random.key(1)
    for figure in (
        lambda key: metrics.beta_vae_score(key, codes, GRID, 100),
        lambda key: metrics.factor_vae_score(key, codes, GRID, 100),
        lambda key: metrics.dci(key, codes, GRID, 1).informativeness,
        lambda key: metrics.sap(key, codes, GRID),
    ):
        one, again, other = map(figure, keys)
        assert one == again != other
