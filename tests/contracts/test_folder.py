"""A run of a method in a folder: it trains, resumes, samples, and leaves as an exported model."""

import jax
import numpy as np
import pytest

import genjax
from genjax.train import load, train
from tests.contracts.table import ROWS, eight_images


@pytest.mark.parametrize('row', [row for row in ROWS if not row.full], ids=lambda row: row.name)
def test_a_run_trains_resumes_samples_and_is_exported(row, tmp_path):
    options = {name: value for name, value in row.options.items() if value is not None}
    data = np.tile(eight_images(), (6, 1, 1, 1))
    pace = {'dispatch': 1, 'sample_every': 2, 'eval_every': 2, 'batch_size': 8}
    for steps in (1, 2):
        run = train(row.recipe.__name__, data, run=tmp_path / 'run', steps=steps, **pace, **options)
    read, key = load(tmp_path / 'run'), jax.random.key(3)
    assert read.state.step == 2
    images = read.model.sample(read.state, key, 4)
    np.testing.assert_array_equal(images, run.model.sample(run.state, key, 4))
    drawn = genjax.load_exported(genjax.export(read, tmp_path / 'exported')).sample(key, 4)
    np.testing.assert_allclose(drawn, images, atol=1e-3)
