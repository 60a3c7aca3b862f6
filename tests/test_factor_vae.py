"""FactorVAE as a recipe: a second player in a VAE, with nothing but public parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax import vae
from genjax.core import Player, Term
from genjax.nn.linen import from_linen
from genjax.nn.mlp import MLPDecoder, MLPEncoder
from genjax.optim import adam
from genjax.random import stream

KEY = jax.random.key(31)
SHAPE = (1, 2, 1)


def factor_vae(image_shape, latent_dim, hidden, likelihood, gamma=35.0, learning_rate=1e-3):
    """A VAE whose latents are independent of each other (Kim and Mnih 2018,
    https://arxiv.org/abs/1802.05983).

    The VAE's loss has `gamma E_q(z) D(z)` beside minus the ELBO, where the critic D tells draws of
    q(z) from such with every latent permuted over the batch: at its best it is the log-ratio of
    q(z) and the product of its marginals, and its mean is the total correlation.
    """
    settings = vae.Settings(image_shape, latent_dim, likelihood)
    x = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    z = jax.ShapeDtypeStruct((1, latent_dim), jnp.float32)
    networks = {
        'encoder': from_linen(MLPEncoder(latent_dim, hidden), x),
        'decoder': from_linen(MLPDecoder(image_shape, hidden), z),
        'critic': from_linen(MLPDecoder((), (64, 64), nn.leaky_relu), z),
    }
    parts = vae.parts_of(networks, settings)
    forward = vae.compose(parts)

    def critic(state, z):
        return networks['critic'].apply(state.nets['critic'], z)[0]

    def total_correlation(memory, terms):
        return critic(terms.state, terms.z[0]), memory

    def loss(state, key, batch):
        x = likelihood.observe(stream(key, 'observe'), batch['x'])
        z = forward(state, key, {'x': x}, 1, True)[0].z[0]
        permuted = jax.random.permutation(stream(key, 'permute'), z, independent=True)
        both = nn.softplus(-critic(state, z)) + nn.softplus(critic(state, permuted))
        return jnp.mean(both) / 2, state, {}

    return vae.variational(
        networks, parts, forward, settings, optimizer=adam(learning_rate),
        terms=[Term('total_correlation', total_correlation, weight=gamma)],
        players={'critic': Player(('critic',), loss, adam(learning_rate, b1=0.5))},
    )  # fmt: skip


@pytest.fixture(scope='module')
def model():
    return factor_vae(SHAPE, 2, (), vae.gaussian(0.5), learning_rate=3e-3)


@pytest.fixture(scope='module')
def state(model):
    """An encoder that puts the two pixels of an image out as its latents, with little noise."""
    state = model.init(stream(KEY, 'init'))
    params = {
        'mean': {'kernel': jnp.eye(2), 'bias': jnp.zeros(2)},
        'log_var': {'kernel': jnp.zeros((2, 2)), 'bias': jnp.full(2, -10.0)},
    }
    encoder = state.nets['encoder'].replace(params=params)
    return state.replace(nets=state.nets | {'encoder': encoder})


@jax.jit
def correlated(key, rho):
    """Images of two pixels, N(0, [[1, rho], [rho, 1]])."""
    e = jax.random.normal(key, (512, 2))
    second = rho * e[:, 0] + jnp.sqrt(1 - rho**2) * e[:, 1]
    return {'x': jnp.stack([e[:, 0], second], axis=1).reshape(-1, *SHAPE)}


def scaled(state, **scales):
    new = {f'{player}/lr_scale': jnp.float32(scale) for player, scale in scales.items()}
    return state.replace(hypers=state.hypers | new)


def equal(a, b):
    return jax.tree.all(jax.tree.map(lambda a, b: bool(jnp.array_equal(a, b)), a, b))


@pytest.mark.parametrize(
    ('still', 'moving'), [('vae', ['critic']), ('critic', ['encoder', 'decoder'])]
)
def test_each_player_leaves_the_networks_of_the_other_alone(model, state, still, moving):
    """A player who does not move shows what the other one moves."""
    batch = correlated(stream(KEY, 'alone'), 0.8)
    after, _ = model.train_step(scaled(state, **{still: 0.0}), batch)
    moved = [name for name, net in state.nets.items() if not equal(net, after.nets[name])]
    assert sorted(moved) == sorted(moving)


def test_the_critics_estimate_is_a_term_of_the_loss_that_reaches_the_encoder_alone(model, state):
    batch = correlated(stream(KEY, 'term'), 0.8)
    after, metrics = model.train_step(state, batch)
    expected = 35 * metrics['vae/total_correlation'] - metrics['vae/elbo']
    np.testing.assert_allclose(metrics['vae/loss'], expected, rtol=1e-5)
    hypers = state.hypers | {'vae/total_correlation': jnp.float32(0)}
    without, _ = model.train_step(state.replace(hypers=hypers), batch)
    assert not equal(after.nets['encoder'], without.nets['encoder'])
    assert equal(after.nets['decoder'], without.nets['decoder'])


def test_a_trained_critic_knows_the_total_correlation_of_gaussians(model, state):
    """To 0.08 nats of -log(1 - rho^2) / 2, on samples that it was not trained on."""

    @jax.jit
    def estimate(rho):
        def step(state, i):
            batch = correlated(jax.random.fold_in(stream(KEY, 'train'), i), rho)
            return model.train_step(state, batch)

        trained, metrics = jax.lax.scan(step, scaled(state, vae=0.0), jnp.arange(600))
        return jnp.mean(metrics['vae/total_correlation'][-100:]), trained

    for rho in (0.0, 0.8):
        got, trained = estimate(rho)
        np.testing.assert_allclose(got, -np.log(1 - rho**2) / 2, atol=0.08)
        assert equal(trained.nets['encoder'], state.nets['encoder'])


def test_the_whole_trains_with_finite_metrics(model, state):
    for i in range(5):
        batch = correlated(jax.random.fold_in(stream(KEY, 'whole'), i), 0.8)
        state, metrics = model.train_step(state, batch)
        assert np.isfinite(list(metrics.values())).all()
    assert {'vae/total_correlation', 'critic/loss'} <= set(metrics)
    assert metrics['vae/skipped'] == metrics['critic/skipped'] == 0
