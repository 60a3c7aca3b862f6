"""DCGAN and a VAE on the embedded digits, by every figure.

    python -m experiments.digits --folder runs/digits    (5 minutes on 2 cores)

The README's two runs: DCGAN of width 32, 2,500 steps; the VAE, 3,000 steps; batches of 64, seed 0.
Means of five sets of 500 samples beside the 500 held-out images, against 4,500 training images:
                           by digits@3470c508           by pixels-pca64@1c5894bb
                           DCGAN   VAE     held-out     DCGAN   VAE     held-out
    frechet_distance       9.80    16.0    0.320        21.5    16.8    4.92
    kernel_distance        0.106   0.267   0.006        0.596   0.386   0.073
    precision              0.400   0.386   0.824        0.528   0.935   0.882
    recall                 0.695   0.620   0.908        0.664   0.489   0.914
    density                0.210   0.217   0.928        0.378   1.489   0.980
    coverage               0.273   0.196   0.940        0.540   0.810   0.960
    inception_score        5.33    4.33    9.69
    variance_share         0.464   0.395   0.986        0.948   0.666   0.979
    neighbour_distance     2.29    2.29    1.64         10.9    9.02    9.56
    copied_share           0.117   0.089   0.418        0.050   0.113   0.454
    near_copies_share      0.000   0.000   0.000        0.000   0.000   0.000
    class_total_variation  0.232   0.319   0.051
    path_length            480     187                  1283    479
    self_similarity        0.152   0.146   0.122

The VAE: ELBO -110.7 nats, NLL 104.6 +- 1.1 (k = 1000, 7 effective samples in the median), 20 of 20
units active. By meaning the GAN is better in most; by pixels the VAE is the more precise, since its
samples lie in the middle of what it knows, and has less of the variance. Nothing is copied. Both
are far from the held-out images: these are a few minutes of training, of one seed.
"""

from pathlib import Path

import tyro

from genjax.evaluation.evaluation import evaluate
from genjax.machine import own_process
from genjax.train import train

RUNS = {'dcgan': {'steps': 2500, 'width': 32}, 'vae': {'steps': 3000}}


def main(folder: Path) -> None:
    """Trains both and prints their evaluations by two kinds of features.

    Args:
      folder: of the runs; those that are there already are evaluated as they are.
    """
    own_process()
    for recipe, options in RUNS.items():
        run = train(recipe, 'digits', run=folder / recipe, **options)
        for features in 'auto', 'pixels':
            print(evaluate(run, features=features), end='\n\n')


if __name__ == '__main__':
    tyro.cli(main)
