"""How far single codes stand for single factors, by what predicts them: SAP and DCI."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from scipy.special import entr

from genjax.metrics.arrays import codes_and_factors
from genjax.metrics.disentanglement import BINS, check_several, cut, gaps, uniforms
from genjax.random import stream


def sap(key: Key[Array, ''], codes: Any, factors: Any, continuous: tuple[int, ...] = ()) -> float:
    """The gap of separate predictions, `mean_j S_aj - S_bj` of the two best codes of a factor.

    S of a factor is the share of right predictions by one code alone, the mean over the factor's k
    values, less chance: at most `1 - 1 / k`. Of a continuous factor it is
    `R^2 = cov(z, v)^2 / (var z var v)`. Kumar et al. 2018 (https://arxiv.org/abs/1711.00848).
    As there, thresholds predict: the code is cut into equal intervals, 20 of them or as many as the
    factor has values, half of the rows tell which value is the likeliest in each, and the others
    are predicted. Locatello et al. 2019 take linear support vector machines, which tell little but
    the least and the greatest values apart.

    Args:
      key: of the halves.
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, each column of two values or more.
      continuous: which columns are so.

    Raises:
      ValueError: other shapes, NaN or infinity, factors that are no integers or do not vary, or
        columns that are not there.
    """
    codes, factors = codes_and_factors(codes, factors)
    if odd := sorted(set(continuous) - set(range(factors.shape[1]))):
        raise ValueError(f'expected continuous columns below {factors.shape[1]}, got {odd}')
    first = np.argsort(uniforms(stream(key, 'halves'), (len(codes),))) < len(codes) // 2
    scores = [
        [_explained(z, v) if j in continuous else _named(z, v, first) for z in codes.T]
        for j, v in enumerate(factors.T)
    ]
    return float(np.mean(gaps(np.array(scores).T)))


def _explained(z: Float[np.ndarray, 'n'], v: Int[np.ndarray, 'n']) -> float:
    z, centred = z - z.mean(), v - v.mean()
    scale = (z @ z) * (centred @ centred)
    return float((z @ centred) ** 2 / scale) if scale else 0.0


def _named(
    z: Float[np.ndarray, 'n'], v: Int[np.ndarray, 'n'], first: Bool[np.ndarray, 'n']
) -> float:
    values = int(v.max()) + 1
    cells = cut(z, max(BINS, values))
    table = np.bincount(cells[first] * values + v[first], minlength=(cells.max() + 1) * values)
    counts = np.bincount(v[first], minlength=values)
    likeliest = (table.reshape(-1, values) / np.maximum(counts, 1)).argmax(axis=1)
    right = likeliest[cells[~first]] == v[~first]
    tried = np.bincount(v[~first], minlength=values)
    shares = np.bincount(v[~first], right, minlength=values)[tried > 0] / tried[tried > 0]
    return max(0.0, float(shares.mean()) - 1 / values)


class DCI(NamedTuple):
    """Three figures of one matrix of importances.

    Attributes:
      disentanglement: how far each code serves one factor only, in [0, 1].
      completeness: how far each factor is served by one code only, in [0, 1].
      informativeness: the share of right predictions, the mean over factors; a constant code has
        that of the most frequent value.
      importances: of each code for each factor `[d, f]`; the sum of a column is 1, or 0 of a factor
        that nothing predicts.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: Float[np.ndarray, 'd f']


def dci(key: Key[Array, ''], codes: Any, factors: Any, trees: int = 10) -> DCI:
    """Disentanglement, completeness and informativeness, by which codes predict which factors.

    With the importances R, `p_ij = R_ij / sum_j R_ij` and `q_ij = R_ij / sum_i R_ij`:

        disentanglement = sum_i w_i (1 - H(p_i) / log f),  w_i = sum_j R_ij / sum R,
        completeness = mean_j 1 - H(q_j) / log d.

    Eastwood and Williams 2018 (https://openreview.net/forum?id=By-7dz-AZ), with random forests as
    there: each factor is predicted by trees that see all codes, of leaves with 1% of the rows or
    more, and R are scikit-learn's importances, shares of the entropy that splits by a code take
    away. A third of the rows is predicted. Locatello et al. 2019 take gradient boosting: figures
    by another predictor compare by their order only.

    Args:
      key: of the rows.
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, two columns or more, each of two values or more.
      trees: for each factor.

    Raises:
      ValueError: as `sap`, one factor alone, or no trees.
    """
    codes, factors = codes_and_factors(codes, factors)
    check_several(factors.shape[1])
    if trees < 1:
        raise ValueError(f'expected trees >= 1, got {trees}')
    from sklearn.ensemble import RandomForestClassifier

    order = np.argsort(uniforms(stream(key, 'thirds'), (len(codes),)))
    apart, known = np.split(order, [len(order) // 3])
    options = {'criterion': 'entropy', 'max_features': None, 'min_samples_leaf': 0.01}
    seeds = uniforms(stream(key, 'trees'), (factors.shape[1],))
    found, right = [], []
    for v, seed in zip(factors.T, seeds, strict=True):
        forest = RandomForestClassifier(trees, random_state=int(seed * 2**31), **options)
        with warnings.catch_warnings():  # Of factors that have almost as many values as rows.
            warnings.simplefilter('ignore', UserWarning)
            forest.fit(codes[known], v[known])
        found.append(forest.feature_importances_)
        right.append(forest.score(codes[apart], v[apart]))
    r = np.array(found).T
    weights = r.sum(axis=1) / (r.sum() or 1)
    complete = np.where(r.sum(axis=0) > 0, _sharpness(r.T), 0)
    return DCI(float(weights @ _sharpness(r)), float(complete.mean()), float(np.mean(right)), r)


def _sharpness(r: Float[np.ndarray, 'a b']) -> Float[np.ndarray, 'a']:
    """`1 - H(row) / log b` of rows as probabilities; 1 of a single column."""
    total = r.sum(axis=1, keepdims=True)
    return 1 - entr(r / np.where(total > 0, total, 1)).sum(axis=1) / np.log(max(r.shape[1], 2))
