"""Optimizers against optax and by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.optim import adam, clip_weights, is_kernel
from tests.toys import pairs, regression

PARAMS = {
    'dense': {'kernel': jnp.array([[1.0, -2.0], [0.5, 3.0]]), 'bias': jnp.array([1.0, -1.0])},
    'norm': {'scale': jnp.ones((10, 2)), 'bias': jnp.ones((10, 2))},
}
GRADS = jax.tree.map(lambda p: 0.1 * p + 0.2, PARAMS)


def test_kernels_are_what_decays():
    assert is_kernel(PARAMS) == {
        'dense': {'kernel': True, 'bias': False},
        'norm': {'scale': False, 'bias': False},
    }


def step(optimizer):
    updates, _ = optimizer.update(GRADS, optimizer.init(PARAMS), PARAMS)
    return updates


def test_l2_is_adamw_with_a_mask():
    expected = step(optax.adamw(0.1, weight_decay=0.3, mask=is_kernel))
    near = partial(np.testing.assert_allclose, rtol=1e-6)
    jax.tree.map(near, step(adam(0.1, l2=0.3)), expected)


def test_l1_pulls_kernels_to_zero_by_a_constant():
    plain, pulled = step(adam(0.1)), step(adam(0.1, l1=0.3))
    np.testing.assert_allclose(
        pulled['dense']['kernel'] - plain['dense']['kernel'],
        -0.1 * 0.3 * np.sign(PARAMS['dense']['kernel']),
        rtol=1e-5,
    )
    np.testing.assert_array_equal(pulled['dense']['bias'], plain['dense']['bias'])
    jax.tree.map(np.testing.assert_array_equal, pulled['norm'], plain['norm'])


def test_plain_adam_and_clipping_are_optax():
    jax.tree.map(np.testing.assert_allclose, step(adam(0.1, 0.5)), step(optax.adam(0.1, 0.5)))
    clipped = optax.chain(optax.clip_by_global_norm(0.01), optax.adam(0.1, eps=1.0))
    got = step(adam(0.1, eps=1.0, clip_norm=0.01))
    jax.tree.map(np.testing.assert_allclose, got, step(clipped))


def test_schedules_count_the_updates_of_the_player():
    optimizer = adam(optax.linear_schedule(1.0, 0.0, 2), eps=0.0)
    state, sizes = optimizer.init(PARAMS), []
    for _ in range(3):
        updates, state = optimizer.update(GRADS, state, PARAMS)
        sizes.append(float(jnp.abs(updates['dense']['bias'][0])))
    np.testing.assert_allclose(sizes, [1.0, 0.5, 0.0], atol=1e-5)


@pytest.mark.parametrize('lr_scale', [0.1, 1.0, 3.0])
def test_clipped_weights_stay_in_their_box(lr_scale):
    built = regression(optax.chain(adam(0.5), clip_weights(0.02)))
    state = built.init(jax.random.key(0))
    hypers = state.hypers | {'fit/lr_scale': jnp.float32(lr_scale)}
    state = state.replace(hypers=hypers)
    for _ in range(3):
        state, _ = built.train_step(state, pairs())
    sizes = [float(jnp.abs(p).max()) for p in jax.tree.leaves(state.nets['net'].params)]
    assert max(sizes) <= 0.02 * (1 + 1e-5)
    assert max(sizes) > 0.019


def test_clip_bound_must_be_positive():
    with pytest.raises(ValueError, match='expected a bound > 0, got 0'):
        clip_weights(0)
