"""What people bring, and what they do with it, by the command alone."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from genjax.cli import main
from genjax.train import load
from tests.contracts.subject import different
from tests.image_files import write

RNG = np.random.default_rng(0)
UNIT = np.float32(RNG.random((40, 8, 8, 1)))
BYTES = np.uint8(UNIT * 255)
THIRDS = np.arange(40) % 3
TINY = ['--hidden', '4', '--latent-dim', '2', '--batch-size', '4', '--dispatch', '1']


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'PNG')
    return file.getvalue()


def trained(at, data, *words, steps='1'):
    """The command's status, and the config of the run if there is one."""
    run = at / 'run'
    status = main(
        ['train', 'vae', '--data', str(data), '--run', str(run), '--steps', steps, *TINY, *words]
    )
    return status, load(run).config if status == 0 else None


# The file, its content, and what is said.
REFUSED = {
    'floats in [0, 1]': ('a.npz', npz(x=UNIT), 'which look like [0, 1]: say --range 0 1'),
    'floats up to 255': ('a.npz', npz(x=UNIT * 255), 'look like [0, 255]: say --range 0 255'),
    'int16': ('a.npy', npy(np.int16(UNIT * 4095)), 'int16 in [0, 4093]: say --range 0 4095'),
    'one picture': (
        'a.npz',
        npz(x=RNG.integers(0, 255, (28, 28, 3), np.uint8)),
        'got (28, 28, 3), which looks like one picture: x[None] is a set of it alone',
    ),
    'HDF5': ('a.h5', b'\x89HDF\r\n\x1a\n', "got 'HERE/a.h5', which is an HDF5 file: with h5py"),
    'a picture': ('a.png', png(BYTES[0, ..., 0]), 'is a single picture: give the folder that it'),
    'CSV': ('a.csv', b'1,2\n', "got 'HERE/a.csv', which is "),
}


@pytest.mark.parametrize(('name', 'content', 'said'), REFUSED.values(), ids=REFUSED)
def test_what_would_be_misread_is_refused_with_the_way_out(tmp_path, capsys, name, content, said):
    (tmp_path / name).write_bytes(content)
    assert trained(tmp_path, tmp_path / name) == (2, None)
    error = capsys.readouterr().err
    assert error.startswith('genjax: ')
    assert said.replace('HERE', str(tmp_path)) in error
    assert not (tmp_path / 'run').exists()


# The file, its content, words of the command, the first pixels and the labels that it holds.
TAKEN = {
    'floats in [0, 1]': ('a.npz', npz(x=UNIT), ['--range', '0', '1'], None),
    'int16': ('a.npy', npy(np.int16(UNIT * 255)), ['--range', '0', '255'], None),
    'NPZ, [n, 1]': ('a.NPZ', npz(x=BYTES, y=THIRDS[:, None]), [], ['0', '1', '2']),
    'channels first, one-hot': (
        'a.npz',
        npz(images=np.moveaxis(np.repeat(BYTES, 3, 3), 3, 1), labels=np.eye(3)[THIRDS]),
        [],
        ['0', '1', '2'],
    ),
    'Keras, text': (
        'a.npz',
        npz(x_train=BYTES[:30], y_train=np.array(['cat', 'dog', 'eel'])[THIRDS[:30]],
            x_test=BYTES[30:], y_test=np.array(['cat', 'dog', 'eel'])[THIRDS[30:]]),
        [],
        ['cat', 'dog', 'eel'],
    ),
}  # fmt: skip


@pytest.mark.parametrize(('name', 'content', 'words', 'classes'), TAKEN.values(), ids=TAKEN)
def test_arrays_of_many_kinds_are_trained_on(tmp_path, capsys, name, content, words, classes):
    (tmp_path / name).write_bytes(content)
    words += [] if classes is None else ['--num-classes', 'auto']
    status, config = trained(tmp_path, tmp_path / name, *words)
    assert status == 0
    # Noise is all greys, which Bernoulli would draw black or white anew.
    assert config['options']['likelihood'] == 'discretized_logistic'
    assert 'the likelihood is discretized_logistic, unless' in capsys.readouterr().err
    assert config['options']['num_classes'] == (None if classes is None else 3)


def test_classes_have_names(tmp_path, capsys):
    name, content, _, classes = TAKEN['Keras, text']
    (tmp_path / name).write_bytes(content)
    assert trained(tmp_path, tmp_path / name, '--num-classes', 'auto')[1]['classes'] == classes
    out, last = tmp_path / 'x.npz', 'eel'
    assert main(['sample', str(tmp_path / 'run'), '--n', '5', '--y', last, '--out', str(out)]) == 0
    assert np.load(out)['y'].tolist() == [2] * 5
    assert main(['sample', str(tmp_path / 'run'), '--n', '6', '--out', str(out)]) == 0
    assert sorted(np.load(out)['y'].tolist()) == [0, 0, 1, 1, 2, 2]
    assert main(['sample', str(tmp_path / 'run'), '--y', '99', '--out', str(out)]) == 2
    assert 'expected a class of [0, 3)' in capsys.readouterr().err


@pytest.fixture
def numbered(tmp_path, data_cache):
    """Twelve folders that are called by numbers, four images in each."""
    images = RNG.integers(0, 256, (48, 8, 8), np.uint8)
    names = [f'{1 + i // 4}__{i}' for i in range(48)]
    write(tmp_path / 'numbered', **dict(zip(names, images, strict=True)))
    return tmp_path / 'numbered'


