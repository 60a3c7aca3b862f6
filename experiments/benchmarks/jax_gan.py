"""DCGAN in genjax, with its own convolutions or with Flax's."""

import contextlib

import jax
import jax.numpy as jnp

import genjax
import genjax.nn.dcgan
from experiments.benchmarks import flops
from experiments.benchmarks.jax_common import size_of, swapped, training
from experiments.benchmarks.task import Task


def model(size: int, width: int = 64, channels: int = 3, precision: str = 'float32'):
    """The recipe without its average of the generator, which the peers do not have either."""
    shape = (size, size, channels)
    return genjax.gan.dcgan(shape, width=width, ema_decay=None, precision=precision)


def steps(
    size: int,
    width: int = 64,
    batch: int = 64,
    times: int = 2,
    channels: int = 3,
    precision: str = 'float32',
    scanned: bool = True,
    flax: bool = False,
) -> Task:
    """A few steps on batches of noise that lie on the device."""
    shape = (times, batch, size, size, channels)
    x = jax.random.randint(jax.random.key(1), shape, 0, 256).astype(jnp.uint8)
    facts = {'nominal_flops': flops.gan_step(size, width, channels, batch)}
    with contextlib.ExitStack() as stack:
        if flax:
            stack.callback(swapped(genjax.nn.dcgan))
        gan = model(size, width, channels, precision)
        return training(gan, {'x': x}, times, scanned, facts)


def samples(size: int, width: int = 64, n: int = 64, times: int = 4) -> Task:
    """Images of `sample`."""
    gan = model(size, width)
    state, key = gan.init(jax.random.key(0)), jax.random.key(1)

    def run():
        for i in range(times):
            images = gan.sample(state, jax.random.fold_in(key, i), n)
        images.block_until_ready()

    return Task(run, n * times, {'parameters': size_of(state)})
