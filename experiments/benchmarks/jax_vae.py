"""VAEs in genjax, with its own convolutions or with Flax's, and its way to the data."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

import genjax
import genjax.nn.convnet
from experiments.benchmarks import flops
from experiments.benchmarks.jax_common import size_of, swapped, training
from experiments.benchmarks.task import Task

SHAPE = (28, 28, 1)


def model(network: str = 'dense', precision: str = 'float32', **sizes):
    """The recipe with the examples' loss, cross entropy with grey targets.

    Args:
      network: `'dense'`, `'convolutional'`, or the name of another recipe.
      precision: of training.
      **sizes: keywords of the recipe.
    """
    name = {'dense': 'vae', 'convolutional': 'conv_vae'}.get(network, network)
    return getattr(genjax.vae, name)(
        SHAPE, likelihood=genjax.vae.grey_bernoulli, precision=precision, **sizes
    )


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
    facts = {}
    if network == 'dense':
        facts['nominal_flops'] = flops.vae_step(*sizes.get('hidden', (400,)), batch=batch)
    elif network == 'convolutional':
        facts['nominal_flops'] = flops.conv_vae_step(batch=batch, **sizes)
    with contextlib.ExitStack() as stack:
        if flax:
            stack.callback(swapped(genjax.nn.convnet))
        vae = model(network, precision, **sizes)
        return training(vae, {'x': x}, times, scanned, facts)


def spans(n: int, batch: int, epochs: int = 1000, limit: int = 100):
    """Dispatches of equal length, so that there is one program, and how many make an epoch."""
    steps = -(-n // batch)
    size = max(k for k in range(1, limit + 1) if steps % k == 0)
    return [(start, size) for start in range(0, epochs * steps, size)], steps // size


def _on_mesh(vae):
    return genjax.parallel.shard(vae.init(jax.random.key(0)), genjax.parallel.mesh())


def epoch(file: str, batch: int = 128, precision: str = 'float32') -> Task:
    """One epoch of the dense VAE, as genjax's loop does it.

    Args:
      file: uint8 images [n, 28, 28], npy.
      batch: images.
      precision: of training.
    """
    vae, images = model(precision=precision), genjax.data.from_arrays(np.load(file))
    pieces, each = spans(images.size, batch)
    held = [_on_mesh(vae)]
    shardings = jax.tree.map(lambda leaf: leaf.sharding, held[0])
    ways = genjax.train.dispatches(vae.train_step, images, batch, 0, pieces, shardings)
    facts = {'parameters': size_of(held[0])}

    def run():
        for _ in range(each):
            held[0], metrics = next(ways)(held[0])
        jax.block_until_ready((held[0], metrics))

    return Task(run, 1, facts)


def reading(file: str, batch: int = 128, streamed: bool = False) -> Task:
    """The batches alone, taken by a program or brought to the device.

    Args:
      file: uint8 images [n, 28, 28], npy.
      batch: images.
      streamed: as data that do not fit on the device.
    """
    images = genjax.data.from_arrays(np.load(file))
    pieces, each = spans(images.size, batch, 1 if streamed else 1000)

    def look(state, batch):
        return state.replace(step=state.step + jnp.sum(batch['x'].astype(jnp.int32))), {}

    if streamed:

        def run():
            for stacked in genjax.data.stream(images, batch, 0, pieces):
                stacked['x'].block_until_ready()

    else:
        held = [_on_mesh(model())]
        shardings = jax.tree.map(lambda leaf: leaf.sharding, held[0])
        ways = genjax.train.dispatches(look, images, batch, 0, pieces, shardings)

        def run():
            for _ in range(each):
                held[0], _ = next(ways)(held[0])
            held[0].step.block_until_ready()

    return Task(run, each * pieces[0][1] * batch, {})


def consumption(batch: int = 128, times: int = 100) -> Task:
    """The steps of `steps`, counted in images."""
    task = steps(batch=batch, times=times)
    return task._replace(work=task.work * batch, facts={})
