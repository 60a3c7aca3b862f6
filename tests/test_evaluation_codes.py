"""What a VAE says of any images, and samplers that are kept in a run's folder."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from genjax import data, load_exported
from genjax.cli import main
from genjax.evaluation import codes, sampling
from genjax.evaluation.samplers import fitted, titled
from genjax.images import scale
from genjax.random import stream
from genjax.train import RunError, held_out, load, train

OPTIONS = {'steps': 20, 'batch_size': 8, 'dispatch': 10, 'hidden': (8,), 'latent_dim': 3}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A run, the data that it was trained on, and an autoencoder of the same."""
    place = tmp_path_factory.mktemp('place')
    x = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 1), np.uint8)
    np.savez(place / 'data.npz', x=x, y=np.arange(200) % 2)
    for name, more in (('vae', {'num_classes': 2}), ('ae', {})):
        train(name, place / 'data.npz', run=place / name, **OPTIONS, **more)
    return place


@pytest.fixture
def here(folder, tmp_path):
    """A copy, whose runs look for the data there."""
    place = shutil.copytree(folder, tmp_path / 'here')
    for config in place.glob('*/config.json'):
        text = config.read_text()
        assert str(folder) in text
        config.write_text(text.replace(str(folder), str(place)))
    return place


def test_a_sampler_is_fitted_once_and_kept(here, capsys):
    run = load(here / 'ae')
    first = fitted(run, 'gmm:components=2')
    assert 'fitted gmm:components=2 to 180 latents' in capsys.readouterr().err
    (here / 'data.npz').unlink()
    again = fitted(load(here / 'ae'), 'gmm:components=2')
    assert capsys.readouterr().err == ''
    key = jax.random.key(1)
    images = first.model.sample(first.state, key, 4)
    np.testing.assert_array_equal(again.model.sample(again.state, jax.random.key(1), 4), images)
    plain = run.model.sample(run.state, jax.random.key(1), 4)
    assert not np.allclose(images, plain, atol=1e-3)
    with pytest.raises(RunError, match=r'sampler gmm was never fitted: .*expected the data'):
        fitted(run, 'gmm')
    kept = here / 'ae' / 'samplers' / f'{titled(run, "gmm:components=2")}.npz'
    kept.write_bytes(kept.read_bytes()[:99])
    with pytest.raises(RunError, match='was never fitted'):
        fitted(run, 'gmm:components=2')


def test_a_sampler_of_the_command(here, capsys):
    out, run = here / 'some.npz', str(here / 'ae')
    assert main(['sample', run, '--sampler', 'gmm:components=2', '--out', str(out)]) == 0
    drawn = fitted(load(run), 'gmm:components=2')
    expected = sampling.samples(drawn, 64).x
    np.testing.assert_allclose(np.load(out)['x'], (expected + 1) * 127.5, atol=0.51)
    words = ['--sampler', 'gmm:components=2']
    assert main(['evaluate', run, *words, '--resamples', '1', '--features', 'pixels']) == 0
    title = titled(drawn, drawn.sampler)
    facts = json.loads((here / 'ae' / 'evaluation' / title / 'evaluation.json').read_text())
    assert facts['sampler'] == 'gmm:components=2'
    assert 'latents by gmm:components=2' in capsys.readouterr().out
    assert main(['export', run, *words, '--platforms', 'cpu', '--out', str(here / 'out')]) == 0
    model = load_exported(here / 'out')
    images = model.sample(jax.random.key(3), 4)
    expected = drawn.model.sample(drawn.state, jax.random.key(3), 4)
    np.testing.assert_allclose(images, expected, atol=1e-5)
    assert 'drawn by gmm:components=2' in (here / 'out' / 'README.md').read_text()


