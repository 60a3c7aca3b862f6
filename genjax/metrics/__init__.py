"""How good a generative model is: figures by the literature's definitions."""

from genjax.metrics.classifier import Accuracy, accuracy, digits, of_classifier, train_classifier
from genjax.metrics.conditional import classification_accuracy, intra_class
from genjax.metrics.default import default_extractor
from genjax.metrics.disentanglement import (
    beta_vae_score,
    factor_vae_score,
    mig,
    modularity,
    mutual_information,
)
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
from genjax.metrics.inception import inception
from genjax.metrics.kernel import KernelDistance, kernel_distance
from genjax.metrics.latents import AggregatedPosterior, Latents, aggregated_posterior, latent_use
from genjax.metrics.manifold import (
    PRDC,
    Authenticity,
    PrecisionRecall,
    authenticity,
    prdc,
    precision_recall,
    spheres,
)
from genjax.metrics.mixtures import Mixture, MixtureCoverage, grid, ring
from genjax.metrics.modes import ModeCoverage, mode_coverage, name_stacked, stacked_coverage
from genjax.metrics.neighbours import nearest
from genjax.metrics.pixels import pixels
from genjax.metrics.predictability import DCI, dci, sap
from genjax.metrics.scores import Score, inception_score
from genjax.metrics.spectrum import spectrum
from genjax.vae.annealed_importance import Annealed, annealed_importance_sampling, sigmoidal
from genjax.vae.importance import NLL, Estimate, bits_per_dim, importance_weighted, nll

__all__ = [
    'DCI',
    'NLL',
    'PRDC',
    'Accuracy',
    'Activations',
    'AggregatedPosterior',
    'Annealed',
    'Authenticity',
    'Estimate',
    'Extractor',
    'KernelDistance',
    'Latents',
    'Mixture',
    'MixtureCoverage',
    'ModeCoverage',
    'Moments',
    'PathLength',
    'PrecisionRecall',
    'Score',
    'Similarity',
    'accuracy',
    'aggregated_posterior',
    'annealed_importance_sampling',
    'authenticity',
    'beta_vae_score',
    'bits_per_dim',
    'classification_accuracy',
    'dci',
    'default_extractor',
    'digits',
    'extract',
    'factor_vae_score',
    'fd_infinity',
    'fingerprint',
    'frechet_distance',
    'grid',
    'importance_weighted',
    'inception',
    'inception_score',
    'intra_class',
    'kernel_distance',
    'latent_use',
    'merge',
    'mig',
    'mode_coverage',
    'modularity',
    'moments',
    'ms_ssim',
    'mutual_information',
    'name_stacked',
    'nearest',
    'nll',
    'of_classifier',
    'of_covariance',
    'of_function',
    'path_length',
    'pixels',
    'prdc',
    'precision_recall',
    'ring',
    'sap',
    'self_similarity',
    'sigmoidal',
    'spectrum',
    'spheres',
    'stacked_coverage',
    'train_classifier',
]
