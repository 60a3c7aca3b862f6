"""How good a generative model is: figures by the literature's definitions."""

from genjax.metrics.annealing import Annealed, annealed_importance_sampling, sigmoidal
from genjax.metrics.features import Activations, Extractor, extract, fingerprint, of_function
from genjax.metrics.latents import AggregatedPosterior, Latents, aggregated_posterior, latent_use
from genjax.metrics.likelihood import NLL, Estimate, bits_per_dim, importance_weighted, nll

__all__ = [
    'NLL',
    'Activations',
    'AggregatedPosterior',
    'Annealed',
    'Estimate',
    'Extractor',
    'Latents',
    'aggregated_posterior',
    'annealed_importance_sampling',
    'bits_per_dim',
    'extract',
    'fingerprint',
    'importance_weighted',
    'latent_use',
    'nll',
    'of_function',
    'sigmoidal',
]
