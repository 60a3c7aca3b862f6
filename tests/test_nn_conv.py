"""Convolutions against Flax's and against a naive float64 loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from genjax.nn import bilinear
from genjax.nn.bilinear import Geometry, adjoint, convolve, correlate
from genjax.nn.conv import Conv, ConvTranspose, conv, conv_transpose
from genjax.random import stream

KEY = jax.random.key(0)
QUICK = {'xla_backend_optimization_level': 0}  # many programs, each of which runs once
PAIRS = {'conv': (Conv, linen.Conv), 'transposed': (ConvTranspose, linen.ConvTranspose)}


def arrays(shape, kernel):
    return (
        jax.random.normal(stream(KEY, 'x'), shape),
        jax.random.normal(stream(KEY, 'kernel'), kernel) / np.sqrt(np.prod(kernel[:3])),
    )


def relative(a, b):
    return np.linalg.norm(np.ravel(a) - np.ravel(b)) / max(np.linalg.norm(np.ravel(b)), 1e-12)


def relative_all(got, expected):
    assert jax.tree.map(jnp.shape, got) == jax.tree.map(jnp.shape, expected)
    return max(map(relative, jax.tree.leaves(got), jax.tree.leaves(expected)))


def forced(monkeypatch, tile):
    """On a CPU, all maps in tiles of so many outputs, where there are such; None for XLA's own."""

    def best_tile(geometry, *sizes):
        taps = max(axis.taps for axis in bilinear.axes_of(geometry, 1))
        return 1 if tile == 2 and taps > 3 else tile

    monkeypatch.setattr(bilinear, 'best_tile', best_tile)


padding = st.sampled_from(
    ['SAME', 'VALID', 1, ((0, 2), (1, 1)), ((3, 0), (0, 1)), ((-1, 1), (0, -2)), ((2, -1), (-1, 3))]
)
cases = st.fixed_dictionaries({
    'size': st.tuples(st.integers(4, 9), st.integers(4, 9)),
    'channels': st.tuples(st.integers(1, 5), st.integers(1, 5)),
    'kernel': st.tuples(st.integers(1, 5), st.integers(1, 5)),
    'strides': st.tuples(st.integers(1, 3), st.integers(1, 3)),
    'padding': padding,
})  # fmt: skip


@pytest.mark.parametrize('name', PAIRS)
@settings(max_examples=7, deadline=None, derandomize=True, phases=[Phase.generate])
@given(case=cases)
def test_each_form_equals_flax_in_value_and_derivatives(name, case):
    # With room for the kernel in whatever a crop leaves.
    size = [max(n, k + 2) for n, k in zip(case['size'], case['kernel'], strict=True)]
    arguments = arrays((2, *size, case['channels'][0]), (*case['kernel'], *case['channels']))
    options = {k: case[k] for k in ('strides', 'padding')}
    ours, theirs = (
        module(case['channels'][1], case['kernel'], use_bias=False, **options)
        for module in PAIRS[name]
    )
    # In float64, since XLA's own float32 convolutions go wrong at some paddings on a CPU.
    with jax.enable_x64(True):
        expected = derivatives(theirs, *map(jnp.float64, arguments))
    for tile in (1, 2, None):
        with pytest.MonkeyPatch.context() as patch:
            forced(patch, tile)
            assert relative_all(derivatives(ours, *arguments), expected) < 1e-5, tile


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

    return jax.jit(everything, compiler_options=QUICK)(x, kernel)


GEOMETRIES = {
    'a DCGAN layer': Geometry((8, 8), (4, 4), (4, 4), (2, 2), (1, 1)),
    'odd, unequal': Geometry((7, 9), (3, 5), (7, 4), (1, 2), (1, 0)),
    'a crop, and pixels left over': Geometry((9, 8), (3, 2), (3, 7), (2, 1), (-1, 1)),
    'strides beyond the kernel': Geometry((8, 9), (1, 2), (3, 3), (3, 3), (0, -1)),
}


