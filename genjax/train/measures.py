"""Distances of samples to real images while a model trains."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, get_args

import jax
import numpy as np
from jaxtyping import Array, Key

from genjax import metrics, parallel
from genjax.core import State
from genjax.data import Dataset, subset
from genjax.metrics.features import Extractor, call
from genjax.random import stream
from genjax.train.errors import RunError
from genjax.train.logs import Record
from genjax.train.views import Monitor, View, stalled

Measure = Literal[
    'frechet_distance', 'kernel_distance', 'precision', 'recall', 'density', 'coverage'
]
MEASURES: tuple[Measure, ...] = get_args(Measure)
SAMPLES = 500  # in a measurement; figures of other numbers do not compare
FEWEST = 20  # images that anything is measured by
_FITTED = 2000  # training images that components are fitted on
Features = Extractor | Literal['auto', 'pixels']
_DISTANCES = ('frechet_distance', 'kernel_distance')


def choose(features: Features, train: Dataset) -> Extractor:
    """The extractor that images are compared by: the same for all seeds of the same data.

    Args:
      features: an extractor; 'auto' for the classifier of digits where its classes are those of the
        data, else 'pixels', principal components of the training images.
      train: what the model is trained on.

    Raises:
      RunError: another word.
    """
    if isinstance(features, Extractor):
        return features
    if features not in ('auto', 'pixels'):
        raise RunError(f"expected an extractor, 'auto' or 'pixels', got {features!r}")
    some = subset(train, _FITTED, jax.random.key(0))
    return metrics.default_extractor(some.x, some.y if features == 'auto' else None)


def check(names: Sequence[str], monitor: str) -> None:
    """Refuses what is not measured.

    Args:
      names: of the measures.
      monitor: one of them, or ''.

    Raises:
      RunError: another.
    """
    if odd := [name for name in names if name not in MEASURES]:
        raise RunError(f'expected metrics among {MEASURES}, got {odd}')
    if monitor and monitor not in names:
        raise RunError(f'expected a monitor among metrics={tuple(names)}, got {monitor!r}')


def check_sizes(names: Sequence[str], train: Dataset, held_out: Dataset) -> None:
    """Refuses to measure by a handful of images.

    Args:
      names: of the measures.
      train: what the model is trained on.
      held_out: what it never sees.

    Raises:
      RunError: there are measures, and fewer than twenty images of either.
    """
    if names and min(train.size, held_out.size) < FEWEST:
        raise RunError(
            f'expected {FEWEST} training and held-out images or more for metrics, got '
            f'{train.size} and {held_out.size}'
        )


def cautions(names: Sequence[str], held_out: Dataset) -> list[str]:
    """What is to be said of figures before a training that measures them, a line each.

    Args:
      names: of the measures.
      held_out: what samples are compared with.
    """
    if 'frechet_distance' not in names:
        return []
    return [
        f'frechet_distance is of {min(held_out.size, SAMPLES)} samples while this trains, and of '
        'so few too large: it compares with itself only; genjax evaluate takes more'
    ]


def measured(
    seen: View,
    model: Any,
    train: Dataset,
    held_out: Dataset,
    seed: int,
    names: Sequence[Measure],
    monitor: str,
) -> View:
    """A view that also measures samples: a few hundred, always of the same noise, against as many
    held-out images.

    Each figure carries the name and the hash of its features in its own name.

    Args:
      seen: the view of the model's family.
      model: a `GAN` or a `VAE`.
      train: what it is trained on.
      held_out: what it never sees.
      seed: of the noise.
      names: what to measure.
      monitor: which of them decides which checkpoint is the best, and when patience ends; ''
        leaves that as it is.
    """
    if not names:
        return seen
    key = stream(jax.random.key(seed), 'measures')
    extractor = choose('auto', train)
    real = subset(held_out, SAMPLES, stream(key, 'real'))
    features = np.asarray(metrics.extract(extractor, real.x).features)
    labels = None if model.num_classes is None else real.y

    def title(name):
        return f'heldout/{name}/{extractor.mark}'

    def evaluate(state: State) -> Callable[[], Record]:
        figures = seen.evaluate(state)
        images = model.sample(state, stream(key, 'samples'), real.size, labels)
        drawn = call(extractor, parallel.replicate(images, parallel.mesh_of(state))).features

        def finish():
            fake, found = np.asarray(drawn), dict.fromkeys(names, math.nan)
            if np.isfinite(fake).all():
                found = _measure(names, features, stream(key, 'kernel_distance'), fake)
            return figures() | {title(name): value for name, value in found.items()}

        return finish

    more = seen._replace(evaluate=evaluate)
    if not monitor:
        return more
    judge = Monitor(title(monitor), -1 if monitor in _DISTANCES else 1)
    return more._replace(monitor=judge, stop=partial(stalled, judge))


def _measure(
    names: Sequence[Measure], real: np.ndarray, key: Key[Array, ''], fake: np.ndarray
) -> dict[str, float]:
    """By name; figures of the same spheres are made together."""
    spheres = metrics.spheres(real, fake) if set(names) - set(_DISTANCES) else None
    found: dict[str, float] = {}
    for name in names:
        if name == 'frechet_distance':
            found[name] = metrics.frechet_distance(real, fake)
        elif name == 'kernel_distance':
            size = len(real) // 2
            found[name] = metrics.kernel_distance(real, fake, key, subsets=10, size=size).value
        else:
            found[name] = float(getattr(spheres, name))
    return found
