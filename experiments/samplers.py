"""Samplers fitted after training beside the prior, on the digits.

    python -m experiments.samplers --folder runs/samplers    (half an hour of one core)

Each method of `--methods` for 1,500 steps of batches of 64 on the embedded digits, then an
evaluation with the prior and with each sampler: Frechet distance of 500 samples, precision and
recall by the digits' classifier, mean and standard deviation over the seeds; held-out digits in
the last line. A run that is there already goes on, and samplers that were fitted are kept.

Reached (AVX2, jax 0.10.2, three seeds; Frechet distance, precision, recall; held-out digits 0.32,
0.82, 0.91):

    ae     prior          153 +- 33     0.14 +- 0.02     0.11 +- 0.04
    ae     gmm            83.4 +- 6.1   0.225 +- 0.006   0.52 +- 0.06
    ae     maf            33.1 +- 0.9   0.270 +- 0.003   0.41 +- 0.09
    ae     two_stage      93.1 +- 1.4   0.18 +- 0.01     0.51 +- 0.02
    ae     hypersphere    192 +- 46     0.13 +- 0.03     0.08 +- 0.06
    vae    prior          20.8 +- 0.8   0.37 +- 0.02     0.46 +- 0.02
    vae    gmm            6.64 +- 0.08  0.59 +- 0.02     0.67 +- 0.02
    vae    vamp           3.61 +- 0.31  0.72 +- 0.01     0.53 +- 0.05
    vae    manifold       18.1 +- 0.7   0.37 +- 0.02     0.51 +- 0.06

`rae_l2`, `wae_mmd`, and `maf`, `two_stage`, `hypersphere` of `vae` were not run.
"""

from pathlib import Path

import numpy as np
import tyro

from genjax.evaluation import evaluate
from genjax.evaluation.samplers import fitted
from genjax.machine import own_process
from genjax.train import load, train

FIGURES = ('frechet_distance', 'precision', 'recall')


def main(
    folder: Path,
    methods: tuple[str, ...] = ('ae', 'rae_l2', 'wae_mmd', 'vae'),
    samplers: tuple[str, ...] = ('gmm', 'maf', 'two_stage', 'hypersphere', 'vamp', 'manifold'),
    steps: int = 1500,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> None:
    """Trains, fits and measures.

    Args:
      folder: of the runs.
      methods: VAEs by name.
      samplers: by name; those of Gaussian posteriors are left out for others.
      steps: of each training.
      seeds: of the runs.
    """
    own_process()
    real: dict[str, float] = {}
    for method in methods:
        runs = []
        for seed in seeds:
            place = folder / f'{method}_{seed}'
            train(method, 'digits', run=place, steps=steps, seed=seed, eval_every=steps)
            runs.append(load(place))
        gaussian = method == 'vae'
        for sampler in (None, *samplers):
            if sampler in ('vamp', 'manifold') and not gaussian:
                continue
            found: dict[str, list[float]] = {name: [] for name in FIGURES}
            for run in runs:
                drawn = run if sampler is None else fitted(run, sampler)
                for figure in evaluate(drawn, features='auto', resamples=2).figures:
                    if figure.name in FIGURES:
                        found[figure.name].append(figure.value)
                        real[figure.name] = figure.real
            told = (f'{np.mean(v):.3g} +- {np.std(v, ddof=1):.2g}' for v in found.values())
            print(f'{method:8} {sampler or "prior":12}', '   '.join(told), flush=True)
    print('held-out', '   '.join(f'{name} {value:.3g}' for name, value in real.items()))


if __name__ == '__main__':
    tyro.cli(main)
