"""The pictures behind an evaluation."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from jaxtyping import UInt8

from genjax import metrics, plots
from genjax.evaluation.evidence import Evidence, in_pieces
from genjax.vae import Normal

Sheet = UInt8[np.ndarray, 'height width c']
_COLUMNS, _ROWS, _NEIGHBOURS = 10, 10, 3
_REACH = 3.0  # standard deviations of a traversed latent to both sides


def sheets(e: Evidence) -> Iterator[tuple[str, Sheet]]:
    """Grids by name.

    Args:
      e: the evidence.
    """
    fake = e.fakes[0]
    yield 'samples', plots.grid(fake.x[: _COLUMNS * _ROWS], _COLUMNS)
    yield 'neighbours', _neighbours(e)
    if fake.classes is not None:
        yield 'classes', _classes(fake.x, fake.classes)
    if e.posterior is not None:
        yield 'reconstructions', _reconstructions(e, e.posterior)
        yield 'traversals', _traversals(e, e.posterior)


def _neighbours(e: Evidence) -> Sheet:
    """A row for each of the samples that are nearest to a training image, then for others: the
    sample, and the training images that are nearest by features."""
    fake, train = e.fakes[0], e.train.x
    distances, rows = metrics.nearest(
        fake.seen.features, e.train.seen.features, min(_NEIGHBOURS, len(train))
    )
    order = np.argsort(distances[:, 0])
    half = _ROWS // 2
    shown = np.concatenate([order[:half], np.setdiff1d(np.arange(len(order)), order[:half])[:half]])
    cells = np.concatenate([fake.x[shown][:, None], train[rows[shown]]], axis=1)
    return plots.grid(cells.reshape(-1, *train.shape[1:]), cells.shape[1])


def _classes(x: np.ndarray, classes: np.ndarray) -> Sheet:
    """A row for each of the ten most frequent classes, of images that are taken for it."""
    labels = np.sort(np.argsort(-np.bincount(classes), kind='stable')[:_ROWS])
    cells = np.full((len(labels), _COLUMNS, *x.shape[1:]), 255, np.uint8)
    for label, row in zip(labels, cells, strict=True):
        shown = x[classes == label][:_COLUMNS]
        row[: len(shown)] = shown
    return plots.grid(cells.reshape(-1, *x.shape[1:]), _COLUMNS)


def _reconstructions(e: Evidence, q: Normal) -> Sheet:
    """The held-out images that are reconstructed best, then those that are worst."""
    decode, x = partial(e.run.model.decode, e.run.state), e.held_out.x

    def one(x, mean, y):
        decoded = np.asarray(decode(mean, y))
        return plots.to_uint8(decoded), np.mean((x / 127.5 - 1 - decoded) ** 2, axis=(1, 2, 3))

    decoded, error = in_pieces(one, x, q.mean, e.held_out.y)
    order = np.argsort(error)
    half = min(len(order) // 2, 2 * _COLUMNS)
    shown = np.concatenate([order[:half], order[-half:]])
    return plots.pairs(x[shown], decoded[shown], _COLUMNS)


def _traversals(e: Evidence, q: Normal) -> Sheet:
    """A row for each of the most active latents of one image, from -3 to 3; the others stay."""
    run, use = e.run, metrics.latent_use(q.mean, q.log_var)
    busiest = np.argsort(-use.activity)[:_ROWS]
    z = np.repeat(np.asarray(q.mean[:1]), len(busiest) * _COLUMNS, axis=0)
    for row, latent in enumerate(busiest):
        z[row * _COLUMNS : (row + 1) * _COLUMNS, latent] = np.linspace(-_REACH, _REACH, _COLUMNS)
    y = None if e.held_out.y is None else np.repeat(e.held_out.y[:1], len(z))
    return plots.grid(np.asarray(run.model.decode(run.state, z, y)), _COLUMNS)
