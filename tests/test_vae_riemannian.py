"""Riemannian leapfrog steps: the metric by loops, volumes by Jacobians, weights by their mean."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import linalg

from genjax import vae
from genjax.core import Net
from genjax.random import stream
from genjax.vae import bounds, riemannian
from tests.linear_gaussian import PARTS, X, linear_gaussian, log_marginal, off

KEY = jax.random.key(61)
RNG = np.random.default_rng(13)


def a_metric(n=4, d=2):
    random = np.random.default_rng(13)
    factors = np.tril(random.normal(size=(n, d, d))) + 1.5 * np.eye(d)
    centroids = random.normal(size=(n, d))
    return riemannian.Metric(jnp.float32(centroids), jnp.float32(factors), 1.3, 0.2)


def test_the_inverse_metric_is_the_sum_over_centroids():
    metric, z = a_metric(), RNG.normal(size=(3, 5, 2))
    found = metric.inverse(jnp.float32(z))
    for place in np.ndindex(3, 5):
        expected = 0.2 * np.eye(2)
        for c, factor in zip(*map(np.float64, metric[:2]), strict=True):
            near = np.exp(-np.sum((z[place] - c) ** 2) / 1.3**2)
            expected += near * factor @ factor.T
        np.testing.assert_allclose(found[place], expected, rtol=1e-4)


def density(z):
    return -jnp.sum(z**4 / 4 + jnp.cos(z), axis=-1)


def energy(metric, z, momentum):
    """`-log p + log |G| / 2 + momentum' G^-1 momentum / 2`, in float64."""
    inverse = np.float64(metric.inverse(jnp.float32(z)))
    kinetic = momentum @ inverse @ momentum / 2
    return float(-density(jnp.float32(z))) - np.linalg.slogdet(inverse)[1] / 2 + kinetic


def test_steps_keep_the_volume_and_the_energy_and_go_back():
    metric = a_metric()

    def run(both, size=0.02, steps=4):
        z, momentum = jnp.split(both, 2)
        end = riemannian.generalized_leapfrog(
            density, metric, z, momentum, steps, size, iterations=4
        )
        return jnp.concatenate(end)

    run = jax.jit(run, static_argnums=(1, 2))
    at = jax.random.normal(stream(KEY, 'volume'), (4,))
    jacobian = jax.jacfwd(run)(at)
    np.testing.assert_allclose(np.linalg.det(np.float64(jacobian)), 1, rtol=1e-3)
    assert np.abs(jacobian - np.eye(4)).max() > 0.05
    end = np.float64(run(at))
    assert np.abs(end - at).max() > 0.1
    gap = energy(metric, end[:2], end[2:]) - energy(metric, *np.split(np.float64(at), 2))
    rough = np.float64(run(at, 0.04, 2))
    worse = energy(metric, rough[:2], rough[2:]) - energy(metric, *np.split(np.float64(at), 2))
    assert abs(gap) < 0.02
    assert 2 < worse / gap < 8  # A method of second order: a quarter at half of the size.
    back = np.float64(run(jnp.float32(np.concatenate([end[:2], -end[2:]]))))
    np.testing.assert_allclose(back * [1, 1, -1, -1], at, atol=1e-3)


def test_a_first_momentum_has_the_covariance_g():
    root = np.linalg.cholesky(np.float64(a_metric().inverse(jnp.zeros(2))))
    solved = riemannian._solved(jnp.float32(root), jnp.eye(2)[0])
    np.testing.assert_allclose(solved, linalg.solve(root.T, [1.0, 0.0]), rtol=1e-4)


def test_the_weights_of_the_samples_have_the_mean_p_of_x():
    """To four standard errors, from a posterior that is off, by large steps."""
    way = vae.riemannian.riemannian(steps=2, size=0.2, least=0.3, images=4, hidden=(3,))
    network = way.network((2, 2, 1), 2, None)
    net = network.init(stream(KEY, 'network'))

    def infer(state, key, x, train):
        return network.apply(state.nets['inference'], x)[0], state

    passes = jax.jit(way.forward(PARTS._replace(infer=infer)), static_argnums=(3, 4))
    state = off(linear_gaussian().init(stream(KEY, 'init')))
    state = state.replace(nets=state.nets | {'inference': net})
    seen, _ = passes(state, stream(KEY, 'many'), {'x': X}, 20_000, False)
    ratios = np.exp(np.float64(bounds.log_weights(seen)) - log_marginal(X))
    error = ratios.std(0) / np.sqrt(len(ratios))
    assert (np.abs(ratios.mean(0) - 1) < 4 * error + 2e-3).all()
    assert (np.mean(np.log(ratios), axis=0) < -0.01).all()
    _, after = passes(state, stream(KEY, 'trained'), {'x': X[:3]}, 1, True)
    kept = after.nets['inference'].stats['images']
    np.testing.assert_array_equal(kept, np.concatenate([net.stats['images'][3:], X[:3]]))
    assert isinstance(after.nets['inference'], Net)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'inference': 'riemannian:size=0.0'}, 'expected size > 0, got 0.0'),
        ({'inference': 'riemannian:start=2.0'}, 'expected start in (0, 1], got 2.0'),
        ({'num_classes': 2}, 'expected no num_classes for a Riemannian metric, got num_classes=2'),
        ({'posterior': 'poincare'}, 'a posterior on all of space for'),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        vae.rhvae((4, 4, 1), **options)
