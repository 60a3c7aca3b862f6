"""How far single codes stand for single factors, by what predicts them: SAP and DCI."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key
from scipy.special import entr, xlogy

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

    Eastwood and Williams 2018 (https://openreview.net/forum?id=By-7dz-AZ). They take lassos or
    random forests, Locatello et al. 2019 gradient boosting; here each factor is predicted by trees
    of genjax's own, so that figures of others compare by their order only. Each tree grows on half
    of two thirds of the rows. A split is that of all codes and thresholds which lowers `n H(v_j)`
    most, and is made where that is more than `k log(n) / 2 + log(n d)`: what it takes to tell the
    shares of the node's k values, the code and the threshold. R_ij is what the splits by the code i
    have lowered it by, as a share; of two codes that tell the same, the first has all of it. The
    other third is predicted by the mean of the trees' shares.

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
    order = np.argsort(uniforms(stream(key, 'thirds'), (len(codes),)))
    apart, known = np.split(order, [len(order) // 3])
    found, right = [], []
    for j, v in enumerate(factors.T):
        draws = uniforms(stream(key, f'trees {j}'), (trees, len(known)))
        drawn = known[np.argsort(draws, axis=1)[:, : len(known) // 2]]
        grown = [_tree(codes[rows], v[rows], codes[apart], int(v.max()) + 1) for rows in drawn]
        gains, shares = (np.sum(each, axis=0) for each in zip(*grown, strict=True))
        found.append(gains / (gains.sum() or 1))
        right.append(np.mean(shares.argmax(axis=1) == v[apart]))
    r = np.array(found).T
    weights = r.sum(axis=1) / (r.sum() or 1)
    complete = np.where(r.sum(axis=0) > 0, _sharpness(r.T), 0)
    return DCI(float(weights @ _sharpness(r)), float(complete.mean()), float(np.mean(right)), r)


def _sharpness(r: Float[np.ndarray, 'a b']) -> Float[np.ndarray, 'a']:
    """`1 - H(row) / log b` of rows as probabilities; 1 of a single column."""
    total = r.sum(axis=1, keepdims=True)
    return 1 - entr(r / np.where(total > 0, total, 1)).sum(axis=1) / np.log(max(r.shape[1], 2))


def _tree(
    codes: Float[np.ndarray, 'n d'],
    v: Int[np.ndarray, 'n'],
    others: Float[np.ndarray, 'm d'],
    values: int,
) -> tuple[Float[np.ndarray, 'd'], Float[np.ndarray, 'm k']]:
    """What splits by each code gain in nats, and shares of the values where other rows come to.

    All nodes of a level are split at once.
    """
    gained, order = np.zeros(codes.shape[1]), np.argsort(codes, axis=0, kind='stable')
    at, there = np.zeros(len(v), np.int64), np.zeros(len(others), np.int64)
    while True:
        table = np.bincount(at * values + v, minlength=(at.max() + 1) * values)
        table = table.reshape(-1, values)
        best = [_best(z, rows, at, v, table) for z, rows in zip(codes.T, order.T, strict=True)]
        gains, thresholds = np.array(best).transpose(1, 2, 0)
        code = gains.argmax(axis=1)
        node = np.arange(len(table))
        gain, threshold = gains[node, code], thresholds[node, code]
        n, d = table.sum(axis=1), codes.shape[1]
        split = gain > (table > 0).sum(axis=1) * np.log(n) / 2 + np.log(n * d)
        if not split.any():
            return gained, (table / n[:, None])[there]
        np.add.at(gained, code[split], gain[split])
        at, there = (
            2 * i + (split[i] & (z[np.arange(len(i)), code[i]] > threshold[i]))
            for i, z in ((at, codes), (there, others))
        )
        left, at = np.unique(at, return_inverse=True)
        there = np.searchsorted(left, there)


def _best(
    z: Float[np.ndarray, 'n'],
    order: Int[np.ndarray, 'n'],
    at: Int[np.ndarray, 'n'],
    v: Int[np.ndarray, 'n'],
    table: Int[np.ndarray, 'nodes k'],
) -> Float[np.ndarray, '2 nodes']:
    """The greatest gain of each node by one code, and its threshold.

    With f(c) = c log c, `n H = f(n) - sum f(c)` over the counts c of values. As a row goes from the
    right to the left, one count on each side changes: these sums are cumulative.
    """
    rows = order[np.argsort(at[order], kind='stable')]  # by node, and there by the code
    z, at, v = z[rows], at[rows], v[rows]
    f = xlogy(np.arange(len(v) + 1.0), np.arange(len(v) + 1.0))
    size, counts = table.sum(axis=1), table[at, v]
    start = np.cumsum(size) - size
    before = _before(at * table.shape[1] + v)

    def summed(steps):
        sums = np.append(0, np.cumsum(steps))
        return sums[1:] - sums[start][at]

    left = np.arange(len(v)) - start[at] + 1
    sums_left = summed(f[before + 1] - f[before])
    sums_right = f[table].sum(axis=1)[at] - summed(f[counts - before] - f[counts - before - 1])
    whole = (f[size] - f[table].sum(axis=1))[at]
    gain = whole - (f[left] - sums_left) - (f[size[at] - left] - sums_right)
    following = np.append(z[1:], z[-1])
    gain = np.where((left < size[at]) & (following > z), gain, 0)
    last = np.lexsort((gain, at))[start + size - 1]
    return np.array([gain[last], z[last] + (following[last] - z[last]) / 2])


def _before(groups: Int[np.ndarray, 'n']) -> Int[np.ndarray, 'n']:
    """How many earlier rows are of the same group."""
    order = np.argsort(groups, kind='stable')
    counts = np.bincount(groups)
    found = np.empty_like(order)
    found[order] = np.arange(len(order)) - (np.cumsum(counts) - counts)[groups[order]]
    return found
