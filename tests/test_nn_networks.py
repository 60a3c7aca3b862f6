"""Shapes, initial values and conditioning of the networks."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.latents.gyroplanes import Gyroplanes
from genjax.nn.conv import conv, conv_transpose
from genjax.nn.convnet import ConvDecoder, ConvEncoder
from genjax.nn.dcgan import DCGANDiscriminator, DCGANGenerator
from genjax.nn.mlp import MLPDecoder, MLPEncoder
from genjax.nn.sizes import cropped, stages
from genjax.random import stream

KEY = jax.random.key(0)


def shapes(module, *inputs):
    """Output shapes and the flat parameter shapes, without computing anything."""
    out, variables = jax.eval_shape(lambda: module.init_with_output(KEY, *inputs, train=False))
    flat = jax.tree_util.tree_leaves_with_path(variables['params'])
    return (
        jax.tree.map(lambda o: o.shape, out),
        {'/'.join(p.key for p in path): leaf.shape for path, leaf in flat},
    )


@pytest.mark.parametrize(('size', 'base', 'n'), [(28, 7, 2), (32, 4, 3), (64, 4, 4), (128, 4, 5)])
@pytest.mark.parametrize('channels', [1, 3])
def test_dcgan_has_the_layers_of_the_paper(size, base, n, channels):
    shape = (size, size, channels)
    out, params = shapes(DCGANGenerator(shape), jnp.zeros((2, 100)))
    assert out == (2, *shape)
    assert params['Dense_0/kernel'] == (100, base * base * 64 * 2 ** (n - 1))
    kernels = [params[f'ConvTranspose_{i}/kernel'] for i in range(n)]
    widths = [64 * 2**i for i in reversed(range(n))] + [channels]
    assert kernels == [(4, 4, a, b) for a, b in itertools.pairwise(widths)]
    # No bias where a batch norm follows: its gradient would be rounding.
    assert [name for name in params if name.startswith('Conv') and 'bias' in name] == [
        f'ConvTranspose_{n - 1}/bias'
    ]
    (logits, features, _), params = shapes(DCGANDiscriminator(), jnp.zeros((2, *shape)))
    assert (logits, features) == ((2,), (2, 64 * 2 ** (n - 1)))
    widths = [channels] + [64 * 2**i for i in range(n)]
    kernels = [params[f'Conv_{i}/kernel'] for i in range(n)]
    assert kernels == [(4, 4, a, b) for a, b in itertools.pairwise(widths)]
    assert f'BatchNorm_{n - 2}/scale' in params
    assert f'BatchNorm_{n - 1}/scale' not in params


def test_dcgan_starts_from_the_papers_distributions():
    params = DCGANGenerator((28, 28, 1)).init(KEY, jnp.zeros((1, 100)), train=False)['params']
    kernel = params['ConvTranspose_0']['kernel']
    assert abs(kernel.std() - 0.02) < 1e-3
    assert abs(kernel.mean()) < 1e-3
    scale = params['BatchNorm_0']['scale']
    assert abs(scale.mean() - 1) < 0.01
    assert 0.01 < scale.std() < 0.03


def test_projection_adds_the_product_of_label_and_features():
    module = DCGANDiscriminator(width=4, num_classes=3, norm='none')
    x = jax.random.normal(stream(KEY, 'x'), (4, 28, 28, 1))
    variables = module.init(KEY, x, jnp.zeros(4, jnp.int32), train=False)
    logits = {}
    for label in range(3):
        y = jnp.full(4, label)
        logits[label], features, _ = module.apply(variables, x, y, train=False)
    table = variables['params']['Embed_0']['embedding']
    difference = np.asarray(features) @ np.asarray(table[1] - table[0])
    np.testing.assert_allclose(logits[1] - logits[0], difference, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize('norm', ['layer', 'none'])
def test_critics_for_penalties_do_not_mix_examples(norm):
    module = DCGANDiscriminator(width=4, norm=norm)
    x = jax.random.normal(stream(KEY, 'x'), (4, 28, 28, 1))
    variables = module.init(KEY, x, train=False)
    logits = lambda x: module.apply(variables, x)[0]  # noqa: E731
    jacobian = jax.jacobian(logits)(x).reshape(4, 4, -1)
    sizes = np.abs(jacobian).max(axis=2)
    assert (np.diag(sizes) > 1e-6).all()
    assert (sizes[~np.eye(4, dtype=bool)] == 0).all()


@pytest.mark.parametrize(
    ('shape', 'size'),
    [((28, 28, 2), 28), ((30, 33, 1), 32), ((12, 16, 1), 16), ((300, 260, 3), 256), ((64, 64), 64)],
)
def test_unknown_sizes_are_refused_with_the_way_out(shape, size):
    message = (
        r'expected images whose height and width are multiples of 4 from 16 to 256, with 1 or 3 '
        rf'channels, got {re.escape(str(shape))}: scale them \(--image-size {size}\), or take '
        r'networks that take any \(--networks mlp\)'
    )
    with pytest.raises(ValueError, match=message):
        DCGANGenerator(shape).init(KEY, jnp.zeros((1, 8)))


@pytest.mark.parametrize('height', range(16, 257, 4))
def test_stacks_take_all_multiples_of_four(height):
    width = 16 + (7 * height) % 244 // 4 * 4
    sizes = stages((height, width, 3))
    assert sizes[0] == (height, width)
    assert 4 <= min(sizes[-1]) <= 8
    assert all(b == (-(-a[0] // 2), -(-a[1] // 2)) for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize('shape', [(16, 20, 1), (100, 36, 3), (48, 252, 1)])
def test_networks_of_any_size_give_images_of_that_size(shape):
    z, x = jnp.zeros((2, 5)), jnp.zeros((2, *shape))
    for module in (DCGANGenerator(shape, 4), ConvDecoder(shape, 4)):
        assert shapes(module, z)[0] == (2, *shape)
    assert shapes(DCGANDiscriminator(4), x)[0][0] == (2,)
    assert shapes(ConvEncoder(3, 4), x)[0] == ((2, 3), (2, 3))


def test_odd_maps_are_halved_and_doubled_by_the_same_windows():
    """Of 36 pixels the maps are 18, 9 and 5: the stage from 5 is the adjoint of that to 5."""
    small, large = (2, 5, 4, 6), (2, 9, 8, 3)
    kernel = jax.random.normal(stream(KEY, 'kernel'), (4, 4, 6, 3))
    y, x = (jax.random.normal(stream(KEY, str(s)), s) for s in (small, large))
    up = cropped(conv_transpose(y, kernel, 2), large[1:3])
    down = conv(x, kernel.transpose(0, 1, 3, 2)[::-1, ::-1], 2)
    assert (up.shape, down.shape) == (large, small)
    np.testing.assert_allclose(jnp.vdot(up, x), jnp.vdot(y, down), rtol=1e-4)


ENCODERS = {
    'mlp': (MLPEncoder(5, (7,)), MLPDecoder((28, 28, 2), (7,))),
    'conv': (ConvEncoder(5, 4), ConvDecoder((28, 28, 2), 4)),
    'gated': (MLPEncoder(5, (7,), nn.glu), MLPDecoder((28, 28, 2), (7,), nn.glu)),
    'gyroplanes': (
        MLPEncoder(5, (7,), num_classes=3),
        MLPDecoder((28, 28, 2), (), num_classes=3, first=Gyroplanes(7)),
    ),
    'mlp labels': (MLPEncoder(5, (7,), num_classes=3), MLPDecoder((28, 28, 2), num_classes=3)),
    'conv labels': (ConvEncoder(5, 4, 3), ConvDecoder((28, 28, 2), 4, 3)),
}


@pytest.mark.parametrize('name', ENCODERS)
def test_encoders_and_decoders_fit_and_heed_their_labels(name):
    encoder, decoder = ENCODERS[name]
    x, z = jax.random.normal(stream(KEY, 'x'), (3, 28, 28, 1)), jnp.full((3, 5), 0.3)
    labels = [(jnp.full(3, i),) for i in range(2)] if encoder.num_classes else [()]
    for module, inputs in ((encoder, x), (decoder, z)):
        variables = module.init(KEY, inputs, *labels[0], train=False)
        outs = [module.apply(variables, inputs, *y, train=False) for y in labels]
        shape = jax.tree.map(jnp.shape, outs[0])
        assert shape == (((3, 5), (3, 5)) if module is encoder else (3, 28, 28, 2))
        if len(outs) == 2:
            first, second = (jax.tree.leaves(out)[0] for out in outs)
            assert np.abs(first - second).max() > 1e-4


def test_dropout_is_in_every_network_that_has_the_rate():
    x = jnp.ones((2, 28, 28, 1))
    modules = [
        DCGANDiscriminator(4, dropout=0.5),
        MLPEncoder(5, dropout=0.5),
        ConvEncoder(5, 4, dropout=0.5),
    ]
    for module in modules:
        variables = module.init(KEY, x, train=False)
        outs = [
            module.apply(variables, x, rngs={'dropout': stream(KEY, name)}, mutable=True)[0][0]
            for name in ('a', 'a', 'b')
        ]
        assert jnp.array_equal(outs[0], outs[1])
        assert not jnp.array_equal(outs[0], outs[2])
