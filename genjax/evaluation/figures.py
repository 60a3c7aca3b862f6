"""Figures of samples, each beside that of real images."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from genjax import metrics
from genjax.evaluation.evidence import Evidence, Images
from genjax.random import stream


class Figure(NamedTuple):
    """One line of an evaluation.

    Attributes:
      name: of the quantity, with the parameters that it depends on.
      value: the mean over sets of samples, or over held-out images.
      low: of the 95% interval of that mean; NaN where there is none.
      high: of it.
      real: the same of held-out images in the place of samples; NaN where there is no such thing.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    real: float = math.nan


def of_sets(name: str, values: Iterable[float], real: float = math.nan) -> Figure:
    """A figure of independent sets of samples, with Student's interval of its mean.

    Args:
      name: of the quantity.
      values: one of each set.
      real: of real images.
    """
    found = np.array([*values], np.float64)
    mean, n = float(found.mean()), len(found)
    if n < 2:
        return Figure(name, mean, real=real)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.975) * found.std(ddof=1) / math.sqrt(n))
    return Figure(name, mean, mean - half, mean + half, real)


def with_error(name: str, value: float, error: float) -> Figure:
    """A figure whose 95% interval is that of a Gaussian.

    Args:
      name: of the quantity.
      value: of it.
      error: standard error of the value.
    """
    return Figure(name, value, value - 1.96 * error, value + 1.96 * error)


def of_samples(e: Evidence) -> Iterator[Figure]:
    """What samples are like, beside held-out images: figures that need nothing but images.

    Args:
      e: the evidence.
    """
    reference, trained = e.reference, metrics.moments(e.train.seen.features)

    def line(name: str, of: Callable[[Images], float]) -> Figure:
        return of_sets(name, (of(fake) for fake in e.fakes), of(e.held_out))

    yield line('frechet_distance', lambda x: metrics.frechet_distance(trained, x.seen.features))
    size = min(1000, len(reference.x))
    key = stream(e.key, 'kernel')

    def kernel(x):
        pair = reference.seen.features, x.seen.features
        return metrics.kernel_distance(*pair, key, subsets=10, size=size).value

    yield line(f'kernel_distance (subsets of {size})', kernel)
    yield from _spheres(e)
    if e.held_out.seen.logits is not None:
        yield line('inception_score', lambda x: metrics.inception_score(x.seen.logits, 1).value)
    if min(e.held_out.x.shape[1:3]) >= 11:
        key_pairs = stream(e.key, 'pairs')
        yield line('self_similarity', lambda x: metrics.self_similarity(x.x, key_pairs, 500).value)
    total = float(np.var(e.train.seen.features, axis=0).sum()) or math.nan
    yield line('variance_share', lambda x: float(np.var(x.seen.features, axis=0).sum() / total))
    yield line('neighbour_distance', _apart)
    yield from _copied(e)


def _apart(x: Images) -> float:
    """The median distance of an image to the nearest of the others."""
    return float(np.median(metrics.nearest(x.seen.features, x.seen.features, 2)[0][:, 1]))


def _spheres(e: Evidence) -> Iterator[Figure]:
    images = (x.seen.features for x in (e.held_out, *e.fakes))
    found = (metrics.spheres(e.reference.seen.features, features) for features in images)
    for name, (real, *fakes) in zip(metrics.PRDC._fields, zip(*found, strict=True), strict=True):
        yield of_sets(name, fakes, real)


def _copied(e: Evidence) -> Iterator[Figure]:
    """Of all sets at once: how training images lie to each other is the same for each.

    Held-out images that are training images too are no measure of copies.
    """
    sets = [x.seen.features for x in (e.held_out, *e.fakes)]
    found = metrics.authenticity(e.train.seen.features, np.concatenate(sets))
    for name, which in ('copied_share', found.copied), ('near_copies_share', found.near):
        held, *fakes = which.reshape(len(sets), -1)
        real = held[~e.trained_on]
        yield of_sets(name, map(np.mean, fakes), float(real.mean()) if len(real) else math.nan)
    yield Figure('held_out_share_trained_on', float(e.trained_on.mean()))


def of_classes(e: Evidence) -> Iterator[Figure]:
    """How samples are spread over the classes that the extractor names.

    Args:
      e: the evidence.
    """
    if e.held_out.seen.logits is None:
        return
    n, real = e.held_out.seen.logits.shape[1], expected(e).classes

    def apart(x):
        return metrics.mode_coverage(x.classes, n, real).total_variation

    yield of_sets('class_total_variation', map(apart, e.fakes), apart(e.held_out))
    if e.num_classes != n or e.held_out.y is None:
        return

    def right(x):
        return float(np.mean(x.classes == x.y))

    yield of_sets('class_accuracy', map(right, e.fakes), right(e.held_out))


def expected(e: Evidence) -> Images:
    """The real images that samples have the classes of: of labelled ones their own labels.

    Args:
      e: the evidence.
    """
    return e.train if e.held_out.y is None else e.held_out


def of_labels(e: Evidence) -> Iterator[Figure]:
    """How close the samples of a class are to its images, where each class has two or more.

    Args:
      e: the evidence.
    """
    if e.train.y is None or e.held_out.y is None:
        return
    (a, m), (b, n) = (np.unique(y, return_counts=True) for y in (e.train.y, e.held_out.y))
    if not np.array_equal(a, b) or min(*m, *n) < 2:
        return

    def within(x):
        features = e.train.seen.features, e.train.y, x.seen.features, x.y
        return float(np.mean(metrics.intra_class(metrics.frechet_distance, *features)))

    yield of_sets('intra_class_frechet_distance', map(within, e.fakes), within(e.held_out))


def of_paths(length: metrics.PathLength) -> Iterator[Figure]:
    """How fast features change as latents do.

    Args:
      length: of the ways between draws.
    """
    yield with_error('path_length', length.value, length.standard_error)