def loops(geometry, x, kernel, y):
    """The three maps by their definition, in float64."""
    results = np.zeros_like(y), np.zeros_like(x), np.zeros_like(kernel)
    for i, j, k, l in np.ndindex(*geometry.out, *geometry.kernel):  # noqa: E741
        fields = zip(geometry.strides, (i, j), (k, l), geometry.low, strict=True)
        p, q = (s * n + m - low for s, n, m, low in fields)
        if 0 <= p < geometry.size[0] and 0 <= q < geometry.size[1]:
            results[0][:, i, j] += x[:, p, q] @ kernel[k, l]
            results[1][:, p, q] += y[:, i, j] @ kernel[k, l].T
            results[2][k, l] += x[:, p, q].T @ y[:, i, j]
    return results


def trio(geometry, dtype):
    """Images, kernel and cotangents, and the three maps of them."""
    rng = np.random.default_rng(0)
    shapes = (2, *geometry.size, 3), (*geometry.kernel, 3, 5), (2, *geometry.out, 5)
    x, kernel, y = (jnp.asarray(rng.normal(size=shape), dtype) for shape in shapes)

    def maps(x, kernel, y):
        pairs = {convolve: (x, kernel), adjoint: (y, kernel), correlate: (x, y)}
        return [function(*pair, geometry) for function, pair in pairs.items()]

    return (x, kernel, y), jax.jit(maps, compiler_options=QUICK)(x, kernel, y)


@pytest.mark.parametrize('tile', [1, 2, None])
@pytest.mark.parametrize('name', GEOMETRIES)
def test_each_map_equals_its_loop(monkeypatch, name, tile):
    forced(monkeypatch, tile)
    geometry = GEOMETRIES[name]
    with jax.enable_x64(True):
        (x, kernel, y), got = trio(geometry, jnp.float64)
        expected = loops(geometry, *map(np.asarray, (x, kernel, y)))
        assert relative_all(list(map(np.asarray, got)), list(expected)) < 1e-13
        forms = [jnp.vdot(got[0], y), jnp.vdot(x, got[1]), jnp.vdot(kernel, got[2])]
    np.testing.assert_allclose(forms, forms[0], rtol=1e-11)


@pytest.mark.parametrize('tile', [1, 2, None])
def test_bfloat16_is_near_float64_in_all_maps(monkeypatch, tile):
    forced(monkeypatch, tile)
    geometry = GEOMETRIES['a DCGAN layer']
    arguments, got = trio(geometry, jnp.bfloat16)
    assert all(result.dtype == jnp.bfloat16 for result in got)
    expected = loops(geometry, *(np.asarray(a, np.float64) for a in arguments))
    assert relative_all([np.asarray(a, np.float64) for a in got], list(expected)) < 0.01


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


@pytest.mark.parametrize('function', [conv, conv_transpose])
@pytest.mark.parametrize(
    ('strides', 'padding', 'message'),
    [
        (0, 'SAME', 'expected one or two strides >= 1, got 0'),
        ((1, 2, 3), 'SAME', r'expected one or two strides >= 1, got \(1, 2, 3\)'),
        (1, 'FULL', "expected padding 'SAME', 'VALID' or two pairs, got 'FULL'"),
        (1, ((-4, -4), (0, 0)), r'\(2, 8, 8, 2\), \(3, 3\)'),
    ],
)
def test_refuses_strides_and_paddings_that_do_not_fit(function, strides, padding, message):
    with pytest.raises(ValueError, match=message):
        function(jnp.zeros((2, 8, 8, 2)), jnp.zeros((3, 3, 2, 1)), strides, padding)


@pytest.mark.parametrize('function', [conv, conv_transpose])
def test_refuses_two_dtypes(function):
    with pytest.raises(ValueError, match='of one dtype, got bfloat16 and float32'):
        function(jnp.zeros((2, 8, 8, 2), jnp.bfloat16), jnp.zeros((3, 3, 2, 1)))


@pytest.mark.parametrize('function', [conv, conv_transpose])
def test_takes_numpy_arrays_and_empty_batches(function):
    x, kernel = arrays((3, 6, 6, 2), (4, 4, 2, 3))
    expected = function(x, kernel, 2)
    np.testing.assert_array_equal(function(np.asarray(x), np.asarray(kernel), 2), expected)
    none = (0, *expected.shape[1:])
    assert function(x[:0], kernel, 2).shape == none
    gradient = jax.grad(lambda k: jnp.sum(function(x[:0], k, 2)))(kernel)
    assert gradient.shape == kernel.shape
    assert not gradient.any()
    assert jax.vmap(lambda x: function(x, kernel, 2))(x[:0, None]).shape == (0, 1, *none[1:])
