"""What is killed: a GAN whose data Grain brings ends as if it had not been."""

import contextlib
import shutil

import jax
import pytest

from experiments.endurance import Case, differences, reach, write_images
from genjax.cli import main
from genjax.train import Checkpoints
from genjax.train.pace import Ranking
from tests.toys import regression


def test_a_run_that_was_killed_ends_as_the_run_that_nobody_touched(tmp_path, monkeypatch):
    monkeypatch.setattr('genjax.data.cache.SHARE', 0)
    monkeypatch.setenv('GENJAX_DATA_CACHE', str(tmp_path / 'data'))
    write_images(tmp_path / 'images', 50)
    case = Case(tmp_path, 'dcgan', 'Grain', dispatches=5)
    assert main(case.words('whole')) == 0
    process = case.start('killed')
    reach(process, case.run('killed'), 2)
    process.kill()
    assert process.wait() == -9
    assert main(case.words('killed')) == 0
    assert differences(case.run('killed'), case.run('whole')) == []


@pytest.mark.parametrize('gone', ['metrics', 'default'])
def test_a_checkpoint_that_was_removed_in_half_goes_when_training_goes_on(tmp_path, gone):
    state = regression().init(jax.random.key(0))
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        for step in (1, 2):
            checkpoints.save(step, state, Ranking('figure', step))
    shutil.copytree(tmp_path / '1', tmp_path / '0')
    shutil.rmtree(tmp_path / '0' / gone)
    Checkpoints(tmp_path, keep_every=100).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['1', '2']
