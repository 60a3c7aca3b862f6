"""Penalties against closed forms and a naive per-example loop of finite differences."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.core import Net, Network
from genjax.gan import Critique, interpolate, one_centered, r1, r2, zero_centered
from genjax.gan.packing import packed
from genjax.gan.penalties import approximate, default_gamma, dragan, max_gp, wgan_gp
from genjax.random import stream

KEY = jax.random.key(0)
REAL = jax.random.normal(stream(KEY, 'real'), (5, 3, 2, 1))
FAKE = jax.random.normal(stream(KEY, 'fake'), (5, 3, 2, 1))
WEIGHT = jax.random.normal(stream(KEY, 'weight'), (6, 4))


def curved(x):
    """A smooth critic that treats each example by itself."""
    flat = x.reshape(len(x), -1)
    return Critique(jnp.sum(jnp.tanh(flat @ WEIGHT), axis=1) + jnp.sum(flat**3, axis=1) / 9)


def gradient_norm(x):
    """|grad D| of one example by central differences in float64."""
    flat, weight, h = np.float64(x).ravel(), np.float64(WEIGHT), 1e-5

    def critic(v):
        return np.tanh(v @ weight).sum() + (v**3).sum() / 9

    steps = h * np.eye(flat.size)
    slopes = [(critic(flat + s) - critic(flat - s)) / (2 * h) for s in steps]
    return np.linalg.norm(slopes)


def context(**changes):
    fields = {
        'key': KEY,
        'real': REAL,
        'fake': FAKE,
        'critic_real': curved,
        'critic_fake': lambda x: Critique(2 * curved(x).logits),
    }
    return SimpleNamespace(**fields | changes)


def test_zero_centered_is_half_the_squared_norm_of_each_example():
    expected = [gradient_norm(x) ** 2 / 2 for x in REAL]
    np.testing.assert_allclose(zero_centered(curved, REAL), expected, rtol=1e-4)


def test_one_centered_is_the_squared_distance_of_the_norm_from_one():
    expected = [(gradient_norm(x) - 1) ** 2 for x in REAL]
    np.testing.assert_allclose(one_centered(curved, REAL), expected, rtol=1e-3)


def test_terms_look_where_the_papers_look():
    np.testing.assert_allclose(r1().apply((), context())[0], zero_centered(curved, REAL), rtol=1e-6)
    # critic_fake is twice the critic, so its squared gradient is four times as great.
    np.testing.assert_allclose(
        r2().apply((), context())[0], 4 * zero_centered(curved, FAKE), rtol=1e-5
    )
    between = interpolate(stream(KEY, 'wgan_gp'), REAL, FAKE)
    expected = [(gradient_norm(x) - 1) ** 2 for x in between]
    np.testing.assert_allclose(wgan_gp().apply((), context())[0], expected, rtol=1e-3)


def test_interpolation_has_one_share_for_each_example():
    x = interpolate(stream(KEY, 'e'), REAL, FAKE)
    shares = np.asarray((x - FAKE) / (REAL - FAKE)).reshape(5, -1)
    np.testing.assert_allclose(shares, shares[:, :1] * np.ones(6), atol=1e-3)
    assert len(np.unique(shares[:, 0].round(3))) == 5
    assert ((shares > 0) & (shares < 1)).all()


def test_wgan_gp_vanishes_for_a_linear_critic_of_unit_norm():
    w = jnp.ones(6) / np.sqrt(6)

    def linear(x, scale=1.0):
        return Critique(scale * x.reshape(len(x), -1) @ w)

    penalty = wgan_gp().apply((), context(critic_real=linear))[0]
    np.testing.assert_allclose(penalty, np.zeros(5), atol=1e-10)
    steep = lambda x: linear(x, 3.0)  # noqa: E731
    penalty = wgan_gp().apply((), context(critic_real=steep))[0]
    np.testing.assert_allclose(penalty, np.full(5, 4.0), rtol=1e-5)


def test_dragan_looks_around_real_images():
    """For D = |x|^2 / 2 the gradient is the point itself, so the penalty tells where it looked."""
    real = 1000 + REAL
    critic = lambda x: Critique(jnp.sum(x.reshape(len(x), -1) ** 2, axis=1) / 2)  # noqa: E731
    round = context(critic_real=critic, real=real)
    seen = 1 + jnp.sqrt(dragan(scale=0.5).apply((), round)[0])
    center = jnp.linalg.norm(real.reshape(5, -1), axis=1)
    assert (jnp.abs(seen - center) < 5).all()
    assert (jnp.abs(seen - center) > 1e-3).all()
    still = 1 + jnp.sqrt(dragan(scale=0.0).apply((), round)[0])
    np.testing.assert_allclose(still, center, rtol=1e-6)


MAKERS = [r1, r2, partial(r1, step=0.01), partial(r2, step=0.01), wgan_gp, dragan, max_gp]


@pytest.mark.parametrize('make', MAKERS)
def test_a_flat_critic_gives_finite_gradients(make):
    """The gradient of a norm is NaN at zero unless it is taken with care."""

    def penalty(w):
        flat = lambda x: Critique(x.reshape(len(x), -1) @ w)  # noqa: E731
        return jnp.mean(make().apply((), context(critic_real=flat, critic_fake=flat))[0])

    assert np.isfinite(jax.grad(penalty)(jnp.zeros(6))).all()


@pytest.mark.parametrize('make', MAKERS)
def test_second_derivative_equals_finite_differences(make):
    def penalty(scale):
        critic = lambda x: Critique(curved(scale * x).logits)  # noqa: E731
        return jnp.mean(make().apply((), context(critic_real=critic, critic_fake=critic))[0])

    one, h = jnp.float32(1.0), 1e-2
    slope = (penalty(one + h) - penalty(one - h)) / (2 * h)
    np.testing.assert_allclose(jax.grad(penalty)(one), slope, rtol=2e-2)


def test_max_gp_is_the_greatest_squared_norm():
    between = interpolate(stream(KEY, 'max_gp'), REAL, FAKE)
    expected = max(gradient_norm(x) ** 2 for x in between)
    np.testing.assert_allclose(max_gp().apply((), context())[0], expected, rtol=1e-3)


@pytest.mark.parametrize(('make', 'x', 'times'), [(r1, REAL, 1), (r2, FAKE, 4)])
def test_finite_differences_are_the_penalty_on_average(make, x, times):
    """Over 4,000 draws, whose means are within five standard errors of it."""
    apply = make(step=0.01).apply
    draws = jax.jit(
        jax.vmap(lambda key: apply((), context(key=key))[0])
    )(jax.random.split(stream(KEY, make.__name__), 4000))  # fmt: skip
    exact = np.array([times * gradient_norm(each) ** 2 / 2 for each in x])
    error = np.std(draws, axis=0) / np.sqrt(4000)
    assert (np.abs(np.mean(draws, axis=0) - exact) < 5 * error + 0.01 * exact).all()


def test_finite_differences_have_the_gradient_of_the_penalty_on_average():
    def penalty(scale, key, step):
        critic = lambda x: Critique(curved(scale * x).logits)  # noqa: E731
        return jnp.mean(r1(step=step).apply((), context(critic_real=critic, key=key))[0])

    keys = jax.random.split(stream(KEY, 'gradient'), 4000)
    slopes = jax.jit(jax.vmap(jax.grad(penalty), (None, 0, None)), static_argnums=2)(
        1.0, keys, 0.01
    )
    exact = jax.grad(penalty)(1.0, KEY, None)
    assert abs(np.mean(slopes) - exact) < 5 * np.std(slopes) / np.sqrt(4000) + 0.01 * abs(exact)


def test_finite_differences_take_all_logits_of_an_example_together():
    """A linear critic's differences are exact: `<n, sum of its slopes>^2 / 2`."""
    slopes = jax.random.normal(stream(KEY, 'patches'), (6, 2, 3))
    patches = lambda x: Critique(jnp.tensordot(x.reshape(len(x), -1), slopes, 1))  # noqa: E731
    n = np.float64(jax.random.normal(stream(KEY, 'n'), REAL.shape)).reshape(5, -1)
    expected = (n @ np.float64(slopes).sum(axis=(1, 2))) ** 2 / 2
    got = approximate(patches, REAL, stream(KEY, 'n'), 0.5)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_finite_differences_of_packs_have_the_mean_of_their_images():
    """As the penalty by gradients has it: the noises of a pack's images do not know each other."""
    x = jnp.concatenate([REAL, FAKE])[:8]
    slopes = jax.random.normal(stream(KEY, 'pack'), (3, 2, 2))

    def apply(net, x, *, key=None, train=True):
        return Critique(jnp.sum(x * slopes[None], axis=(1, 2, 3))), net

    critic = lambda x: packed(Network(lambda key: Net({}, {}), apply), 2).apply(Net({}, {}), x)[0]  # noqa: E731
    draws = jax.jit(jax.vmap(lambda key: jnp.mean(approximate(critic, x, key, 0.1))))(
        jax.random.split(stream(KEY, 'packs'), 4000)
    )
    error = np.std(draws) / np.sqrt(4000)
    exact = np.square(np.float64(slopes)).sum() / 4
    np.testing.assert_allclose(jnp.mean(zero_centered(critic, x)), exact, rtol=1e-5)
    assert abs(np.mean(draws) - exact) < 5 * error


def test_a_step_of_zero_is_refused():
    with pytest.raises(ValueError, match='expected step >= 1e-06, got 0'):
        r1(step=0.0).apply((), context())


def test_the_rule_for_gamma():
    assert default_gamma((256, 256, 3), 32) == pytest.approx(0.4096)
