"""What any run is judged by: samples, real images, the features of both and the ways between."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Int, Key

from genjax.data import Dataset, marks, subset
from genjax.evaluation.sampling import draw
from genjax.metrics import Activations, Extractor, PathLength, extract, path_length
from genjax.plots import to_uint8
from genjax.random import stream
from genjax.train.config import REFUSALS
from genjax.train.errors import RunError
from genjax.train.measures import FEWEST, Features, choose
from genjax.train.run import Run, divided
from genjax.vae import VAE

BATCH = 250  # samples drawn at once
MOST = 5000  # held-out images, and twice as many training images, that are looked at


class Images(NamedTuple):
    """Images and what an extractor says of them.

    Attributes:
      x: `[n, h, w, c]`, uint8.
      y: labels `[n]` of a model that takes them, or None.
      seen: their activations.
      factors: what each was made of `[n, f]`, where the data tell.
    """

    x: np.ndarray
    y: Int[np.ndarray, 'n'] | None
    seen: Activations
    factors: Int[np.ndarray, 'n f'] | None = None

    @property
    def classes(self) -> Int[np.ndarray, 'n'] | None:
        """As the extractor names them, if it does."""
        return None if self.seen.logits is None else np.argmax(self.seen.logits, axis=1)


class Evidence(NamedTuple):
    """What figures of samples are made of.

    Attributes:
      latent_dim: of the model.
      num_classes: that the model takes labels of, or None.
      extractor: of all features.
      train: training images, all or many.
      reference: as many of those as there are held-out images.
      held_out: real images that the model has never seen, but for those that are
      trained_on: of which one of all training images is an equal.
      fakes: sets of samples, each as large as `held_out`, with its labels where there are such.
      key: of what else is random.
    """

    latent_dim: int
    num_classes: int | None
    extractor: Extractor
    train: Images
    reference: Images
    held_out: Images
    trained_on: Bool[np.ndarray, 'n']
    fakes: list[Images]
    key: Key[Array, '']


def in_pieces(function: Callable, *arrays: Any, size: int = BATCH) -> Any:
    """What a function says of many rows, `size` at once, joined in host memory.

    Args:
      function: of as many rows of each array, to a tree of arrays.
      *arrays: of as many rows each; or None, which is passed on.
      size: rows at once.
    """
    starts = range(0, len(arrays[0]), size)
    found = [function(*(None if a is None else a[i : i + size] for a in arrays)) for i in starts]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def gather(
    run: Run, data: str | None, apart: str | None, features: Features, n: int, resamples: int,
    seed: int,
) -> Evidence:  # fmt: skip
    """Draws the samples of a run, and looks at them beside its data.

    Args:
      run: as `load` gives it.
      data: where the data are, if they have moved.
      apart: where the held-out data are, if they were given by themselves and have moved.
      features: that images are compared by.
      n: samples in a set, and held-out images; 0 for all of those, but 5,000 at most, and no more
        than there are training images.
      resamples: sets.
      seed: of the samples.

    Raises:
      RunError: the data are not those of the run, there are too few, or the model has diverged.
    """
    if jax.process_count() > 1:
        raise RunError(f'expected one process to evaluate, got {jax.process_count()}')
    train, held_out = divided(run, data, apart)
    n = min(n or MOST, held_out.size, train.size, 2 * MOST)
    if n < FEWEST:
        raise RunError(f'expected {FEWEST} training and held-out images or more, got {n}')
    key = jax.random.key(seed)
    parts = subset(train, 2 * MOST, stream(key, 'train')), subset(held_out, n, stream(key, 'held'))
    extractor = choose(features, train)
    labels = [_labels(run, d) for d in parts]
    trained, held = (_looked_at(extractor, d.x, y) for d, y in zip(parts, labels, strict=True))
    held = held._replace(factors=parts[1].factors)
    twice = np.isin(marks(held.x), marks(train.x))
    keys = jax.random.split(stream(key, 'samples'), resamples)
    drawn = (to_uint8(draw(run, k, n, held.y, BATCH).clip(-1, 1)) for k in keys)
    fakes = [_looked_at(extractor, x, held.y) for x in drawn]
    reference = _some(trained, n, stream(key, 'reference'))
    dims = run.model.latent_dim, run.model.num_classes
    return Evidence(*dims, extractor, trained, reference, held, twice, fakes, key)


def paths(run: Run, e: Evidence) -> PathLength | None:
    """How fast features change as latents do, between draws of N(0, I); None of another prior.

    Args:
      run: of any model.
      e: the evidence.
    """
    model = run.model
    if isinstance(model, VAE) and model.latents:
        return None
    function = model.decode if isinstance(model, VAE) else model.generate

    def generate(state, z):
        y = None if e.num_classes is None else jnp.arange(len(z)) % e.num_classes
        return function(state, z, y)

    way = Partial(generate, run.state), e.extractor, e.latent_dim, stream(e.key, 'paths')
    return path_length(*way, n=500)


def _labels(run: Run, dataset: Dataset) -> Int[np.ndarray, 'n'] | None:
    """Of a model with classes; for those that are not known the likeliest by the model."""
    y = None if run.model.num_classes is None else dataset.y
    if y is None or y.min(initial=0) >= 0:
        return y
    said = in_pieces(lambda x: np.asarray(run.model.classify(run.state, x)), dataset.x)
    return np.where(y < 0, np.argmax(said, axis=1), y).astype(y.dtype)


def _looked_at(extractor: Extractor, x: np.ndarray, y: np.ndarray | None) -> Images:
    try:
        return Images(x, y, extract(extractor, x))
    except REFUSALS as error:
        raise RunError(f'{extractor.name}: {error}') from error


def _some(images: Images, n: int, key: Key[Array, '']) -> Images:
    """n of some images, in another order."""
    rows = np.asarray(jax.random.choice(key, len(images.x), (n,), replace=False))
    return jax.tree.map(lambda leaf: leaf[rows], images)
