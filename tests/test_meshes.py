"""A plain mesh, whose axes are explicit, and `shard_map`: all is there as on one device."""

import subprocess

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from experiments.parallel import difference
from genjax import Term, augment, gan, parallel, vae
from genjax.nn.conv import conv, conv_transpose
from tests.contracts.table import batch
from tests.test_parallel import python
from tests.toys import pairs, regression

TINY = {'latent_dim': 4, 'num_classes': 2, 'augment': (augment.translate,)}
BATCH, SEED = batch(classes=2), 5


def close(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-5), one, other)


def models():
    """With labels, of which rows are gathered, and augmentations, which slice."""
    return (
        gan.dcgan(**TINY, width=4, norm='none'),
        vae.vae(**TINY, hidden=(16,), k=2, microbatches=2),
    )


def uses(model, state, batch):
    """All that does not train."""
    x, y = batch['x'], batch['y']
    yield model.sample(state, jax.random.key(SEED), len(x), y)
    if hasattr(model, 'score'):
        yield model.score(state, x, y)
    else:
        yield model.evaluate(state, jax.random.key(SEED), batch, k=3)
        yield model.log_likelihood(state, jax.random.key(SEED), batch, 3, 2)
        yield model.log_joint(state, jax.random.key(SEED), batch, jnp.ones((2, len(x), 4)))
        yield model.decode(state, model.encode(state, x, y).mean, y)


def check(model, mesh, ways):
    state = model.init(jax.random.key(SEED))
    want, metrics = model.train_step(state, BATCH)
    on_mesh, rows = parallel.shard(state, mesh), parallel.shard_batch(BATCH, mesh)
    for way in ways:
        got = way(model.train_step, parallel.state_shardings(state, mesh))(on_mesh, rows)
        assert difference(want, got[0]) < 1e-5
        close(metrics, got[1])
        assert all(leaf.is_fully_replicated for leaf in jax.tree.leaves(got))
    got = list(uses(model, parallel.shard(want, mesh), rows))
    close(list(uses(model, want, BATCH)), got)
    assert all(jax.tree.leaves(leaf)[0].sharding.spec[0] == 'data' for leaf in got[:2])


def check_context(model, mesh):
    """Arrays that lie nowhere, in the context of a mesh."""
    want = jax.device_get(model.init(jax.random.key(SEED)).nets)
    after = model.train_step(model.init(jax.random.key(SEED)), BATCH)[0]
    images = model.sample(after, jax.random.key(SEED), 8)
    with jax.set_mesh(mesh):
        state = model.init(jax.random.key(SEED))
        close(want, state.nets)
        assert difference(after, model.train_step(state, BATCH)[0]) < 1e-5
        close(images, model.sample(after, jax.random.key(SEED), 8))


def check_convolutions(mesh):
    x, kernel = jax.random.normal(jax.random.key(0), (4, 6, 6, 3)), jnp.ones((3, 3, 3, 2))
    lying = jax.device_put(x, NamedSharding(mesh, P('data')))
    for function in (conv, conv_transpose):
        grads = jax.jit(jax.grad(lambda *args: jnp.sum(function(*args, 2) ** 2), (0, 1)))  # noqa: B023
        got = grads(lying, kernel)
        close(grads(x, kernel), got)
        assert [jax.typeof(leaf).sharding.spec[0] for leaf in got] == ['data', None]


def check_each_alone(model, batch, mesh):
    """A step of each device: of states of their own, and of one state on batches of their own."""
    states = [model.init(jax.random.key(seed)) for seed in range(4)]
    batches = [jax.tree.map(lambda x, i=i: np.roll(x, i, axis=0), batch) for i in range(4)]

    def step(states, batches):
        one = jax.tree.map(lambda x: x[0], (states, batches))
        return jax.tree.map(lambda x: x[None], model.train_step(*one))

    for starts, lying in ((states, P('data')), (states[:1], P())):
        rows = jax.tree.map(lambda *x: jnp.stack(x), *starts)
        steps = jax.shard_map(step, mesh=mesh, in_specs=(lying, P('data')), out_specs=P('data'))
        got = jax.jit(steps)(rows, jax.tree.map(lambda *x: np.stack(x), *batches))
        for i in range(4):
            want, metrics = model.train_step(starts[i % len(starts)], batches[i])
            one = jax.tree.map(lambda x, i=i: x[i], got)
            assert difference(want, one[0]) < 1e-5
            close(metrics, one[1])


def check_likelihood(model, mesh):
    state = model.init(jax.random.key(SEED))

    def likelihood(batch):
        return model.log_likelihood(state, jax.random.key(SEED), batch, 3, 2)

    rows = jax.tree.map(lambda x: np.repeat(x, 2, axis=0)[:8], BATCH)
    got = jax.jit(jax.shard_map(likelihood, mesh=mesh, in_specs=P('data'), out_specs=P('data')))
    want = [likelihood(jax.tree.map(lambda x, i=i: x[i : i + 2], rows)) for i in range(0, 8, 2)]
    close(got(rows), jnp.concatenate(want))


def on_four_devices():
    """What is asked of one process with four devices."""
    mesh = jax.make_mesh((4,), ('data',))
    check_convolutions(mesh)
    painter, model = models()
    check(painter, mesh, [lambda step, _: step])
    check(model, mesh, [lambda step, _: step, parallel.on_mesh])
    check_context(model, mesh)
    mesh = jax.make_mesh((4,), ('data',), (AxisType.Auto,))
    lazy = Term('size', lambda memory, out: (jnp.square(out), memory), every=2)
    with jax.debug_key_reuse(False):  # An array of keys counts as used where one of them is.
        check_each_alone(model, BATCH, mesh)
        check_each_alone(regression(terms=(lazy,)), pairs(), mesh)
    check_likelihood(model, mesh)


def test_a_plain_mesh_and_a_shard_map_are_taken():
    code = 'from tests.conftest import jax; from tests.test_meshes import *; on_four_devices()'
    process = python(['-c', code], 4, stderr=subprocess.PIPE)
    said = process.communicate()[1]
    assert process.returncode == 0, said
