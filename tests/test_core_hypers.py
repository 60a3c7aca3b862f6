"""Hypers that follow a schedule: weights of terms, decays of averages, beta."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import gan, vae
from genjax.core import Hyper, Term, hyper, with_hypers
from genjax.gan import penalties
from tests.toys import pairs, regression

KEY = jax.random.key(3)
FALLING = optax.linear_schedule(1.0, 0.0, 4)  # 1, 3/4, 1/2, 1/4, 0 at steps 0 to 4.
SHAPE = (4, 4, 1)


def steps(built, n, state=None):
    """The metrics of n steps, and the state after them."""
    state, seen = state or built.init(KEY), []
    for _ in range(n):
        state, metrics = built.train_step(state, pairs())
        seen.append(jax.device_get(metrics))
    return seen, state


def square(**options):
    return Term('square', lambda memory, out: (jnp.mean(out**2), memory), **options)


def test_a_number_is_itself_and_a_schedule_a_factor():
    assert hyper(2.5) == Hyper(2.5, None)
    assert hyper(FALLING) == Hyper(1.0, FALLING)
    assert hyper(Hyper(3.0, FALLING)) == Hyper(3.0, FALLING)
    value, schedule = hyper('linear_schedule:init_value=4,end_value=0,transition_steps=4')
    assert (value, schedule(1)) == (1.0, 3.0)
    for wrong in ('often', None, [1.0]):
        with pytest.raises(ValueError, match=r'unknown name|expected a schedule'):
            hyper(wrong)


def test_the_weight_of_a_term_follows_the_steps():
    """Beside a run whose weight is set by hand before each step."""
    moving, fixed = (regression(terms=[square(weight=w)]) for w in (Hyper(8.0, FALLING), 8.0))
    seen, end = steps(moving, 4)
    state = fixed.init(KEY)
    for step, metrics in enumerate(seen):
        state = with_hypers(state, {'fit/square': 8 * (1 - step / 4)})
        state, expected = fixed.train_step(state, pairs())
        assert metrics.pop('fit/square_weight') == 8 * (1 - step / 4)
        assert metrics.keys() == expected.keys()
        jax.tree.map(np.testing.assert_array_equal, metrics, jax.device_get(expected))
    jax.tree.map(np.testing.assert_array_equal, end.nets, state.nets)
    assert end.hypers['fit/square'] == 8


def test_the_decay_of_an_average_follows_the_steps():
    half = optax.piecewise_constant_schedule(0.05, {2: 10.0})  # below (1 + t) / (10 + t)
    built = regression(optax.sgd(0.1), ema={'net': half})
    seen, state, means = [], built.init(KEY), None
    for step in range(4):
        before = state.ema['net'].params if means is None else means
        state, metrics = built.train_step(state, pairs())
        decay = min(0.05 if step < 2 else 0.5, (1 + step) / (10 + step))
        means = jax.tree.map(
            lambda m, p, d=decay: d * m + (1 - d) * p, before, state.nets['net'].params
        )
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-15),
            state.ema['net'].params,
            means,
        )
        seen.append(float(metrics['net/ema_decay']))
    np.testing.assert_allclose(seen, [0.05, 0.05, 0.5, 0.5])
    constant = regression(ema={'net': 0.9})
    assert constant.init(KEY).hypers['net/ema_decay'] == np.float32(0.9)
    assert 'net/ema_decay' not in steps(constant, 1)[0][0]


def test_a_sweep_maps_over_factors_of_schedules():
    ema = {'net': Hyper(0.5, FALLING)}
    built = regression(optax.sgd(0.1), terms=[square(weight=FALLING)], ema=ema)
    _, state = steps(built, 1)
    factors = jnp.array([0.0, 1.0, 2.0])

    def step(factor):
        changed = with_hypers(state, {'fit/square': factor, 'net/ema_decay': factor / 4})
        return built.train_step(changed, pairs())

    ends, metrics = jax.vmap(step)(factors)
    np.testing.assert_allclose(metrics['fit/square_weight'], 0.75 * factors)
    for i, factor in enumerate(factors):
        alone = step(factor)[0]
        for a, b in zip(jax.tree.leaves(ends.ema), jax.tree.leaves(alone.ema), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-5, atol=1e-6)
    assert np.ptp(ends.ema['net'].params['Dense_0']['kernel'], axis=0).max() > 1e-4


def test_a_gan_anneals_as_r3gan_does():
    """The penalty's weight, Adam's b2 and the average, in Python and by text."""
    ramp = 'linear_schedule(init_value={},end_value={},transition_steps=10)'.format
    by_text = {
        'penalties': f'r1:weight={ramp(5.0, 0.5)}',
        'b2': 'linear_schedule:init_value=0.9,end_value=0.99,transition_steps=10',
        'ema_decay': 'linear_schedule:init_value=0.01,end_value=0.09,transition_steps=10',
    }
    in_python = {
        'penalties': penalties.r1(weight=optax.linear_schedule(5.0, 0.5, 10)),
        'b2': optax.linear_schedule(0.9, 0.99, 10),
        'ema_decay': optax.linear_schedule(0.01, 0.09, 10),
    }
    x, ends = np.uint8(40 * np.arange(6)[:, None, None, None] * np.ones((1, *SHAPE))), []
    for options in (by_text, in_python):
        model = gan.gan(SHAPE, hidden=(8,), latent_dim=2, **options)
        state = model.init(KEY)
        for step in range(3):
            state, metrics = model.train_step(state, {'x': x})
            weight = metrics['discriminator/r1_weight']
            np.testing.assert_allclose(weight, 5 - 0.45 * step, rtol=1e-5)
            decay = metrics['generator/ema_decay']
            np.testing.assert_allclose(decay, 0.01 + 0.008 * step, rtol=1e-5)
        ends.append(state)
    jax.tree.map(np.testing.assert_array_equal, ends[0].nets, ends[1].nets)


def test_beta_follows_a_schedule_times_its_warmup():
    falling = optax.linear_schedule(4.0, 2.0, 4)
    model = vae.vae(SHAPE, hidden=(4,), latent_dim=2, beta=falling, warmup=2)
    state, betas = model.init(KEY), []
    for _ in range(4):
        state, metrics = model.train_step(state, {'x': np.zeros((3, *SHAPE), np.uint8)})
        betas.append(float(metrics['vae/beta']))
    assert betas == [0.0, 3.5 / 2, 3.0, 2.5]
