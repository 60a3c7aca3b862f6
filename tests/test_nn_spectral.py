"""Spectral norm against singular values, PyTorch's formula, and finite differences."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax import gan
from genjax.core import Net
from genjax.nn.conv import Conv
from genjax.nn.linen import from_linen
from genjax.nn.spectral import orthogonal_start, spectral_norm
from genjax.precision import mixed_precision
from genjax.random import stream

KEY = jax.random.key(0)
X = jax.random.normal(stream(KEY, 'x'), (3, 5, 6, 2))
KERNELS = ('Conv_0.kernel', 'Dense_0.kernel')


class Layers(nn.Module):
    """A convolution and an affine map, with batch norm between them."""

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.BatchNorm(use_running_average=not train)(Conv(4, (3, 3))(x))
        return nn.Dense(3)(jnp.tanh(x).reshape(len(x), -1))


PLAIN = from_linen(Layers(), X[:1])
NETWORK = spectral_norm(PLAIN)
APPLY = jax.jit(NETWORK.apply, static_argnames='train')
START = jax.jit(NETWORK.init)(KEY)


def kernel(net, name):
    layer, leaf = name.split('.')
    return net.params[layer][leaf]


def theirs(w, v):
    """One pass of torch.nn.utils.parametrizations.spectral_norm on rows of outputs, in float64."""
    u = w @ v
    u /= np.linalg.norm(u)
    v = w.T @ u
    v /= np.linalg.norm(v)
    return u, v, u @ w @ v


def rows(leaf):
    leaf = np.float64(leaf)
    return leaf.reshape(-1, leaf.shape[-1]).T


def test_a_new_network_keeps_its_kernels_and_knows_their_norms_roughly():
    plain = PLAIN.init(KEY)
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-6), START.params, plain.params
    )
    assert set(START.stats) == {'batch_stats', 'spectral'}
    assert sorted(START.stats['spectral']) == sorted(KERNELS)
    for name in KERNELS:
        greatest = np.linalg.svd(rows(kernel(START, name)), compute_uv=False)[0]
        np.testing.assert_allclose(START.stats['spectral'][name].sigma, greatest, rtol=0.02)


def test_after_many_passes_the_norms_are_the_singular_values_and_those_of_the_kernels_are_one():
    net = START
    for _ in range(300):
        _, net = APPLY(net, X)
    for name in KERNELS:
        w, found = rows(kernel(net, name)), net.stats['spectral'][name]
        greatest = np.linalg.svd(w, compute_uv=False)[0]
        np.testing.assert_allclose(found.sigma, greatest, rtol=1e-5)
        used = np.linalg.svd(w / float(found.sigma), compute_uv=False)[0]
        np.testing.assert_allclose(used, 1, rtol=1e-5)


@pytest.mark.parametrize('train', [True, False])
def test_a_pass_is_that_of_pytorchs_formula(train):
    params = jax.tree.map(lambda leaf: leaf * 1.5 + 0.1, START.params)
    net = Net(params, START.stats)
    out, after = APPLY(net, X, train=train)
    scaled = jax.tree.map(lambda leaf: leaf, params)
    for name in KERNELS:
        old, w = net.stats['spectral'][name], rows(kernel(net, name))
        u, v, sigma = theirs(w, np.float64(old.v)) if train else (old.u, old.v, old.u @ w @ old.v)
        layer = name.partition('.')[0]
        scaled[layer]['kernel'] = params[layer]['kernel'] / float(sigma)
        new = after.stats['spectral'][name]
        np.testing.assert_allclose(new.u, u, atol=1e-5)
        np.testing.assert_allclose(new.v, v, atol=1e-5)
    stats = {'batch_stats': START.stats['batch_stats']}
    expected, changed = PLAIN.apply(Net(scaled, stats), X, train=train)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
    if train:
        np.testing.assert_allclose(new.sigma, sigma, rtol=1e-5)
        assert 'batch_stats' in changed.stats
    else:
        jax.tree.map(np.testing.assert_array_equal, after.stats, net.stats)


def test_gradients_take_the_singular_vectors_for_constants():
    """Central differences of the formula with u and v of this pass held."""
    name, layer = KERNELS[1], 'Dense_0'
    _, after = APPLY(START, X)
    u, v = (np.float64(x) for x in after.stats['spectral'][name][:2])
    features = np.float64(jax.random.normal(stream(KEY, 'f'), (7, len(v))))
    dense = spectral_norm(from_linen(nn.Dense(3), jnp.zeros((1, len(v)))))
    params = {'kernel': kernel(START, name), 'bias': jnp.zeros(3)}
    where = 'kernel'
    begun = START.stats['spectral'][name]

    def loss(w):
        moved = Net({**params, 'kernel': w}, {'spectral': {where: begun}})
        return jnp.sum(jnp.sin(dense.apply(moved, jnp.float32(features))[0]))

    got = jax.grad(loss)(params['kernel'])
    w, h = np.float64(params['kernel']), 1e-5

    def formula(w):
        return np.sin(features @ (w / (u @ w.T @ v))).sum()

    for i, j in [(0, 0), (11, 2), (50, 1)]:
        step = np.zeros_like(w)
        step[i, j] = h
        slope = (formula(w + step) - formula(w - step)) / (2 * h)
        np.testing.assert_allclose(got[i, j], slope, rtol=1e-3, atol=1e-4)
    assert layer in START.params


def test_equals_pytorch():
    torch = pytest.importorskip('torch', reason='expects PyTorch, which is none of the packages')
    layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(8, 5, bias=False))
    spectrum = layer.parametrizations.weight[0]
    with torch.no_grad():  # So that one pass is not the last word.
        layer.parametrizations.weight.original.add_(torch.randn(5, 8))
    w = layer.parametrizations.weight.original.detach().numpy().T
    dense = spectral_norm(from_linen(nn.Dense(5, use_bias=False), jnp.zeros((1, 8))))
    net = dense.init(KEY)
    begun = {name: jnp.array(getattr(spectrum, f'_{name}').numpy()) for name in 'uv'}
    found = net.stats['spectral']['kernel']._replace(**begun)
    x = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    out, _ = dense.apply(Net({'kernel': jnp.array(w)}, {'spectral': {'kernel': found}}), x)
    np.testing.assert_allclose(out, layer(torch.from_numpy(x)).detach(), rtol=1e-4, atol=1e-6)


def test_under_vmap_and_scan_it_is_a_loop():
    nets = [NETWORK.init(jax.random.key(i)) for i in range(2)]
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)

    def steps(net):
        return jax.lax.scan(lambda net, _: APPLY(net, X)[::-1], net, None, 3)

    got, out = jax.vmap(steps)(both)
    for i, net in enumerate(nets):
        for j in range(3):
            expected, net = APPLY(net, X)
            np.testing.assert_allclose(out[i, j], expected, rtol=1e-4, atol=1e-5)
        jax.tree.map(
            lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-5), got, net
        )


def test_it_is_float32_around_bfloat16():
    network = spectral_norm(mixed_precision(PLAIN, 'bfloat16'))
    net = network.init(KEY)
    out, after = network.apply(net, X)
    expected, exact = APPLY(START, X)
    assert {leaf.dtype for leaf in jax.tree.leaves(after.stats)} == {jnp.dtype('float32')}
    np.testing.assert_allclose(out, expected, atol=0.05)
    for name in KERNELS:
        np.testing.assert_allclose(
            after.stats['spectral'][name].sigma, exact.stats['spectral'][name].sigma, rtol=1e-6
        )


def test_second_derivatives_are_those_of_finite_differences():
    def penalty(scale):
        params = jax.tree.map(lambda leaf: leaf + scale * jnp.cos(leaf), START.params)

        def critic(x):
            return jnp.sum(jnp.tanh(NETWORK.apply(Net(params, START.stats), x, train=False)[0]))

        return jnp.sum(jnp.square(jax.grad(critic)(X)))

    h, value = 1e-3, jax.jit(penalty)
    slope = (value(h) - value(-h)) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(penalty))(0.0), slope, rtol=2e-2)


def test_a_gan_learns_with_it_and_its_norms_follow():
    model = gan.gan(
        (4, 4, 1), hidden=(8,), latent_dim=2, spectral_norm='both', penalties='r1',
        objective='hinge', discriminator_learning_rate=0.1,
    )  # fmt: skip
    state = model.init(KEY)
    batch = {'x': np.uint8(np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1)))}
    for _ in range(3):
        state, metrics = model.train_step(state, batch)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(metrics))
    for name in ('generator', 'discriminator'):
        net = state.nets[name]
        for where, found in net.stats['spectral'].items():
            leaf = functools.reduce(operator.getitem, where.split('.'), net.params)
            greatest = np.linalg.svd(rows(leaf), compute_uv=False)[0]
            np.testing.assert_allclose(found.sigma, greatest, rtol=0.3)
    assert np.isfinite(model.sample(state, KEY, 3)).all()


def test_a_kernel_of_zeros_is_one_until_it_moves():
    dense = from_linen(nn.Dense(3, kernel_init=nn.initializers.zeros_init()), jnp.zeros((1, 4)))
    network, x = spectral_norm(dense), jax.random.normal(stream(KEY, 'zeros'), (5, 4))
    net = network.init(stream(KEY, 'zero'))

    def loss(params):
        out, after = network.apply(net.replace(params=params), x)
        return jnp.sum(out), after

    slopes, after = jax.grad(loss, has_aux=True)(net.params)
    np.testing.assert_allclose(slopes['kernel'], np.tile(x.sum(0)[:, None], 3), rtol=1e-5)
    moved = {**net.params, 'kernel': 1e-3 * slopes['kernel']}
    for _ in range(20):
        out, after = network.apply(after.replace(params=moved), x)
    greatest = np.linalg.svd(moved['kernel'], compute_uv=False)[0]
    np.testing.assert_allclose(out, x @ moved['kernel'] / greatest, rtol=1e-3, atol=1e-4)


def test_kernels_begin_orthogonal():
    """Those of zeros stay, and all else is as it was."""

    class Some(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            x = nn.Embed(4, 2, name='table')(jnp.zeros(len(x), int)) + x
            wide = nn.Dense(5, bias_init=nn.initializers.ones_init(), name='wide')(x)
            return nn.Dense(3, kernel_init=nn.initializers.zeros_init(), name='zero')(wide)

    plain = from_linen(Some(), X[0, 0, :1])
    params, before = (jax.jit(n.init)(KEY).params for n in (orthogonal_start(plain), plain))
    wide, table = params['wide'].pop('kernel'), params['table'].pop('embedding')
    np.testing.assert_allclose(wide @ wide.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(table.T @ table, np.eye(2), atol=1e-6)
    del before['wide']['kernel'], before['table']['embedding']
    jax.tree.map(np.testing.assert_array_equal, params, before)


def test_a_gan_begins_orthogonal():
    made = (gan.gan((2, 2, 1), hidden=(3,), orthogonal=so).init(KEY) for so in (True, False))
    leaves = (jax.tree.leaves(state.nets['generator'].params) for state in made)
    kernel, other = (next(leaf for leaf in found if leaf.shape == (3, 4)) for found in leaves)
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(3), atol=1e-6)
    assert not np.allclose(kernel, other, atol=0.1)
