"""How good a generative model is: figures by the literature's definitions."""

from genjax.metrics.features import Activations, Extractor, extract, fingerprint, of_function
from genjax.metrics.inception import inception

__all__ = ['Activations', 'Extractor', 'extract', 'fingerprint', 'inception', 'of_function']
