"""Likelihoods by importance weights: against their moments, and where log p(x) is known."""

import math
from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genjax import vae
from genjax.metrics import Estimate, bits_per_dim, importance_weighted, nll
from genjax.random import stream
from genjax.vae.importance import estimate, merge, summed
from tests.linear_gaussian import SCALE, B, W, X, close, forward, linear_gaussian, log_marginal, off

KEY = jax.random.key(41)


@pytest.fixture(scope='module')
def linear():
    return linear_gaussian()


def moments(log_w):
    """Value, error and effective samples of weights, in float64."""
    top = np.max(log_w, axis=0)
    w = np.exp(np.float64(log_w) - top)
    error = np.std(w, axis=0, ddof=1) / np.mean(w, axis=0) / math.sqrt(len(w))
    return top + np.log(np.mean(w, axis=0)), error, np.sum(w, axis=0) ** 2 / np.sum(w**2, axis=0)


def scattered(level, shape=(40, 3)):
    """Log weights that float32 holds exactly also about -5000."""
    return np.float32(level + np.round(1024 * np.random.default_rng(3).normal(size=shape)) / 1024)


@pytest.mark.parametrize('level', [0.0, -90.0, -5000.0, 5000.0])
def test_the_estimate_is_that_of_the_moments_of_the_weights(level):
    log_w = scattered(level)
    value, error, samples = importance_weighted(log_w)
    expected = moments(log_w)
    np.testing.assert_allclose(value, expected[0], rtol=2e-7, atol=1e-6)
    close((error, samples), expected[1:])


@pytest.mark.parametrize('level', [0.0, -5000.0])
@pytest.mark.parametrize('sizes', [(40,), (1, 39), (13, 13, 14), (1,) * 40])
def test_weights_add_up_in_any_pieces(sizes, level):
    log_w = scattered(level)
    pieces = np.split(log_w, np.cumsum(sizes)[:-1])
    got = estimate(reduce(merge, map(summed, pieces)), 40)
    np.testing.assert_allclose(got.value, moments(log_w)[0], rtol=2e-6, atol=1e-5)
    close(got[1:], moments(log_w)[1:], rtol=5e-3 if level else 1e-5)


def test_effective_samples_of_equal_weights_are_all_and_of_one_that_dominates_one():
    """The error is 0 in the first case, and as large as the mean in the second."""
    equal, one = np.full(8, -7.0), np.array([30.0] + [-60.0] * 7)
    value, error, samples = importance_weighted(np.float32(np.stack([equal, one], axis=1)))
    np.testing.assert_allclose(value, [-7, 30 - math.log(8)], rtol=1e-6)
    np.testing.assert_allclose(error, [0, 1], atol=1e-3)
    np.testing.assert_allclose(samples, [8, 1], rtol=1e-6)


@pytest.mark.parametrize('shift', [0.3, 0.8])
def test_a_shifted_gaussian_proposal_has_the_efficiency_that_is_known(shift):
    """q = N(0, 1), p = N(m, 1): effective samples k exp(-m^2), to 5 standard deviations."""
    k = 200_000
    e = jax.random.normal(stream(KEY, f'shift {shift}'), (k, 1))
    value, error, samples = importance_weighted(shift * e - shift**2 / 2)
    np.testing.assert_allclose(samples / k, math.exp(-(shift**2)), rtol=0.05)
    np.testing.assert_allclose(error, math.sqrt(math.expm1(shift**2) / k), rtol=0.05)
    assert abs(value[0]) < 5 * error[0]


def test_one_sample_has_no_known_error():
    value, error, samples = importance_weighted(jnp.array([[-3.0, 2.0]]))
    assert value.tolist() == [-3, 2]
    assert np.isposinf(error).all()
    assert samples.tolist() == [1, 1]


def test_samples_of_the_exact_posterior_know_the_marginal_likelihood(linear):
    state, key = linear.init(stream(KEY, 'init')), stream(KEY, 'exact')
    value, error, samples = linear.importance_sampling(state, key, {'x': X}, k=50, chunk=20)
    np.testing.assert_allclose(value, log_marginal(X), atol=1e-4)
    assert (error < 1e-4).all()
    np.testing.assert_allclose(samples, 50, rtol=1e-4)


def test_with_a_posterior_that_is_off_the_errors_are_as_reported(linear):
    """60 keys and 6 images: deviations over errors have a mean square of 1, to four of its own
    standard deviations, and a mean of 0 less the bias of half an error's square.
    """
    state = off(linear.init(stream(KEY, 'init')))
    keys = jax.random.split(stream(KEY, 'coverage'), 60)
    run = jax.vmap(lambda key: linear.importance_sampling(state, key, {'x': X}, k=400, chunk=150))
    value, error, samples = run(keys)
    assert (error < 0.2).all()
    assert ((samples > 20) & (samples < 399)).all()
    deviations = (value - log_marginal(X)[None]) / error
    assert abs(np.mean(deviations**2) - 1) < 4 * math.sqrt(2 / 360)
    assert abs(np.mean(deviations + error / 2)) < 4 / math.sqrt(360)


def test_log_likelihood_is_the_value_of_the_estimate(linear):
    state, batch = off(linear.init(stream(KEY, 'init'))), {'x': X}
    got = linear.log_likelihood(state, KEY, batch, k=30, chunk=7)
    expected = linear.importance_sampling(state, KEY, batch, k=30, chunk=7)
    np.testing.assert_array_equal(got, expected.value)
    assert expected.standard_error.shape == expected.effective_samples.shape == (6,)


