"""What a run is judged by: samples, real images, and the features of both."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from genjax.data import subset
from genjax.evaluation.pictures import draw
from genjax.metrics import Activations, Extractor, extract
from genjax.plots import to_uint8
from genjax.random import stream
from genjax.train.config import REFUSALS
from genjax.train.errors import RunError
from genjax.train.measures import FEWEST, Features, choose
from genjax.train.run import Run, divided
from genjax.vae import VAE, Normal

BATCH = 250  # samples drawn at once
MOST = 5000  # held-out images, and twice as many training images, that are looked at


class Images(NamedTuple):
    """Images and what an extractor says of them.

    Attributes:
      x: `[n, h, w, c]`, uint8.
      y: labels `[n]` of a model that takes them, or None.
      seen: their activations.
    """

    x: np.ndarray
    y: Int[np.ndarray, 'n'] | None
    seen: Activations

    @property
    def classes(self) -> Int[np.ndarray, 'n'] | None:
        """As the extractor names them, if it does."""
        return None if self.seen.logits is None else np.argmax(self.seen.logits, axis=1)


class Evidence(NamedTuple):
    """All that figures are made of.

    Attributes:
      run: a model and its state.
      extractor: of all features.
      train: training images, all or many.
      held_out: real images that the model has never seen.
      fakes: sets of samples, each as large as `held_out`, with its labels where there are such.
      posterior: q(z | x) of the held-out images, of a VAE with a Gaussian one.
      key: of what else is random.
    """

    run: Run
    extractor: Extractor
    train: Images
    held_out: Images
    fakes: list[Images]
    posterior: Normal | None
    key: Key[Array, '']

    def reference(self) -> Images:
        """As many training images as there are held-out ones."""
        return some(self.train, len(self.held_out.x), stream(self.key, 'reference'))


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
    labels = [None if run.model.num_classes is None else d.y for d in parts]
    trained, held = (_looked_at(extractor, d.x, y) for d, y in zip(parts, labels, strict=True))
    keys = jax.random.split(stream(key, 'samples'), resamples)
    drawn = (to_uint8(draw(run, k, n, held.y, BATCH).clip(-1, 1)) for k in keys)
    fakes = [_looked_at(extractor, x, held.y) for x in drawn]
    return Evidence(run, extractor, trained, held, fakes, posterior(run, held), key)


def posterior(run: Run, images: Images) -> Normal | None:
    """q(z | x) of a VAE's images; None where there is none, or none that is Gaussian.

    Args:
      run: of any model.
      images: real ones.
    """
    if not isinstance(run.model, VAE):
        return None
    encode = partial(run.model.encode, run.state)
    first = encode(images.x[:BATCH], None if images.y is None else images.y[:BATCH])
    return in_pieces(encode, images.x, images.y) if isinstance(first, Normal) else None


def _looked_at(extractor: Extractor, x: np.ndarray, y: np.ndarray | None) -> Images:
    try:
        return Images(x, y, extract(extractor, x))
    except REFUSALS as error:
        raise RunError(f'{extractor.name}: {error}') from error


def some(images: Images, n: int, key: Key[Array, '']) -> Images:
    """n of some images, in another order."""
    rows = np.asarray(jax.random.choice(key, len(images.x), (n,), replace=False))
    return jax.tree.map(lambda leaf: leaf[rows], images)
