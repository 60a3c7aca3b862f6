"""Samplers fitted to latents: what they draw against distributions that are known."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genjax import vae
from genjax.core import Net
from genjax.latents import flows
from genjax.latents.distributions import Normal
from genjax.random import stream
from genjax.samplers import fitted, manifolds
from genjax.samplers.learned import Codes, gmm, hypersphere, iaf, maf, two_stage, vamp

KEY = jax.random.key(0)
MEAN, TRIL = np.array([1.0, -2.0]), np.array([[1.0, 0.0], [1.5, 0.5]])


def draws(sampler, arrays, n=4000):
    return np.asarray(
        jax.jit(jax.vmap(partial(sampler.draw, arrays)))(jax.random.split(stream(KEY, 'draws'), n))
    )


def fitted_draws(sampler, codes, n=4000):
    return draws(sampler, sampler.fit(stream(KEY, 'fit'), codes), n)


def codes_of(z, log_var=0.0):
    z = jnp.asarray(z, jnp.float32)
    return Codes(z, Normal(z, jnp.full(z.shape, log_var, jnp.float32)))


@pytest.fixture(scope='module')
def gaussian():
    z = MEAN + np.random.default_rng(0).normal(size=(4000, 2)) @ TRIL.T
    return codes_of(z)


@pytest.mark.parametrize('sampler', [
    gmm(components=3), maf(1, (16,), 1500), iaf(1, (16,), 1500), two_stage((32,), 3000),
], ids=['gmm', 'maf', 'iaf', 'two_stage'])  # fmt: skip
def test_a_gaussian_is_learned_with_its_covariance(gaussian, sampler):
    z = fitted_draws(sampler, gaussian)
    np.testing.assert_allclose(z.mean(0), MEAN, atol=0.15)
    np.testing.assert_allclose(np.cov(z.T), TRIL @ TRIL.T, atol=0.35)


def test_a_mixture_finds_the_modes_and_their_shares():
    rng = np.random.default_rng(1)
    far = rng.random(3000) < 0.25
    z = np.where(far[:, None], 8.0, -1.0) + rng.normal(size=(3000, 3))
    drawn = fitted_draws(gmm(components=2), codes_of(z))
    share = np.mean(drawn[:, 0] > 4)
    assert abs(share - 0.25) < 0.03
    assert stats.ks_2samp(drawn[:, 1], z[:, 1]).statistic < 0.05


def test_directions_are_even_and_lengths_those_of_the_codes():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(500, 4)) + 3.0
    drawn = fitted_draws(hypersphere(), codes_of(z))
    lengths = np.linalg.norm(drawn, axis=1)
    assert stats.ks_2samp(lengths, np.linalg.norm(z, axis=1)).statistic < 0.05
    unit = drawn / lengths[:, None]
    np.testing.assert_allclose(unit.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(unit.T @ unit / len(unit), np.eye(4) / 4, atol=0.03)


def test_the_mean_of_posteriors_has_its_moments():
    z = np.random.default_rng(3).normal(size=(200, 2)) * [3.0, 0.1]
    drawn = fitted_draws(vamp(components=200), codes_of(z, log_var=np.log(0.25)))
    np.testing.assert_allclose(drawn.mean(0), z.mean(0), atol=0.15)
    np.testing.assert_allclose(drawn.var(0), z.var(0) + 0.25, rtol=0.1)


def manifold_of(mean, log_var):
    sampler = manifolds.manifold(components=len(mean), steps=60, leapfrogs=8, step_size=0.3)
    return sampler, sampler.fit(stream(KEY, 'fit'), Codes(jnp.asarray(mean), Normal(mean, log_var)))


def test_the_volume_is_that_of_the_metric_in_full():
    rng = np.random.default_rng(4)
    mean, log_var = jnp.float32(rng.normal(size=(6, 3))), jnp.float32(rng.normal(size=(6, 3)) - 1)
    _, found = manifold_of(mean, log_var)
    z = rng.normal(size=3)
    inverses = [np.diag(np.exp(-row)) for row in np.float64(found['log_var'])]
    centres = np.float64(found['mean'])

    def squared(z, i):
        return (z - centres[i]) @ inverses[i] @ (z - centres[i])

    nearest = [min(squared(centres[j], i) for i in range(6) if i != j) for j in range(6)]
    assert found['r2'] == pytest.approx(max(nearest), rel=1e-4)
    g = sum(s * np.exp(-squared(z, i) / max(nearest)) for i, s in enumerate(inverses))
    g = g + 0.01 * np.exp(-1e-5 * z @ z) * np.eye(3)
    volume = manifolds.log_volume(found, jnp.float32(z))
    assert volume == pytest.approx(np.linalg.slogdet(g)[1] / 2, rel=1e-4)


def test_chains_draw_by_the_volume():
    """In one dimension, where the density can be added up."""
    mean = jnp.float32([[-2.0], [0.0], [0.5], [3.0]])
    sampler, found = manifold_of(mean, jnp.float32([[-2.0], [-3.0], [-1.0], [-2.0]]))
    drawn = draws(sampler, found, 3000)[:, 0]
    grid = jnp.linspace(-8, 8, 4001)
    density = np.exp(jax.vmap(lambda z: manifolds.log_volume(found, z[None]))(grid))
    inside = drawn[np.abs(drawn) < 8]
    cdf = np.cumsum(density) / density.sum()
    assert stats.ks_1samp(inside, lambda z: np.interp(z, grid, cdf)).statistic < 0.06
    assert len(inside) > 0.9 * len(drawn)


def test_a_flow_turned_round_has_the_density_of_what_it_draws():
    flow = flows.backwards(flows.autoregressive(3, 2, (8,)))
    net = flow.network.init(stream(KEY, 'flow'))
    keys = iter(jax.random.split(stream(KEY, 'moved'), 99))
    net = Net(
        jax.tree.map(lambda p: p + 0.2 * jax.random.normal(next(keys), p.shape), net.params), {}
    )
    z = jax.random.normal(stream(KEY, 'z'), (3,))
    start, log_det = flow.forward(net, z, None)
    np.testing.assert_allclose(flow.inverse(net, start, None), z, atol=1e-4)
    jacobian = jax.jacfwd(lambda z: flow.forward(net, z, None)[0])(z)
    assert log_det == pytest.approx(float(jnp.linalg.slogdet(jacobian)[1]), abs=1e-4)


def test_a_model_draws_by_what_was_fitted():
    model = vae.vae((4, 4, 1), hidden=(8,), latent_dim=3, num_classes=2)
    state = model.init(stream(KEY, 'init'))
    x = np.random.default_rng(5).integers(0, 256, (300, 4, 4, 1), np.uint8)
    y = np.arange(300) % 2
    codes = fitted.codes_of(model, state, stream(KEY, 'codes'), x, y)
    np.testing.assert_allclose(codes.posterior.mean, model.encode(state, x, y).mean, atol=1e-6)
    assert codes.z.shape == (300, 3)
    assert np.std((codes.z - codes.posterior.mean) * np.exp(-codes.posterior.log_var / 2)) \
        == pytest.approx(1, abs=0.1)  # fmt: skip
    sampler = gmm(components=2)
    new, known = fitted.with_sampler(model, state, sampler, sampler.fit(stream(KEY, 'fit'), codes))
    keys = jax.random.split(stream(stream(KEY, 'sample'), 'z'), 5)
    z = new.latents(known, keys)
    arrays = known.nets['sampler'].params
    np.testing.assert_allclose(z, jax.vmap(partial(sampler.draw, arrays))(keys), atol=1e-6)
    labels = jnp.arange(5) % 2
    expected = model.decode(state, z, labels)
    np.testing.assert_allclose(
        new.sample(known, stream(KEY, 'sample'), 5, labels), expected, atol=1e-6
    )


@pytest.mark.parametrize(('sampler', 'codes', 'message'), [
    (gmm(components=9), codes_of(np.zeros((8, 2))), 'components of 8 training .* at most, got 9'),
    (vamp(), codes_of(np.zeros((8, 2))), 'components of 8 training .*, got 500'),
    (vamp(components=2), Codes(jnp.zeros((8, 2)), None), "a model with posterior 'gaussian'"),
], ids=['gmm', 'vamp', 'posterior'])  # fmt: skip
def test_what_cannot_be_fitted_is_refused(sampler, codes, message):
    with pytest.raises(ValueError, match=message):
        sampler.fit(stream(KEY, 'fit'), codes)


@pytest.mark.parametrize('make', [gmm, vamp, manifolds.manifold])
def test_components_are_at_least_one(make):
    with pytest.raises(ValueError, match='expected components >= 1, got 0'):
        make(components=0)
