"""Annealed importance sampling checks the likelihood that IWAE(5000) finds for a trained VAE.

    python -m experiments.likelihood --data FOLDER --run runs/likelihood    (5-9 minutes, 2 cores)

FOLDER holds MNIST's four idx files; `--data digits` takes the 5,000 digits that come with a
dependency. The VAE is 784-400-z-400-784 with Bernoulli pixels, drawn anew for each batch of 128. A
hundred held-out images are binarized once. 16 chains of each start at the prior, know nothing of
the encoder, and take 500 temperatures with 10 leapfrogs each (Wu et al. 2017,
https://arxiv.org/abs/1611.04273).

Nats of an image, with errors by the samples; the least effective samples of any image, of 5,000 and
of 16; and how far AIS is above IWAE, with its error over the images:

| latents | training | -ELBO | IWAE(5000) | AIS | effective | AIS above |
|---|---|---|---|---|---|---|
| 10 | ELBO, 4,700 steps | 109.32 | 105.61 +- 0.03 | 105.47 +- 0.04 | 1.03, 2.30 | 0.15 +- 0.07 |
| 20 | ELBO, 4,700 steps | 102.81 | 97.21 +- 0.04 | 96.67 +- 0.04 | 1.07, 1.51 | 0.55 +- 0.11 |
| 20 | IWAE(5), 3,000 steps | 106.23 | 98.22 +- 0.04 | 97.53 +- 0.04 | 1.09, 1.55 | 0.69 +- 0.09 |

(jax 0.10.2, one seed; the acceptance was 0.66 in all.) With 10 latents they agree within 0.5 nats,
if not on every image: AIS is 1.8 below to 2.3 above. With 20 they do not quite. Both are lower
bounds in expectation, hence 5,000 samples of the encoder are too few there. The effective samples
say so; the errors do not, since the weights that would tell have not been drawn.

    python -m experiments.likelihood --data digits --run runs/likelihoods --steps 1000 --methods
        conv_vae beta_vae beta_tc_vae iwae nf_vae iaf_vae vamp_vae exemplar_vae hvae

does the same for other methods, whose latents have to fill all of space: the chains start at
N(0, I), whatever the prior is.
"""

import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from genjax import metrics, vae
from genjax.images import scale
from genjax.random import stream
from genjax.train import Run, held_out, train

IMAGES, SAMPLES, CHAINS = 100, 5000, 16


def binarized(run: Run) -> dict:
    """The first held-out images, each pixel drawn once.

    Args:
      run: of a VAE of Bernoulli pixels.
    """
    x = scale(held_out(run).x[:IMAGES], run.model.image_shape)
    return {'x': vae.bernoulli().observe(jax.random.key(1), x)}


@partial(jax.jit, static_argnums=(0, 4))
def annealed(model: vae.VAE, state, key, batch: dict, steps: int) -> metrics.Annealed:
    """Chains from N(0, I) to the posterior.

    Args:
      model: any VAE whose latents fill all of space.
      state: of it.
      key: of the chains.
      batch: images.
      steps: temperatures.
    """
    # One more chain, which finds the step sizes.
    shape = (CHAINS + 1, len(batch['x']), model.latent_dim)
    return metrics.annealed_importance_sampling(
        key,
        jax.random.normal(stream(key, 'z'), shape),
        vae.standard_normal(model.latent_dim).log_prob,
        lambda z: model.log_joint(state, key, batch, z),
        metrics.sigmoidal(steps),
    )


def compare(model: vae.VAE, state, batch: dict, steps: int) -> None:
    """Prints what both ways say of the same images.

    Args:
      model: any VAE whose latents fill all of space.
      state: of it.
      batch: binary images.
      steps: temperatures of the chains.
    """
    key, start = jax.random.key(2), time.perf_counter()
    elbo = model.evaluate(state, key, batch, k=100)['elbo']
    iwae = jax.block_until_ready(model.importance_sampling(state, key, batch, k=SAMPLES))
    middle = time.perf_counter()
    ais, acceptance = jax.block_until_ready(annealed(model, state, key, batch, steps))
    end = time.perf_counter()
    print(f'-ELBO {-jnp.mean(elbo):.2f}')
    print(f'IWAE({SAMPLES}) in {middle - start:.0f} s: {metrics.nll(iwae)}')
    print(f'AIS in {end - middle:.0f} s: {metrics.nll(ais)}, acceptance {jnp.mean(acceptance):.2f}')
    gap = np.asarray(ais.value - iwae.value, np.float64)
    error = gap.std() / np.sqrt(len(gap))
    print(f'AIS above IWAE by {gap.mean():.2f} +- {error:.2f} nats, from {gap.min():.2f}', end=' ')
    print(f'to {gap.max():.2f}; {metrics.bits_per_dim(ais.value, 784).mean():.4f} bits/dim by AIS')


def main(
    data: str,
    run: Path,
    latent_dim: int = 10,
    k: int = 1,
    steps: int = 4700,
    temperatures: int = 500,
    methods: tuple[str, ...] = (),
) -> None:
    """Trains by k samples of the posterior, and compares; or as each of some methods does."""
    for method in methods:
        made = train(method, data, run=run / method, steps=steps, latent_dim=latent_dim)
        print(method, flush=True)
        compare(made.model, made.state, binarized(made), temperatures)
    if methods:
        return
    options = {'latent_dim': latent_dim, 'k': k, 'bound': vae.elbo if k == 1 else vae.bounds.iwae}
    made = train('vae', data, run=run, steps=steps, batch_size=128, **options)
    compare(made.model, made.state, binarized(made), temperatures)


if __name__ == '__main__':
    import tyro

    from genjax.machine import own_process

    own_process()
    tyro.cli(main)
