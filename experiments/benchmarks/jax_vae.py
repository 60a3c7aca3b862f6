"""VAEs in genjax, with its own convolutions or with Flax's, and its way to the data."""

import contextlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import genjax
import genjax.nn.convnet
from experiments.benchmarks import flops
from experiments.benchmarks.jax_common import size_of, swapped, training
from experiments.benchmarks.task import Task

SHAPE = (28, 28, 1)


def model(network: str = 'dense', precision: str = 'float32', **sizes):
    """The recipe with the examples' loss, cross entropy with grey targets.

    Args:
      network: `'dense'` or `'convolutional'`.
      precision: of training.
      **sizes: keywords of the recipe.
    """
    recipe = {'dense': genjax.vae.vae, 'convolutional': genjax.vae.conv_vae}[network]
    return recipe(SHAPE, likelihood=genjax.vae.grey_bernoulli, precision=precision, **sizes)


def steps(
    network: str = 'dense',
    batch: int = 128,
    times: int = 100,
    precision: str = 'float32',
    scanned: bool = True,
    flax: bool = False,
    sizes: dict | None = None,
) -> Task:
    """Steps on batches that lie on the device."""
    sizes = sizes or {}
    x = jax.random.randint(jax.random.key(1), (times, batch, *SHAPE), 0, 256).astype(jnp.uint8)
    if network == 'dense':
        nominal = flops.vae_step(*sizes.get('hidden', (400,)), batch=batch)
    else:
        nominal = flops.conv_vae_step(batch=batch, **sizes)
    with contextlib.ExitStack() as stack:
        if flax:
            stack.callback(swapped(genjax.nn.convnet))
        vae = model(network, precision, **sizes)
        return training(vae, {'x': x}, times, scanned, {'nominal_flops': nominal})


def dispatches(file: str, batch: int, limit: int = 100):
    """A function from the number of an epoch to its stacked batches, prefetched.

    All that is asked of genjax's data is asked here.

    Args:
      file: uint8 images [n, 28, 28], npy.
      batch: images.
      limit: the most steps in a dispatch; all have the same number, so that there is one program.
    """
    images = genjax.data.from_arrays(np.load(file)[..., None])
    steps = -(-images.size // batch)
    size = max(n for n in range(1, limit + 1) if steps % n == 0)

    def epoch(number):
        starts = range(number * steps, (number + 1) * steps, size)
        return genjax.data.prefetch(
            genjax.data.batches(images, batch, 0, start, size) for start in starts
        )

    return epoch, images.size


def epoch(file: str, batch: int = 128, precision: str = 'float32') -> Task:
    """One epoch of the dense VAE, as genjax's loop does it."""
    vae, (data, _) = model(precision=precision), dispatches(file, batch)
    state = vae.init(jax.random.key(0))

    @partial(jax.jit, donate_argnums=0)
    def scan(state, stacked):
        return lax.scan(vae.train_step, state, stacked)

    held, facts = [0, state], {'parameters': size_of(state)}

    def run():
        number, state = held
        for stacked in data(number):
            state, metrics = scan(state, stacked)
        held[:] = number + 1, state
        jax.block_until_ready((state, metrics))

    return Task(run, 1, facts)


def reading(file: str, batch: int = 128) -> Task:
    """The batches alone, as they come to the loop, put on the device."""
    data, n = dispatches(file, batch)

    def run():
        for stacked in data(0):
            x = jax.device_put(stacked['x'])
        x.block_until_ready()

    return Task(run, n, {})


def consumption(batch: int = 128, times: int = 100) -> Task:
    """The steps of `steps`, counted in images."""
    task = steps(batch=batch, times=times)
    return task._replace(work=task.work * batch, facts={})
