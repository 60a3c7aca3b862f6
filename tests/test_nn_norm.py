"""Batch norm against Flax's and against a loop over classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from genjax.nn.linen import from_linen
from genjax.nn.norm import BatchNorm, BatchStddev, ConditionalBatchNorm, LayerNorm
from genjax.random import stream

KEY = jax.random.key(0)
X = 2 + 3 * jax.random.normal(stream(KEY, 'x'), (6, 4, 5, 3))


@pytest.mark.parametrize('train', [True, False])
def test_equals_flax_in_value_statistics_and_gradient(train):
    theirs = linen.BatchNorm(use_running_average=not train, momentum=0.9)
    ours = BatchNorm()
    variables = theirs.init(KEY, X)
    assert jax.tree.map(jnp.shape, ours.init(KEY, X)) == jax.tree.map(jnp.shape, variables)
    variables = jax.tree.map(lambda v: v + 0.3, variables)

    def run(call):
        def loss(variables, x):
            out, new = call(variables, x)
            return jnp.sum(jnp.sin(out)), (out, new)

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(variables, X)

    got = run(lambda v, x: ours.apply(v, x, train=train, mutable=['batch_stats']))
    expected = run(lambda v, x: theirs.apply(v, x, mutable=['batch_stats']))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), got, expected)


def test_class_conditional_norm_is_a_scale_and_bias_of_each_class():
    y = jnp.array([0, 2, 1, 1, 0, 2])
    layer = BatchNorm(num_classes=3)
    variables = layer.init(KEY, X, y)
    table = jax.random.normal(stream(KEY, 'table'), (2, 3, 3))
    variables = {**variables, 'params': {'scale': table[0], 'bias': table[1]}}
    got, _ = layer.apply(variables, X, y, mutable=['batch_stats'])
    x = np.float64(X)
    plain = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
    for i, label in enumerate(y):
        expected = plain[i] * np.float64(table[0, label]) + np.float64(table[1, label])
        np.testing.assert_allclose(got[i], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('train', [True, False])
def test_the_scale_and_bias_of_an_embedding_are_linear_in_it(train):
    layer, embedding = ConditionalBatchNorm(), jax.random.normal(stream(KEY, 'embedding'), (6, 2))
    variables = layer.init(KEY, X, embedding)
    tables = {n: jax.random.normal(stream(KEY, n), (2, 3)) for n in ('scale', 'bias')}
    assert jax.tree.map(jnp.shape, variables['params']) == {
        name: {'kernel': (2, 3)} for name in tables
    }
    variables = {**variables, 'params': {n: {'kernel': t} for n, t in tables.items()}}
    got, new = layer.apply(variables, X, embedding, train, mutable=['batch_stats'])
    x = np.float64(X)
    mean, var = (x.mean((0, 1, 2)), x.var((0, 1, 2))) if train else (0, 1)
    plain = (x - mean) / np.sqrt(var + 1e-5)
    scale, bias = (np.float64(embedding) @ np.float64(tables[n]) for n in ('scale', 'bias'))
    for i in range(6):
        np.testing.assert_allclose(got[i], plain[i] * (1 + scale[i]) + bias[i], 1e-4, 1e-4)
    kept = 0.1 * np.float64(X).mean((0, 1, 2)) if train else np.zeros(3)
    np.testing.assert_allclose(new['batch_stats']['norm']['mean'], kept, rtol=1e-4)


def test_a_network_with_a_standard_deviation_begins_with_one_image():
    class Judge(linen.Module):
        @linen.compact
        def __call__(self, x):
            h = BatchStddev()(x)
            return linen.Dense(1)(h.reshape(len(h), -1))

    network = from_linen(Judge(), jax.ShapeDtypeStruct((1, 4, 5, 3), jnp.float32))
    net = network.init(KEY)
    assert net.params['Dense_0']['kernel'].shape == (4 * 5 * 4, 1)
    assert network.apply(net, X[:4])[0].shape == (4, 1)


def test_layer_norm_treats_each_example_by_itself():
    layer = LayerNorm()
    variables = layer.init(KEY, X)
    got = layer.apply(variables, X)
    for out, x in zip(got, np.float64(X), strict=True):
        np.testing.assert_allclose(out, (x - x.mean()) / x.std(), rtol=1e-3, atol=1e-4)
    assert jax.tree.map(jnp.shape, variables['params']['norm']) == {'scale': (3,), 'bias': (3,)}


@pytest.mark.parametrize(
    ('classes', 'y', 'message'),
    [
        (3, None, r'expected labels y \[6\] of 3 classes, got none'),
        (None, jnp.zeros(6, jnp.int32), 'expected no labels without num_classes'),
        (3, jnp.zeros(5, jnp.int32), r'expected integer labels y \[6\], got int32 \(5,\)'),
        (3, jnp.zeros(6), r'expected integer labels y \[6\], got float32'),
    ],
)
def test_refuses_labels_that_do_not_fit(classes, y, message):
    with pytest.raises(ValueError, match=message):
        BatchNorm(num_classes=classes).init(KEY, X, y)


def test_low_precision_in_and_out_with_float32_statistics():
    low = X.astype(jnp.bfloat16)
    out, new = BatchNorm().apply(BatchNorm().init(KEY, low), low, mutable=['batch_stats'])
    assert out.dtype == jnp.bfloat16
    assert new['batch_stats']['mean'].dtype == jnp.float32
