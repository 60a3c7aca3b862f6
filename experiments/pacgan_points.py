"""PacGAN's Table 1 by its protocol (Lin et al. 2018, https://arxiv.org/abs/1712.04086).

    python -m experiments.pacgan_points --seeds 10    (all of it, on an accelerator)
    python -m experiments.pacgan_points --data grid --methods gan pac4 r1r2 --seeds 3 --minutes 120

Points in the plane, a ring of 8 or a grid of 25 Gaussians; batches of 100 looks, of m points each
for PacGANm; Adam 1e-4 with b1 0.8, 400,000 steps; 2,500 samples, of the generator without an
average. All seeds are trained at once by `vmap`. Theirs updates both players at once from the same
parameters, here the discriminator is first. `r1r2` is R3GAN's loss on the same networks.

A line for each 5% of the steps: modes found, the share of samples within three
standard deviations of one, and KL of the modes to even ones in nats; mean and standard error.
Published, ten trials, after 400,000 steps:

    GAN    ring 6.3 +- 0.5, 98.2%, 0.45    grid 17.3 +- 0.8, 94.8 +- 0.7%, 0.70 +- 0.07
    Pac2   ring 7.9 +- 0.1, 95.6%, 0.07    grid 23.8 +- 0.7, 91.3%, 0.13
    Pac3   ring 7.8, 97.7%, 0.10           grid 24.6 +- 0.4, 94.2%, 0.06
    Pac4   ring 7.8, 95.9%, 0.07           grid 24.8 +- 0.2, 93.6%, 0.04
"""

import time
from typing import Literal

import jax
import numpy as np
import tyro

from genjax import gan, metrics
from genjax.machine import own_process
from genjax.random import stream

SHAPE, LOOKS, STEPS, SAMPLES = (1, 1, 2), 100, 400_000, 2500
MIXTURES = {'ring': metrics.ring(), 'grid': metrics.grid()}
METHODS = {
    'gan': {},
    'pac2': {'packing': 2},
    'pac3': {'packing': 3},
    'pac4': {'packing': 4},
    'r1r2': {'objective': 'relativistic', 'penalties': ('r1:weight=1', 'r2:weight=1')},
}


def build(method: str) -> gan.GAN:
    """The GAN of one row.

    Args:
      method: of `METHODS`.
    """
    return gan.gan(
        SHAPE,
        networks='points',
        latent_dim=2,
        optimizer='adam:b1=0.8',
        generator_learning_rate=1e-4,
        discriminator_learning_rate=1e-4,
        ema_decay=None,
        **METHODS[method],
    )


def trained(model: gan.GAN, mixture: metrics.Mixture, batch: int, seeds: int, stride: int):
    """Goes on for ever: the points that each seed draws after each so many steps.

    Args:
      model: of `build`.
      mixture: that the training points are drawn from.
      batch: points a step.
      seeds: how many.
      stride: steps between samples.

    Yields:
      `[seeds, SAMPLES, 2]`.
    """

    @jax.jit
    @jax.vmap
    def go_on(state):
        def step(state, _):
            key = stream(jax.random.fold_in(state.key, state.step), 'points')
            x = mixture.sample(key, batch).reshape(batch, *SHAPE)
            return model.train_step(state, {'x': x})[0], None

        state, _ = jax.lax.scan(step, state, None, stride)
        return state, model.sample(state, stream(state.key, 'samples'), SAMPLES)

    states = jax.vmap(model.init)(jax.random.split(jax.random.key(0), seeds))
    while True:
        states, drawn = go_on(states)
        yield np.asarray(drawn).reshape(seeds, SAMPLES, 2)


def told(mixture: metrics.Mixture, drawn: np.ndarray) -> str:
    """Modes, high quality and KL of some seeds.

    Args:
      mixture: that the samples are to be of.
      drawn: points `[seeds, n, 2]`.
    """
    found = [mixture.modes(each) for each in np.nan_to_num(drawn, nan=99.0)]
    rows = np.array([(each.modes, 100 * each.high_quality, each.kl) for each in found])
    means, errors = rows.mean(0), rows.std(0, ddof=1) / len(rows) ** 0.5
    modes, share, kl = (f'{m:.2f} +- {e:.2f}' for m, e in zip(means, errors, strict=True))
    return f'{modes} modes, {share}%, KL {kl}'


def main(
    data: tuple[Literal['ring', 'grid'], ...] = ('ring', 'grid'),
    methods: tuple[str, ...] = tuple(METHODS),
    seeds: int = 10,
    steps: int = STEPS,
    minutes: float = float('inf'),
) -> None:
    """Trains each method on each mixture, as far as the time goes.

    Args:
      data: the mixtures.
      methods: of the table.
      seeds: trained at once, 2 or more.
      steps: of each.
      minutes: that each method may take.
    """
    own_process()
    stride = max(1, steps // 100)
    for where in data:
        for method in methods:
            model, start, done = build(method), time.perf_counter(), 0
            batch = LOOKS * METHODS[method].get('packing', 1)
            for drawn in trained(model, MIXTURES[where], batch, seeds, stride):
                done += stride
                spent = (time.perf_counter() - start) / 60
                ends = done >= steps or spent >= minutes
                if ends or done % (5 * stride) == 0:
                    line = told(MIXTURES[where], drawn)
                    print(f'{where} {method} {done:6} {spent:5.1f} min: {line}', flush=True)
                if ends:
                    break


if __name__ == '__main__':
    tyro.cli(main)
