"""Grids, animations and curves: arrays and records in, image files out."""

from genjax.plots.files import picture, save, save_images, save_pairs, timeline
from genjax.plots.grids import grid, pairs, to_uint8
from genjax.plots.lines import curves

__all__ = [
    'curves',
    'grid',
    'pairs',
    'picture',
    'save',
    'save_images',
    'save_pairs',
    'timeline',
    'to_uint8',
]
