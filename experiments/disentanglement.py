"""Which VAEs find the factors of sprites: figures of disentanglement beside reconstructions.

    python -m experiments.disentanglement --steps 50000 --seeds 5
    python -m experiments.disentanglement --steps 2000 --seeds 2 --minutes 2      (a trial)

All seeds of a method are trained at once, by `vmap` over keys; each has networks and an order of
the images of its own. 34,560 of the sprites, batches of 64, ten latents, two hidden layers of 400
(convolutions with weights of their own for each seed are slow on a CPU: there `--networks conv` is
for one seed); Adam 5e-4 for all but the critic of FactorVAE. Figures are those of
`genjax evaluate`, of the posteriors' means of the 3,840 other images; `error` is the mean squared
error of a pixel in [-1, 1]. Each as the mean and standard deviation of the seeds.

A step of one seed takes 15 ms of a core, FactorVAE's 170 ms (compilation half a minute or a whole
one). The trial, on a busy core: `beta_vae` after 800 steps MIG 0.130 +- 0.012, DCI disentanglement
0.458 +- 0.022, error 0.048 +- 0.001. The whole was not run yet.
"""

import time
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from genjax import State, data, vae
from genjax.evaluation.evidence import in_pieces
from genjax.evaluation.vae_figures import of_factors
from genjax.images import to_unit
from genjax.machine import own_process
from genjax.random import stream

LATENTS, BATCH, DISPATCH = 10, 64, 100
METHODS = {
    'vae': vae.vae,
    'beta_vae': vae.beta_vae,
    'beta_tc_vae': vae.beta_tc_vae,
    'factor_vae': vae.factor_vae,
}


def build(method: str, networks: str) -> vae.VAE:
    """One of the methods, with networks and learning rate as all have them.

    Args:
      method: of `METHODS`.
      networks: as `--networks` of `genjax train`.
    """
    options = {'networks': networks, 'latent_dim': LATENTS, 'learning_rate': 5e-4}
    return METHODS[method]((32, 32, 1), **options)


def trained(model: vae.VAE, images: data.Dataset, seeds: int) -> Iterator[State]:
    """Goes on for ever: the states of all seeds after each hundred steps.

    Args:
      model: of `build`.
      images: that are trained on.
      seeds: how many.
    """
    x = jnp.asarray(images.x)

    @jax.jit
    @jax.vmap
    def go_on(state):
        def step(state, _):
            key = stream(jax.random.fold_in(state.key, state.step), 'rows')
            rows = jax.random.randint(key, (BATCH,), 0, len(x))
            return model.train_step(state, {'x': x[rows]})[0], None

        return jax.lax.scan(step, state, None, DISPATCH)[0]

    states = jax.vmap(model.init)(jax.random.split(jax.random.key(0), seeds))
    while True:
        states = go_on(states)
        yield states


def measured(model: vae.VAE, state: State, held_out: data.Dataset) -> dict[str, float]:
    """The figures of one seed.

    Args:
      model: of `build`.
      state: of the seed.
      held_out: images that it was not trained on.
    """

    def look(x):
        codes = model.encode(state, x).mean
        return codes, jnp.square(model.decode(state, codes) - to_unit(x, (0, 255))).mean((1, 2, 3))

    codes, errors = in_pieces(look, held_out.x)
    figures = of_factors(codes, held_out.factors, stream(jax.random.key(0), 'factors'))
    return {figure.name: figure.value for figure in figures} | {'error': float(errors.mean())}


def main(
    methods: tuple[str, ...] = tuple(METHODS),
    seeds: int = 5,
    steps: int = 50_000,
    networks: str = 'mlp:hidden=(400, 400)',
    minutes: float = float('inf'),
) -> None:
    """Trains each method with all seeds, and prints a line for each.

    Args:
      methods: of the table.
      seeds: of each.
      steps: of each seed, rounded up to hundreds.
      networks: as `--networks` of `genjax train`.
      minutes: that each method may train for.
    """
    own_process()
    train, held_out = data.split(data.sprites())
    for method in methods:
        model, start = build(method, networks), time.perf_counter()
        for done, states in enumerate(trained(model, train, seeds), 1):
            jax.block_until_ready(states.step)
            spent = (time.perf_counter() - start) / 60
            if done * DISPATCH >= steps or spent > minutes:
                break
        each = [
            measured(model, jax.tree.map(lambda leaf, i=i: leaf[i], states), held_out)
            for i in range(seeds)
        ]
        told = (
            f'{name} {np.mean(values):.3f} +- {np.std(values, ddof=1) if seeds > 1 else np.nan:.3f}'
            for name in each[0]
            for values in [[found[name] for found in each]]
        )
        print(f'{method} {done * DISPATCH} ({spent:.1f} min): {", ".join(told)}', flush=True)


if __name__ == '__main__':
    tyro.cli(main)
