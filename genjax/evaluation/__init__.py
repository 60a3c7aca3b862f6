"""How good a run is: evidence, then figures, findings and sheets of it."""

from genjax.evaluation.evaluation import Evaluation, evaluate, write
from genjax.evaluation.figures import Figure
from genjax.evaluation.sampling import interpolations, reconstructions, samples

__all__ = [
    'Evaluation',
    'Figure',
    'evaluate',
    'interpolations',
    'reconstructions',
    'samples',
    'write',
]
