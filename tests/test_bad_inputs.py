"""Bad inputs: each ends in one clear error of genjax's own, and leaves a run as it was.

In a message, `...` stands for anything, HERE for an empty folder and RUN for the run's.
"""

import re
import shutil

import jax
import numpy as np
import pytest

from genjax import export, load_exported
from genjax.cli import main
from genjax.data import DataError
from genjax.train import RunError, load, train
from genjax.train.errors import within_memory
from tests.bad_inputs.commands import COMMANDS
from tests.bad_inputs.exported import INPUTS
from tests.bad_inputs.folders import DAMAGE, FULL, HARMLESS, UNWRITABLE, full
from tests.bad_inputs.functions import FUNCTIONS
from tests.bad_inputs.options import OPTIONS
from tests.bad_inputs.place import DATA, TINY, Place, go_on
from tests.bad_inputs.sources import ARRAYS, FILES, SOURCES
from tests.bad_inputs.uses import USES


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole') / 'run'
    train('vae', DATA, run=folder, steps=2, **TINY)
    return folder


@pytest.fixture
def at(whole, tmp_path):
    (tmp_path / 'here').mkdir()
    shutil.copytree(whole, tmp_path / 'run')
    return Place(tmp_path / 'here', tmp_path / 'run')


def content(folder):
    """All that counts of a run: the curves for TensorBoard are made anew from the records."""
    files = {path: path.relative_to(folder) for path in folder.rglob('*') if path.is_file()}
    return {
        str(name): path.read_bytes()
        for path, name in files.items()
        if name.parts[0] not in ('.lock', 'tensorboard') and not path.is_symlink()
    }


def assert_says(text, message, here, run='RUN'):
    pattern = re.escape(message).replace(r'\.\.\.', '.*')
    pattern = pattern.replace('HERE', re.escape(str(here))).replace('RUN', re.escape(str(run)))
    assert re.fullmatch(pattern, text, re.DOTALL), text


def assert_refused(kind, act, message, at):
    before = content(at.run)
    with pytest.raises(ValueError) as caught:
        act(at)
    assert type(caught.value) is kind
    assert_says(str(caught.value), message, *at)
    assert content(at.run) == before


@pytest.mark.parametrize(
    ('act', 'message'),
    [
        pytest.param(*row, id=name)
        for table in (ARRAYS, SOURCES, FILES)
        for name, row in table.items()
    ],
)
def test_data(tmp_path, act, message):
    with pytest.raises(DataError) as caught:
        act(tmp_path)
    assert_says(str(caught.value), message, tmp_path)


@pytest.mark.parametrize(('options', 'message'), OPTIONS.values(), ids=OPTIONS)
def test_training(at, options, message):
    assert_refused(RunError, lambda at: go_on(at, **options), message, at)


@pytest.mark.parametrize('act', [lambda at: load(at.run), go_on], ids=['load', 'go on'])
@pytest.mark.parametrize(('damage', 'message'), DAMAGE.values(), ids=DAMAGE)
def test_damage(at, act, damage, message):
    damage(at.run)
    assert_refused(RunError, act, message, at)


@pytest.mark.parametrize(('damage', 'message'), UNWRITABLE.values(), ids=UNWRITABLE)
def test_what_cannot_be_written(at, damage, message):
    damage(at.run)
    assert_refused(RunError, go_on, message, at)


def test_a_disk_that_fills_up_leaves_the_checkpoints(at):
    picture = at.run / 'samples' / '.step_00000003.png.partial'
    full(picture.relative_to(at.run))(at.run)
    before = content(at.run / 'checkpoints')
    with pytest.raises(RunError) as caught:
        go_on(at)
    assert_says(str(caught.value), FULL, *at)
    assert content(at.run / 'checkpoints') == before
    run = go_on(at)
    assert run.state.step == 3
    assert [record['step'] for record in run.finished.records] == [1, 2, 3]


def test_a_batch_that_is_too_large_for_the_memory(at, monkeypatch):
    def exhausted(*args):
        raise jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.')

    monkeypatch.setattr('genjax.train.loop.dispatches', exhausted)
    message = (
        'expected a model and a batch that fit into memory (a smaller batch_size, or more '
        'microbatches), got RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.'
    )
    assert_refused(RunError, go_on, message, at)