def test_what_is_said_of_images_is_what_the_model_says(folder):
    run, images = load(folder / 'vae'), data.load(folder / 'data.npz')
    said = codes.encoded(run, images)
    q = run.model.encode(run.state, images.x, images.y)
    np.testing.assert_allclose(said['latents'], q.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(said['log_var'], q.log_var, rtol=1e-4, atol=1e-5)
    decoded = run.model.decode(run.state, q.mean, images.y)
    error = np.square(scale(images.x, (8, 8, 1)) - decoded).mean((1, 2, 3))
    np.testing.assert_allclose(said['reconstruction_error'], error, rtol=1e-4)
    np.testing.assert_allclose(said['elbo'], said['log_px_z'] - said['kl'], rtol=1e-4)
    bound = run.model.evaluate(
        run.state, stream(jax.random.key(0), 'x'), {'x': images.x, 'y': images.y}, 100
    )
    assert said['elbo'].mean() == pytest.approx(float(bound['elbo'].mean()), rel=0.01)
    np.testing.assert_array_equal(said['label'], images.y)
    assert 'name' not in said


def test_quantiles_are_those_of_the_held_out_images(folder):
    run = load(folder / 'ae')
    said = codes.encoded(run, held_out(run))
    np.testing.assert_allclose(np.sort(said['quantile']), np.arange(20) / 20)
    np.testing.assert_array_equal(np.argsort(said['quantile']), np.argsort(said['score']))
    assert 'elbo' not in said
    np.testing.assert_array_equal(said['score'], said['reconstruction_error'])


def test_files_of_other_kinds_are_encoded_by_name(here, data_cache, capsys):
    (here / 'odd').mkdir()
    Image.new('RGB', (20, 11), (250, 20, 90)).save(here / 'odd' / 'b.png')
    Image.new('L', (8, 8), 9).save(here / 'odd' / 'a.png')
    (here / 'data.npz').unlink()
    words = ['encode', str(here / 'ae'), '--data', str(here / 'odd')]
    assert main([*words, '--out', str(here / 'codes.npz')]) == 0
    assert 'no quantiles: expected' not in (said := capsys.readouterr().err)
    assert 'no quantiles: ' in said
    found = np.load(here / 'codes.npz')
    assert list(found['name']) == ['a.png', 'b.png']
    assert np.isnan(found['quantile']).all()
    assert found['latents'].shape == (2, 3)
    words = ['reconstruct', str(here / 'ae'), '--data', str(here / 'odd')]
    assert main([*words, '--out', str(here / 'pairs.npz')]) == 0
    assert np.load(here / 'pairs.npz')['x'].shape == (2, 8, 8, 1)
    assert np.load(here / 'pairs.npz')['x'][0].max() == 9


def test_a_walk_changes_one_latent_at_a_time(folder):
    run = load(folder / 'vae')
    images = held_out(run)
    walked = codes.walks(run, images, 99, 5, 2.0).reshape(3, 5, 8, 8, 1)
    q = run.model.encode(run.state, images.x, images.y)
    order = np.argsort(-np.var(q.mean, axis=0))
    z = jnp.tile(q.mean[0], (3, 1)).at[jnp.arange(3), order].set(-1.0)
    decoded = run.model.decode(run.state, z, jnp.full(3, images.y[0]))
    np.testing.assert_allclose(walked[:, 1], decoded, atol=1e-5)


@pytest.mark.parametrize(('call', 'message'), [
    (lambda run, x: codes.walks(run, x, 2, 1, 1.0), 'columns to be an integer >= 2, got 1'),
    (lambda run, x: codes.walks(run, x, 2, 2, 0.0), 'expected reach > 0, got 0.0'),
    (lambda run, x: codes.images_for(run, x.x), r'labels in \[0, 2\), .*got none'),
    (lambda run, x: codes.images_for(run, {'x': x.x, 'y': x.y + 7}), 'the classes of the run'),
    (lambda run, x: codes.images_for(run, np.zeros((3, 8, 9, 1))), None),
    (lambda run, x: fitted(run, 'vamp'), 'components of 180 training images at most, got 500'),
], ids=['columns', 'reach', 'no labels', 'other labels', 'shape', 'components'])  # fmt: skip
def test_what_is_asked_in_vain(folder, call, message):
    run = load(folder / 'vae')
    with pytest.raises((RunError, data.DataError), match=message or 'expected'):
        call(run, held_out(run))


def test_autoencoders_have_no_spread_to_walk_along(folder):
    run = load(folder / 'ae')
    with pytest.raises(RunError, match=r"expected a VAE with posterior 'gaussian'.*'ae'"):
        codes.walks(run, held_out(run), 2, 3, 1.0)
