"""How far single codes stand for single factors: by what they know, and by what stays with them.

A code is one coordinate of what an encoder says of an image, say of a posterior's mean; a factor is
one of the things that the image was made of. Locatello et al. 2019
(https://arxiv.org/abs/1811.12359) compare all these figures, of which they and `sap` and `dci` are
the usual ones. No two of them mean the same: give several.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.optimize import minimize
from scipy.special import entr, log_softmax

from genjax.metrics.arrays import codes_and_factors
from genjax.random import stream

BINS = 20  # of a code
_ROWS = 64  # of which one mean or one variance is
_LEAST = 0.05  # standard deviation of a code that has a vote


def mutual_information(codes: Any, factors: Any, bins: int = BINS) -> Float[np.ndarray, 'd f']:
    """`I(z_i; v_j) = sum_ab p(a, b) log(p(a, b) / (p(a) p(b)))` in nats, of codes in equal bins.

    Each code is cut into intervals of equal width from its least to its greatest value, 20 of them
    in Locatello et al. 2019 (https://arxiv.org/abs/1811.12359). Of n rows that do not depend on
    each other it is about `(bins - 1) (values - 1) / 2n` and not 0: compare equal numbers of rows.

    Args:
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, each column of two values or more.
      bins: of a code, >= 2.

    Raises:
      ValueError: other shapes, NaN or infinity, factors that are no integers or do not vary.
    """
    codes, factors = codes_and_factors(codes, factors)
    if bins < 2:
        raise ValueError(f'expected bins >= 2, got {bins}')
    cells = [cut(code, bins) for code in codes.T]
    return np.array([[_information(a, b) for b in factors.T] for a in cells])


def cut(code: Float[np.ndarray, 'n'], bins: int) -> Int[np.ndarray, 'n']:
    """In which interval of equal width each number is; 0 of a constant code.

    Args:
      code: any numbers.
      bins: how many intervals.
    """
    low, high = code.min(), code.max()
    share = (code - low) / (high - low if high > low else 1.0)
    return np.minimum((bins * share).astype(np.int64), bins - 1)


def _information(a: Int[np.ndarray, 'n'], b: Int[np.ndarray, 'n']) -> float:
    size = int(b.max()) + 1
    p = np.bincount(a * size + b, minlength=(a.max() + 1) * size).reshape(-1, size) / len(a)
    # A difference of entropies may round to just below 0.
    return max(0.0, float(entr(p.sum(0)).sum() + entr(p.sum(1)).sum() - entr(p).sum()))


def mig(codes: Any, factors: Any, bins: int = BINS) -> float:
    """The mutual information gap, `mean_j (I(z_a; v_j) - I(z_b; v_j)) / H(v_j)`, in [0, 1].

    a is the code that knows most of the factor j, and b the next; where there is one code only, the
    second term is 0. Chen et al. 2018 (https://arxiv.org/abs/1802.04942), with codes in bins as
    `mutual_information` has them: a code in 20 bins knows log 20 nats at most.

    Args:
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, each column of two values or more.
      bins: of a code, >= 2.

    Raises:
      ValueError: as `mutual_information`.
    """
    information = mutual_information(codes, factors, bins)
    entropies = [_information(v, v) for v in codes_and_factors(codes, factors)[1].T]
    return float(np.mean(gaps(information) / entropies))


def gaps(scores: Float[np.ndarray, 'd f']) -> Float[np.ndarray, 'f']:
    """What the best code of each factor has more than the next, which has 0 where there is none.

    Args:
      scores: of codes for factors, >= 0.
    """
    second, first = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)[-2:]
    return first - second


def modularity(codes: Any, factors: Any, bins: int = BINS) -> float:
    """How far each code knows of one factor only, in [0, 1].

    `mean_i 1 - sum_{j != a} m_ij^2 / ((f - 1) m_ia^2)`, where m is the mutual information and a the
    factor of which the code i knows most. Ridgeway and Mozer
    2018 (https://arxiv.org/abs/1802.05312). A code that is constant counts as 0; one that is noise
    knows a little of each factor in few rows, and counts as that.

    Args:
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, two columns or more, each of two values or more.
      bins: of a code, >= 2.

    Raises:
      ValueError: as `mutual_information`, or one factor alone.
    """
    squares = mutual_information(codes, factors, bins) ** 2
    check_several(squares.shape[1])
    most = squares.max(axis=1)
    others = (squares.sum(axis=1) - most) / (np.where(most > 0, most, 1) * (squares.shape[1] - 1))
    return float(np.mean(np.where(most > 0, 1 - others, 0.0)))


def check_several(factors: int) -> None:
    """Refuses one factor alone.

    Args:
      factors: how many there are.

    Raises:
      ValueError: one.
    """
    if factors < 2:
        raise ValueError(f'expected two factors or more to tell apart, got {factors}')


def beta_vae_score(key: Key[Array, ''], codes: Any, factors: Any, points: int = 10_000) -> float:
    """How often a linear classifier tells which factor pairs of images have in common, in [0, 1].

    A point is the mean of `|z_i - z'_i|` over 64 pairs of different rows that agree in the factor j
    (each pair in a value of its own); of two thirds of the points multinomial logistic regression
    learns to name j, of the others it does. Higgins et al. 2017
    (https://openreview.net/forum?id=Sy2fzU9gl). Chance is `1 / f`; 0 where no code varies. The
    codes are divided by their standard deviations, so that their units do not matter.

    Args:
      key: of the pairs.
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, two columns or more, each of two values or more.
      points: that it learns by; it is tried on half as many.

    Raises:
      ValueError: as `mutual_information`, one factor alone, no points, or a factor of which no two
        rows have the same value.
    """
    codes, factors = _several(codes, factors, points)
    deviations = codes.std(axis=0)
    if not (codes.max(axis=0) > codes.min(axis=0)).any():
        return 0.0
    codes = codes / np.where(deviations > 0, deviations, 1)
    count = -(-3 * points // (2 * factors.shape[1]))
    found = []
    for j, v in enumerate(factors.T):
        u, w = uniforms(stream(key, f'pairs {j}'), (2, count, _ROWS))
        first, second = _agreeing(v, u, w)
        found.append(np.abs(codes[first] - codes[second]).mean(axis=1))
    return _told_apart(np.stack(found, axis=1))


def factor_vae_score(key: Key[Array, ''], codes: Any, factors: Any, points: int = 10_000) -> float:
    """How often the code that varies least tells which factor is fixed, in [0, 1].

    A vote is the code `argmin_i Var(z_i | v_j) / Var(z_i)` among 64 rows, drawn with replacement,
    that have one value of the factor j in common. Two thirds of the votes say of each code for
    which factor it stands, and the others are told by that. Kim and Mnih 2018
    (https://arxiv.org/abs/1802.05983). Chance is `1 / f`. Codes whose standard deviation is below
    0.05 have no vote, as in Locatello et al. 2019; the score is 0 where none has.

    Args:
      key: of the rows.
      codes: `[n, d]`, n >= 100.
      factors: integers `[n, f]`, two columns or more, each of two values or more.
      points: votes that the codes are named by; it is tried on half as many.

    Raises:
      ValueError: as `beta_vae_score`.
    """
    codes, factors = _several(codes, factors, points)
    codes = codes[:, codes.std(axis=0) >= _LEAST]
    if not codes.shape[1]:
        return 0.0
    (d, f), spread = (codes.shape[1], factors.shape[1]), codes.var(axis=0)
    count = -(-3 * points // (2 * f))
    votes = []
    for j, v in enumerate(factors.T):
        u = uniforms(stream(key, f'votes {j}'), (count, 1 + _ROWS))
        _, rows = _agreeing(v, np.repeat(u[:, :1], _ROWS, axis=1), u[:, 1:], itself=True)
        votes.append(np.argmin(codes[rows].var(axis=1) / spread, axis=1))
    cells = np.array(votes).T
    known = 2 * count // 3
    learned = [np.bincount(column, minlength=d) for column in cells[:known].T]
    return float(np.mean(np.argmax(learned, axis=0)[cells[known:]] == np.arange(f)))


def uniforms(key: Key[Array, ''], shape: tuple[int, ...]) -> Float[np.ndarray, '...']:
    """Draws of [0, 1), in host memory.

    Args:
      key: of the draws.
      shape: how many.
    """
    return np.asarray(jax.random.uniform(key, shape, jnp.float32), np.float64)


def _several(codes: Any, factors: Any, points: int) -> tuple[np.ndarray, np.ndarray]:
    codes, factors = codes_and_factors(codes, factors)
    check_several(factors.shape[1])
    if points < 2:
        raise ValueError(f'expected points >= 2, got {points}')
    if alone := [j for j, v in enumerate(factors.T) if np.bincount(v).max() < 2]:
        raise ValueError(
            f'expected rows that agree in each factor, got {len(factors)} different values in the '
            f'columns {alone}'
        )
    return codes, factors


def _agreeing(
    v: Int[np.ndarray, 'n'], u: Float[np.ndarray, '...'], w: Float[np.ndarray, '...'],
    itself: bool = False,
) -> tuple[Int[np.ndarray, '...'], Int[np.ndarray, '...']]:  # fmt: skip
    """Rows that another row agrees with, and of each one that does, or perhaps itself."""
    counts = np.bincount(v)
    order = np.argsort(v, kind='stable')
    order = order[counts[v[order]] > 1]
    counts = np.where(counts > 1, counts, 0)
    at = (u * len(order)).astype(np.int64)
    chosen = v[order[at]]
    start, size = (np.cumsum(counts) - counts)[chosen], counts[chosen]
    step = (w * (size if itself else size - 1)).astype(np.int64)
    # From the next of the group on, round to the one before: never the row itself.
    other = start + (at - start + (0 if itself else 1) + step) % size
    return order[at], order[other]


def _told_apart(x: Float[np.ndarray, 'n f d']) -> float:
    """The share of the last third of rows whose column a linear classifier names."""
    (n, f, d), y = x.shape, np.arange(x.shape[1])
    known = 2 * n // 3
    x = x - x[:known].mean(axis=(0, 1))

    def loss(flat):
        """Of multinomial logistic regression, with the penalty `|W|^2 / 2`; and its gradient."""
        weights, bias = flat[:-f].reshape(d, f), flat[-f:]
        log_p = log_softmax(x[:known] @ weights + bias, axis=-1)
        slope = np.exp(log_p) - np.eye(f)
        gradient = np.einsum('njd,njk->dk', x[:known], slope) + weights
        value = np.sum(weights**2) / 2 - log_p[:, y, y].sum()
        return value / known, np.append(gradient.ravel(), slope.sum(axis=(0, 1))) / known

    fitted = minimize(loss, np.zeros((d + 1) * f), jac=True, method='L-BFGS-B').x
    said = x[known:] @ fitted[:-f].reshape(d, f) + fitted[-f:]
    return float(np.mean(said.argmax(axis=-1) == y))