def test_the_joint_density_is_that_of_prior_and_decoder(linear):
    state, key = linear.init(stream(KEY, 'init')), stream(KEY, 'joint')
    seen, _ = forward(state, key, {'x': X}, 5, False)
    close(linear.log_joint(state, key, {'x': X}, seen.z), seen.log_px_z + seen.log_pz)


def test_the_joint_density_is_of_the_image_that_the_likelihood_draws():
    model = linear_gaussian(settings={'likelihood': vae.bernoulli()})
    state, key = model.init(stream(KEY, 'binary')), stream(KEY, 'observe')
    z = jax.random.normal(stream(KEY, 'z'), (5, 6, 2))
    binary = vae.bernoulli().observe(stream(key, 'observe'), X)
    joint = model.log_joint(state, key, {'x': X}, z)
    location = np.float64(z) @ W.T + B
    expected = stats.norm.logpdf(np.reshape(binary, (6, 4)), location, SCALE).sum(axis=-1)
    close(joint, expected + stats.norm.logpdf(z).sum(axis=-1), rtol=1e-4)


@pytest.mark.parametrize('shape', [(6, 2), (5, 4, 2), (5, 6, 3)])
def test_latents_that_do_not_fit_the_batch_are_refused(linear, shape):
    state = linear.init(stream(KEY, 'init'))
    with pytest.raises(ValueError, match=r'expected latents z \[k, 6, 2\], got \('):
        linear.log_joint(state, KEY, {'x': X}, jnp.zeros(shape))


def test_the_error_of_a_data_set_has_the_examples_and_the_samples_in_it():
    """Against 20,000 examples that spread by 1 and whose estimates err by 2."""
    n, rng = 20_000, np.random.default_rng(5)
    values = -80 + rng.normal(size=n) + 2 * rng.normal(size=n)
    got = nll(Estimate(values, np.full(n, 2.0), np.linspace(3, 50, n)))
    np.testing.assert_allclose(got.standard_error, math.sqrt(5 / n), rtol=0.03)
    np.testing.assert_allclose(got.sampling_error, 2 / math.sqrt(n))
    assert abs(got.value - 80) < 5 * got.standard_error
    assert got.effective_samples == 3


def test_one_example_says_nothing_of_others():
    got = nll(Estimate(np.array([-3.0]), np.array([0.5]), np.array([9.0])))
    assert got == (3.0, math.inf, 0.5, 9.0)


@pytest.mark.parametrize('shape', [(), (0,), (2, 3)])
def test_estimates_that_are_none_of_examples_are_refused(shape):
    with pytest.raises(ValueError, match=r'expected estimates \[n >= 1\], got \['):
        nll(Estimate(*[np.zeros(shape)] * 3))


@pytest.mark.parametrize('shape', [(3,), (0, 4), (2, 3, 4)])
def test_weights_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r'expected log weights \[k >= 1, b\], got \['):
        importance_weighted(jnp.zeros(shape))


def test_the_uniform_distribution_of_256_levels_has_8_bits():
    """As a probability of levels, and as a density on the [-1, 1] that they are scaled to."""
    np.testing.assert_allclose(bits_per_dim(-12 * math.log(256), 12), 8)
    uniform = stats.uniform(-1 - 1 / 255, 512 / 255)
    np.testing.assert_allclose(bits_per_dim(12 * uniform.logpdf(0.3), 12, width=2 / 255), 8)
    np.testing.assert_allclose(bits_per_dim(0.0, 12, width=2 / 255), math.log2(127.5))


def test_a_smooth_density_has_the_bits_of_the_levels_that_it_is_cut_into():
    x, q = np.linspace(-1, 1, 256), stats.norm(0.1, 0.4)
    density = bits_per_dim(q.logpdf(x), 1, width=2 / 255)
    levels = -np.log2(q.cdf(x + 1 / 255) - q.cdf(x - 1 / 255))
    np.testing.assert_allclose(density, levels, rtol=1e-3)
    shown = np.float32(np.broadcast_to(x[:, None, None, None], (256, 1, 1, 1)))
    outputs = np.broadcast_to(np.float32([0.1, -1.5]), (256, 1, 1, 2))
    masses = vae.discretized_logistic().distribution(outputs).log_prob(shown)
    np.testing.assert_allclose(np.sum(2 ** -bits_per_dim(masses, 1)), 1, rtol=1e-5)


def test_the_density_of_dequantized_levels_has_at_least_the_bits_of_their_probabilities():
    """By Jensen's inequality, averaged over the noise; a spike at a level has less without."""
    noise = (np.arange(400) + 0.5) / 400 * 2 / 255 - 1 / 255
    for deviation in (0.3, 0.01, 0.002):
        q, x = stats.norm(0.1, deviation), np.linspace(-1, 1, 256)
        x = x[abs(x - 0.1) < 6 * deviation]
        mass = -np.log2(q.cdf(x + 1 / 255) - q.cdf(x - 1 / 255))
        bits = bits_per_dim(q.logpdf(x[:, None] + noise[None]), 1, width=2 / 255)
        assert (np.mean(bits, axis=1) >= mass - 1e-6).all()
    assert bits_per_dim(stats.norm(0, 1e-6).logpdf(0), 1, width=2 / 255) < -10


@pytest.mark.parametrize('options', [{'dims': 0}, {'dims': 3, 'width': 0.0}])
def test_dimensions_and_widths_that_are_none_are_refused(options):
    with pytest.raises(ValueError, match='expected dims >= 1 and a width > 0, got '):
        bits_per_dim(-3.0, **options)
