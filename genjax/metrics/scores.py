"""Figures of class probabilities."""

import itertools
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Key
from scipy import special

from genjax.metrics.arrays import matrix


class Score(NamedTuple):
    """Of several parts of the images.

    Attributes:
      value: the mean over the parts.
      deviation: the standard deviation over the parts.
    """

    value: float
    deviation: float


def inception_score(logits: Any, splits: int = 10, key: Key[Array, ''] | None = None) -> Score:
    """`exp(E_x KL(p(y | x) || p(y)))`, with p(y) the mean over a part of the images.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498. It depends on the number of images in a
    part: the usual one is 50,000 in ten parts. The images are shuffled first: parts of images in
    the order of their classes would have one class each, and a score of 1.

    Args:
      logits: `[n, classes]` of generated images.
      splits: parts, 1 <= splits <= n.
      key: of the shuffle, `jax.random.permutation(key, n)`; None for `jax.random.key(0)`.

    Raises:
      ValueError: another number of parts, NaN or infinity.
    """
    logits = matrix('logits', logits).astype(np.float64)
    if not 1 <= splits <= len(logits):
        raise ValueError(f'expected 1 <= splits <= {len(logits)}, got {splits}')
    order = jax.random.permutation(jax.random.key(0) if key is None else key, len(logits))
    log_p = special.log_softmax(logits, axis=1)[np.asarray(order)]
    bounds = np.arange(splits + 1) * len(logits) // splits
    found = [_score(log_p[a:b]) for a, b in itertools.pairwise(bounds)]
    return Score(float(np.mean(found)), float(np.std(found)))


def _score(log_p: np.ndarray) -> float:
    log_mean = special.logsumexp(log_p, axis=0) - np.log(len(log_p))
    return float(np.exp(np.mean(np.sum(np.exp(log_p) * (log_p - log_mean), axis=1))))