def test_classes_count_as_their_folders_do(numbered, tmp_path, capsys):
    status, config = trained(tmp_path, numbered, '--num-classes', 'auto')
    assert (status, config['classes']) == (0, [str(i) for i in range(1, 13)])
    words, out = ['sample', str(tmp_path / 'run'), '--n', '24'], tmp_path / 'x.npz'
    assert main([*words, '--out', str(out)]) == 0
    assert np.bincount(np.load(out)['y']).tolist() == [2] * 12
    assert main(['data', 'inspect', str(numbered)]) == 0
    assert '12' in capsys.readouterr().out
    assert trained(tmp_path / 'more', numbered, '--num-classes', '20')[0] == 2
    assert 'got none of 12, 13, 14' in capsys.readouterr().err


def test_what_is_judged_by_may_be_added_and_dropped(tmp_path, capsys):
    """A bound, then a distance, then the bound again: the best is that by the last."""
    path = tmp_path / 'a.npy'
    np.save(path, BYTES.repeat(5, axis=0) ^ RNG.integers(0, 9, (200, 8, 8, 1), np.uint8))
    often = ['--eval-every', '1']
    monitored = ['--metrics', 'frechet_distance', '--monitor', 'frechet_distance']
    assert trained(tmp_path, path, *often, steps='2')[0] == 0
    assert trained(tmp_path, path, *often, *monitored, steps='4')[0] == 0
    assert 'frechet_distance is of 20 samples while this trains' in capsys.readouterr().err
    assert load(tmp_path / 'run', 'best').state.step in (3, 4)
    still = [*often, *monitored, '--patience', '1', '--change', '--learning-rate', '0']
    assert trained(tmp_path, path, *still, steps='50')[0] == 0
    assert load(tmp_path / 'run').state.step < 50
    capsys.readouterr()


def test_updates_that_are_left_out_stand_on_the_terminal(tmp_path, capsys):
    path = tmp_path / 'a.npy'
    np.save(path, BYTES)
    assert trained(tmp_path, path, '--learning-rate', '1e38', steps='4')[0] == 0
    seen = capsys.readouterr()
    assert 'left out' in seen.out + seen.err


def test_ways_between_samples_are_drawn_piece_by_piece(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'a.npy'
    np.save(path, BYTES)
    trained(tmp_path, path)
    words = ['interpolate', str(tmp_path / 'run'), '--rows', '30', '--columns', '100']
    assert main([*words, '--out', str(tmp_path / 'x.npz')]) == 0
    assert np.load(tmp_path / 'x.npz')['x'].shape == (3000, 8, 8, 1)

    def exhausted(*args, **options):
        raise MemoryError('Unable to allocate 9 EiB')

    monkeypatch.setattr('genjax.commands.plots.save_images', exhausted)
    assert main([*words, '--out', str(tmp_path / 'y.npz')]) == 2
    assert 'Unable to allocate 9 EiB' in capsys.readouterr().err


def test_repeated_images_and_images_in_both_parts_are_named(tmp_path, capsys):
    path, apart = tmp_path / 'a.npy', tmp_path / 'b.npy'
    some = RNG.integers(0, 256, (60, 8, 8, 1), np.uint8)
    np.save(path, np.concatenate([some, *[some[:5]] * 40]))
    np.save(apart, np.concatenate([some[:20], RNG.integers(0, 256, (40, 8, 8, 1), np.uint8)]))
    assert trained(tmp_path, path, '--held-out', str(apart))[0] == 0
    assert main(['evaluate', str(tmp_path / 'run'), '--n', '60']) == 0
    found = capsys.readouterr().out
    assert 'overlap: 20 of 60 held-out images are training images too' in found
    assert 'repeated images: ' in found
    assert 'few images: frechet_distance is of 60 samples' in found


def test_a_run_that_was_fine_tuned_changed_and_grown_tells_it_and_can_be_made_again(
    tmp_path, capsys
):
    small, large = tmp_path / 'small.npy', tmp_path / 'large.npy'
    some = RNG.integers(0, 256, (300, 4, 4, 1), np.uint8)
    np.save(small, some[:100])
    np.save(large, some)
    assert trained(tmp_path, small, steps='2')[0] == 0
    states = []
    for name in ('one', 'two'):
        at, start = tmp_path / name, ['--from', str(tmp_path / 'run')]
        assert trained(at, small, *start, steps='2')[0] == 0
        assert trained(at, small, *start, '--change', '--beta', '2.0', steps='4')[0] == 0
        grown = [*start, '--change', '--beta', '2.0', '--batch-size', '8']
        assert trained(at, large, *grown, steps='6')[0] == 0
        states.append(load(at / 'run'))
    assert states[0].config == states[1].config
    assert different(*(run.state for run in states)) == []
    capsys.readouterr()
    run = tmp_path / 'one' / 'run'
    assert main(['evaluate', str(run), '--n', '20', '--resamples', '2']) == 0
    evaluation = run / 'evaluation' / 'step_00000006' / 'evaluation.json'
    told = json.loads(evaluation.read_text())['history']
    assert told[0].startswith(f'started from {tmp_path / "run"}:latest, step 2 of config ')
    assert told[1] == 'changed at step 2: options.beta 1.0 -> 2.0'
    assert told[2].startswith('changed at step 4: ')
    assert f'source {small} -> {large}' in told[2]
    assert 'were trained on before' in told[3] or 'may have been trained on before' in told[3]
    changes = json.loads((run / 'config.json').read_text())['changes']
    assert [change['step'] for change in changes] == [2, 4]
