"""Annealed importance sampling where log p(x) is known: in closed form, or by quadrature."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from genjax import vae
from genjax.metrics import annealed_importance_sampling, sigmoidal
from genjax.random import stream
from tests.linear_gaussian import X, linear_gaussian, log_marginal, off

KEY = jax.random.key(43)


@pytest.fixture(scope='module')
def linear():
    model = linear_gaussian()
    return model, off(model.init(stream(KEY, 'init')))


@pytest.fixture(scope='module')
def run(linear):
    """Anneals the linear-Gaussian VAE from its prior, or from a posterior that is off."""
    model, state = linear

    prior = vae.Normal(jnp.zeros((6, 2)), jnp.zeros((6, 2)))

    def annealed(name, chains, steps, posterior=False, leapfrogs=10):
        @jax.jit
        def anneal(key):
            start = model.encode(state, X) if posterior else prior
            return annealed_importance_sampling(
                key,
                start.sample(stream(key, 'start'), chains),
                start.log_prob,
                lambda z: model.log_joint(state, key, {'x': X}, z),
                sigmoidal(steps),
                leapfrogs,
            )

        return anneal(stream(KEY, name))

    return annealed


@pytest.mark.parametrize('posterior', [False, True])
def test_the_marginal_likelihood_is_met_within_the_reported_errors(run, posterior):
    (value, error, samples), acceptance = run(f'{posterior}', 65, 200, posterior)
    assert (np.abs(value - log_marginal(X)) < 4 * error).all()
    assert (error < 0.1).all()
    assert (samples > 32).all()
    assert (np.abs(acceptance - 0.65) < 0.15).all()


def test_few_temperatures_leave_no_bias_but_the_noise_that_is_reported(run):
    """A transition that did not leave its distribution invariant would show here."""
    (value, error, samples), _ = run('few', 20_001, 4, leapfrogs=3)
    assert ((error > 0.008) & (error < 0.06)).all()
    assert (samples < 10_000).all()
    assert (np.abs(value - log_marginal(X)) < 4 * error).all()


def decoded(z, xp):
    """Two images of two pixels for each z; the second pixel does not tell z from -z."""
    return xp.stack([0.3 * xp.tanh(3 * z), z**2 / 2 - 0.5], axis=-1)


def test_a_decoder_whose_posterior_has_two_modes_meets_the_quadrature():
    """Chains from the prior find both modes; importance samples about one of them do not."""
    x, scale = np.array([[0.0, 0.4], [0.2, -0.5], [-0.3, 1.5]]), 0.25

    def joint(z):
        gap = (decoded(z[..., 0], jnp) - jnp.float32(x)[None]) / scale
        likelihood = -jnp.sum(gap**2, axis=-1) / 2 - 2 * math.log(scale) - math.log(2 * math.pi)
        return prior.log_prob(z) + likelihood

    def exact(x):
        def density(z):
            return stats.norm.pdf(z) * stats.norm.pdf(x, decoded(z, np), scale).prod()

        return math.log(integrate.quad(density, -8, 8, points=[-2, -1, 0, 1, 2], limit=400)[0])

    prior = vae.standard_normal(1)
    z = jax.random.normal(stream(KEY, 'modes'), (201, 3, 1))
    anneal = jax.jit(lambda z: annealed_importance_sampling(
        stream(KEY, 'chains'), z, prior.log_prob, joint, sigmoidal(200)))  # fmt: skip
    (value, error, _), _ = anneal(z)
    assert (error < 0.1).all()
    assert (np.abs(value - np.array([exact(row) for row in x])) < 4 * error).all()


def test_a_constant_ratio_is_found_exactly_by_trajectories_that_leave_all_bounds():
    """A density that is 0 outside of a box, where its logarithm and gradient are no numbers."""
    constants = jnp.array([-3.0, 700.0])

    def box(z):
        inside = (jnp.abs(z) < 1).all(axis=-1)
        return jnp.where(inside, -math.log(4), jnp.nan)

    z = jax.random.uniform(stream(KEY, 'box'), (9, 2, 2), minval=-1, maxval=1)
    (value, error, samples), acceptance = annealed_importance_sampling(
        stream(KEY, 'bounds'), z, box, lambda z: box(z) + constants[None], sigmoidal(60)
    )
    np.testing.assert_allclose(value, constants, rtol=1e-5)
    np.testing.assert_allclose(error, 0, atol=1e-3)
    np.testing.assert_allclose(samples, 8, rtol=1e-5)
    assert ((acceptance > 0.1) & (acceptance < 1)).all()


def test_inverse_temperatures_are_a_sigmoid_from_0_to_1():
    got = sigmoidal(40)
    s = 1 / (1 + np.exp(-4 * (np.arange(41) / 20 - 1)))
    np.testing.assert_allclose(got, (s - s[0]) / (s[-1] - s[0]), atol=1e-6)
    assert (got[0], got[-1]) == (0, 1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'z': jnp.zeros((2, 4, 3))}, r'expected starts z \[chains >= 3, b, d\], got \[2, 4, 3\]'),
        ({'z': jnp.zeros((5, 3))}, r'expected starts z \[chains >= 3, b, d\], got \[5, 3\]'),
        ({'leapfrogs': 0}, 'expected leapfrogs >= 1, got 0'),
        (
            {'temperatures': jnp.ones(1)},
            r'expected inverse temperatures \[steps \+ 1 >= 2\], got \[1\]',
        ),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    given = {'z': jnp.zeros((5, 4, 3)), 'temperatures': sigmoidal(3), **options}
    normal = vae.standard_normal(3).log_prob
    with pytest.raises(ValueError, match=message):
        annealed_importance_sampling(KEY, log_start=normal, log_joint=normal, **given)


@pytest.mark.parametrize(('steps', 'sharpness'), [(0, 4.0), (5, 0.0)])
def test_schedules_that_do_not_rise_are_refused(steps, sharpness):
    with pytest.raises(ValueError, match='expected steps >= 1, sharpness > 0, got '):
        sigmoidal(steps, sharpness)
