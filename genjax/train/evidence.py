"""What a run is judged by: samples, real images, and the features of both."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from genjax.data import subset
from genjax.metrics import Activations, Extractor, default_extractor, extract
from genjax.random import stream
from genjax.train.config import REFUSALS
from genjax.train.errors import RunError
from genjax.train.run import Run, divided

BATCH = 250  # samples drawn at once, always: image i of a key is the same whatever n is
MOST = 5000  # held-out images, and twice as many training images, that are looked at


class Images(NamedTuple):
    """Images and what an extractor says of them.

    Attributes:
      x: `[n, h, w, c]`, uint8 or float in [-1, 1].
      y: labels `[n]`, or None.
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
      key: of what else is random.
    """

    run: Run
    extractor: Extractor
    train: Images
    held_out: Images
    fakes: list[Images]
    key: Key[Array, '']

    def reference(self) -> Images:
        """As many training images as there are held-out ones."""
        return some(self.train, len(self.held_out.x), stream(self.key, 'reference'))


def gather(
    run: Run, data: str | None, extractor: Extractor | None, n: int, resamples: int, seed: int
) -> Evidence:
    """Draws the samples of a run, and looks at them beside its data.

    Args:
      run: as `load` gives it.
      data: where the data are, if they have moved.
      extractor: None for the classifier of digits where its classes are those of the run's data,
        else the principal components of the training images' pixels.
      n: samples in a set, and held-out images; 0 for all of those, but 5,000 at most.
      resamples: sets.
      seed: of the samples.

    Raises:
      RunError: the data are not those of the run, there are too few, or the model has diverged.
    """
    train, held_out = divided(run, data)
    n = min(n or MOST, held_out.size)
    if n < 20:
        raise RunError(f'expected 20 held-out images or more to evaluate by, got {n}')
    key = jax.random.key(seed)
    parts = subset(train, 2 * MOST, stream(key, 'train')), subset(held_out, n, stream(key, 'held'))
    extractor = extractor or default_extractor(parts[0].x, parts[0].y)
    trained, held = (_looked_at(extractor, d.x, d.y) for d in parts)
    keys = jax.random.split(stream(key, 'samples'), resamples)
    fakes = [_looked_at(extractor, draw(run, k, n, held.y), held.y) for k in keys]
    return Evidence(run, extractor, trained, held, fakes, key)


def _looked_at(extractor: Extractor, x: np.ndarray, y: np.ndarray | None) -> Images:
    try:
        return Images(x, y, extract(extractor, x))
    except REFUSALS as error:
        raise RunError(f'{extractor.name}: {error}') from error


def some(images: Images, n: int, key: Key[Array, '']) -> Images:
    """n of some images, in another order."""
    rows = np.asarray(jax.random.permutation(key, len(images.x)))[:n]
    return jax.tree.map(lambda leaf: leaf[rows], images)


def draw(
    run: Run, key: Key[Array, ''], n: int, y: Int[np.ndarray, 'n'] | None = None
) -> Float[np.ndarray, 'n h w c']:
    """Samples of a run.

    Args:
      run: of a GAN or a VAE.
      key: of the noise.
      n: how many.
      y: what a conditional model is to draw.

    Raises:
      RunError: the model has diverged.
    """
    conditional, pieces = run.model.num_classes is not None, []
    for start in range(0, n, BATCH):
        labels = None
        if conditional and y is not None:
            part = y[start : start + BATCH]
            labels = jnp.asarray(np.pad(part, (0, BATCH - len(part))))
        drawn = run.model.sample(run.state, jax.random.fold_in(key, start), BATCH, labels)
        pieces.append(np.asarray(drawn))
    images = np.concatenate(pieces)[:n]
    if not np.isfinite(images).all():
        raise RunError('expected finite images, got NaN or infinity: the model has diverged')
    return images.clip(-1, 1)
