"""The VAE's step: its metrics, its objective, what it sees of images, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import vae
from genjax.augment import Augment, chain
from genjax.core import Player, Term
from genjax.random import step_key, stream
from tests.linear_gaussian import X, close, differ, forward, linear_gaussian, off, with_encoder

KEY = jax.random.key(23)


def watching(forward):
    """A forward pass that hands the images it sees to its terms."""

    def watch(state, key, batch, k, train):
        seen, after = forward(state, key, batch, k, train)
        return seen._replace(extra=batch['x']), after

    return watch


def watcher(shape):
    """A term of no weight in the loss that remembers the images of the last step."""
    return Term(
        'seen',
        lambda memory, terms: (jnp.mean(terms.extra), terms.extra),
        lambda key: jnp.zeros(shape),
        weight=0.0,
    )


@pytest.fixture(scope='module')
def linear():
    """A linear-Gaussian VAE with the plain ELBO."""
    return linear_gaussian()


@pytest.fixture(scope='module')
def rich():
    """An IWAE with a tempered bound, one more term and averaged networks."""
    size = Term('size', lambda memory, terms: (jnp.mean(terms.z**2, (0, 2)), memory), weight=0.3)
    settings = {'bound': vae.bounds.iwae, 'k': 5, 'beta': 0.7}
    return linear_gaussian(settings=settings, terms=[size], ema_decay=0.9)


@pytest.fixture(scope='module')
def floored():
    """A KL that warms up to a weight of 2, of at least 50 nats a group."""
    bound = partial(vae.elbo, free_bits=50.0)
    return linear_gaussian(settings={'beta': vae.warmed_up(2.0, 4), 'bound': bound})


@pytest.fixture(scope='module')
def watched():
    """Binary pixels and an augmentation that changes their sign and counts its updates."""
    negate = Augment(
        lambda memory, key, x: -x, lambda key: jnp.int32(0), lambda memory, terms: memory + 1
    )
    settings = {'likelihood': vae.bernoulli(), 'augment': chain(negate)}
    return linear_gaussian(watching(forward), settings, terms=[watcher(X.shape)])


def test_metrics_are_what_their_names_say(rich):
    """Against the terms of the same pass."""
    state = off(rich.init(stream(KEY, 'metrics')))
    _, metrics = rich.train_step(state, {'x': X})
    seen, _ = forward(state, step_key(state.key, 0), {'x': X}, 5, True)
    log_px_z, kl = np.mean(seen.log_px_z), np.mean(np.sum(seen.kl, axis=1))
    size = np.mean(np.square(seen.z))
    expected = {
        'vae/log_px_z': log_px_z,
        'vae/kl': kl,
        'vae/elbo': log_px_z - kl,
        'vae/iwae': np.mean(vae.bounds.iwae(seen)),
        'vae/size': size,
        'vae/loss': 0.3 * size - np.mean(vae.bounds.iwae(seen, 0.7)),
        'vae/beta': 0.7,
        'vae/skipped': 0,
    }
    assert metrics.pop('vae/grad_norm') > 0
    close(metrics, {name: np.float32(value) for name, value in expected.items()})


def test_the_step_descends_the_loss_of_both_networks(linear):
    state = off(linear.init(stream(KEY, 'descent')))
    after, _ = linear.train_step(state, {'x': X})

    def loss(params):
        nets = {name: net.replace(params=params[name]) for name, net in state.nets.items()}
        played = state.replace(nets=nets)
        seen, _ = forward(played, step_key(state.key, 0), {'x': X}, 1, True)
        return -jnp.mean(vae.elbo(seen))

    params = {name: net.params for name, net in state.nets.items()}
    grads = jax.jit(jax.grad(loss))(params)
    expected = jax.tree.map(lambda p, g: p - 0.01 * g, params, grads)
    close({name: net.params for name, net in after.nets.items()}, expected)
    assert min(float(jnp.abs(g).max()) for g in jax.tree.leaves(grads)) > 0.1


def test_the_weight_of_the_kl_warms_up_to_beta(floored):
    state, betas = floored.init(stream(KEY, 'warmup')), []
    for _ in range(6):
        state, metrics = floored.train_step(state, {'x': X})
        betas.append(float(metrics['vae/beta']))
        objective = metrics['vae/log_px_z'] - betas[-1] * 100
        np.testing.assert_allclose(metrics['vae/loss'], -objective, rtol=1e-5)
    assert betas == [0, 0.5, 1, 1.5, 2, 2]


def test_beta_is_a_hyper_that_a_sweep_may_map_over(linear):
    state, betas = linear.init(stream(KEY, 'sweep')), jnp.array([0.0, 1.0, 4.0])

    def step(beta):
        hypers = state.hypers | {'vae/beta': beta}
        after, metrics = linear.train_step(state.replace(hypers=hypers), {'x': X})
        return after.nets, metrics

    nets, metrics = jax.vmap(step)(betas)
    for i, beta in enumerate(betas):
        alone = step(beta)
        close(jax.tree.map(lambda leaf, i=i: leaf[i], (nets, metrics)), alone)
        loss = alone[1]['vae/log_px_z'] - beta * alone[1]['vae/kl']
        np.testing.assert_allclose(alone[1]['vae/loss'], -loss, rtol=1e-5)
    gain = nets['encoder'].params['gain']
    assert differ(gain[0], gain[1])
    assert differ(gain[1], gain[2])


def test_below_its_free_bits_the_kl_has_no_gradient_and_its_metric_no_floor(floored):
    state = floored.init(stream(KEY, 'free')).replace(step=jnp.int32(4))
    weightless = state.replace(hypers=state.hypers | {'vae/beta': jnp.float32(0)})
    (after, metrics), (same, _) = (floored.train_step(s, {'x': X}) for s in (state, weightless))
    close(after.nets, same.nets)
    assert differ(after.nets, state.nets)
    assert 0 < metrics['vae/kl'] < 10
    close(metrics['vae/elbo'], metrics['vae/log_px_z'] - metrics['vae/kl'])


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'latent_dim': 0}, 'expected latent_dim >= 1, got 0'),
        ({'k': 0}, 'expected k >= 1, got 0'),
        ({'beta': -0.5}, 'expected beta >= 0, got -0.5'),
        ({'beta': np.nan}, 'expected beta >= 0, got nan'),
        ({'warmup': -1}, 'expected warmup >= 0, got -1'),
        ({'free_bits': -0.1}, 'expected free_bits >= 0, got -0.1'),
        (
            {'free_bits': 0.5, 'bound': 'iwae', 'k': 5},
            "iwae has no option 'free_bits'",
        ),
        (
            {'bound': vae.iwae},
            'expected a bound: one of beta_tc, capacity, ciwae, divergence, dreg, elbo, iwae, ',
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        vae.vae((4, 4, 1), **settings)


def test_pixels_are_binarized_anew_at_every_step(watched):
    """Two steps on the same images see other draws, those of the key of each step."""
    state, seen = watched.init(stream(KEY, 'binary')), []
    for t in range(2):
        state, _ = watched.train_step(state, {'x': X})
        seen.append(np.array(state.memory['vae/seen']))
        key = stream(step_key(state.key, t), 'observe')
        np.testing.assert_array_equal(seen[-1], vae.bernoulli().observe(key, -X))
    assert set(np.unique(seen)) == {-1, 1}
    assert (seen[0] != seen[1]).any()


def test_augmentation_reaches_training_only_and_is_updated_once_a_step(watched):
    """The augmentation is a change of sign."""
    state, white = watched.init(stream(KEY, 'augment')), jnp.ones_like(X)
    for _ in range(3):
        state, _ = watched.train_step(state, {'x': white})
        np.testing.assert_array_equal(state.memory['vae/seen'], -white)
    assert state.memory['vae/augment'] == (3,)
    got = watched.evaluate(state, stream(KEY, 'held out'), {'x': white})
    seen, _ = forward(state, stream(KEY, 'held out'), {'x': white}, 1, False)
    close(got['elbo'], vae.elbo(seen))
    close(watched.encode(state, white), seen.posterior)


def test_only_the_step_passes_as_training(linear):
    state, batch, flags = linear.init(stream(KEY, 'flags')), {'x': X}, []

    def recording(state, key, batch, k, train):
        flags.append((k, train))
        return forward(state, key, batch, k, train)

    model = linear_gaussian(recording, {'k': 3})
    jax.eval_shape(model.train_step, state, batch)
    assert set(flags) == {(3, True)}
    flags.clear()
    jax.eval_shape(model.evaluate, state, KEY, batch)
    jax.eval_shape(partial(model.log_likelihood, k=8, chunk=5), state, KEY, batch)
    assert set(flags) == {(3, False), (5, False)}


def test_evaluation_is_a_function_of_its_key(watched):
    state = watched.init(stream(KEY, 'key'))
    for figure in (watched.evaluate, partial(watched.log_likelihood, k=20)):
        one, again, other = (figure(state, stream(KEY, name), {'x': X}) for name in 'aab')
        jax.tree.map(np.testing.assert_array_equal, one, again)
        assert differ(one, other)


def test_the_average_of_the_networks_is_what_everything_but_training_uses(rich):
    state, z = rich.init(stream(KEY, 'ema')), jnp.ones((6, 2))
    for _ in range(3):
        state, _ = rich.train_step(state, {'x': X})
    assert set(state.ema) == {'encoder', 'decoder'}
    averaged, trained = state.replace(nets=state.ema), state.replace(ema=state.nets)
    uses = [
        lambda state: rich.evaluate(state, KEY, {'x': X}),
        lambda state: rich.encode(state, X),
        lambda state: rich.decode(state, z),
        lambda state: rich.sample(state, KEY, 6),
        lambda state: rich.log_likelihood(state, KEY, {'x': X}, k=5),
        lambda state: rich.log_joint(state, KEY, {'x': X}, z[None]),
    ]
    for use in uses:
        jax.tree.map(np.testing.assert_array_equal, use(state), use(averaged))
        assert differ(use(state), use(trained))
    jax.tree.map(
        np.testing.assert_array_equal,
        *(rich.train_step(s, {'x': X})[0].nets for s in (state, trained)),
    )


def test_microbatches_take_the_step_of_the_whole_batch(linear):
    """Where a posterior of no width leaves nothing to chance."""
    pieces = linear_gaussian(microbatches=3)
    state = with_encoder(linear.init(stream(KEY, 'pieces')), log_var=np.full(2, -60.0))
    (whole, one), (cut, three) = (m.train_step(state, {'x': X}) for m in (linear, pieces))
    close(cut.nets, whole.nets)
    close(three, one, rtol=1e-4)
    assert differ(whole.nets, state.nets)
    with pytest.raises(ValueError, match='expected a multiple of 3 examples'):
        pieces.train_step(state, {'x': X[:4]})


def test_players_with_repeats_set_how_much_a_step_takes(linear):
    def loss(state, key, batch):
        return jnp.mean(state.nets['decoder'].params['bias'] ** 2), state, {}

    player = Player(('decoder',), loss, optax.sgd(0.1), repeats=3)
    model = linear_gaussian(players={'other': player})
    assert (linear.repeats, model.repeats) == (1, 3)
    with pytest.raises(ValueError, match='expected a multiple of 3 examples'):
        model.train_step(model.init(stream(KEY, 'repeats')), {'x': X[:4]})


@pytest.mark.parametrize(
    ('batch', 'message'),
    [
        ({'x': X[0]}, r'expected images \[b, 2, 2, 1\], got \(2, 2, 1\)'),
        ({'x': X[:, :1]}, r'expected images \[b, 2, 2, 1\], got \(6, 1, 2, 1\)'),
        ({'x': np.int32(X)}, r'expected images of uint8 or float in \[-1, 1\], got int32'),
        ({'images': X}, r"expected a batch \{'x': images\}, got \['images'\]"),
        (X, r"expected a batch \{'x': images\}, got "),
    ],
)
def test_batches_that_do_not_fit_are_refused(linear, batch, message):
    state = linear.init(stream(KEY, 'misfit'))
    for use in (
        lambda: linear.train_step(state, batch),
        lambda: linear.evaluate(state, KEY, batch),
        lambda: linear.log_likelihood(state, KEY, batch),
    ):
        with pytest.raises(ValueError, match=message):
            use()
