"""A convolution's primitives where arrays are not plain: of NumPy, empty, in pieces."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn.conv import conv, conv_transpose
from tests.compiler import flags_of

X = jax.random.normal(jax.random.key(0), (4, 6, 6, 3))
KERNEL = jax.random.normal(jax.random.key(1), (3, 3, 3, 6))


def both(test):
    return pytest.mark.parametrize('function', [conv, conv_transpose])(test)


@both
def test_arrays_of_numpy_are_taken(function):
    y = function(np.asarray(X), np.asarray(KERNEL), 2)
    np.testing.assert_array_equal(y, function(X, KERNEL, 2))


@both
def test_two_dtypes_are_refused_on_every_platform(function):
    with pytest.raises(ValueError, match='one dtype, got float32 and bfloat16'):
        function(X, KERNEL.astype(jnp.bfloat16), 2)


@both
@pytest.mark.parametrize('function_of', [lambda f: f, jax.jit])
def test_of_nothing_comes_nothing(function, function_of):
    def loss(x, kernel):
        return jnp.sum(function(x, kernel, 2) ** 2)

    f = function_of(lambda x, kernel: function(x, kernel, 2))
    assert f(X[:0], KERNEL).shape == (0, *f(X, KERNEL).shape[1:])
    grads = function_of(jax.grad(loss, (0, 1)))(X[:0], KERNEL)
    np.testing.assert_array_equal(grads[1], jnp.zeros_like(KERNEL))
    assert not f(X[..., :0], KERNEL[:, :, :0]).any()
    none = function_of(jax.vmap(f))(X[None][:0], KERNEL[None][:0])
    assert none.shape == (0, *f(X, KERNEL).shape)


SHARDED = """
import jax, jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec as P
from tests.test_nn_bilinear_arrays import KERNEL, X, conv, conv_transpose

mesh = jax.make_mesh((2,), ('d',), (jax.sharding.AxisType.Auto,))
for function in (conv, conv_transpose):
    loss = lambda x, kernel: jnp.sum(function(x, kernel, 2) ** 2)
    grads = jax.grad(loss, (0, 1))
    images, features = (P('d'), P()), (P(), P(None, None, None, 'd'))
    for specs in (images, features):
        sharded = jax.jit(jax.shard_map(grads, mesh=mesh, in_specs=specs, out_specs=specs))
        summed = lambda *args: lax.psum(loss(*args), 'd')
        outer = jax.shard_map(summed, mesh=mesh, in_specs=specs, out_specs=P())
        for got in (sharded(X, KERNEL), jax.jit(jax.grad(outer, (0, 1)))(X, KERNEL)):
            for one, whole in zip(got, grads(X, KERNEL), strict=True):
                assert jnp.allclose(one, whole, 1e-4, 1e-3), (function, specs)
"""


def test_the_gradient_of_what_is_not_in_pieces_is_summed_over_those_that_are():
    env = {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags_of(2)}
    done = subprocess.run(
        [sys.executable, '-c', SHARDED], env=os.environ | env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
