"""How good a generative model is: figures by the literature's definitions."""

from genjax.metrics.diversity import (
    PathLength,
    Similarity,
    ms_ssim,
    path_length,
    self_similarity,
)
from genjax.metrics.features import Activations, Extractor, extract, fingerprint, of_function
from genjax.metrics.frechet import (
    Moments,
    fd_infinity,
    frechet_distance,
    merge,
    moments,
    of_covariance,
)
from genjax.metrics.kernel import KernelDistance, kernel_distance
from genjax.metrics.manifold import (
    PRDC,
    Authenticity,
    PrecisionRecall,
    authenticity,
    prdc,
    precision_recall,
)
from genjax.metrics.neighbours import nearest
from genjax.metrics.scores import Score, inception_score

__all__ = [
    'PRDC',
    'Activations',
    'Authenticity',
    'Extractor',
    'KernelDistance',
    'Moments',
    'PathLength',
    'PrecisionRecall',
    'Score',
    'Similarity',
    'authenticity',
    'extract',
    'fd_infinity',
    'fingerprint',
    'frechet_distance',
    'inception_score',
    'kernel_distance',
    'merge',
    'moments',
    'ms_ssim',
    'nearest',
    'of_covariance',
    'of_function',
    'path_length',
    'prdc',
    'precision_recall',
    'self_similarity',
]
