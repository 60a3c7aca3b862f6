"""Images at rest, and the order in which they come. Knows no model."""

from genjax.data.files import DataError
from genjax.data.pipeline import batches, evaluation_batches, indices, prefetch
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
    'from_arrays',
    'from_idx',
    'from_npz',
    'indices',
    'load',
    'prefetch',
    'split',
]
