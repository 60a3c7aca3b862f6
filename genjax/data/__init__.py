"""Images at rest, and the order in which they come. Knows no model."""

from genjax.data.arrays import from_arrays
from genjax.data.containers import from_npy, from_npz
from genjax.data.dataset import (
    Dataset,
    fingerprint,
    labelled,
    marks,
    recognised,
    split,
    stacked,
    subset,
)
from genjax.data.errors import DataError
from genjax.data.folder import from_folder
from genjax.data.inspect import Report, examples, inspect
from genjax.data.order import indices, indices_from, place
from genjax.data.pipeline import batches, evaluation_batches, stream
from genjax.data.reading import Reading
from genjax.data.resident import fits, gather, on_device
from genjax.data.sequences import from_sequence
from genjax.data.sources import digits, from_idx, load, located
from genjax.data.sprites import sprites
from genjax.data.tfds import from_tfds

__all__ = [
    'DataError',
    'Dataset',
    'Reading',
    'Report',
    'batches',
    'digits',
    'evaluation_batches',
    'examples',
    'fingerprint',
    'fits',
    'from_arrays',
    'from_folder',
    'from_idx',
    'from_npy',
    'from_npz',
    'from_sequence',
    'from_tfds',
    'gather',
    'indices',
    'indices_from',
    'inspect',
    'labelled',
    'load',
    'located',
    'marks',
    'on_device',
    'place',
    'recognised',
    'split',
    'sprites',
    'stacked',
    'stream',
    'subset',
]
