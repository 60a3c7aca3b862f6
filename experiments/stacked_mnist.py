"""Stacked MNIST under VEEGAN's protocol, as PacGAN's Table 2 and R3GAN's ablation have it.

    python -m experiments.stacked_mnist --data FOLDER --folder runs/stacked --seeds 0 1 2
    python -m experiments.stacked_mnist --data digits --folder runs/stacked --minutes 60

128,000 images of 28x28x3, each channel a digit of MNIST's training images; DCGAN of width 64, Adam
2e-4 with b1 0.5, 100,000 steps of 64 looks (PacGAN's at m images each), 26,000 samples of the
trained generator without an average, named by genjax's classifier of digits. A run that is there
already goes on. Here z is N(0, I) of length 100, theirs uniform in [-1, 1]; PacGAN's code updates
the generator twice a step, where its paper does not say so, and here it is once.

`r1r2` is R3GAN's loss on DCGAN's networks without norms in the discriminator. Published: DCGAN 78.9
+- 6.5 modes and KL 4.50 +- 0.13 nats, Pac2 1000.0 and 0.06 (PacGAN, ten trials); RpGAN + R1 + R2
1000 and 0.0781 (Huang et al. 2024, one network of their own).

A line for each tenth of the steps: modes of 1000, and KL of the modes to even ones in nats, beside
those of as many images of the data. So many even draws have a KL of 0.019.
"""

import time
from pathlib import Path

import jax
import numpy as np
import tyro

from genjax import metrics
from genjax.data import Dataset, load, stacked
from genjax.evaluation.sampling import draw
from genjax.machine import own_process
from genjax.random import stream
from genjax.train import Run, train

IMAGES, LOOKS, STEPS, SAMPLES, AT_ONCE = 128_000, 64, 100_000, 26_000, 1000
_PENALIZED = {
    'objective': 'relativistic',
    'penalties': ('r1:weight=1', 'r2:weight=1'),
    'norm': 'none',
}
METHODS = {'dcgan': {}, 'pac2': {'packing': 2}, 'r1r2': _PENALIZED}


def covered(run: Run, samples: int) -> metrics.ModeCoverage:
    """The modes that a run's samples are of.

    Args:
      run: of three channels.
      samples: how many.
    """
    key = stream(jax.random.key(run.config['seed']), 'stacked')
    return metrics.stacked_coverage(metrics.digits(), draw(run, key, samples, None, AT_ONCE))


def learn(method: str, data: Dataset, run: Path, steps: int, seed: int, width: int) -> Run:
    """Trains one method to a step.

    Args:
      method: of `METHODS`.
      data: the images.
      run: its folder.
      steps: in all.
      seed: of the run.
      width: of the networks.
    """
    options = METHODS[method]
    batch = LOOKS * options.get('packing', 1)
    return train(
        'dcgan', data, run=run, steps=steps, seed=seed, width=width, held_out=1000 / data.size,
        batch_size=batch, ema_decay=None, sample_every=STEPS, eval_every=STEPS, **options,
    )  # fmt: skip


def main(
    data: str,
    folder: Path,
    methods: tuple[str, ...] = tuple(METHODS),
    seeds: tuple[int, ...] = (0,),
    steps: int = STEPS,
    width: int = 64,
    samples: int = SAMPLES,
    minutes: float = float('inf'),
) -> None:
    """Trains each method with each seed, as far as the time goes.

    Args:
      data: as `--data` of `genjax train`; 'digits' has 500 images of each digit.
      folder: of the runs.
      methods: of the table.
      seeds: of each.
      steps: of each run.
      width: of the networks.
      samples: that are named.
      minutes: that each run may take.
    """
    own_process()
    images = stacked(load(data), IMAGES, 0)
    real = metrics.stacked_coverage(metrics.digits(), images.x[:samples])
    print(f'{"data":17}: {real.modes:4} modes, KL {real.kl:.3f}', flush=True)
    for method in methods:
        for seed in seeds:
            start = time.perf_counter()
            for step in np.linspace(0, steps, 11, dtype=int)[1:].tolist():
                run = learn(method, images, folder / f'{method}_{seed}', step, seed, width)
                found, spent = covered(run, samples), (time.perf_counter() - start) / 60
                line = f'{found.modes:4} modes, KL {found.kl:.3f}'
                print(f'{method} {seed} {step:10}: {line}, {spent:.1f} min', flush=True)
                if spent > minutes:
                    break


if __name__ == '__main__':
    tyro.cli(main)
