"""Every pair of networks with its paper's objective on 10,000 photographs, at equal time.

    python -m experiments.colour --data cifar10_10k_jpg.tar --folder runs/colour    (two hours)
    python -m experiments.colour --data FOLDER --folder runs/colour --minutes 30 --only sncnn r3gan
    python -m experiments.colour --data FOLDER --folder runs/colour --only dcgan --every 3000

32x32x3 in batches of 64, with labels where the data have them, at widths that fit two cores; 1,000
images are held out. Frechet and kernel distance (x1000), precision, recall, density and coverage by
principal components of the training images' pixels (`genjax evaluate --features pixels`), beside
those of the held-out images; `samples.png` of each run is to be looked at.

Reached so far, 25 minutes of one core each (AVX2, jax 0.10.2), without labels, seed 0 (steps,
Frechet and kernel distance, precision, recall, density, coverage; held-out images 6.3, -0.7, 0.65,
0.67, 0.97, 0.97):

    dcgan    13,800   21.1   5.5  0.70  0.51  1.17  0.95   shapes, a few of which can be named
    sngan     1,450   67.6  23.1  0.59  0.42  0.76  0.79
    sncnn     4,150   98.5  43.3  0.66  0.35  0.74  0.69   shapes as well, too much contrast
    r3gan     1,000    154  39.6  0.88  0.06  1.66  0.88   strokes
    sncnn with dcgan's generator, width 32, rates of 2e-4 and 4e-4
              2,910   93.9  78.5  0.74  0.37  1.19  0.90

These averaged weights had the batch statistics of the trained ones, which are not theirs: with
those of 100 batches made anew (`--standing 100`) the two `sncnn` have 41.6 and 46.0, and dcgan 15.5
(kernel distance -0.7, recall 0.57; its trained weights 22.2 with either). Since then averages keep
statistics of their own. With these, seed 0:

    dcgan    29,650   56.2  18.5  0.72  0.40  1.00  0.83   60 minutes; the trained weights 204
    dcgan --augment translate colour cutout
             10,480   29.3   3.4  0.65  0.55  0.82  0.86   24 minutes

(56.2 and 29.3 are 55.2 and 30.1 with statistics made anew.) So dcgan is at its best somewhere
before 30,000 steps of 64, where it has overfitted 9,000 images: logits are 5 and -4. At equal time
the fastest network is ahead.

Where half of real and fake images are mirrored, nothing tells which way round a sample is, and it
leans: dcgan, `--augment flip:probability=0.5`, one core with AMX, seed 0 (left half minus right
half of an image: -0.05 in the mean, 0 in photographs):

    3,000 to 26,550 steps    54.6, 47.7, 44.7, 44.6, 42.9, 43.2, 44.4, 42.4, 41.6, at each 3,000
    15,000, half of the samples mirrored afterwards    18.9
    without, 5.5 minutes     20.1 (3,990 steps in float32), 19.7 (3,740 in bfloat16)
    probability=0.4: 36.3 (6,270 steps); 0.25: 34.0 (2,890), 20.4 (7,110)
"""

from pathlib import Path
from typing import Any

import tyro

from experiments.minutes import at_most
from genjax import plots
from genjax.evaluation import evaluate, samples
from genjax.machine import own_process
from genjax.train import Run, load, train

_ALL: dict[str, dict[str, Any]] = {
    'dcgan': {'width': 32},
    'sncnn': {'width': 16},
    'sngan': {'width': 32},
    'sagan': {'width': 32},
    'r3gan': {'width': 16},
    'wgan_gp': {'width': 32},
}
_ENOUGH = 10**6  # steps that no minutes suffice for
_FIGURES = ('frechet', 'kernel', 'precision', 'recall', 'density', 'coverage')


def learn(
    recipe: str, data: Any, folder: Path, minutes: float, seed: int, every: int, options: dict
) -> Run:
    """Trains until it is told to end, after so many minutes, compilation included.

    Args:
      recipe: its name.
      data: as `--data` of `genjax train`.
      folder: of the run, which is not there yet.
      minutes: of the training.
      seed: of the run.
      every: steps from one checkpoint to the next.
      options: of the recipe.
    """
    with at_most(minutes):
        return train(
            recipe, data, run=folder, seed=seed, held_out=0.1, dispatch=10, steps=_ENOUGH,
            sample_every=_ENOUGH, eval_every=every, keep_every=every, **options,
        )  # fmt: skip


def main(
    data: str,
    folder: Path,
    minutes: float = 20.0,
    only: tuple[str, ...] = tuple(_ALL),
    seed: int = 0,
    num_classes: int | None = None,
    augment: tuple[str, ...] = (),
    every: int = _ENOUGH,
) -> None:
    """Trains and measures each.

    Args:
      data: photographs of 32x32.
      folder: of the runs.
      minutes: of each training.
      only: names of recipes.
      seed: of all runs.
      num_classes: of the data, to use their labels.
      augment: as `--augment` of `genjax train`.
      every: steps between checkpoints, all of which are measured.
    """
    own_process()
    for recipe in only:
        options = _ALL[recipe] | ({'num_classes': num_classes} if num_classes else {})
        options |= {'augment': augment} if augment else {}
        place = folder / '_'.join([recipe, *augment, str(seed)])
        learn(recipe, data, place, minutes, seed, every, options)
        for step in sorted(int(kept.name) for kept in (place / 'checkpoints').glob('[0-9]*')):
            _tell(recipe, load(place, step), place / f'samples_{step}.png')


def _tell(recipe: str, run: Run, picture: Path) -> None:
    found = evaluate(run, features='pixels', n=1000, resamples=3)
    drawn = samples(run, 64)
    plots.save_images(picture, drawn.x, drawn.columns)
    told = '  '.join(
        f'{figure.name.partition(" ")[0]} {figure.value:.3g} ({figure.real:.3g})'
        for figure in found.figures
        if figure.name.startswith(_FIGURES)
    )
    print(f'{recipe:8} {int(run.state.step):6} steps: {told}', flush=True)


if __name__ == '__main__':
    tyro.cli(main)
