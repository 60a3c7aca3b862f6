"""Convolutions against Flax's and against a naive float64 loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from genjax.nn.conv import Conv, ConvTranspose, conv, conv_transpose
from genjax.random import stream

KEY = jax.random.key(0)
PAIRS = {'conv': (Conv, linen.Conv), 'transposed': (ConvTranspose, linen.ConvTranspose)}


def arrays(shape, kernel):
    return (
        jax.random.normal(stream(KEY, 'x'), shape),
        jax.random.normal(stream(KEY, 'kernel'), kernel) / np.sqrt(np.prod(kernel[:3])),
    )


def relative(a, b):
    return np.linalg.norm(np.ravel(a) - np.ravel(b)) / max(np.linalg.norm(np.ravel(b)), 1e-12)


cases = st.fixed_dictionaries({
    'size': st.tuples(st.integers(4, 9), st.integers(4, 9)),
    'channels': st.tuples(st.integers(1, 4), st.integers(1, 4)),
    'kernel': st.tuples(st.integers(1, 5), st.integers(1, 5)),
    'strides': st.tuples(st.integers(1, 3), st.integers(1, 3)),
    'padding': st.sampled_from(['SAME', 'VALID', 1, ((0, 2), (1, 1)), ((3, 0), (0, 1))]),
})  # fmt: skip


@pytest.mark.parametrize('name', PAIRS)
@settings(max_examples=12, deadline=None, derandomize=True, phases=[Phase.generate])
@given(case=cases)
def test_equals_flax_in_value_and_derivatives(name, case):
    if min(case['size']) + 1 < max(case['kernel']):
        return
    x, kernel = arrays(
        (2, *case['size'], case['channels'][0]), (*case['kernel'], *case['channels'])
    )
    options = {k: case[k] for k in ('strides', 'padding')}
    ours, theirs = (
        module(case['channels'][1], case['kernel'], use_bias=False, **options)
        for module in PAIRS[name]
    )
    got = derivatives(ours, x, kernel)
    # In float64, since XLA's own float32 convolutions go wrong at some wide paddings on a CPU.
    with jax.enable_x64(True):
        expected = derivatives(theirs, jnp.float64(x), jnp.float64(kernel))
    assert jax.tree.map(jnp.shape, got) == jax.tree.map(jnp.shape, expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert relative(a, b) < 1e-5


def derivatives(module, x, kernel):
    """Value, gradients, and the gradient of the gradient's norm (as penalties need)."""

    def value(x, kernel):
        return module.apply({'params': {'kernel': kernel}}, x)

    def loss(x, kernel):
        return jnp.sum(jnp.sin(value(x, kernel)))

    def norm(x, kernel):
        return jnp.sum(jax.grad(loss)(x, kernel) ** 2)

    def everything(*a):
        return value(*a), jax.grad(loss, (0, 1))(*a), jax.grad(norm, (0, 1))(*a)

    return jax.jit(everything)(x, kernel)


def naive(x, kernel, s, pads):
    """`y[i, j] = sum x[s i + k, s j + l] kernel[k, l]`, written out in float64."""
    x = np.pad(np.float64(x), ((0, 0), *pads, (0, 0)))
    kh, kw = kernel.shape[:2]
    h, w = (x.shape[1] - kh) // s + 1, (x.shape[2] - kw) // s + 1
    y = np.zeros((len(x), h, w, kernel.shape[3]))
    for i in range(h):
        for j in range(w):
            patch = x[:, s * i : s * i + kh, s * j : s * j + kw]
            y[:, i, j] = np.einsum('bklc,klcf->bf', patch, np.float64(kernel))
    return y


def test_conv_equals_a_loop_in_float64():
    x, kernel = arrays((2, 7, 8, 3), (4, 4, 3, 5))
    assert relative(conv(x, kernel, 2, 1), naive(x, kernel, 2, ((1, 1), (1, 1)))) < 1e-6


def test_conv_transpose_is_a_loop_over_a_dilated_image():
    x, kernel = arrays((2, 4, 5, 3), (4, 4, 3, 5))
    dilated = np.zeros((2, 7, 9, 3))
    dilated[:, ::2, ::2] = x
    expected = naive(dilated, kernel, 1, ((2, 2), (2, 2)))
    got = conv_transpose(x, kernel, 2, 'SAME')
    assert got.shape == (2, 8, 10, 5)
    assert relative(got, expected) < 1e-6


@pytest.mark.parametrize('name', PAIRS)
def test_modules_have_flax_parameters_and_initial_values(name):
    x = jnp.ones((1, 8, 8, 3))
    ours, theirs = (
        module(4, (4, 4), strides=(2, 2)).init(jax.random.key(1), x)['params']
        for module in PAIRS[name]
    )
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), ours, dict(theirs)))


@pytest.mark.parametrize('function', [conv, conv_transpose])
def test_transformations_agree_with_plain_calls(function):
    x, kernel = arrays((3, 6, 6, 2), (4, 4, 2, 3))
    call = lambda x, kernel: function(x, kernel, 2, 'SAME')  # noqa: E731
    plain = call(x, kernel)
    kernels = jnp.stack([kernel, 2 * kernel])
    np.testing.assert_allclose(jax.vmap(call, (None, 0))(x, kernels)[1], 2 * plain, rtol=1e-4)
    np.testing.assert_allclose(jax.jvp(call, (x, kernel), (x, 0 * kernel))[1], plain, rtol=1e-4)
    scanned = jax.lax.scan(lambda c, k: (c, call(x, k)), 0, kernels)[1]
    np.testing.assert_allclose(scanned[0], plain, rtol=1e-4, atol=1e-6)


def test_low_precision_is_summed_in_float32():
    x, kernel = arrays((1, 8, 8, 256), (4, 4, 256, 4))
    low = conv(x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16), 2, 'SAME')
    assert low.dtype == jnp.bfloat16
    assert relative(np.float32(low), conv(x, kernel, 2, 'SAME')) < 0.01


@pytest.mark.parametrize('function', [conv, conv_transpose])
@pytest.mark.parametrize(
    ('shape', 'kernel', 'padding', 'message'),
    [
        ((2, 8, 8), (3, 3, 1, 1), 'SAME', r'expected x \[b, h, w, c\]'),
        ((2, 8, 8, 2), (3, 3, 3, 1), 'SAME', r'got \(2, 8, 8, 2\) and \(3, 3, 3, 1\)'),
        ((2, 8, 8, 2), (3, 3, 2, 1), ((1, 1, 1), (1, 1)), 'expected padding'),
    ],
)
def test_refuses_what_does_not_fit(function, shape, kernel, padding, message):
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros(shape), jnp.zeros(kernel), 1, padding)
