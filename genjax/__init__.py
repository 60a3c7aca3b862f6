"""GANs and VAEs as pure functions in JAX."""

from genjax import process  # First, since what follows takes seconds.

# isort: split

from genjax import (
    augment,
    data,
    evaluation,
    gan,
    latents,
    machine,
    methods,
    metrics,
    optim,
    parallel,
    plots,
    random,
    samplers,
    train,
    vae,
)
from genjax.core import Net, Network, Player, State, Term, model, weighted_sum, with_hypers
from genjax.exports.reader import Exported, load_exported
from genjax.exports.writer import export
from genjax.nn.linen import from_linen
from genjax.nn.nnx import from_nnx
from genjax.precision import mixed_precision
from genjax.train.run import Run, load

__all__ = [
    'Exported',
    'Net',
    'Network',
    'Player',
    'Run',
    'State',
    'Term',
    'augment',
    'data',
    'evaluation',
    'export',
    'from_linen',
    'from_nnx',
    'gan',
    'latents',
    'load',
    'load_exported',
    'machine',
    'methods',
    'metrics',
    'mixed_precision',
    'model',
    'optim',
    'parallel',
    'plots',
    'process',
    'random',
    'samplers',
    'train',
    'vae',
    'weighted_sum',
    'with_hypers',
]
__version__ = '0.1.0'
