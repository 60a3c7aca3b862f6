"""Residual networks and their layers against naive loops and counts of their parameters."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from genjax.gan import networks
from genjax.nn.attention import SelfAttention
from genjax.nn.conv import Conv
from genjax.nn.norm import BatchStddev
from genjax.nn.r3gan import grouped_conv
from genjax.nn.resample import DownConv, UpConv, bilinear_down, bilinear_up, mean_down, nearest_up
from genjax.random import stream

KEY = jax.random.key(0)
X = jax.random.normal(stream(KEY, 'x'), (2, 6, 5, 3))


def naive(x, size, value):
    out = np.zeros((len(x), *size, x.shape[3]))
    for i in range(size[0]):
        for j in range(size[1]):
            out[:, i, j] = value(np.float64(x), i, j)
    return out


def test_maps_grow_by_nearest_values_and_shrink_to_means():
    up = naive(X, (12, 10), lambda x, i, j: x[:, i // 2, j // 2])
    np.testing.assert_allclose(nearest_up(X), up)
    even = np.concatenate([X, X[:, :, -1:]], axis=2)
    down = naive(
        even, (3, 3), lambda x, i, j: x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((1, 2))
    )
    np.testing.assert_allclose(mean_down(X), down, atol=1e-6)


@pytest.mark.parametrize('taps', [1, 3])
@pytest.mark.parametrize('size', [(6, 4), (5, 4)])
def test_a_convolution_of_a_resampled_map_needs_no_larger_one(size, taps):
    x = jax.random.normal(stream(KEY, 'map'), (2, *size, 3))
    plain, *fused = (of(4, (taps, taps)) for of in (Conv, UpConv, DownConv))
    params = plain.init(KEY, x)

    def apart(p, x):
        return plain.apply(p, nearest_up(x)), mean_down(plain.apply(p, x))

    def at_once(p, x):
        return tuple(of.apply(p, x) for of in fused)

    (expected, pull), (got, pull_fused) = (jax.vjp(jax.jit(f), params, x) for f in (apart, at_once))
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), got, expected)
    gradients = pull_fused(expected), pull(expected)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-4), *gradients)


def test_bilinear_resampling_is_a_filter():
    """[1, 2, 1] after nearest values, or before means of two, in R3GAN's code: [1, 3, 3, 1]."""
    up = down = np.float64(X)
    for axis in (1, 2):
        n = X.shape[axis]
        up = signal.upfirdn([1, 3, 3, 1], up, up=2, axis=axis).take(range(1, 2 * n + 1), axis) / 4
        down = signal.upfirdn([1, 3, 3, 1], down, axis=axis).take(range(2, n + 2, 2), axis) / 8
    np.testing.assert_allclose(bilinear_up(X), up, atol=1e-6)
    np.testing.assert_allclose(bilinear_down(X), down, atol=1e-6)


@pytest.mark.parametrize('size', [(6, 4), (5, 7)])
def test_growing_is_four_times_the_adjoint_of_shrinking(size):
    x = jax.random.normal(stream(KEY, f'{size}'), (1, *size, 1))
    down, adjoint = jax.vjp(bilinear_down, x)
    y = jax.random.normal(stream(KEY, f'y {size}'), down.shape)
    up = bilinear_up(y)[:, : size[0], : size[1]]
    np.testing.assert_allclose(4 * adjoint(y)[0], up, atol=1e-5)


def test_attention_is_its_formula():
    layer, x = SelfAttention(), jax.random.normal(stream(KEY, 'map'), (2, 4, 6, 16))
    params, apply = jax.jit(layer.init)(KEY, x)['params'], jax.jit(layer.apply)
    np.testing.assert_array_equal(apply({'params': params}, x), x)  # gamma is 0 yet
    out = apply({'params': {**params, 'gamma': jnp.float32(0.5)}}, x)

    def by(name, x):
        return np.float64(x) @ np.float64(params[name]['kernel'][0, 0])

    def pooled(x):
        return x.reshape(2, 2, 2, 3, 2, -1).max(axis=(2, 4)).reshape(2, 6, -1)

    query = by('query', x).reshape(2, 24, -1)
    key, value = (pooled(by(name, x)) for name in ('key', 'value'))
    for b in range(2):
        for q in range(24):
            share = np.exp(key[b] @ query[b, q])
            mixed = (share / share.sum()) @ value[b]
            expected = np.float64(x[b].reshape(24, -1)[q]) + 0.5 * by('out', mixed)
            np.testing.assert_allclose(out[b].reshape(24, -1)[q], expected, rtol=1e-4, atol=1e-4)


def test_the_standard_deviation_is_that_of_each_group():
    x = jax.random.normal(stream(KEY, 'groups'), (6, 2, 2, 3))
    out = BatchStddev(3).apply({}, x)
    np.testing.assert_array_equal(out[..., :3], x)
    for i in range(6):
        group = np.float64(x)[i % 2 :: 2]
        np.testing.assert_allclose(out[i, ..., 3], group.std(axis=0).mean(), rtol=1e-4)
    for n, group, wanted in ((1, 4, 2), (6, 4, 4)):
        message = (
            f'expected images in groups of {wanted} for their standard deviation, got {n}: give a '
            f'number that {wanted} divides'
        )
        with pytest.raises(ValueError, match=message):
            BatchStddev(group).apply({}, x[:n])
    filled = BatchStddev(4).apply({}, jnp.concatenate([x, x[:2]]), train=True)
    np.testing.assert_allclose(BatchStddev(4).apply({}, x, train=False), filled[:6], rtol=1e-6)


