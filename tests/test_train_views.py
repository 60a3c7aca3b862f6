"""What the loop sees of a model: held-out figures against naive loops, and when it stops."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import data, gan, vae
from genjax.random import stream
from genjax.train import view
from genjax.train.views import Monitor, gan_should_stop, spread, stalled


@pytest.fixture(scope='module')
def parts():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 28, 28, 1), np.uint8), rng.integers(0, 3, 60)
    return data.split(data.from_arrays(x, y), 0.4)


def test_a_gan_is_measured_by_its_scores_on_as_many_images_of_each_kind(parts):
    model, (train, held) = gan.dcgan(width=2, latent_dim=3, num_classes=3), parts
    state = model.init(jax.random.key(0))
    figures = view(model, train, held, seed=5).evaluate(state)()
    on_train = np.mean([model.score(state, train.x[:24], train.y[:24])])
    on_held = np.mean([model.score(state, held.x, held.y)])
    key = jax.random.fold_in(stream(stream(jax.random.key(5), 'view'), 'scores'), 0)
    on_fake = np.mean(model.score(state, model.sample(state, key, 24, held.y), held.y))
    expected = {
        'heldout/score_train': on_train,
        'heldout/score_heldout': on_held,
        'heldout/score_fake': on_fake,
        'heldout/gap': on_train - on_held,
    }
    reach = on_train - on_fake
    expected['heldout/overfit'] = (on_train - on_held) / reach if reach > 0 else math.nan
    assert figures.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-4, atol=1e-7, err_msg=name)


def test_a_vae_is_measured_on_every_held_out_image_once(parts, monkeypatch):
    model = vae.vae(hidden=(4,), latent_dim=2, likelihood=vae.grey_bernoulli)
    train, held = parts
    state = model.init(jax.random.key(0))
    whole = view(model, train, held, seed=0).evaluate(state)()
    kl = model.evaluate(state, jax.random.key(9), {'x': held.x})['kl']
    monkeypatch.setattr('genjax.train.views.BATCH', 10)
    pieces = view(model, train, held, seed=0).evaluate(state)()
    for figures in (whole, pieces):
        np.testing.assert_allclose(figures['heldout/kl'], np.mean(kl), rtol=1e-5)
        parted = figures['heldout/log_px_z'] - figures['heldout/kl']
        np.testing.assert_allclose(figures['heldout/elbo'], parted, rtol=1e-5)


def test_pictures_are_always_of_the_same_noise_and_images(parts):
    model = vae.vae(hidden=(4,), latent_dim=2)
    state, seen = model.init(jax.random.key(0)), view(model, *parts, seed=0)
    first, second = seen.pictures(state)(), seen.pictures(state)()
    assert first.keys() == {'samples', 'reconstructions'}
    for name, image in first.items():
        np.testing.assert_array_equal(image, second[name])
        assert image.dtype == np.uint8
    rows = first['reconstructions']
    np.testing.assert_array_equal(rows[2:30, 2:30, :], parts[1].x[0])
    other = view(model, *parts, seed=1).pictures(state)()['samples']
    assert not np.array_equal(first['samples'], other)


@pytest.mark.parametrize(
    'make', [partial(gan.dcgan, width=2), partial(vae.vae, hidden=(4,))], ids=['gan', 'vae']
)
def test_looking_waits_for_nothing(make, parts):
    """Of a state that takes the device about a second."""
    model = make(latent_dim=2, num_classes=3)
    seen, state = view(model, *parts, seed=0), model.init(jax.random.key(0))
    pictures, figures = seen.pictures(state)(), seen.evaluate(state)()

    @jax.jit
    def slowly(state):
        turn = lambda _, x: jnp.tanh(x @ x)  # noqa: E731
        x = jax.lax.fori_loop(0, 300, turn, jnp.full((500, 500), state.step, jnp.float32))
        return jax.tree.map(lambda leaf: leaf + (x[0, 0] == 3).astype(leaf.dtype), state.nets)

    later = state.replace(nets=slowly(state))
    finish = seen.pictures(later), seen.evaluate(later)
    assert not jax.tree.leaves(later.nets)[0].is_ready()
    again, same = (one() for one in finish)
    assert same == figures
    for name, image in pictures.items():
        np.testing.assert_array_equal(again[name], image)


def test_columns_of_a_grid_are_classes():
    assert spread(16, None) == (None, None)
    labels, columns = spread(16, 3)
    np.testing.assert_array_equal(labels.reshape(4, columns), [[0, 1, 2, 0]] * 4)
    labels, columns = spread(16, 8)
    np.testing.assert_array_equal(labels.reshape(2, columns), [range(8)] * 2)
    labels, columns = spread(64, 10)
    assert (set(labels[:60].reshape(6, columns)[:, 3].tolist()), columns) == ({3}, 10)
    labels, columns = spread(16, 1000)
    assert (labels[np.array([0, 1, -1])].tolist(), columns) == ([0, 62, 937], None)


def bounds(*values):
    return [{'step': i, 'heldout/elbo': value} for i, value in enumerate(values)]


@pytest.mark.parametrize(
    ('records', 'stops'),
    [
        (bounds(-5.0, -4.0, -4.1, -4.0), True),
        (bounds(-5.0, -4.0, -4.1, -3.9), False),
        (bounds(-4.0, -5.0), False),
        (bounds(-4.0, math.nan, math.nan), True),
        ([*bounds(-4.0, -5.0), {'step': 9}], False),
    ],
)
def test_a_vae_stops_where_its_held_out_bound_rises_no_more(records, stops):
    assert stalled(Monitor('heldout/elbo'), records, patience=2) is stops


def test_a_figure_of_which_less_is_better_is_judged_so():
    distance = Monitor('heldout/elbo', -1)
    assert stalled(distance, bounds(1.0, 2.0, 1.0), patience=2)
    assert not stalled(distance, bounds(3.0, 2.0, 1.0), patience=2)
    assert distance({'heldout/elbo': math.nan}) == -math.inf


@pytest.mark.parametrize(
    ('ratios', 'stops'),
    [
        ((0.1, 0.6, 0.7), True),
        ((0.6, 0.7, 0.1), False),
        ((0.7,), False),
        ((math.nan, 0.6), False),
    ],
)
def test_a_gan_stops_where_training_images_are_known_by_heart(ratios, stops):
    assert gan_should_stop([{'heldout/overfit': r} for r in ratios], patience=2) is stops


def test_another_thing_has_no_view(parts):
    with pytest.raises(TypeError, match='expected a GAN or a VAE, got int'):
        view(3, *parts, 0)
