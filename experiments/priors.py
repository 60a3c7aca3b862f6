"""Learned priors beside N(0, I): the same networks, as many steps, on the digits.

    python -m experiments.priors --folder runs/priors    (20 minutes of one core)

`vae` (784-400-20) for 1,500 steps of batches of 64; NLL in nats of the held-out digits by 1,000
importance samples, with its KL, as mean and standard deviation of the seeds. Seeds are the same for
all, so that the difference to N(0, I) is one within a seed. A run that is there already is measured
as it is.
"""

from pathlib import Path

import numpy as np
import tyro

from experiments.iwae import binarized, measure
from genjax.machine import own_process
from genjax.train import held_out, train

PRIORS = ('standard', 'vamp', 'exemplar', 'mixture', 'maf', 'coupling')


def main(
    folder: Path,
    only: tuple[str, ...] = PRIORS,
    seeds: tuple[int, ...] = (0, 1, 2),
    steps: int = 1500,
    samples: int = 1000,
) -> None:
    """Trains with each prior and seed, and prints a line for each prior.

    Args:
      folder: of the runs.
      only: names of priors, the first of which the others are compared with.
      seeds: of each.
      steps: of each training.
      samples: of the posterior, of each image.
    """
    own_process()
    first = None
    for prior in only:
        found, kl = [], []
        for seed in seeds:
            run = train(
                'vae', 'digits', run=folder / f'{prior}_{seed}', seed=seed, steps=steps, prior=prior
            )
            found.append(measure(run, binarized(held_out(run)), samples).value)
            kl.append(run.finished.records[-1]['heldout/kl'])
        first = found if first is None else first
        gain = np.subtract(first, found)
        print(
            f'{prior:9} NLL {np.mean(found):.2f} +- {np.std(found, ddof=1):.2f}, '
            f'{gain.mean():.2f} +- {gain.std(ddof=1):.2f} below {only[0]}; KL {np.mean(kl):.1f}',
            flush=True,
        )


if __name__ == '__main__':
    tyro.cli(main)
