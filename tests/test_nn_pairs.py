"""Labels, starting values, second derivatives and parameters of the pairs of networks."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.gan import networks
from genjax.nn.attention import SelfAttention
from genjax.random import stream

KEY = jax.random.key(0)
IMAGES = jax.random.normal(stream(KEY, 'images'), (3, 16, 16, 1))
NOISE = jax.random.normal(stream(KEY, 'noise'), (3, 4))


def begun(pair):
    return jax.jit(lambda key: [network.init(key) for network in pair])(KEY)


def shapes(network):
    """Flat shapes of the parameters, by name; nothing is computed."""
    params = jax.eval_shape(network.init, jax.random.key(0)).params
    flat = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator='/'): x.shape for path, x in flat}


def counted(network):
    return sum(map(math.prod, shapes(network).values()))


@pytest.mark.parametrize(
    ('name', 'options'), [('resnet', {'embedding': 4}), ('sncnn', {'stddev': 2}), ('r3gan', {})]
)
def test_labels_move_what_is_made_and_what_is_said(name, options):
    pair = getattr(networks, name)((16, 16, 1), 4, 3, width=8, **options)
    nets = begun(pair)

    @jax.jit
    def outs(y):
        images, _ = pair.generator.apply(nets[0], NOISE, y, train=False)
        return images, pair.discriminator.apply(nets[1], IMAGES, y, train=False)[0].logits

    (images, logits), (others, other_logits) = (outs(jnp.full(3, i)) for i in range(2))
    assert (np.abs(images - others).max(axis=(1, 2, 3)) > 1e-4).all()
    assert (np.abs(logits - other_logits) > 1e-6).all()


def test_second_derivatives_are_those_of_finite_differences():
    """In float64: a network of ReLUs has a penalty with steps, which are to be far apart."""
    judge = networks.r3gan((16, 16, 1), 4, None, width=4).discriminator
    net = jax.jit(judge.init)(KEY)
    with jax.enable_x64(True):
        x = jnp.float64(IMAGES[:1])

        @jax.jit
        def penalty(scale):
            # From zero, residual kernels would say nothing.
            move = lambda leaf: leaf + (0.05 + scale) * jnp.sin(1 + 9 * jnp.float64(leaf))  # noqa: E731
            moved = net.replace(params=jax.tree.map(move, net.params))
            critic = lambda x: jnp.sum(judge.apply(moved, x)[0].logits)  # noqa: E731
            return jnp.sum(jnp.square(jax.grad(critic)(x)))

        h = 1e-7
        slope = (penalty(h) - penalty(-h)) / (2 * h)
        np.testing.assert_allclose(jax.jit(jax.grad(penalty))(0.0), slope, rtol=1e-3)


def test_the_second_derivative_of_attention_is_that_of_finite_differences():
    layer, x = SelfAttention(), jax.random.normal(stream(KEY, 'map'), (1, 4, 4, 8))
    params = {**layer.init(KEY, x)['params'], 'gamma': jnp.float32(0.7)}

    @jax.jit
    def penalty(scale):
        kernels = jax.tree.map(lambda leaf: leaf * (1 + scale), params)
        critic = lambda x: jnp.sum(jnp.sin(layer.apply({'params': kernels}, x)))  # noqa: E731
        return jnp.sum(jnp.square(jax.grad(critic)(x)))

    h = 1e-2
    slope = (penalty(h) - penalty(-h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(penalty)(0.0), slope, rtol=1e-2)


@pytest.mark.parametrize(('name', 'bare'), [('resnet', (2, 4, 6)), ('sncnn', (1, 2, 3, 4))])
def test_convolutions_before_a_batch_norm_have_no_bias(name, bare):
    """Of each residual block the first, but not of the first block."""
    judge = getattr(networks, name)((16, 16, 1), 4, None, width=4, norm='batch').discriminator
    layers = {layer for layer, _, _ in (name.partition('/') for name in shapes(judge))}
    without = {layer for layer in layers if f'{layer}/bias' not in shapes(judge)}
    assert without == {f'Conv_{i}' for i in bare}


@pytest.mark.parametrize('shape', [(28, 28, 1), (256, 256, 3)])
def test_r3gan_has_the_parameters_of_its_layers(shape):
    z, w, groups, blocks, expansion = 6, 8, 2, 2, 2
    sides = 3 if shape[0] == 28 else 7
    base = 7 if shape[0] == 28 else 4
    channels = [w * min(2**i, 16) for i in range(sides)]
    residual = 0
    for i, c in enumerate(channels):
        inner = expansion * c
        each = inner // (groups * min(2**i, 16))
        residual += blocks * (2 * c * inner + 9 * each * inner + 2 * inner)
    between = sum(a * b for a, b in itertools.pairwise(channels) if a != b)
    common = residual + between + shape[2] * w + base * base * channels[-1]
    pair = networks.r3gan(shape, z, None, width=w, blocks=blocks, cardinality=groups)
    assert counted(pair.generator) == common + z * channels[-1]
    assert counted(pair.discriminator) == common + channels[-1]


def test_r3gan_has_the_papers_size_on_cifar_10():
    paper = {'width': 768, 'blocks': 2, 'cardinality': 96, 'doubled': False}
    pair = networks.r3gan((32, 32, 3), 64, None, **paper)
    block = 2 * 768 * 1536 + 9 * 16 * 1536 + 2 * 1536
    common = 4 * 2 * block + 3 * 768 + 16 * 768
    assert counted(pair.generator) == common + 64 * 768
    assert counted(pair.discriminator) == common + 768


def test_r3gan_begins_as_a_linear_map():
    """The last kernel of each residual branch is zero."""
    pair = networks.r3gan((16, 16, 1), 4, None, width=4, cardinality=2)
    g, d = begun(pair)
    for network, net, x in ((pair.generator, g, NOISE), (pair.discriminator, d, IMAGES)):
        apply = jax.jit(lambda x: jax.tree.leaves(network.apply(net, x)[0])[0])  # noqa: B023
        once, thrice = (apply(t * x) for t in (1, 3))
        np.testing.assert_allclose(3 * once, thrice, rtol=1e-4, atol=1e-5)
        assert np.abs(once).max() > 1e-2


def test_networks_of_points_are_those_of_pacgan():
    pair = networks.points((1, 1, 2), 2, None)
    assert counted(pair.generator) == 2 * 400 + 3 * 400**2 + 4 * 2 * 400 + 400 * 2 + 2
    assert counted(pair.discriminator) == 3 * 1000 + 2 * 201 * 1000 + 201
    packs = networks.points((1, 1, 6), 2, None).discriminator
    assert shapes(packs)['Dense_0/kernel'] == (6, 1000)


def test_points_are_not_bounded_and_judged_by_the_greatest_of_affine_maps():
    pair = networks.points((1, 1, 2), 2, None, hidden=(5,), maxout=(4, 3), pieces=2)
    g, d = begun(pair)
    far = {**g.params['Dense_1'], 'bias': jnp.full(2, 7.0)}
    points, _ = pair.generator.apply(g.replace(params={**g.params, 'Dense_1': far}), NOISE[:, :2])
    assert points.shape == (3, 1, 1, 2)
    assert (points > 6).all()
    params = jax.tree.map(lambda leaf: leaf * 40 + 0.1, d.params)
    out, _ = pair.discriminator.apply(d.replace(params=params), points)
    h = np.float64(points).reshape(3, 2)
    for i, units in enumerate((4, 3)):
        each = h @ np.float64(params[f'Dense_{i}']['kernel']) + np.float64(
            params[f'Dense_{i}']['bias']
        )
        h = np.array([[max(row[2 * j], row[2 * j + 1]) for j in range(units)] for row in each])
    last = params['Dense_2']
    np.testing.assert_allclose(out.features, h, rtol=1e-4, atol=1e-4)
    expected = (h @ np.float64(last['kernel']) + np.float64(last['bias']))[:, 0]
    np.testing.assert_allclose(out.logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('sizes', [{'hidden': (4, 0)}, {'maxout': (0,)}])
def test_layers_of_no_size_are_refused(sizes):
    (name,) = sizes
    with pytest.raises(ValueError, match=f'expected size . of {name} >= 1, got 0'):
        networks.points((1, 1, 2), 2, None, **sizes)


@pytest.mark.parametrize('name', ['resnet', 'sncnn', 'r3gan'])
def test_on_accelerators_convolutions_are_those_of_xla(name):
    """A pass with its gradients is lowered for CUDA and TPU, and loops over nothing there."""
    pair = getattr(networks, name)((16, 16, 1), 4, None, width=4)
    nets = [jax.eval_shape(network.init, KEY) for network in pair]

    def slopes(g, d, z):
        def loss(g, d):
            images, _ = pair.generator.apply(g, z)
            return jnp.sum(pair.discriminator.apply(d, images)[0].logits)

        params = jax.grad(lambda *p: loss(g.replace(params=p[0]), d.replace(params=p[1])), (0, 1))
        return params(g.params, d.params)

    traced = jax.jit(slopes).trace(*nets, jax.ShapeDtypeStruct(NOISE.shape, NOISE.dtype))
    for platform in ('cuda', 'tpu'):
        text = traced.lower(lowering_platforms=(platform,)).as_text()
        assert 'stablehlo.convolution' in text
        assert 'stablehlo.while' not in text
        assert 'stablehlo.custom_call' not in text
