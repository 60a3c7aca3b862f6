"""Bits per dimension of held-out photographs, by each likelihood that suits colour.

    python -m experiments.colour_bits --data cifar10_10k_jpg.tar --folder runs/colour_bits

`conv_vae` on 32x32x3 in batches of 64; a tenth of the images is held out. Bits by importance
samples of the encoder's posterior, with the error over the images, that of the samples, and the
effective samples of the image that has the fewest and of the median one. Likelihoods of the 256
levels give bits as they are. Densities are measured on images with noise uniform over a level,
`2 (level + u) / 256 - 1`, an upper bound in expectation on the bits of a model of the levels (Theis
et al. 2016, https://arxiv.org/abs/1511.01844).
"""

from pathlib import Path

import jax
import numpy as np
import tyro

from genjax import metrics
from genjax.evaluation.evidence import in_pieces
from genjax.images import scale
from genjax.machine import own_process
from genjax.train import Run, held_out, train

MASSES = ('discretized_logistic', 'logistic_mixture', 'negative_binomial', 'poisson')
DENSITIES = ('learned_gaussian', 'beta', 'continuous_bernoulli', 'gaussian')
AT_ONCE = 50  # images


def bits(run: Run, images: np.ndarray, density: bool, samples: int) -> tuple[metrics.NLL, float]:
    """Bits per dimension with errors in bits, and the effective samples of the median image.

    Args:
      run: of a VAE.
      images: uint8.
      density: whether its likelihood is one.
      samples: of the posterior, of each image.
    """
    x, width = scale(images, images.shape[1:]), 1.0
    if density:
        noise = np.random.default_rng(0).random(images.shape, np.float32)
        x, width = 2 * (images + noise) / 256 - 1, 2 / 256

    def one(rows, x):
        key = jax.random.fold_in(jax.random.key(2), rows[0])
        return run.model.importance_sampling(run.state, key, {'x': x}, k=samples)

    found = in_pieces(one, np.arange(len(images)), x, size=AT_ONCE)
    dims, told = images[0].size, metrics.nll(found)
    errors = (error / (dims * np.log(2)) for error in (told.standard_error, told.sampling_error))
    value = metrics.bits_per_dim(-told.value, dims, width)
    median = float(np.median(found.effective_samples))
    return metrics.NLL(float(value), *errors, told.effective_samples), median


def main(
    data: str,
    folder: Path,
    only: tuple[str, ...] = MASSES + DENSITIES,
    steps: int = 10_000,
    images: int = 500,
    samples: int = 2_000,
    seed: int = 0,
) -> None:
    """Trains and measures each.

    Args:
      data: photographs of 32x32.
      folder: of the runs; those that are there are continued.
      only: names of likelihoods.
      steps: of each training.
      images: held-out ones, the first, that are measured.
      samples: of the posterior, of each image.
      seed: of all runs.
    """
    own_process()
    for likelihood in only:
        run = train(
            'conv_vae', data, run=folder / f'{likelihood}_{seed}', seed=seed, held_out=0.1,
            steps=steps, likelihood=likelihood,
        )  # fmt: skip
        density = likelihood in DENSITIES
        found, median = bits(run, held_out(run).x[:images], density, samples)
        print(
            f'{likelihood:21} {found.value:.3f} +- {found.standard_error:.3f} bits (by the samples '
            f'{found.sampling_error:.4f}; effective {found.effective_samples:.1f}, '
            f'{median:.1f})',
            flush=True,
        )


if __name__ == '__main__':
    tyro.cli(main)
