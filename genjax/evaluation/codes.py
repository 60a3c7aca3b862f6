"""What a VAE says of any images: latents, bounds, errors, and how odd each is."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from genjax import data as sources
from genjax.data import DataError, Dataset
from genjax.data.arrays import shown
from genjax.data.reading import checked
from genjax.evaluation.evidence import in_pieces
from genjax.evaluation.sampling import finite, traversals, vae_of
from genjax.images import scale
from genjax.random import stream
from genjax.train.advice import say
from genjax.train.errors import RunError, check_integers
from genjax.train.run import Run, held_out
from genjax.vae import Normal

_SAMPLES = 10  # of the posterior, for a bound
_SIZE = 100  # images at once
_LOOKED = 1000  # images, to know which latents are active


def images_for(run: Run, source: Any) -> Dataset:
    """Images of any source as a run reads them, with labels where its model takes them.

    Args:
      run: of a VAE.
      source: as `--data` of `genjax train`.

    Raises:
      RunError: images of another shape, or without the labels that the model takes.
      DataError: data that cannot be read.
    """
    config, (height, width, channels) = run.config, vae_of(run).image_shape
    reading = checked({**config['reading'], 'channels': channels})
    found = sources.load(source, height if height == width else None, reading)
    if found.image_shape != run.model.image_shape:
        raise RunError(
            f'{source}: expected images of {run.model.image_shape} as those of {run.folder}, got '
            f'{found.image_shape}'
        )
    if run.model.num_classes is not None:
        _check_classes(found, run.model.num_classes, config.get('classes'), source)
    return found


def looked_at(run: Run, source: Any = None) -> Dataset:
    """Held-out images of a run, or images of another source.

    Args:
      run: of a VAE.
      source: where the data of the run are, if they have moved, or any other; None for the former.

    Raises:
      RunError: as `held_out` of the former, as `images_for` of others.
      DataError: data that cannot be read.
    """
    try:
        return held_out(run, source)
    except (RunError, DataError):
        if source is None:
            raise
        return images_for(run, source)


def _check_classes(found: Dataset, num_classes: int, classes: Any, source: Any) -> None:
    """Refuses labels that mean others than those which a model was trained with."""
    if found.y is None or (found.num_classes or 0) > num_classes:
        raise RunError(
            f'{source}: expected labels in [0, {num_classes}), which the model takes, got '
            f'{"none" if found.y is None else f"up to {int(found.y.max())}"}'
        )
    own = tuple(classes or map(str, range(num_classes)))
    if found.classes and tuple(found.classes) != own:
        raise RunError(
            f'{source}: expected the classes of the run, {shown(own)}, got {shown(found.classes)}'
        )


def encoded(run: Run, images: Dataset, data: Any = None) -> dict[str, np.ndarray]:
    """What a VAE says of each image, by name.

    `latents` are means of q(z | x) [n, d], with `log_var` of a Gaussian; `elbo`, `log_px_z` and
    `kl` are nats, by ten samples; `reconstruction_error` is the mean squared error of values in
    [-1, 1]. `score`, minus the ELBO (or that error, of an autoencoder), is the larger the odder an
    image is, and `quantile` the share of the run's held-out images whose score is smaller. `name`
    (of the file) and `label` are there where the source has them.

    Args:
      run: of a VAE.
      images: of the shape that the model takes.
      data: where the data of the run are, if they have moved; where they are not found, quantiles
        are NaN.

    Raises:
      RunError: another model, or one that has diverged.
    """
    found, score = _said(run, images)
    try:
        apart = np.sort(_said(run, held_out(run, data))[1])
    except RunError as error:
        if data is not None:
            raise
        say([f'no quantiles: {error}'])
        found['quantile'] = np.full(images.size, np.nan)
    else:
        found['quantile'] = np.searchsorted(apart, score) / len(apart)
    own = {'name': images.files, 'label': images.y}
    return found | {name: np.asarray(of) for name, of in own.items() if of is not None}


def _said(run: Run, images: Dataset) -> tuple[dict[str, np.ndarray], Float[np.ndarray, 'n']]:
    model = vae_of(run)
    y = None if model.num_classes is None else images.y
    key = stream(jax.random.key(run.config['seed']), 'encode')

    def one(rows: np.ndarray, x: Any, y: Any) -> dict[str, Any]:
        q = model.encode(run.state, x, y)
        said = {'latents': q.mean} | ({'log_var': q.log_var} if isinstance(q, Normal) else {})
        gap = scale(x, x.shape[1:]) - finite(np.asarray(model.decode(run.state, q.mean, y)))
        said['reconstruction_error'] = np.mean(np.square(gap), axis=(1, 2, 3))
        if model.has_density:
            batch = {'x': x} | ({} if y is None else {'y': y})
            bounds = model.evaluate(run.state, jax.random.fold_in(key, rows[0]), batch, _SAMPLES)
            said |= {name: bounds[name] for name in ('elbo', 'log_px_z', 'kl')}
        return said

    found = in_pieces(one, np.arange(images.size), images.x, y, size=_SIZE)
    score = -found['elbo'] if model.has_density else found['reconstruction_error']
    return found | {'score': finite(score)}, score


def walks(
    run: Run, images: Dataset, rows: int, columns: int, reach: float
) -> Float[np.ndarray, 'rows*columns h w c']:
    """The first of some images along single latents, a row for each of the most active.

    Args:
      run: of a VAE with Gaussian posteriors.
      images: of the shape that the model takes; the first thousand tell which latents are active.
      rows: latents, >= 1; no more than there are.
      columns: values of each, >= 2.
      reach: they go evenly from -reach to reach, > 0.

    Raises:
      RunError: another model, one that has diverged, or a number out of its range.
    """
    check_integers(1, rows=rows)
    check_integers(2, columns=columns)
    if not 0 < reach < np.inf:
        raise RunError(f'expected reach > 0, got {reach}')
    model = vae_of(run)
    y = None if model.num_classes is None else images.y
    some = images.x[:_LOOKED], None if y is None else y[:_LOOKED]
    q = in_pieces(lambda x, y: model.encode(run.state, x, y), *some, size=_SIZE)
    if not isinstance(q, Normal):
        raise RunError(
            "expected a VAE with posterior 'gaussian' to go along its latents, got "
            f'{run.config["recipe"]!r} with {type(q).__name__}'
        )
    found = traversals(run, q, y, rows, columns, reach)
    return finite(found.reshape(-1, *found.shape[2:]))
