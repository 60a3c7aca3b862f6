"""The primitives of convolutions under transformations, and what each platform makes of them."""

import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.bilinear import Geometry, best_tile
from genjax.nn.conv import conv, conv_transpose
from tests.compiler import flags_of

FUNCTIONS = [conv, conv_transpose]


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def call(function):
    return lambda x, kernel: function(x, kernel, 2, 'SAME')


def everything(function):
    """Value and both gradients."""

    def loss(x, kernel):
        y = function(x, kernel, 2, 'SAME')
        return jnp.sum(jnp.sin(y)), y

    return jax.value_and_grad(loss, (0, 1), has_aux=True)


def close(got, expected):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('function', FUNCTIONS)
@pytest.mark.parametrize('axes', [(0, None), (2, None), (None, 0), (None, 3), (0, 0), (1, 4)])
def test_vmap_is_a_loop(function, axes):
    n, shapes = 3, [(2, 6, 6, 2), (4, 4, 2, 3)]
    full = [s if a is None else (*s[:a], n, *s[a:]) for s, a in zip(shapes, axes, strict=True)]
    arguments = arrays(*full)
    got = jax.jit(jax.vmap(everything(function), axes))(*arguments)
    one = jax.jit(everything(function))

    def at(i):
        pairs = zip(arguments, axes, strict=True)
        return one(*(a if axis is None else jnp.take(a, i, axis) for a, axis in pairs))

    close(got, jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(at, range(n))))


@pytest.mark.parametrize('function', FUNCTIONS)
def test_gradients_of_examples_add_up_to_the_batchs(function):
    x, kernel = arrays((3, 6, 6, 2), (4, 4, 2, 3))

    def gradient(x, kernel):
        return jax.grad(lambda k: jnp.sum(jnp.sin(function(x, k, 2))))(kernel)

    each = jax.jit(jax.vmap(lambda x: gradient(x[None], kernel)))(x)
    close(each.sum(0), jax.jit(gradient)(x, kernel))


@pytest.mark.parametrize('function', FUNCTIONS)
def test_transformations_agree_with_plain_calls(function):
    x, kernel, dx, dk = arrays((2, 6, 6, 2), (4, 4, 2, 3), (2, 6, 6, 2), (4, 4, 2, 3))
    f = call(function)
    plain, tangent = f(x, kernel), f(dx, kernel) + f(x, dk)
    close(jax.jit(f)(x, kernel), plain)
    close(jax.jvp(f, (x, kernel), (dx, dk)), (plain, tangent))
    primal, linear = jax.linearize(f, x, kernel)
    close((primal, linear(dx, dk)), (plain, tangent))
    scanned = jax.lax.scan(lambda c, k: (c, f(x, k)), 0, jnp.stack([kernel, dk]))[1]
    close(scanned, (jnp.stack([plain, f(x, dk)]),))


@pytest.mark.parametrize('function', FUNCTIONS)
def test_gradients_agree_under_checkpoint_and_without_jit(function):
    x, kernel = arrays((2, 6, 6, 2), (4, 4, 2, 3))
    expected = jax.jit(everything(function))(x, kernel)

    def remade(x, kernel, strides, padding):
        return jax.checkpoint(lambda *a: function(*a, strides, padding))(x, kernel)

    close(jax.jit(everything(remade))(x, kernel), expected)
    close(everything(function)(x, kernel), expected)
    with jax.disable_jit():
        close(everything(function)(x, kernel), expected)


LAYER = jax.ShapeDtypeStruct((64, 16, 16, 64), jnp.float32), (4, 4, 64, 128)


def lowered(function, platform):
    """The program, without its layer's gradient and with it."""
    x, kernel = LAYER[0], jax.ShapeDtypeStruct(LAYER[1], jnp.float32)
    for f in (call(function), everything(function)):
        yield jax.jit(f).trace(x, kernel).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize('function', FUNCTIONS)
@pytest.mark.parametrize('platform', ['cuda', 'tpu', 'cpu'])
def test_accelerators_get_convolutions_and_a_cpu_products(function, platform):
    present, absent = 'stablehlo.convolution', 'stablehlo.dot_general'
    if platform == 'cpu':
        present, absent = absent, present
    value, gradients = lowered(function, platform)
    assert value.count(present) >= 1
    assert gradients.count(present) >= 3 * value.count(present)
    assert absent not in value + gradients


