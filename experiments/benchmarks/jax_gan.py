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


def residual_model(method: str, width: int, precision: str = 'float32'):
    """SNGAN or R3GAN of 32x32x3, one update of each player a step, without an average."""
    make = getattr(genjax.gan, method)
    return make((32, 32, 3), width=width, n_critic=1, ema_decay=None, precision=precision)


def residual(
    method: str, width: int, batch: int = 64, times: int = 2, precision: str = 'float32'
) -> Task:
    """A few steps of it on batches of noise that lie on the device."""
    x = jax.random.randint(jax.random.key(1), (times, batch, 32, 32, 3), 0, 256)
    model = residual_model(method, width, precision)
    return training(model, {'x': x.astype(jnp.uint8)}, times, True, {})


def samples(size: int, width: int = 64, n: int = 64, times: int = 4) -> Task:
    """Images of `sample`."""
    gan = model(size, width)
    state, key = gan.init(jax.random.key(0)), jax.random.key(1)

    def run():
        for i in range(times):
            images = gan.sample(state, jax.random.fold_in(key, i), n)
        images.block_until_ready()

    return Task(run, n * times, {'parameters': size_of(state)})
