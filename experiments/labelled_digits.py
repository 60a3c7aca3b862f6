"""The method to begin with on the digits with labels, measured all along.

    python -m experiments.labelled_digits --folder runs/labelled

`gan.sncnn` with the labels of the embedded digits, batches of 64. At each measurement, by the
digits' classifier: Frechet distance of 500 samples to the training digits, the share of samples
that show the digit asked for, the shares of copies and of near copies, recall; held-out digits in
brackets. A run that is there already goes on.
"""

from pathlib import Path

import tyro

from genjax.evaluation import evaluate
from genjax.machine import own_process
from genjax.train import train

FIGURES = ('frechet_distance', 'class_accuracy', 'copied_share', 'near_copies_share', 'recall')


def main(
    folder: Path,
    steps: int = 5000,
    every: int = 500,
    seeds: tuple[int, ...] = (0, 1, 2),
    width: int | None = None,
) -> None:
    """Trains each seed, and prints a line for each measurement.

    Args:
      folder: of the runs.
      steps: of each.
      every: steps between measurements.
      seeds: of the runs.
      width: of the networks; the method's own by default.
    """
    own_process()
    options = {} if width is None else {'width': width}
    for seed in seeds:
        for step in range(every, steps + 1, every):
            run = train(
                'sncnn', 'digits', run=folder / f'{seed}', steps=step, seed=seed, num_classes=10,
                sample_every=every, eval_every=every, **options,
            )  # fmt: skip
            found = {figure.name: figure for figure in evaluate(run, resamples=3).figures}
            told = '  '.join(
                f'{name} {found[name].value:.3g} ({found[name].real:.3g})' for name in FIGURES
            )
            print(f'seed {seed}, step {step:5}: {told}', flush=True)


if __name__ == '__main__':
    tyro.cli(main)
