"""Images at rest, and the order in which they come. Knows no model."""

from genjax.data.files import DataError
from genjax.data.order import indices, indices_from, place
from genjax.data.pipeline import batches, evaluation_batches, stream
from genjax.data.resident import fits, gather, on_device
from genjax.data.sources import (
    Dataset,
    digits,
    fingerprint,
    from_arrays,
    from_idx,
    from_npz,
    load,
    split,
)

__all__ = [
    'DataError',
    'Dataset',
    'batches',
    'digits',
    'evaluation_batches',
    'fingerprint',
    'fits',
    'from_arrays',
    'from_idx',
    'from_npz',
    'gather',
    'indices',
    'indices_from',
    'load',
    'on_device',
    'place',
    'split',
    'stream',
]
