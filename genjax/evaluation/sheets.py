"""The pictures behind an evaluation: grids of what is in the evidence."""

import numpy as np
from jaxtyping import Shaped, UInt8

from genjax import metrics, plots
from genjax.evaluation.evidence import Evidence
from genjax.evaluation.inference import Posteriors

Sheet = UInt8[np.ndarray, 'height width c']
_COLUMNS, _ROWS, _NEIGHBOURS = 10, 10, 3


def sheets(e: Evidence, q: Posteriors | None) -> dict[str, Sheet]:
    """Grids by name.

    Args:
      e: the evidence.
      q: the posteriors of a VAE, where they are Gaussian.
    """
    drawn = ((name, draw(e, q)) for name, draw in SHEETS.items())
    return {name: sheet for name, sheet in drawn if sheet is not None}


def _grid(cells: Shaped[np.ndarray, 'rows columns h w c']) -> Sheet:
    return plots.grid(cells.reshape(-1, *cells.shape[2:]), cells.shape[1])


def _samples(e: Evidence, _: Posteriors | None) -> Sheet:
    return plots.grid(e.fakes[0].x[: _COLUMNS * _ROWS], _COLUMNS)


def _neighbours(e: Evidence, _: Posteriors | None) -> Sheet:
    """A row for each of the samples that are nearest to a training image, then for others: the
    sample, and the training images that are nearest by features."""
    fake, train = e.fakes[0], e.train.x
    distances, rows = metrics.nearest(
        fake.seen.features, e.train.seen.features, min(_NEIGHBOURS, len(train))
    )
    order = np.argsort(distances[:, 0])
    half = _ROWS // 2
    shown = np.concatenate([order[:half], np.setdiff1d(np.arange(len(order)), order[:half])[:half]])
    return _grid(np.concatenate([fake.x[shown][:, None], train[rows[shown]]], axis=1))


def _classes(e: Evidence, _: Posteriors | None) -> Sheet | None:
    """A row for each of the ten most frequent classes, of images that are taken for it."""
    x, classes = e.fakes[0].x, e.fakes[0].classes
    if classes is None:
        return None
    labels = np.sort(np.argsort(-np.bincount(classes), kind='stable')[:_ROWS])
    cells = np.full((len(labels), _COLUMNS, *x.shape[1:]), 255, np.uint8)
    for label, row in zip(labels, cells, strict=True):
        shown = x[classes == label][:_COLUMNS]
        row[: len(shown)] = shown
    return _grid(cells)


def _reconstructions(e: Evidence, q: Posteriors | None) -> Sheet | None:
    """The held-out images that are reconstructed best, then those that are worst."""
    if q is None:
        return None
    order = np.argsort(q.errors)
    half = min(len(order) // 2, 2 * _COLUMNS)
    shown = np.concatenate([order[:half], order[-half:]])
    return plots.pairs(e.held_out.x[shown], q.decoded[shown], _COLUMNS)


def _traversals(e: Evidence, q: Posteriors | None) -> Sheet | None:
    return None if q is None else _grid(q.traversals)


# An evaluation has those that draw something of its model.
SHEETS = {
    'samples': _samples,
    'neighbours': _neighbours,
    'classes': _classes,
    'reconstructions': _reconstructions,
    'traversals': _traversals,
}