def test_kernels_of_a_batch_are_one_convolution_on_a_gpu_and_a_loop_on_a_cpu():
    f = jax.jit(jax.vmap(call(conv), (None, 0)))
    shapes = (2, 6, 6, 2), (3, 4, 4, 2, 3)
    traced = f.trace(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes))
    gpu, cpu = (traced.lower(lowering_platforms=(p,)).as_text() for p in ('cuda', 'cpu'))
    assert 'stablehlo.convolution' in gpu
    assert 'stablehlo.while' not in gpu
    assert 'stablehlo.while' in cpu


def test_an_exported_program_serves_both_platforms():
    x, kernel = arrays((2, 6, 6, 2), (4, 4, 2, 3))
    export = jax.export.export(jax.jit(call(conv)), platforms=['cpu', 'cuda'])(x, kernel)
    close(jax.jit(export.call)(x, kernel), conv(x, kernel, 2))


@pytest.mark.parametrize('function', FUNCTIONS)
def test_a_program_of_any_batch_size_is_the_plain_one(function):
    f, (kernel,) = jax.jit(everything(function)), arrays((4, 4, 2, 3))
    (b,) = jax.export.symbolic_shape('b')
    x = jax.ShapeDtypeStruct((b, 6, 6, 2), jnp.float32)
    export = jax.export.export(f, platforms=['cpu', 'cuda', 'tpu'])(x, kernel)
    for n in (1, 5):
        (x,) = arrays((n, 6, 6, 2))
        close(jax.jit(export.call)(x, kernel), f(x, kernel))


def layer(size, c, features, kernel=4, s=2, b=64, dtype=jnp.float32):
    out, total = -(-size // s), max((-(-size // s) - 1) * s + kernel - size, 0)
    low = (total // 2,) * 2
    return Geometry((size,) * 2, (kernel,) * 2, (out,) * 2, (s,) * 2, low), b, c, features, dtype


@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_a_dcgan_has_tiles_of_two_between_its_ends(dtype):
    for size, c in ((32, 64), (16, 128), (8, 256)):
        assert best_tile(*layer(size, c, 2 * c, dtype=dtype)) == 2
    for size, c in ((64, 3), (32, 3), (28, 1)):
        assert best_tile(*layer(size, c, 64, dtype=dtype)) == 1


@pytest.mark.parametrize(
    ('kernel', 'strides', 'native'),
    [(5, 1, True), (9, 2, True), (4, 1, False), (5, 2, False), (8, 2, False), (1, 1, False)],
)
def test_kernels_of_more_than_four_blocks_are_xlas(kernel, strides, native):
    assert (best_tile(*layer(16, 64, 64, kernel, strides)) is None) == native
    assert best_tile(*layer(16, 64, 64, kernel, strides)) in ((None,) if native else (1, 2))


SHARDED = """
    import re
    import jax, jax.numpy as jnp, numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
    from genjax.nn.conv import conv, conv_transpose

    mesh = Mesh(np.array(jax.devices()), ('data',))
    assert mesh.size == 8
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 8, 8, 64)).astype('float32')
    kernel = rng.normal(size=(4, 4, 64, 64)).astype('float32') / 32
    split = jax.device_put(x, NamedSharding(mesh, P('data')))
    whole = jax.device_put(kernel, NamedSharding(mesh, P()))
    for function in (conv, conv_transpose):
        def loss(x, kernel):
            y = function(x, kernel, 2)
            return jnp.sum(jnp.sin(y)), y
        f = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))
        got, expected = f(split, whole), f(x, kernel)
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected)):
            a, b = np.asarray(a), np.asarray(b)
            assert np.linalg.norm(a - b) < 1e-5 * np.linalg.norm(b)
        (_, y), (dx, _) = got
        assert y.sharding.spec[0] == dx.sharding.spec[0] == 'data'
        text = f.lower(split, whole).compile().as_text()
        moved = set(re.findall(r'(all-[a-z]+|collective-[a-z]+|reduce-scatter)[(]', text))
        assert moved == {'all-reduce'}, moved
"""


def test_a_sharded_batch_stays_where_it_is(monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', flags_of(8))
    monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
    command = [sys.executable, '-c', textwrap.dedent(SHARDED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
