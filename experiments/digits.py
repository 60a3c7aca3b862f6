"""DCGAN and a VAE on the embedded digits, by every figure.

    python -m experiments.digits --folder runs/digits    (5 minutes on 2 cores)

The README's two runs: DCGAN of width 32, 2,500 steps; the VAE, 3,000 steps; batches of 64, seed 0.
Means of five sets of 500 samples beside the 500 held-out images, against 4,500 training images:
TABLE
"""

from pathlib import Path

import tyro

from genjax.machine import own_process
from genjax.metrics import digits, pixels
from genjax.train import train
from genjax.train.evaluation import evaluate
from genjax.train.run import divided

RUNS = {'dcgan': {'steps': 2500, 'width': 32}, 'vae': {'steps': 3000}}


def main(folder: Path) -> None:
    """Trains both and prints their evaluations by two kinds of features.

    Args:
      folder: of the runs; those that are there already are evaluated as they are.
    """
    own_process()
    for recipe, options in RUNS.items():
        run = train(recipe, 'digits', run=folder / recipe, **options)
        for extractor in digits(), pixels(divided(run)[0].x):
            print(evaluate(run, extractor=extractor), end='\n\n')


if __name__ == '__main__':
    tyro.cli(main)