def test_options_of_residual_networks_are_layers_of_theirs():
    z, size = 4, (16, 16, 1)
    plain, other = (networks.resnet(size, z, 3, width=8, **o) for o in ({}, {'embedding': 5}))
    tables = counted(plain)[0] - counted(other)[0]
    n = 2 * 2 + 1  # norms of two blocks, and the last
    assert tables == n * 2 * 3 * 8 - (3 * 5 + n * 2 * 5 * 8)
    more = networks.resnet(size, z, 3, width=8, stddev=2)
    assert counted(more)[1] - counted(plain)[1] == 1 + 3  # of the logit and the embedding
    plain, more = (networks.sncnn(size, z, None, width=4, stddev=s) for s in (0, 2))
    assert counted(more)[1] - counted(plain)[1] == 9 * 16


def test_a_grouped_convolution_is_one_of_each_group():
    x = jax.random.normal(stream(KEY, 'wide'), (2, 5, 6, 8))
    kernel = jax.random.normal(stream(KEY, 'kernel'), (3, 3, 4, 6))

    def expected(x, kernel):
        parts = [
            jax.lax.conv_general_dilated(
                x[..., 4 * g : 4 * g + 4], kernel[..., 3 * g : 3 * g + 3], (1, 1), 'SAME',
                dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            )
            for g in range(2)
        ]  # fmt: skip
        return jnp.concatenate(parts, axis=3)

    def both(f):
        return jax.value_and_grad(lambda x, k: jnp.sum(jnp.sin(f(x, k))), (0, 1))(x, kernel)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4),
        both(grouped_conv),
        both(expected),
    )


def counted(pair):
    nets = (jax.eval_shape(network.init, jax.random.key(0)) for network in pair)
    return [sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(net.params)) for net in nets]


def test_sngans_networks_have_as_many_parameters_as_the_papers():
    """Of the layers' formula; convolutions before a batch norm have no bias here."""
    w, z = 256, 128
    block = 2 * 9 * w * w + w * w + 2 * w + 4 * w
    generator = (z + 1) * 16 * w + 3 * block + 2 * w + 9 * w * 3 + 3
    d = 128
    first = 9 * 3 * d + d + 9 * d * d + d + 3 * d + d
    down, flat = 2 * (9 * d * d + d) + d * d + d, 2 * (9 * d * d + d)
    assert counted(networks.resnet((32, 32, 3), z, None)) == [
        generator,
        first + down + 2 * flat + d + 1,
    ]


SHAPES = [(16, 16, 1), (28, 28, 1), (36, 32, 3), (48, 48, 3), (64, 96, 3), (128, 128, 3)]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize(
    'make',
    [
        lambda *given: networks.resnet(*given, width=4, attention=True),
        lambda *given: networks.sncnn(*given, width=2),
        lambda *given: networks.r3gan(*given, width=4, cardinality=2),
    ],
    ids=['resnet', 'sncnn', 'r3gan'],
)
def test_networks_take_images_of_many_sizes(make, shape):
    pair = make(shape, 8, 3)
    nets = [jax.eval_shape(network.init, jax.random.key(0)) for network in pair]
    y = jax.ShapeDtypeStruct((2,), jnp.int32)
    z, x = (jax.ShapeDtypeStruct((2, *s), jnp.float32) for s in ((8,), shape))
    images, _ = jax.eval_shape(pair.generator.apply, nets[0], z, y)
    out, _ = jax.eval_shape(pair.discriminator.apply, nets[1], x, y)
    assert images.shape == (2, *shape)
    assert out.logits.shape == (2,)
    assert out.features.ndim == 2


@pytest.mark.parametrize('name', ['resnet', 'sncnn', 'r3gan'])
def test_images_are_judged_each_by_itself_and_gradients_are_finite(name):
    pair = getattr(networks, name)((16, 16, 1), 4, None, width=4)
    g, d = (jax.jit(each.init)(stream(KEY, f'{name}{i}')) for i, each in enumerate(pair))
    x = jax.random.normal(stream(KEY, name), (3, 16, 16, 1))
    judge = jax.jit(lambda x: pair.discriminator.apply(d, x, train=False)[0].logits)
    again = judge(jnp.roll(x, 1, axis=0).at[1:].multiply(0.5))
    np.testing.assert_allclose(again[0], judge(x)[2], rtol=1e-4)

    @jax.jit
    @jax.grad
    def slopes(params):
        images, _ = pair.generator.apply(g.replace(params=params[0]), z)
        return jnp.sum(pair.discriminator.apply(d.replace(params=params[1]), images)[0].logits)

    z = jax.random.normal(stream(KEY, f'z {name}'), (3, 4))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes((g.params, d.params))))


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda: networks.points((1, 1, 2), 2, 3), 'expected no num_classes for networks of'),
        (lambda: networks.sncnn((28, 28, 1), 2, None, generator='vae'), 'expected a generator'),
        (
            lambda: counted(networks.r3gan((28, 28, 1), 2, None, width=5, cardinality=4)),
            'expected a cardinality that divides 40 channels, got 16',
        ),
        (
            lambda: counted(networks.resnet((30, 28, 1), 2, None, width=2)),
            'expected images whose height and width are multiples of 4',
        ),
    ],
)
def test_what_does_not_fit_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
