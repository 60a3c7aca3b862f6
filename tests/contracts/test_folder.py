"""A run of a method in a folder: it trains, resumes, samples, and leaves as an exported model."""

import jax
import numpy as np
import pytest

import genjax
from genjax.methods import recipes
from genjax.train import load, train
from tests.contracts.conftest import EVERYTHING
from tests.contracts.table import ROWS

PLAIN = [row for row in ROWS if row.name in recipes() and (row.runs or EVERYTHING)]
PACE = {'dispatch': 1, 'sample_every': 2, 'eval_every': 2, 'batch_size': 8}


def check(method, data, folder, options):
    for steps in (1, 2):
        run = train(method, data, run=folder / 'run', steps=steps, **PACE, **options)
    read, key = load(folder / 'run'), jax.random.key(3)
    assert read.state.step == 2
    images = read.model.sample(read.state, key, 4)
    assert images.shape == (4, *run.model.image_shape)
    np.testing.assert_array_equal(images, run.model.sample(run.state, key, 4))
    exported = genjax.export(read, folder / 'exported', platforms=('cpu',))
    drawn = genjax.load_exported(exported).sample(key, 4)
    np.testing.assert_allclose(drawn, images, atol=1e-3)


@pytest.mark.parametrize('row', PLAIN, ids=lambda row: row.name)
def test_a_run_trains_resumes_samples_and_is_exported(row, tmp_path):
    options = {name: value for name, value in row.options.items() if value is not None}
    data = {name: np.concatenate([leaf[:8]] * 6) for name, leaf in row.batch.items()}
    check(row.recipe.__name__, data, tmp_path, options)


@pytest.mark.parametrize(('method', 'shape'), [('dcgan', (20, 36, 3)), ('conv_vae', (52, 16, 1))])
def test_images_need_not_be_square(method, shape, tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (48, *shape), np.uint8)
    check(method, data, tmp_path, {'width': 2, 'latent_dim': 3})
