"""Networks, players and the one update that every model shares.

A model is *networks* and *players*. A player names the networks it trains, a loss and an optax
optimizer; a training step updates the players in turn. A GAN has two players, a VAE one.
"""

from genjax.core.checks import check_range
from genjax.core.types import (
    Batch,
    Hyper,
    HyperLike,
    Loss,
    Metrics,
    Model,
    Net,
    Network,
    Player,
    State,
    Term,
    averaged,
    held,
    hyper,
    weighted_sum,
    with_hypers,
)
from genjax.core.update import model

__all__ = [
    'Batch',
    'Hyper',
    'HyperLike',
    'Loss',
    'Metrics',
    'Model',
    'Net',
    'Network',
    'Player',
    'State',
    'Term',
    'averaged',
    'check_range',
    'held',
    'hyper',
    'model',
    'weighted_sum',
    'with_hypers',
]
