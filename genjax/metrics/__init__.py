"""How good a generative model is: figures by the literature's definitions."""

from genjax.metrics.annealing import Annealed, annealed_importance_sampling, sigmoidal
from genjax.metrics.diversity import PathLength, Similarity, ms_ssim, path_length, self_similarity
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
from genjax.metrics.latents import AggregatedPosterior, Latents, aggregated_posterior, latent_use
from genjax.metrics.likelihood import NLL, Estimate, bits_per_dim, importance_weighted, nll
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
    'NLL',
    'PRDC',
    'Activations',
    'AggregatedPosterior',
    'Annealed',
    'Authenticity',
    'Estimate',
    'Extractor',
    'KernelDistance',
    'Latents',
    'Moments',
    'PathLength',
    'PrecisionRecall',
    'Score',
    'Similarity',
    'aggregated_posterior',
    'annealed_importance_sampling',
    'authenticity',
    'bits_per_dim',
    'extract',
    'fd_infinity',
    'fingerprint',
    'frechet_distance',
    'importance_weighted',
    'inception_score',
    'kernel_distance',
    'latent_use',
    'merge',
    'moments',
    'ms_ssim',
    'nearest',
    'nll',
    'of_covariance',
    'of_function',
    'path_length',
    'prdc',
    'precision_recall',
    'self_similarity',
    'sigmoidal',
]
