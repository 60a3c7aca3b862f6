"""Flows: the identity at the start, a determinant by `jacfwd`, an inverse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genjax.latents import flows, standard_normal
from genjax.random import stream
from genjax.vae import posteriors, priors

KEY = jax.random.key(43)
D = 5
Z = jax.random.normal(stream(KEY, 'z'), (4, D))
CONTEXT = jax.random.normal(stream(KEY, 'context'), (4, D))


def moved(net):
    """Parameters far from the start."""
    leaves, tree = jax.tree.flatten(net)
    keys = jax.random.split(stream(KEY, 'moved'), len(leaves))
    new = [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return tree.unflatten(new)


MADE = {
    'autoregressive': (flows.autoregressive(D, 2, (16,)), None),
    'with context': (flows.autoregressive(D, 3, (16, 16), context=True), CONTEXT),
    'coupling': (flows.coupling(D, 4, (16,)), None),
}


@pytest.mark.parametrize('name', MADE)
def test_a_flow_starts_as_the_identity(name):
    flow, context = MADE[name]
    net = flow.network.init(stream(KEY, 'init'))
    z, log_det = flow.forward(net, Z, context)
    turned = Z if len(net.params) % 2 == 0 else jnp.flip(Z, -1)
    np.testing.assert_allclose(z, turned, atol=1e-6)
    np.testing.assert_allclose(log_det, 0, atol=1e-6)


@pytest.mark.parametrize('name', MADE)
def test_a_flow_has_its_determinant_and_its_inverse(name):
    flow, context = MADE[name]
    net = moved(flow.network.init(stream(KEY, 'init')))
    z, log_det = flow.forward(net, Z, context)
    assert np.abs(z - Z).max() > 0.1
    for i in range(4):
        own = None if context is None else context[i]
        jacobian = jax.jacfwd(lambda z, own=own: flow.forward(net, z, own)[0])(Z[i])
        np.testing.assert_allclose(log_det[i], np.linalg.slogdet(jacobian)[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(flow.inverse(net, z, context), Z, rtol=1e-3, atol=1e-3)


def test_each_latent_depends_on_those_before_it_alone():
    flow = flows.autoregressive(D, 1, (64,))
    net = moved(flow.network.init(stream(KEY, 'init')))
    each = jax.vmap(jax.jacfwd(lambda z: jnp.flip(flow.forward(net, z, None)[0])))(Z)
    moves = np.abs(each).max(axis=0) > 0
    assert (moves == np.tril(np.ones((D, D), bool))).all()


@pytest.mark.parametrize('name', ['planar', 'radial'])
def test_maps_whose_parameters_are_given(name):
    """Parameters of 0 are the identity, and of any others the determinant is positive."""
    step = getattr(flows, name)
    size = {'planar': (D, D), 'radial': (D,)}[name]

    def parameters(scale):
        keys = jax.random.split(stream(KEY, 'parameters'), 3)
        vectors = [scale * jax.random.normal(k, (4, n)) for k, n in zip(keys, size, strict=False)]
        rest = 3 - len(vectors)
        return [*vectors, *(scale * jax.random.normal(k, (4,)) for k in keys[3 - rest :])]

    z, log_det = step(Z, *parameters(0.0))
    np.testing.assert_allclose(z, Z, atol=1e-6)
    np.testing.assert_allclose(log_det, 0, atol=1e-6)
    far = parameters(3.0)
    z, log_det = step(Z, *far)
    for i in range(4):
        own = [p[i] for p in far]
        jacobian = np.float64(jax.jacfwd(lambda z, own=own: step(z, *own)[0])(Z[i]))
        sign, expected = np.linalg.slogdet(jacobian)
        assert sign > 0
        np.testing.assert_allclose(log_det[i], expected, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize('name', ['planar', 'radial', 'iaf'])
def test_densities_of_flowed_posteriors_are_those_of_a_change_of_variables(name):
    posterior = getattr(posteriors, name)(layers=2)
    net = (
        None if posterior.network is None else moved(posterior.network(D).init(stream(KEY, 'init')))
    )
    first = jax.random.normal(stream(KEY, 'first'), (4, D))
    second = jax.random.normal(stream(KEY, 'second'), (4, posterior.spread(D)))
    q = posterior.distribution(net, first, second)
    z, log_q = q.sample_and_log_prob(stream(KEY, 'draw'), 3)
    start = q.base.sample(stream(KEY, 'draw'), 3)
    scale = np.exp(np.float64(q.base.log_var) / 2)
    base = stats.norm.logpdf(start, np.float64(q.base.mean), scale).sum(-1)
    for k in range(3):
        for i in range(4):
            own = jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], q.given) if name != 'iaf' else (
                q.given[0], q.given[1][i : i + 1]
            )  # fmt: skip
            jacobian = jax.jacfwd(lambda z, own=own: q.forward(z[None], own)[0][0])(start[k, i])
            expected = base[k, i] - np.linalg.slogdet(np.float64(jacobian))[1]
            np.testing.assert_allclose(log_q[k, i], expected, rtol=1e-3, atol=1e-3)
    if name == 'iaf':
        # The way back rounds where the way there was steep.
        np.testing.assert_allclose(q.log_prob(z), log_q, rtol=0.02, atol=0.02)
    else:
        with pytest.raises(ValueError, match='expected a flow with an inverse'):
            q.log_prob(z)


@pytest.mark.parametrize('name', ['maf', 'coupling'])
def test_a_prior_of_a_flow_draws_what_it_says(name):
    """In two dimensions, where the density can be integrated."""
    prior = getattr(priors, name)(layers=2, hidden=(8,))
    net = moved(prior.network((1, 1, 1), 2).init(stream(KEY, 'init')))
    p = prior.distribution(net, 2, None)
    grid = np.linspace(-12, 12, 401)
    at = jnp.float32(np.stack(np.meshgrid(grid, grid, indexing='ij'), -1)).reshape(-1, 2)
    density = np.exp(np.float64(p.log_prob(at))).reshape(401, 401) * (grid[1] - grid[0]) ** 2
    np.testing.assert_allclose(density.sum(), 1, atol=0.01)
    z = np.asarray(p.sample(stream(KEY, 'draw'), 40_000))
    means = [np.sum(density.sum(1 - i) * grid) for i in range(2)]
    np.testing.assert_allclose(z.mean(0), means, atol=0.04)
    start = prior.distribution(prior.network((1, 1, 1), 2).init(stream(KEY, 'init')), 2, None)
    np.testing.assert_allclose(start.log_prob(at), standard_normal(2).log_prob(at), rtol=1e-5)
