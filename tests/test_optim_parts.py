"""Optimizers by name: whatever optax offers that fits, in a GAN and in a VAE."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import gan, vae
from genjax.optim import OPTIMIZER, clip_weights, is_kernel, optimizer
from genjax.parts import makers

SHAPE = (4, 4, 1)
KEY = jax.random.key(0)
# What each asks for beside gradients, parameters and the loss's value.
REFUSED = {
    'dpsgd': 'missing 3 required positional arguments',
    'lbfgs': "missing 1 required keyword-only argument: 'value_fn'",
    'schedule_free_adamw': 'the parameters that it means to be used are in its state',
    'schedule_free_sgd': 'the parameters that it means to be used are in its state',
    'sophia': 'obj_fn must be provided',
}
TRIED = ['adam', 'adamw', 'rmsprop', 'sgd', 'lion', 'muon', 'prodigy', 'momo']


def models(**options):
    common = {'latent_dim': 2, 'hidden': (8,), **options}
    rates = dict.fromkeys(('generator_learning_rate', 'discriminator_learning_rate'), 1e-2)
    return gan.gan(SHAPE, **rates, **common), vae.vae(SHAPE, learning_rate=1e-2, **common)


def test_the_names_are_those_of_optax():
    known = set(makers(OPTIMIZER))
    assert known >= {*TRIED, *REFUSED, 'lamb', 'adafactor', 'radam', 'novograd', 'ademamix', 'dog'}
    assert not known & {'scale_by_learning_rate', 'scale_by_rprop', 'schedule_free'}


@pytest.mark.filterwarnings('ignore')  # optax's, of what it will change.
@pytest.mark.parametrize('name', sorted(set(makers(OPTIMIZER)) - set(REFUSED)))
def test_every_optimizer_that_fits_takes_a_step_of_each_family(name):
    batch = {'x': jax.ShapeDtypeStruct((6, *SHAPE), jnp.uint8)}
    for model in models(optimizer=name):
        state = jax.eval_shape(model.init, KEY)
        after, _ = jax.eval_shape(model.train_step, state, batch)
        assert jax.tree.map(str, after) == jax.tree.map(str, state)


@pytest.mark.parametrize('name', TRIED)
def test_players_move_by_it_and_a_sweep_may_stop_them(name):
    x = np.uint8(255 * np.eye(4)[None, :, :, None].repeat(6, axis=0))
    for model in models(optimizer=name):
        state = model.init(KEY)
        after, metrics = model.train_step(state, {'x': x})
        assert all(np.isfinite(v) for k, v in metrics.items() if not k.endswith('logits'))
        for name, net in state.nets.items():
            moved = jax.tree.map(
                lambda a, b: jnp.abs(a - b).max(), after.nets[name].params, net.params
            )
            assert max(jax.tree.leaves(moved)) > 0
            assert np.isfinite(jax.tree.leaves(moved)).all()


@pytest.mark.parametrize('name', REFUSED)
def test_what_needs_more_is_refused_in_a_sentence(name):
    for family in (gan.gan, vae.vae):
        with pytest.raises(ValueError, match=REFUSED[name]) as caught:
            family(SHAPE, optimizer=name)
        assert name in str(caught.value)
        assert '\n' not in str(caught.value)


def trajectory(made, steps=4):
    params, grads = {'w': jnp.array([1.0, -2.0])}, {'w': jnp.array([0.3, 0.1])}
    state, seen = made.init(params), []
    for _ in range(steps):
        updates, state = made.update(grads, state, params, value=jnp.float32(1))
        params = optax.apply_updates(params, updates)
        seen.append(np.asarray(params['w']))
    return np.stack(seen)


def test_options_that_are_schedules_are_computed_anew_for_each_update():
    """b2 of Adam, beside optax's own Adam made anew with the b2 of each update."""
    values = [0.9, 0.93, 0.96, 0.99]
    schedule = optax.linear_schedule(0.9, 0.99, 3)
    got = trajectory(optimizer(functools.partial(optax.adam, b2=schedule, b1=0.5), 0.1))
    params, grads = {'w': jnp.array([1.0, -2.0])}, {'w': jnp.array([0.3, 0.1])}
    state, expected = optax.adam(0.1).init(params), []
    for b2 in values:
        updates, state = optax.adam(0.1, b1=0.5, b2=b2).update(grads, state, params)
        params = optax.apply_updates(params, updates)
        expected.append(np.asarray(params['w']))
    np.testing.assert_allclose(got, np.stack(expected), rtol=1e-5)
    by_text = 'adam:b2=linear_schedule(init_value=0.9,end_value=0.99,transition_steps=3),b1=0.5'
    np.testing.assert_array_equal(got, trajectory(optimizer(by_text, 0.1)))


def test_masks_and_dtypes_are_no_schedules():
    masked = functools.partial(optax.adamw, weight_decay=0.1, mask=is_kernel)
    zero = {'kernel': jnp.zeros((2, 2)), 'bias': jnp.zeros(2)}
    params = jax.tree.map(jnp.ones_like, zero)
    for options in ({}, {'b2': optax.linear_schedule(0.9, 0.99, 3)}):
        made = optimizer(functools.partial(masked, **options), 0.1)
        updates, _ = made.update(zero, made.init(params), params)
        np.testing.assert_allclose(updates['kernel'], -0.01, rtol=1e-6)
        assert not updates['bias'].any()
    low = optimizer(functools.partial(optax.adam, mu_dtype=jnp.bfloat16), 0.1).init(params)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(low)} == {'int32', 'bfloat16', 'float32'}


def test_decay_is_beside_any_optimizer_at_its_learning_rate():
    """`u - lr (l1 sign(w) + l2 w)` for kernels, where the learning rate follows a schedule."""
    rate = optax.linear_schedule(0.1, 0.0, 2)
    made = optimizer('sgd:momentum=0.5', rate, l1=0.2, l2=0.3)
    kernel, trace = np.array([[1.0, -2.0]]), 0.0
    params = {'kernel': jnp.asarray(kernel), 'bias': jnp.ones(2)}
    grads = jax.tree.map(jnp.ones_like, params)
    state = made.init(params)
    for step in range(3):
        lr, trace = float(rate(step)), 0.5 * trace + 1
        kernel = kernel - lr * trace - lr * (0.2 * np.sign(kernel) + 0.3 * kernel)
        updates, state = made.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        np.testing.assert_allclose(params['kernel'], kernel, rtol=1e-6)
    plain = trajectory(optimizer('sgd', 0.1))
    np.testing.assert_allclose(trajectory(optimizer('sgd', 0.1, l2=0.3)), plain)  # 'w' is a vector.


def test_weights_stay_in_their_box_with_any_optimizer():
    model = gan.gan(SHAPE, hidden=(4,), latent_dim=2, optimizer='lion', weight_clip=0.01)
    state, _ = model.train_step(model.init(KEY), {'x': np.zeros((4, *SHAPE), np.uint8)})
    leaves = jax.tree.leaves(state.nets['discriminator'].params)
    assert max(float(jnp.abs(leaf).max()) for leaf in leaves) <= 0.01 + 1e-8
    with pytest.raises(ValueError, match='expected a bound > 0'):
        clip_weights(0.0)
