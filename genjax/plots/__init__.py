"""Grids, animations and curves: arrays and records in, image files out."""

from genjax.plots.files import (
    picture,
    replacing,
    save,
    save_arrays,
    save_each,
    save_images,
    save_pairs,
    timeline,
)
from genjax.plots.grids import grid, pairs, to_uint8
from genjax.plots.lines import curves, lines

__all__ = [
    'curves',
    'grid',
    'lines',
    'pairs',
    'picture',
    'replacing',
    'save',
    'save_arrays',
    'save_each',
    'save_images',
    'save_pairs',
    'timeline',
    'to_uint8',
]
