"""All methods on the embedded digits: what each reaches in a minute or two.

    python -m experiments.methods --folder runs/methods    (half an hour on 2 cores)

1,000 updates of the discriminator or of the VAE in batches of 64, GANs of width 16; Frechet
distance by the digits' classifier of 2 sets of 500 samples (held-out digits: 0.3), NLL by 1,000
importance samples. Mean and standard deviation of seeds 0, 1 and 2 (jax 0.10.2, 2 cores with AVX2):

    dcgan       17.65 +- 0.31    wgan_gp (200 steps)  1531 +- 99
    hinge_gan   16.62 +- 1.04    gan                  695 +- 117: digits in noise
    lsgan       33.10 +- 8.95    vae                  113.84 +- 0.36 nats
    dragan      32.53 +- 8.79    beta_vae             132.37 +- 1.78 nats
    wgan (200 steps)  1524 +- 68 conv_vae             107.82 +- 1.97 nats

DRAGAN without a norm in the place of layer norm: 47 +- 31. These are short runs: a method that is
worse here may be the better one later.
"""

from pathlib import Path

import numpy as np
import tyro

from genjax.evaluation import evaluate
from genjax.machine import own_process
from genjax.methods import methods
from genjax.train import train

STEPS, SEEDS = 1000, (0, 1, 2)
FIGURES = {'gan': 'frechet_distance', 'vae': 'nll (nats, k=1000)'}


def measure(name: str, folder: Path, steps: int, seed: int) -> float:
    """The figure of one run: the NLL of a VAE, the Frechet distance of any other.

    Args:
      name: of the method, with its family.
      folder: of the run; one that is there already is evaluated as it is.
      steps: of the training.
      seed: of the run.
    """
    family, _, method = name.partition('.')
    # As many updates of each discriminator.
    steps = steps // 5 if method.startswith('wgan') else steps
    options = {'width': 16} if family == 'gan' and method != 'gan' else {}
    run = train(method, 'digits', run=folder, steps=steps, seed=seed, **options)
    figures = {figure.name: figure.value for figure in evaluate(run, resamples=2).figures}
    # An autoencoder has no likelihood.
    return figures.get(FIGURES[family], figures['frechet_distance'])


def main(
    folder: Path,
    steps: int = STEPS,
    seeds: tuple[int, ...] = SEEDS,
    only: tuple[str, ...] = (),
) -> None:
    """Trains every method with every seed, and prints a line for each.

    Args:
      folder: of the runs.
      steps: of each.
      seeds: of each method.
      only: names of methods, with their families; all by default.
    """
    own_process()
    for name in only or [method.name for method in methods()]:
        found = [measure(name, folder / f'{name}_{seed}', steps, seed) for seed in seeds]
        spread = np.std(found, ddof=1) if len(found) > 1 else np.nan
        print(f'{name:15} {np.mean(found):.2f} +- {spread:.2f}', np.round(found, 2), flush=True)


if __name__ == '__main__':
    tyro.cli(main)
