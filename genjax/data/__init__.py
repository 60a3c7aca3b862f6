"""Images at rest, and the order in which they come. Knows no model."""

from genjax.data.dataset import Dataset, fingerprint, from_arrays, split, subset
from genjax.data.errors import DataError
from genjax.data.folder import from_folder
from genjax.data.inspect import Report, examples, inspect
from genjax.data.order import indices, indices_from, place
from genjax.data.pipeline import batches, evaluation_batches, stream
from genjax.data.resident import fits, gather, on_device
from genjax.data.sources import digits, from_idx, from_npz, load, located
from genjax.data.stacked import stacked
from genjax.data.tfds import from_tfds

__all__ = [
    'DataError',
    'Dataset',
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
    'from_npz',
    'from_tfds',
    'gather',
    'indices',
    'indices_from',
    'inspect',
    'load',
    'located',
    'on_device',
    'place',
    'split',
    'stacked',
    'stream',
    'subset',
]
