"""What a run is judged by: samples, real images, and the features of both."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from genjax.data import subset
from genjax.metrics import Activations, Extractor, default_extractor, extract
from genjax.random import stream
from genjax.train.config import REFUSALS
from genjax.train.errors import RunError
from genjax.train.pictures import draw
from genjax.train.run import Run, divided
from genjax.vae import VAE

BATCH = 250  # samples drawn at once
MOST = 5000  # held-out images, and twice as many training images, that are looked at


class Images(NamedTuple):
    """Images and what an extractor says of them.

    Attributes:
      x: `[n, h, w, c]`, uint8 or float in [-1, 1].
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
      posterior: q(z | x) of the held-out images, of a VAE.
      key: of what else is random.
    """

    run: Run
    extractor: Extractor
    train: Images
    held_out: Images
    fakes: list[Images]
    posterior: Any
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
    labels = [None if run.model.num_classes is None else d.y for d in parts]
    trained, held = (_looked_at(extractor, d.x, y) for d, y in zip(parts, labels, strict=True))
    keys = jax.random.split(stream(key, 'samples'), resamples)
    drawn = (draw(run, k, n, held.y, BATCH).clip(-1, 1) for k in keys)
    fakes = [_looked_at(extractor, x, held.y) for x in drawn]
    posterior = run.model.encode(run.state, held.x, held.y) if isinstance(run.model, VAE) else None
    return Evidence(run, extractor, trained, held, fakes, posterior, key)


def _looked_at(extractor: Extractor, x: np.ndarray, y: np.ndarray | None) -> Images:
    try:
        return Images(x, y, extract(extractor, x))
    except REFUSALS as error:
        raise RunError(f'{extractor.name}: {error}') from error


def some(images: Images, n: int, key: Key[Array, '']) -> Images:
    """n of some images, in another order."""
    rows = np.asarray(jax.random.choice(key, len(images.x), (n,), replace=False))
    return jax.tree.map(lambda leaf: leaf[rows], images)
