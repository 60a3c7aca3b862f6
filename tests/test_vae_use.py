"""What a VAE is used for: figures of each example, codes, samples, and the labels of all."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import vae
from genjax.random import stream
from tests.linear_gaussian import (
    X,
    close,
    differ,
    forward,
    linear_gaussian,
    log_marginal,
    off,
    with_encoder,
)

KEY = jax.random.key(29)
SHAPE = (4, 4, 1)
IMAGES = np.array(jnp.uint8(255 * jax.random.uniform(stream(KEY, 'images'), (8, *SHAPE))))
LABELS = np.arange(8, dtype=np.int32) % 3


def flat(labels):
    """Images of one brightness each: -0.8, 0 and 0.8 of labels 0, 1 and 2."""
    return np.float32(np.broadcast_to(0.8 * (labels - 1.0)[:, None, None, None], (8, *SHAPE)))


@pytest.fixture(scope='module')
def linear():
    """A linear-Gaussian VAE with the plain ELBO."""
    return linear_gaussian()


@pytest.fixture(scope='module')
def dropping():
    """The recipe with dropout, and its state."""
    likelihood = vae.gaussian(0.5)
    model = vae.vae(SHAPE, latent_dim=2, hidden=(6,), dropout=0.5, likelihood=likelihood)
    return model, model.init(stream(KEY, 'init'))


@pytest.fixture(scope='module')
def labelled():
    """A conditional VAE that has learnt how bright each label is."""
    model = vae.vae(
        SHAPE, latent_dim=2, hidden=(), num_classes=3, likelihood=vae.gaussian(0.2),
        learning_rate=0.05, beta=10.0,
    )  # fmt: skip
    state, batch = model.init(stream(KEY, 'y')), {'x': flat(LABELS), 'y': LABELS}
    for _ in range(400):
        state, _ = model.train_step(state, batch)
    return model, state


def test_figures_are_per_example_so_that_batches_do_not_matter(linear):
    state, key = off(linear.init(stream(KEY, 'batches'))), stream(KEY, 'evaluate')
    got = [linear.evaluate(state, key, {'x': x}) for x in (X, X[:4], X[4:])]
    for figures, n in zip(got, (6, 4, 2), strict=True):
        assert set(figures) == {'elbo', 'log_px_z', 'kl'}
        assert {value.shape for value in figures.values()} == {(n,)}
        close(figures['elbo'], figures['log_px_z'] - figures['kl'])
    whole, first, last = (figures['kl'] for figures in got)
    close(np.concatenate([first, last]), whole)
    weighed = (4 * np.mean(first) + 2 * np.mean(last)) / 6
    np.testing.assert_allclose(weighed, np.mean(whole), rtol=1e-5)
    assert abs((np.mean(first) + np.mean(last)) / 2 - weighed) > 1e-3


def test_a_small_kl_is_not_rounded_away_beside_a_large_reconstruction(linear):
    state = with_encoder(
        linear.init(stream(KEY, 'small')),
        gain=np.zeros((4, 2)), shift=np.full(2, 0.01), log_var=np.zeros(2),
    )  # fmt: skip
    nets = state.nets | {
        'decoder': state.nets['decoder'].replace(
            params={'weight': jnp.zeros((4, 2)), 'bias': jnp.full(4, 1000.0)}
        )
    }
    got = linear.evaluate(state.replace(nets=nets), KEY, {'x': X})
    assert (got['log_px_z'] < -1e6).all()
    np.testing.assert_allclose(got['kl'], np.full(6, 1e-4), rtol=1e-3)


@pytest.mark.parametrize(('k', 'chunk'), [(7, 3), (7, 100)])
def test_chunks_count_k_samples_and_no_more(linear, k, chunk):
    """With the exact posterior every weight is p(x), so two samples too many would show as 0.25."""
    state = linear.init(stream(KEY, 'count'))
    got = linear.log_likelihood(state, stream(KEY, 'chunks'), {'x': X}, k=k, chunk=chunk)
    np.testing.assert_allclose(got, log_marginal(X), atol=1e-4)


def test_the_samples_of_the_last_chunk_that_are_too_many_do_not_count(linear):
    """The mean of the first 7 of 9 weights, and not of all 9."""
    state, key = off(linear.init(stream(KEY, 'rest'))), stream(KEY, 'chunks')
    got = linear.log_likelihood(state, key, {'x': X}, k=7, chunk=3)
    keys = [jax.random.fold_in(stream(key, 'chunk'), i) for i in range(3)]
    seen = [forward(state, key, {'x': X}, 3, False)[0] for key in keys]
    log_w = np.concatenate([np.float64(vae.log_weights(terms)) for terms in seen])
    np.testing.assert_allclose(got, np.log(np.mean(np.exp(log_w[:7]), axis=0)), rtol=1e-4)
    assert (np.abs(got - np.log(np.mean(np.exp(log_w), axis=0))) > 1e-3).any()


@pytest.mark.parametrize('options', [{'k': 0}, {'k': -1}, {'chunk': 0}, {'chunk': -2}])
def test_numbers_of_samples_below_1_are_refused(linear, options):
    ((name, value),) = options.items()
    state = linear.init(stream(KEY, 'below'))
    with pytest.raises(ValueError, match=f'expected {name} >= 1, got {value}'):
        linear.log_likelihood(state, KEY, {'x': X}, **options)
    if name == 'k':
        with pytest.raises(ValueError, match=f'expected k >= 1, got {value}'):
            linear.evaluate(state, KEY, {'x': X}, **options)


def dense(params, h):
    return h @ np.float64(params['kernel']) + np.float64(params['bias'])


def test_dropout_rests_in_all_but_training(dropping):
    """Against the layers written out."""
    model, state = dropping
    params = {name: net.params for name, net in state.nets.items()}
    encoder, decoder = params['encoder'], params['decoder']
    h = np.maximum(dense(encoder['_Hidden_0']['Dense_0'], IMAGES.reshape(8, 16) / 255), 0)
    mean, log_var = dense(encoder['mean'], h), 20 * np.tanh(dense(encoder['log_var'], h) / 20)
    q = model.encode(state, IMAGES)
    close((q.mean, q.log_var), (mean, log_var), rtol=1e-4, atol=1e-5)
    kl = np.sum(np.exp(log_var) + mean**2 - 1 - log_var, axis=1) / 2
    got = model.evaluate(state, stream(KEY, 'dropout'), {'x': IMAGES})['kl']
    np.testing.assert_allclose(got, kl, rtol=1e-4, atol=1e-6)
    z = np.random.default_rng(0).normal(size=(8, 2))
    h = np.maximum(dense(decoder['_Hidden_0']['Dense_0'], z), 0)
    images = np.clip(dense(decoder['Dense_0'], h), -1, 1).reshape(8, *SHAPE)
    close(model.decode(state, jnp.float32(z)), images, rtol=1e-4, atol=1e-5)
    _, metrics = model.train_step(state, {'x': IMAGES})
    assert abs(metrics['vae/kl'] / np.mean(kl) - 1) > 0.05


def test_images_are_encoded_decoded_and_drawn_in_their_ranges(dropping):
    model, state = dropping
    q = model.encode(state, IMAGES)
    assert q.mean.shape == q.log_var.shape == (8, 2)
    close(q, model.encode(state, IMAGES / np.float32(127.5) - 1))
    decoded, sampled = model.decode(state, q.mean), model.sample(state, stream(KEY, 'draws'), 8)
    extreme = model.decode(state, 1e3 * jax.random.normal(stream(KEY, 'far'), (8, 2)))
    for images in (decoded, sampled, extreme):
        assert (images.shape, images.dtype) == ((8, *SHAPE), jnp.float32)
        assert np.abs(images).max() <= 1
    assert (np.unique(extreme)[[0, -1]] == [-1, 1]).all()


def test_samples_are_decoded_draws_of_the_prior(linear):
    state, key = linear.init(stream(KEY, 'prior')), stream(KEY, 'draw')
    images = linear.sample(state, key, 2)
    z = jax.random.normal(stream(key, 'z'), (2, 2))
    close(images, linear.decode(state, z))
    assert differ(images, linear.sample(state, stream(key, 'other'), 2))


@pytest.mark.parametrize('shape', [(5, 3), (2,), (5, 2, 1)])
def test_latents_of_another_shape_are_refused(linear, shape):
    with pytest.raises(ValueError, match=re.escape(f'expected latents z [n, 2], got {shape}')):
        linear.decode(linear.init(stream(KEY, 'latents')), jnp.zeros(shape))


def test_labels_steer_what_is_decoded_and_how_images_are_read(labelled):
    """The learnt brightness comes out within 0.15, whatever z."""
    model, state = labelled
    key = stream(KEY, 'steer')
    brightness = np.mean(model.sample(state, key, 8, LABELS), axis=(1, 2, 3))
    np.testing.assert_allclose(brightness, 0.8 * (LABELS - 1.0), atol=0.15)
    one, two = (model.encode(state, IMAGES, np.full(8, label)) for label in (0, 2))
    assert differ(one, two)


def test_labels_that_are_not_given_are_drawn_evenly(labelled):
    """By their brightness, to five standard errors of 300 draws."""
    model, state = labelled
    images = model.sample(state, stream(KEY, 'drawn'), 300)
    drawn = np.rint(np.mean(images, axis=(1, 2, 3)) / 0.8 + 1)
    counts = [np.sum(drawn == label) for label in range(3)]
    assert sum(counts) == 300
    assert np.abs(np.array(counts) - 100).max() < 5 * np.sqrt(300 * 2 / 9)


def test_each_of_k_samples_is_decoded_with_its_own_label(labelled):
    """Images fit their labels, so that each would be improbable with that of its neighbour."""
    model, state = labelled
    batch, neighbours = {'x': flat(LABELS), 'y': LABELS}, np.roll(LABELS, 1)
    right = model.evaluate(state, stream(KEY, 'k'), batch, k=3)['log_px_z']
    wrong = model.evaluate(state, stream(KEY, 'k'), {**batch, 'y': neighbours}, k=3)['log_px_z']
    assert right.min() > 5
    assert (right - wrong)[neighbours != LABELS].min() > 20


@pytest.mark.parametrize(
    ('y', 'message'),
    [
        (None, r'expected labels y \[8\] of 3 classes, got none'),
        (np.zeros(7, int), r'expected integer labels y \[8\], got int\d+ \(7,\)'),
        (np.zeros(8, np.float32), r'expected integer labels y \[8\], got float32'),
        (np.zeros((8, 1), int), r'expected integer labels y \[8\], got int\d+ \(8, 1\)'),
    ],
)
def test_missing_and_wrong_labels_are_refused_everywhere(labelled, y, message):
    model, state = labelled
    batch = {'x': IMAGES} if y is None else {'x': IMAGES, 'y': y}
    uses = [
        lambda: model.train_step(state, batch),
        lambda: model.evaluate(state, KEY, batch),
        lambda: model.log_likelihood(state, KEY, batch, k=2),
        lambda: model.encode(state, IMAGES, y),
        lambda: model.decode(state, jnp.zeros((8, 2)), y),
    ]
    if y is not None:
        uses.append(lambda: model.sample(state, KEY, 8, y))
    for use in uses:
        with pytest.raises(ValueError, match=message):
            use()


def test_labels_without_classes_are_refused(linear):
    state, y = linear.init(stream(KEY, 'no labels')), np.zeros(6, int)
    for use in (
        lambda: linear.encode(state, X, y),
        lambda: linear.decode(state, jnp.zeros((6, 2)), y),
        lambda: linear.sample(state, KEY, 6, y),
    ):
        with pytest.raises(ValueError, match='expected no labels without num_classes'):
            use()
