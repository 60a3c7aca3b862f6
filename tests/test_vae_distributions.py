"""Latent Gaussians and likelihoods of images against scipy, closed forms and Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit, log_expit, logsumexp

from genjax import vae
from genjax.latents.distributions import LOG_VAR_LIMIT, bounded
from genjax.parts.kinds import makers
from genjax.random import stream
from genjax.vae.likelihoods import LIKELIHOOD

KEY = jax.random.key(11)
RNG = np.random.default_rng(3)
LEVELS = np.arange(256) / 127.5 - 1
SHAPE = (2, 3, 1)
PIXELS = 6
GREY = np.float32(RNG.integers(0, 256, (5, *SHAPE)) / 127.5 - 1)
BINARY = np.float32(RNG.choice([-1.0, 1.0], (5, *SHAPE)))


def gaussians(*shape):
    return vae.Normal(jnp.float32(RNG.normal(size=shape)), jnp.float32(RNG.normal(size=shape)))


def scale(log_var):
    return np.exp(np.float64(log_var) / 2)


def test_log_prob_is_that_of_scipy_and_broadcasts_over_samples():
    z = jnp.float32(RNG.normal(size=(7, 4, 3)))
    for q in (gaussians(4, 3), gaussians(3), gaussians(7, 4, 3)):
        expected = stats.norm.logpdf(z, q.mean, scale(q.log_var)).sum(-1)
        np.testing.assert_allclose(q.log_prob(z), expected, rtol=1e-5, atol=1e-5)
        assert q.log_prob(z).shape == (7, 4)
    mapped = jax.vmap(lambda q, z: q.log_prob(z))(q, z)
    np.testing.assert_allclose(mapped, expected, rtol=1e-5, atol=1e-5)


def test_kl_divergence_is_that_of_multivariate_gaussians():
    """KL of each latent, summed, is the textbook formula with full matrices."""
    q, p = gaussians(4, 3), gaussians(3)
    kl = q.kl_divergence(p)
    assert kl.shape == (4, 3)
    inverse = np.diag(np.exp(-np.float64(p.log_var)))
    for i in range(4):
        covariance = np.diag(np.exp(np.float64(q.log_var[i])))
        gap = np.float64(p.mean - q.mean[i])
        expected = np.trace(inverse @ covariance) + gap @ inverse @ gap - 3
        expected -= np.linalg.slogdet(inverse @ covariance)[1]
        np.testing.assert_allclose(kl[i].sum(), expected / 2, rtol=1e-5)
    np.testing.assert_allclose(q.kl_divergence(q), np.zeros((4, 3)), atol=1e-6)
    np.testing.assert_allclose(jax.vmap(lambda q: q.kl_divergence(p))(q), kl, rtol=1e-6)


@pytest.mark.parametrize('standard', [True, False])
def test_kl_divergence_is_the_expected_log_ratio(standard):
    q = vae.Normal(jnp.array([0.5, -1.0]), jnp.array([-0.5, 0.3]))
    p = vae.standard_normal(2) if standard else vae.Normal(jnp.ones(2), jnp.array([0.4, -0.2]))
    z = np.random.default_rng(0).normal(q.mean, scale(q.log_var), (200_000, 2))
    ratio = stats.norm.logpdf(z, q.mean, scale(q.log_var))
    ratio -= stats.norm.logpdf(z, p.mean, scale(p.log_var))
    error = 5 * ratio.std(axis=0) / np.sqrt(len(z))
    assert (np.abs(ratio.mean(axis=0) - q.kl_divergence(p)) < error).all()
    assert (error < 0.05).all()


def test_samples_have_the_moments_of_the_gaussian():
    q, n = gaussians(2, 3), 20_000
    z = np.float64(q.sample(stream(KEY, 'moments'), n))
    assert z.shape == (n, 2, 3)
    standard = (z - np.float64(q.mean)) / scale(q.log_var)
    assert np.abs(standard.mean(axis=0)).max() < 5 / np.sqrt(n)
    assert np.abs(standard.var(axis=0) - 1).max() < 5 * np.sqrt(2 / n)
    correlations = np.corrcoef(standard.reshape(n, 6).T) - np.eye(6)
    assert np.abs(correlations).max() < 5 / np.sqrt(n)


def test_samples_are_differentiable_in_mean_and_log_var():
    q = gaussians(3)

    def total(q):
        return jnp.sum(q.sample(stream(KEY, 'gradient'), 4))

    grads, z = jax.grad(total)(q), q.sample(stream(KEY, 'gradient'), 4)
    np.testing.assert_allclose(grads.mean, np.full(3, 4.0), rtol=1e-6)
    np.testing.assert_allclose(grads.log_var, np.sum(z - q.mean[None], 0) / 2, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(('low', 'high'), [(-20.0, 20.0), (-12.0, 20.0), (-7.0, 7.0), (-1.0, 5.0)])
def test_bounded_is_increasing_in_range_and_near_the_identity_at_0(low, high):
    x = jnp.linspace(3 * low, 3 * high, 601)
    y, slope = jax.vmap(jax.value_and_grad(lambda x: bounded(x, low, high)))(x)
    assert (jnp.diff(y) > 0).all()
    assert (y > low).all()
    assert (y < high).all()
    assert (slope > 0).all()
    assert (slope <= 1).all()
    numeric = np.gradient(np.float64(y), np.float64(x))
    np.testing.assert_allclose(slope[1:-1], numeric[1:-1], atol=0.02)
    near = jnp.linspace(low, high, 101) / 100
    np.testing.assert_allclose(bounded(near, low, high), near, rtol=1e-4, atol=1e-6)
    for extreme in (-1e30, 1e30, 0.0):
        value, slope = jax.value_and_grad(lambda x: bounded(x, low, high))(jnp.float32(extreme))
        assert low <= value <= high
        assert np.isfinite(slope)


@pytest.mark.parametrize('size', [1e30, -1e30])
def test_a_gaussian_of_extreme_outputs_does_not_overflow(size):
    def total(log_var):
        q = vae.normal(jnp.full(2, 3.0), log_var)
        kl, z = q.kl_divergence(vae.standard_normal(2)), q.sample(stream(KEY, 'extreme'), 3)
        return jnp.sum(kl) + jnp.sum(q.log_prob(z)) + jnp.sum(jnp.square(z))

    value, grads = jax.value_and_grad(total)(jnp.full(2, size))
    assert np.isfinite(value)
    assert np.isfinite(grads).all()
    assert jnp.abs(vae.normal(jnp.zeros(2), jnp.full(2, size)).log_var).max() <= LOG_VAR_LIMIT


def cross_entropy(out, x):
    t = (np.float64(x) + 1) / 2
    return t * log_expit(out) + (1 - t) * log_expit(-out)


@pytest.mark.parametrize(('dtype', 'atol'), [(jnp.float32, 1e-6), (jnp.bfloat16, 4e-3)])
@pytest.mark.parametrize('x', [-1.0, 0.5, 1.0])
def test_gradients_of_bernoulli_logits(dtype, atol, x):
    """`t - sigmoid(logit)`, also at 0, where layers that begin with zeros are, and far from it."""
    logits = jnp.array([0.0, -0.0, 1e-30, 3.0, -3.0, 200.0, -200.0], dtype)

    def total(logits):
        out = vae.bernoulli().distribution(logits.reshape(1, -1, 1))
        return out.log_prob(jnp.full((1, len(logits), 1), x, dtype))

    assert total(logits).dtype == dtype
    expected = (x + 1) / 2 - expit(np.float64(logits))
    np.testing.assert_allclose(np.float64(jax.grad(total)(logits)), expected, atol=atol)
    curvature = jax.grad(lambda logit: jax.grad(total)(logit[None])[0])(logits[0])
    np.testing.assert_allclose(np.float64(curvature), -0.25, rtol=1e-2)


def halves(out, low, high):
    """Location, and the bounded second half."""
    location, raw = np.split(np.float64(out), 2, axis=-1)
    limit = np.where(raw < 0, -low, high)
    return location, limit * np.tanh(raw / limit)


def learned(out, x):
    location, log_var = halves(out, np.log(stats.uniform(scale=2 / 255).var()), 20.0)
    return stats.norm.logpdf(x, location, np.exp(log_var / 2))


def logistic_bins(out, x):
    """Differences of the cdf in float64, of the survival function where that is more exact."""
    location, log_scale = halves(out, -7.0, 7.0)
    level = np.rint((np.float64(x) + 1) * 127.5)
    upper = np.where(level == 255, np.inf, (level + 0.5) / 127.5 - 1)
    lower = np.where(level == 0, -np.inf, (level - 0.5) / 127.5 - 1)
    upper, lower = (stats.logistic(location, np.exp(log_scale)).cdf(e) for e in (upper, lower))
    edges = [np.where(level == 255, np.inf, (level + 0.5) / 127.5 - 1)]
    edges.append(np.where(level == 0, -np.inf, (level - 0.5) / 127.5 - 1))
    above, below = (stats.logistic(location, np.exp(log_scale)).sf(e) for e in edges)
    return np.log(np.where(lower > 0.5, below - above, upper - lower))


def by_brightness(out, x):
    """An exponential of the brightness in [0, 1], divided by its integral, on [-1, 1]."""
    grid = np.linspace(0, 1, 20_001)
    t, flat = (np.float64(x) + 1) / 2, out.reshape(-1)
    total = [integrate.simpson(np.exp(o * (grid - 1) if o > 0 else o * grid), x=grid) for o in flat]
    log_total = np.log(total).reshape(out.shape) + np.maximum(out, 0)
    return out * t - log_total - np.log(2)


def beta(out, x):
    logit, precision = np.split(np.float64(out), 2, axis=-1)
    limit = np.where(precision < 0, 5.0, 10.0)
    precision = np.exp(limit * np.tanh(precision / limit))
    mean = expit(10 * np.tanh(logit / 10))
    t = ((np.float64(x) + 1) / 2 * 255 + 0.5) / 256
    return stats.beta.logpdf(t, precision * mean, precision * (1 - mean)) + np.log(255 / 512)


def mixture_bins(out, x):
    logits, location, log_scale = np.split(np.float64(out), 3, axis=-1)
    weights = np.exp(logits - logsumexp(logits, axis=-1, keepdims=True))
    # `logistic_bins` bounds what it is given.
    moved = np.linspace(-0.5, 0.5, 2) + location
    with np.errstate(divide='ignore'):
        each = [
            logistic_bins(np.concatenate([moved[..., [i]], log_scale[..., [i]] - 2], -1), x)
            for i in range(2)
        ]
    return logsumexp(np.stack(each, -1)[..., 0, :] + np.log(weights), axis=-1, keepdims=True)


def levels(x):
    return np.rint((np.float64(x) + 1) * 127.5)


def poisson(out, x):
    return stats.poisson.logpmf(levels(x), 127.5 * np.logaddexp(0, out) + 1e-4)


def negative_binomial(out, x):
    average, log_r = halves(out, -5.0, 10.0)
    r, m = np.exp(log_r), 127.5 * np.logaddexp(0, average) + 1e-4
    return stats.nbinom.logpmf(levels(x), r, r / (r + m))


# One row a likelihood: the likelihood, images it is for, and the log-probability of each pixel.
TABLE = {
    'bernoulli': (vae.bernoulli(), BINARY, lambda o, x: stats.bernoulli.logpmf(x > 0, expit(o))),
    'grey_bernoulli': (vae.grey_bernoulli(), GREY, cross_entropy),
    'gaussian': (vae.gaussian(), GREY, lambda o, x: stats.norm.logpdf(x, o)),
    'gaussian 0.3': (vae.gaussian(0.3), GREY, lambda o, x: stats.norm.logpdf(x, o, 0.3)),
    'learned_gaussian': (vae.learned_gaussian(), GREY, learned),
    'discretized_logistic': (vae.discretized_logistic(), GREY, logistic_bins),
    'continuous_bernoulli': (vae.likelihoods.continuous_bernoulli(), GREY, by_brightness),
    'beta': (vae.likelihoods.beta(), GREY, beta),
    'logistic_mixture 2': (vae.levels.logistic_mixture(2), GREY, mixture_bins),
    'poisson': (vae.levels.poisson(), GREY, poisson),
    'negative_binomial': (vae.levels.negative_binomial(), GREY, negative_binomial),
}


def outputs(likelihood, size=1.0):
    return jnp.float32(size * RNG.normal(size=(5, *SHAPE[:2], likelihood.outputs)))


@pytest.mark.parametrize('name', TABLE)
@pytest.mark.parametrize('size', [0.5, 3.0])
def test_log_prob_of_an_image_is_that_of_scipy(name, size):
    likelihood, x, oracle = TABLE[name]
    out = outputs(likelihood, size)
    expected = oracle(np.float64(out), x).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(likelihood.distribution(out).log_prob(x), expected, rtol=1e-3)
    alone = jax.vmap(lambda o, x: likelihood.distribution(o).log_prob(x))(out, x)
    np.testing.assert_allclose(alone, expected, rtol=1e-3)
    deep = likelihood.distribution(out[None]).log_prob(x[None])
    np.testing.assert_allclose(deep[0], expected, rtol=1e-3)


def test_every_likelihood_has_a_row():
    assert set(makers(LIKELIHOOD)) == {name.split()[0] for name in TABLE}


@pytest.mark.parametrize('name', ['logistic_mixture 2', 'discretized_logistic'])
def test_the_masses_of_all_levels_add_up_to_one(name):
    likelihood, *_ = TABLE[name]
    grey = jnp.float32(np.arange(256) / 127.5 - 1).reshape(256, 1, 1, 1)
    out = jnp.broadcast_to(outputs(likelihood)[:1, :1, :1], (256, 1, 1, likelihood.outputs))
    total = np.exp(np.float64(likelihood.distribution(out).log_prob(grey))).sum()
    np.testing.assert_allclose(total, 1, rtol=1e-5)


@pytest.mark.parametrize('logit', [-60.0, -3.0, -0.11, -0.09, 0.0, 1e-4, 0.09, 0.11, 3.0, 60.0])
def test_a_continuous_bernoulli_has_its_mean_and_its_slope(logit):
    """By an integral over the brightness; the slope of log p by the logit is t less its mean."""
    grid = np.linspace(0, 1, 200_001)
    log = logit * (grid - (logit > 0))
    mean = np.sum(np.exp(log) * grid) / np.sum(np.exp(log))
    out = jnp.full((1, 1, 1, 1), logit, jnp.float32)
    made = vae.likelihoods.continuous_bernoulli()
    np.testing.assert_allclose(made.distribution(out).mean, 2 * mean - 1, atol=2e-5)
    total = lambda out: jnp.sum(made.distribution(out).log_prob(jnp.full((1, 1, 1, 1), 0.4)))  # noqa: E731
    np.testing.assert_allclose(jax.grad(total)(out), 0.7 - mean, atol=2e-5)


@pytest.mark.parametrize('name', TABLE)
@pytest.mark.parametrize('size', [1e4, -1e4])
def test_extreme_outputs_stay_finite_with_their_gradients(name, size):
    likelihood, x, _ = TABLE[name]
    total = lambda out: jnp.sum(likelihood.distribution(out).log_prob(x))  # noqa: E731
    value, grads = jax.value_and_grad(total)(jnp.full_like(outputs(likelihood), size))
    assert np.isfinite(value)
    assert np.isfinite(grads).all()
    mean = likelihood.distribution(jnp.full((1, *SHAPE[:2], likelihood.outputs), size)).mean
    # A density of the brightness has its mean inside, however sure it is.
    inside = 3e-4 if name in ('continuous_bernoulli', 'beta') else 1e-6
    np.testing.assert_allclose(mean, np.full((1, *SHAPE), np.sign(size)), atol=inside)


@pytest.mark.parametrize('name', ['learned_gaussian', 'discretized_logistic'])
@pytest.mark.parametrize('size', [1e30, -1e30])
def test_extreme_scales_stay_finite_and_leave_the_location_its_gradient(name, size):
    likelihood, x, _ = TABLE[name]
    out = outputs(likelihood).at[..., 1].set(size)
    total = lambda out: jnp.sum(likelihood.distribution(out).log_prob(x))  # noqa: E731
    value, grads = jax.value_and_grad(total)(out)
    assert np.isfinite(value)
    assert np.isfinite(grads).all()
    if size < 0:
        assert (grads[..., 0] != 0).all()


def test_channels_are_independent_pixels():
    """A colour image is as likely as its channels together."""
    likelihood = vae.learned_gaussian()
    out, x = (jnp.float32(RNG.normal(size=(2, 4, 4, c))) for c in (6, 3))
    whole = likelihood.distribution(out).log_prob(x)
    apart = [likelihood.distribution(out[..., [c, 3 + c]]).log_prob(x[..., [c]]) for c in range(3)]
    np.testing.assert_allclose(whole, sum(apart), rtol=1e-5)


def test_binary_pixels_are_drawn_anew_with_the_grey_level_as_frequency():
    observe, n = vae.bernoulli().observe, 4000
    grey = jnp.broadcast_to(jnp.linspace(-1, 1, 9).reshape(1, 3, 3, 1), (n, 3, 3, 1))
    x = observe(stream(KEY, 'one'), grey)
    assert set(np.unique(x)) == {-1.0, 1.0}
    frequency = np.mean(x == 1, axis=0).ravel()
    p = np.linspace(0, 1, 9)
    assert (np.abs(frequency - p) <= 5 * np.sqrt(p * (1 - p) / n)).all()
    assert (x != observe(stream(KEY, 'two'), grey)).any()
    assert (x[:-1] != x[1:]).any(), 'each image has draws of its own'


@pytest.mark.parametrize('name', [n for n in TABLE if n != 'bernoulli'])
def test_other_likelihoods_see_the_image_as_it_is(name):
    np.testing.assert_array_equal(TABLE[name][0].observe(stream(KEY, 'same'), GREY), GREY)


def test_the_mean_of_binary_pixels_is_their_expectation():
    logits = outputs(vae.bernoulli())
    expected = 1 * expit(logits) + -1 * expit(-logits)
    np.testing.assert_allclose(vae.bernoulli().distribution(logits).mean, expected, atol=1e-6)


def test_unit_gaussian_is_half_the_squared_error_and_a_constant():
    out = outputs(vae.gaussian())
    mse = np.mean(np.square(out - GREY), axis=(1, 2, 3))
    got = vae.gaussian().distribution(out).log_prob(GREY)
    constant = -PIXELS / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(got, -mse / 2 * PIXELS + constant, rtol=1e-5)


def test_the_learned_variance_stops_at_that_of_rounding():
    """No density exceeds that of a Gaussian as wide as the rounding to 256 levels."""
    out = jnp.concatenate([GREY, jnp.full_like(GREY, -1e30)], axis=-1)
    got = vae.learned_gaussian().distribution(out).log_prob(GREY)
    width = stats.uniform(scale=2 / 255).std()
    np.testing.assert_allclose(got, np.full(5, PIXELS * stats.norm.logpdf(0, 0, width)), rtol=1e-5)


@pytest.mark.parametrize('location', [-1e30, -50.0, -1.0, -0.3, 0.0, 0.77, 1.0, 50.0, 1e30])
@pytest.mark.parametrize('log_scale', [-1e30, -5.0, -2.0, 0.0, 3.0, 1e30])
def test_the_256_levels_are_a_distribution(location, log_scale):
    out = jnp.broadcast_to(jnp.array([location, log_scale]), (256, 1, 1, 2))
    log_p = (
        vae.discretized_logistic()
        .distribution(out)
        .log_prob(jnp.float32(LEVELS).reshape(256, 1, 1, 1))
    )
    np.testing.assert_allclose(np.exp(np.float64(log_p)).sum(), 1, rtol=1e-4)


@pytest.mark.parametrize('location', [-0.5, 0.0, 0.25, 1.5])
@pytest.mark.parametrize('log_scale', [-4.0, -1.0, 2.0])
def test_each_level_has_the_logistic_mass_of_its_bin(location, log_scale):
    out = np.broadcast_to([location, log_scale], (256, 1, 1, 2))
    x = np.float32(LEVELS).reshape(256, 1, 1, 1)
    got = vae.discretized_logistic().distribution(jnp.float32(out)).log_prob(x)
    np.testing.assert_allclose(got, logistic_bins(out, x).ravel(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('size', [0.0, -1.0])
def test_a_scale_that_is_not_positive_is_refused(size):
    with pytest.raises(ValueError, match=f'expected a scale > 0, got {size}'):
        vae.gaussian(size)
