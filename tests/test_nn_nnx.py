"""NNX modules as networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from genjax import Net, from_linen, from_nnx
from tests.contracts.subject import different
from tests.toys import Regressor

X = jax.random.normal(jax.random.key(0), (64, 2))


class Normed(nnx.Module):
    """`tests.toys.Regressor`, and a list: dense, batch norm, dropout, all by one generator."""

    def __init__(self, rngs, rate=0.0):
        self.layers = nnx.List([nnx.Linear(2, 3, rngs=rngs)])
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.dropouts = nnx.List([nnx.Dropout(rate, rngs=rngs) for _ in range(2)])

    def __call__(self, x):
        x = self.norm(self.layers[0](x))
        return self.dropouts[0](x), self.dropouts[1](x)


class Told(nnx.Module):
    """Wants to know whether it trains, and has two names for one parameter."""

    def __init__(self, rngs):
        self.scale = nnx.Param(jnp.float32(2))
        self.same = self.scale

    def __call__(self, x, train):
        return x * self.scale + train * self.same


def test_it_computes_what_linen_does_in_training_and_evaluation():
    ours, theirs = from_nnx(Normed), from_linen(Regressor(), X)
    net, other = ours.init(jax.random.key(0)), theirs.init(jax.random.key(0))
    dense = {'kernel': net.params['layers'][0]['kernel'], 'bias': net.params['layers'][0]['bias']}
    other = other.replace(params={'Dense_0': dense, 'BatchNorm_0': dict(net.params['norm'])})
    for train in (True, False):
        (out, _), net = ours.apply(net, X, key=jax.random.key(1), train=train)
        expected, other = theirs.apply(other, X, key=jax.random.key(1), train=train)
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)
        stats = other.stats['batch_stats']['BatchNorm_0']
        for name in ('mean', 'var'):
            np.testing.assert_allclose(net.stats['norm'][name], stats[name], rtol=1e-5)


def test_all_that_is_drawn_is_drawn_from_the_key():
    network = from_nnx(lambda rngs: Normed(rngs, 0.5))
    net = network.init(jax.random.key(0))
    assert different(net, network.init(jax.random.key(0))) == []
    assert ".params['layers'][0]['kernel']" in different(net, network.init(jax.random.key(1)))
    outs, after = network.apply(net, X, key=jax.random.key(1))
    again = jax.jit(network.apply)(net, X, key=jax.random.key(1))[0]
    np.testing.assert_allclose(outs, again, rtol=1e-6)
    zeros = [
        np.asarray(out == 0) for out in (*outs, *network.apply(net, X, key=jax.random.key(2))[0])
    ]
    for i, one in enumerate(zeros):
        assert 0.3 < one.mean() < 0.7
        assert all((one != other).mean() > 0.3 for other in zeros[:i])
    assert jax.tree.structure(after) == jax.tree.structure(net)
    evaluated, same = network.apply(net, X, train=False)
    assert same is net
    np.testing.assert_array_equal(*evaluated)


def test_a_state_is_plain_and_holds_no_generator():
    net = from_nnx(Normed).init(jax.random.key(0))
    names = {jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(net)}
    params = {"['layers'][0]['kernel']", "['layers'][0]['bias']", "['norm']['scale']"}
    params |= {"['norm']['bias']"}
    assert names == {f'.params{name}' for name in params} | {
        ".stats['norm']['mean']",
        ".stats['norm']['var']",
    }


def test_a_call_is_told_and_shared_parameters_are_one():
    network = from_nnx(Told)
    net = network.init(jax.random.key(0))
    assert len(jax.tree.leaves(net)) == 1
    assert network.apply(net, 3.0)[0] == 8.0
    assert network.apply(net, 3.0, train=False)[0] == 6.0
    grad = jax.grad(lambda params: network.apply(Net(params, {}), 3.0)[0])(net.params)
    assert jax.tree.leaves(grad) == [4.0]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r'expected a function of nnx\.Rngs that makes a module'):
        from_nnx(Normed(nnx.Rngs(0)))
    network = from_nnx(Normed)
    with pytest.raises(ValueError, match='expected a key'):
        network.apply(network.init(jax.random.key(0)), X)
