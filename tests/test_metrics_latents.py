"""What latents know of images: against closed forms, and a mixture written out."""

import math
import re

import jax
import numpy as np
import pytest
from scipy import special, stats

from genjax import vae
from genjax.metrics import aggregated_posterior, latent_use, latents
from genjax.random import stream

KEY = jax.random.key(47)


def channel(n, deviations, variances, seed=0):
    """Posteriors N(x, v) of images x ~ N(0, s^2), in each dimension."""
    x = np.random.default_rng(seed).normal(size=(n, len(deviations)))
    # Of mean 0 and variance 1 exactly, so that what is left of the noise is that of the figures.
    x = (x - x.mean(axis=0)) / x.std(axis=0) * np.array(deviations)
    return x, np.broadcast_to(np.log(variances), x.shape)


def test_kl_and_activity_are_those_of_the_channel():
    s, v = np.array([1.2, 0.5, 0.0, 0.099]), np.array([0.1, 0.6, 1.0, 0.8])
    got = latent_use(*channel(500, s, v))
    np.testing.assert_allclose(got.activity, s**2, atol=1e-12)
    np.testing.assert_allclose(got.kl, (s**2 + v - 1 - np.log(v)) / 2, atol=1e-12)
    assert got.active.tolist() == [True, True, False, False]
    assert latent_use(*channel(500, s, v), threshold=0.3).active.tolist() == [True] + 3 * [False]


def test_the_kl_is_that_of_the_vae():
    mean, log_var = channel(40, [1.2, 0.5], [0.1, 0.6])
    kl = vae.Normal(np.float32(mean), np.float32(log_var)).kl_divergence(vae.standard_normal(2))
    np.testing.assert_allclose(latent_use(mean, log_var).kl, np.mean(kl, axis=0), rtol=1e-5)


def test_latents_that_fell_silent_are_named():
    some = latent_use(*channel(100, [1, 0.05, 1, 0.0], [0.1, 0.9, 0.1, 1.0])).collapse
    assert some.startswith('posterior collapse of 2 of 4 latents, which do not depend on the')
    assert re.search(r'image: 1, 3; their KL is 0\.00393 of 2\.41 nats$', some), some
    none_left = latent_use(*channel(100, [0.05, 0.0], [0.9, 1.0])).collapse
    assert none_left == 'posterior collapse: none of 2 latents depends on the image'
    assert latent_use(*channel(100, [1, 0.5], [0.1, 0.9])).collapse == ''


@pytest.mark.parametrize(('s', 'v'), [((1.0,), (0.2,)), ((0.8, 1.5), (0.5, 0.3))])
def test_information_and_gap_of_a_gaussian_channel(s, v):
    """I = log(1 + s^2 / v) / 2 and KL(N(0, s^2 + v) || N(0, 1)), of each dimension."""
    s, v = np.array(s), np.array(v)
    got = aggregated_posterior(stream(KEY, f'channel {s}'), *channel(4000, s, v), samples=2)
    information = np.sum(np.log1p(s**2 / v)) / 2
    gap = np.sum(s**2 + v - 1 - np.log(s**2 + v)) / 2
    assert got.standard_error < 0.02
    # 4,000 images are not quite normally distributed: they leave 0.01 nats.
    assert abs(got.mutual_information - information) < 4 * got.standard_error + 0.01
    assert abs(got.gap - gap) < 4 * got.standard_error + 0.01


def test_the_figures_are_those_of_the_mixture_written_out(monkeypatch):
    """In blocks, with the same samples; sampled KL and closed one differ by their noise only."""
    monkeypatch.setattr(latents, 'CELLS', 150)
    n, samples, rng = 37, 3, np.random.default_rng(2)
    mean, log_var = rng.normal(size=(n, 3)), rng.normal(size=(n, 3)) - 1
    noise = np.float64(jax.random.normal(stream(KEY, 'mixture'), (samples, n, 3)))
    z = mean + np.exp(log_var / 2) * noise
    density = stats.norm.logpdf(z[:, :, None], mean, np.exp(log_var / 2)).sum(axis=-1)
    log_qz = special.logsumexp(density, axis=-1) - math.log(n)
    own = np.diagonal(density, axis1=1, axis2=2)
    got = aggregated_posterior(stream(KEY, 'mixture'), mean, log_var, samples)
    np.testing.assert_allclose(got.mutual_information, np.mean(own - log_qz), rtol=1e-10)
    each = np.mean(own - log_qz, axis=0)
    np.testing.assert_allclose(got.standard_error, each.std() / math.sqrt(n), rtol=1e-10)
    kl = latent_use(mean, log_var).kl.sum()
    np.testing.assert_allclose(got.mutual_information + got.gap, kl, rtol=1e-14)
    log_pz = stats.norm.logpdf(z).sum(axis=-1)
    noisy = np.mean(own - log_pz, axis=0)
    difference = np.mean(log_qz - log_pz) - got.gap
    assert abs(difference) < 4 * noisy.std() / math.sqrt(n)
    assert abs(difference - (noisy.mean() - kl)) < 1e-10


def test_posteriors_that_do_not_overlap_know_which_image_it_was():
    """Also where they are as narrow as they get."""
    mean, log_var = np.arange(50.0)[:, None] * np.ones((1, 2)), np.full((50, 2), -20.0)
    got = aggregated_posterior(stream(KEY, 'apart'), mean, log_var)
    np.testing.assert_allclose(got.mutual_information, math.log(50), atol=1e-4)
    assert got.standard_error < 1e-4


def test_posteriors_that_are_all_alike_know_nothing():
    """All of the KL is a gap then."""
    mean, log_var = np.full((50, 2), 0.7), np.full((50, 2), -1.0)
    got = aggregated_posterior(stream(KEY, 'alike'), mean, log_var)
    np.testing.assert_allclose(got.mutual_information, 0, atol=1e-12)
    np.testing.assert_allclose(got.gap, latent_use(mean, log_var).kl.sum())


@pytest.mark.parametrize('use', [latent_use, lambda *q: aggregated_posterior(KEY, *q)])
@pytest.mark.parametrize(
    ('mean', 'log_var', 'message'),
    [
        (
            np.ones((4, 2)),
            np.ones((4, 3)),
            r'as many means as log-variances, got \[4, 2\] and \[4, 3\]',
        ),
        (np.ones(4), np.ones(4), r'means \[n >= 1, d >= 1\], got \[4\]'),
        (np.ones((0, 2)), np.ones((0, 2)), r'means \[n >= 1, d >= 1\], got \[0, 2\]'),
        (np.ones((4, 2)), np.full((4, 2), np.nan), 'got NaN or infinity'),
        (np.full((4, 2), np.inf), np.ones((4, 2)), 'got NaN or infinity'),
    ],
)
def test_posteriors_that_do_not_fit_are_refused(use, mean, log_var, message):
    with pytest.raises(ValueError, match=message):
        use(mean, log_var)


def test_numbers_of_samples_below_1_are_refused():
    with pytest.raises(ValueError, match='expected samples >= 1, got 0'):
        aggregated_posterior(KEY, np.ones((4, 2)), np.ones((4, 2)), samples=0)