EXHAUSTED = {
    'of a device': (
        jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: Out of memory of 9 bytes.\nBuffers: 1'),
        'RESOURCE_EXHAUSTED: Out of memory of 9 bytes.',
    ),
    'of a device that another process holds': (
        RuntimeError("Unable to initialize backend 'cuda': INTERNAL: CUDA_ERROR_OUT_OF_MEMORY"),
        "Unable to initialize backend 'cuda': INTERNAL: CUDA_ERROR_OUT_OF_MEMORY",
    ),
    'of the host': (MemoryError('Unable to allocate 9 EiB'), 'Unable to allocate 9 EiB'),
    'of the host, without a word': (MemoryError(), 'MemoryError'),
}


@pytest.mark.parametrize(('error', 'told'), EXHAUSTED.values(), ids=EXHAUSTED)
def test_memory_that_ends(error, told):
    with pytest.raises(RunError) as caught, within_memory('a model that fits'):
        raise error
    assert str(caught.value) == f'expected a model that fits, got {told}'


@pytest.mark.parametrize('error', [RuntimeError('the dimensions differ'), ValueError('of memory')])
def test_what_is_not_of_memory_is_left(error):
    with pytest.raises(type(error)) as caught, within_memory('a model that fits'):
        raise error
    assert caught.value is error


def test_every_command_tells_that_memory_ends(at, monkeypatch, capsys):
    """While a checkpoint is read, which is then not called damaged, or data are."""

    def exhausted(*args):
        raise MemoryError('Unable to allocate 9 EiB')

    monkeypatch.setattr('genjax.train.checkpoint.digest', exhausted)
    monkeypatch.setattr('genjax.data.inspect', exhausted)
    out = ['--out', str(at.here / 'x.png')]
    drawn = [[name, str(at.run), *out] for name in ('sample', 'reconstruct', 'interpolate')]
    others = [['evaluate', str(at.run)], ['export', str(at.run), '--out', str(at.here / 'model')]]
    for words in (*drawn, *others, ['data', 'inspect', 'digits']):
        assert main(words) == 2
        assert capsys.readouterr().err == (
            'genjax: expected images that fit into memory (fewer at once: n, rows, columns; or '
            'JAX_PLATFORMS=cpu, where another process holds the device), got Unable to allocate '
            '9 EiB\n'
        )
    assert not list(at.here.iterdir())


@pytest.mark.parametrize('damage', HARMLESS.values(), ids=HARMLESS)
def test_what_does_no_harm(at, damage):
    damage(at.run)
    assert load(at.run).state.step == 2
    run = go_on(at, steps=2)
    assert run.state.step == 2
    assert all(np.isfinite(list(record.values())).all() for record in run.finished.records)


@pytest.mark.parametrize(('act', 'message'), USES.values(), ids=USES)
def test_use(at, act, message):
    assert_refused(RunError, act, message, at)


@pytest.mark.parametrize(('act', 'message'), FUNCTIONS.values(), ids=FUNCTIONS)
def test_function(tmp_path, act, message):
    with pytest.raises(ValueError) as caught:
        act()
    assert_says(str(caught.value), message, tmp_path)


@pytest.mark.parametrize(('words', 'message'), COMMANDS.values(), ids=COMMANDS)
def test_command(at, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'FOLDER.png').mkdir()
    (tmp_path / '.FULL.npz.partial').symlink_to('/dev/full')
    before = content(at.run)
    words = [w.replace('HERE', str(at.here)).replace('RUN', str(at.run)) for w in words]
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert out == ''
    assert_says(error, f'genjax: {message}\n', *at)
    assert content(at.run) == before
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == set()


def test_what_is_refused_makes_no_folder(at):
    for options in ({'betta': 2.0}, {'held_out': DATA._replace(y=DATA.y + 1), 'num_classes': 3}):
        with pytest.raises(RunError):
            go_on(at, run=at.here / 'run', **options)
    assert not (at.here / 'run').exists()


def test_integers_of_numpy_are_integers(at):
    options = {name: np.int64(TINY[name]) for name in ('batch_size', 'dispatch', 'eval_every')}
    run = go_on(at, steps=np.int64(2), seed=np.int64(0), **options)
    assert run.state.step == 2


@pytest.fixture(scope='module')
def conditional(tmp_path_factory):
    """A VAE of three classes that was exported."""
    folder = tmp_path_factory.mktemp('conditional')
    run = train('vae', DATA, run=folder / 'run', steps=1, num_classes=3, **TINY)
    return load_exported(export(run, folder / 'model', platforms=('cpu',)))


@pytest.mark.parametrize(('act', 'message'), INPUTS.values(), ids=INPUTS)
def test_exported_models(conditional, act, message):
    with pytest.raises(ValueError) as caught:
        act(conditional)
    assert str(caught.value) == message
