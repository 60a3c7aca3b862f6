"""How the loop looks at a model: pictures, held-out figures, and when to stop, by family."""

import math
from collections.abc import Callable, Iterable
from functools import partial, singledispatch
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, UInt8

from genjax import parallel, plots
from genjax.core import State
from genjax.data import Dataset, evaluation_batches
from genjax.gan import GAN
from genjax.random import stream
from genjax.train.health import imbalance
from genjax.train.logs import Record
from genjax.vae import VAE

TILES = 64
BATCH = 256
# A discriminator whose scores of training images stand out by half of the way from fake to
# training has begun to know them by heart.
OVERFIT = 0.5


class Monitor(NamedTuple):
    """The held-out figure that decides which checkpoint is the best.

    Attributes:
      name: of the figure in a record.
      sign: 1 where more is better, -1 where less is.
    """

    name: str
    sign: int = 1

    def __call__(self, record: Record) -> float:
        """The figure of a record, more is better; -inf where it is not finite.

        Args:
          record: that has it.
        """
        value = self.sign * record[self.name]
        return value if math.isfinite(value) else -math.inf


class View(NamedTuple):
    """What the loop asks of a model.

    `pictures` and `evaluate` enqueue their work on the device and wait for nothing; what they
    return waits for it. The state may be donated in between.

    Attributes:
      pictures: `state -> () -> {name: uint8 image}`, always of the same noise and images.
      evaluate: `state -> () -> {'heldout/...': float}`.
      monitor: None if the family has no such figure.
      stop: `(records, patience) -> bool`, a pure function of what was logged.
      since: the first step whose figures count for either.
      findings: what is to be said of what was logged, a sentence each.
    """

    pictures: Callable[[State], Callable[[], dict[str, UInt8[np.ndarray, 'h w c']]]]
    evaluate: Callable[[State], Callable[[], Record]]
    monitor: Monitor | None
    stop: Callable[[list[Record], int], bool]
    since: int = 0
    findings: Callable[[list[Record]], list[str]] = lambda records: []


@singledispatch
def view(model, train: Dataset, held_out: Dataset, seed: int) -> View:
    """The view of a model.

    Args:
      model: a `GAN` or a `VAE`.
      train: what it is trained on.
      held_out: what it never sees.
      seed: of the noise.

    Raises:
      TypeError: a model of no known family.
    """
    raise TypeError(f'expected a GAN or a VAE, got {type(model).__name__}')


def spread(n: int, num_classes: int | None) -> tuple[Int[Array, 'n'] | None, int | None]:
    """Labels of n images in a grid, and its columns: each shows a class, and every class is shown.

    Of more classes than images n are shown, evenly chosen.

    Args:
      n: images.
      num_classes: of the model; None for none.

    Returns:
      Labels and columns; None for none, and for about as many as there are rows.
    """
    side = round(math.sqrt(n))
    if num_classes is None:
        return None, None
    if num_classes > n:
        return jnp.arange(n) * num_classes // n, None
    columns = max(side, num_classes)
    return jnp.arange(n) % columns % num_classes, columns


def _key(seed: int, name: str) -> Array:
    return stream(stream(jax.random.key(seed), 'view'), name)


def _labels(model, batch):
    return None if model.num_classes is None else batch['y']


def _mean(pieces):
    return float(np.mean(np.concatenate(pieces)))


def _shown(images):
    """A model that has diverged is to be seen as well, in grey."""
    return np.nan_to_num(np.asarray(images)).clip(-1, 1)


def _samples(model, state, seed):
    y, _ = spread(TILES, model.num_classes)
    images = model.sample(state, _key(seed, 'samples'), TILES, y)
    return parallel.replicate(images, parallel.mesh_of(state))


def _grid(model, images):
    return plots.grid(_shown(images), spread(TILES, model.num_classes)[1])


@view.register
def _gan(model: GAN, train: Dataset, held_out: Dataset, seed: int) -> View:
    count = min(train.size, held_out.size, 4 * BATCH)

    def scores(state, batches: Iterable[dict]) -> list[Array]:
        mesh = parallel.mesh_of(state)
        placed = (parallel.shard_batch(b, mesh) for b in batches)
        pieces = [model.score(state, b['x'], _labels(model, b)) for b in placed]
        return parallel.replicate(pieces, mesh)

    def some(dataset):
        return evaluation_batches(dataset._replace(
            x=dataset.x[:count], y=None if dataset.y is None else dataset.y[:count]
        ), BATCH)  # fmt: skip

    def fakes(state):
        # For the labels of the held-out images, as many as there are.
        for i, batch in enumerate(some(held_out)):
            key = jax.random.fold_in(_key(seed, 'scores'), i)
            y = _labels(model, batch)
            yield batch | {'x': model.sample(state, key, len(batch['x']), y)}

    def pictures(state):
        images = _samples(model, state, seed)
        return lambda: {'samples': _grid(model, images)}

    def evaluate(state):
        seen = {
            'train': scores(state, some(train)),
            'heldout': scores(state, some(held_out)),
            'fake': scores(state, fakes(state)),
        }
        return lambda: _figures({name: _mean(pieces) for name, pieces in seen.items()})

    return View(pictures, evaluate, None, gan_should_stop, findings=imbalance)


def _figures(on):
    """Of the mean scores on each kind of images."""
    gap, reach = on['train'] - on['heldout'], on['train'] - on['fake']
    # The heuristic r_v of Karras et al. 2020 (https://arxiv.org/abs/2006.06676).
    overfit = gap / reach if reach > 0 else math.nan
    named = {f'heldout/score_{name}': value for name, value in on.items()}
    return named | {'heldout/gap': gap, 'heldout/overfit': overfit}


@view.register
def _vae(model: VAE, train: Dataset, held_out: Dataset, seed: int) -> View:
    shown = next(evaluation_batches(held_out, 40))

    def pictures(state):
        y, images = _labels(model, shown), _samples(model, state, seed)
        decoded = model.decode(state, model.encode(state, shown['x'], y).mean, y)
        decoded = parallel.replicate(decoded, parallel.mesh_of(state))
        return lambda: {
            'samples': _grid(model, images),
            'reconstructions': plots.pairs(shown['x'], _shown(decoded), 10),
        }

    def evaluate(state):
        key, seen, mesh = _key(seed, 'evaluate'), [], parallel.mesh_of(state)
        for i, batch in enumerate(evaluation_batches(held_out, BATCH)):
            batch = parallel.shard_batch(batch, mesh)
            seen.append(model.evaluate(state, jax.random.fold_in(key, i), batch))
        seen = parallel.replicate(seen, mesh)
        return lambda: {
            f'heldout/{name}': _mean([piece[name] for piece in seen]) for name in seen[0]
        }

    bound = Monitor('heldout/elbo')
    return View(pictures, evaluate, bound, partial(stalled, bound))


def stalled(monitor: Monitor, records: list[Record], patience: int) -> bool:
    """Whether a figure has not become better for so many evaluations.

    Args:
      monitor: the figure.
      records: all that was logged.
      patience: evaluations, > 0.
    """
    seen = [monitor(record) for record in records if monitor.name in record]
    return len(seen) > patience and max(seen[-patience:]) <= max(seen[:-patience])


def gan_should_stop(records: list[Record], patience: int) -> bool:
    """Whether the discriminator has known the training images by heart for so many evaluations.

    Args:
      records: all that was logged.
      patience: evaluations, > 0.
    """
    ratios = [r['heldout/overfit'] for r in records if 'heldout/overfit' in r]
    return len(ratios) >= patience and all(ratio > OVERFIT for ratio in ratios[-patience:])
