"""Where a bad input is met."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from genjax import data
from genjax.train import train

RNG = np.random.default_rng(0)
DATA = data.from_arrays(RNG.integers(0, 256, (12, 4, 4, 1), np.uint8), np.arange(12) % 3)
TINY = {'batch_size': 4, 'dispatch': 1, 'eval_every': 1, 'hidden': (2,), 'latent_dim': 2}


class Place(NamedTuple):
    """Where a bad input is met: an empty folder, and the run of a VAE with checkpoints 1 and 2."""

    here: Path
    run: Path


def go_on(at, recipe='vae', data=DATA, **options):
    return train(recipe, data, **{'run': at.run, 'steps': 3, **TINY, **options})
