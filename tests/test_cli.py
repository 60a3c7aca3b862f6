"""The command: what it writes, what it says, and how it ends."""

import inspect
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from PIL import Image

from genjax import data, plots
from genjax.cli import main
from genjax.data import Reading
from genjax.evaluation import sampling
from genjax.methods import recipes
from genjax.random import stream
from genjax.train import load, train
from genjax.train.config import options_of, origin
from tests.contracts.subject import different

TRAIN = ['--steps', '4', '--batch-size', '4', '--dispatch', '2']


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp('data') / 'noise.npz'
    np.savez(path, x=rng.integers(0, 256, (40, 28, 28, 1), np.uint8), y=rng.integers(0, 3, 40))
    return str(path)


@pytest.fixture(scope='module')
def runs(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    gan = ['dcgan', '--width', '2', '--num-classes', '3', '--objective', 'hinge']
    gan += ['--penalties', 'r1:weight=0.1', '--generator-learning-rate', '1e-3']
    vae = ['vae', '--hidden', '4', '--latent-dim', '2']
    for name, words in (('gan', gan), ('vae', vae)):
        run = ['--data', source, '--run', str(folder / name)]
        assert main(['train', *words, *run, *TRAIN]) == 0
    return folder


def test_training_takes_the_options_of_the_recipe(runs):
    options = load(runs / 'gan').config['options']
    assert options['objective'] == 'hinge'
    assert options['penalties'] == ['r1:weight=0.1']
    assert options['generator_learning_rate'] == '0.001'
    assert (options['networks'], options['num_classes']) == ('dcgan:width=2', 3)
    assert load(runs / 'vae').config['options']['networks'] == 'mlp:hidden=(4,)'


def test_samples_are_a_grid_or_an_array_by_the_name_of_the_file(runs, tmp_path):
    for name in ('gan', 'vae'):
        few, many = tmp_path / f'{name}.npz', tmp_path / f'{name}_100.npz'
        assert main(['sample', str(runs / name), '--n', '3', '--out', str(few)]) == 0
        assert main(['sample', str(runs / name), '--n', '100', '--out', str(many)]) == 0
        assert np.load(few)['x'].dtype == np.uint8
        if name == 'vae':  # A GAN's classes go round the columns, of which there are more.
            np.testing.assert_array_equal(np.load(many)['x'][:3], np.load(few)['x'])
        assert np.load(many)['x'].shape == (100, 28, 28, 1)
        assert main(['sample', str(runs / name), '--out', str(tmp_path / 'grid.png')]) == 0
        with Image.open(tmp_path / 'grid.png') as image:
            assert image.size == (726, 726)


def test_samples_are_files_of_their_own_in_a_folder(runs, tmp_path, capsys):
    out = tmp_path / 'each'
    assert main(['sample', str(runs / 'gan'), '--n', '7', '--seed', '3', '--out', str(out)]) == 0
    drawn = sampling.samples(load(runs / 'gan'), 7, 3)
    expected = {f'{label}/{i:05d}.png' for i, label in enumerate(drawn.y.tolist())}
    assert {str(path.relative_to(out)) for path in out.rglob('*.png')} == expected
    for i, label in enumerate(drawn.y.tolist()):
        with Image.open(out / str(label) / f'{i:05d}.png') as image:
            np.testing.assert_array_equal(image, plots.to_uint8(drawn.x[i])[..., 0])
            assert image.text
    assert main(['sample', str(runs / 'gan'), '--out', str(out)]) == 2
    assert f'expected {out} to be empty or not there' in capsys.readouterr().err
    assert main(['sample', str(runs / 'vae'), '--n', '1', '--out', str(tmp_path / '1.png')]) == 0
    with Image.open(tmp_path / '1.png') as image:
        assert image.size == (28, 28)


def test_samples_of_standing_statistics(runs, tmp_path, capsys):
    run, out = load(runs / 'gan'), tmp_path / 'some.npz'
    words = ['sample', str(runs / 'gan'), '--standing', '3', '--out', str(out)]
    assert main(words) == 0
    key = stream(jax.random.key(run.config['seed']), 'standing')
    stood = run._replace(state=run.model.standing(run.state, key, 3))
    expected, before = (plots.to_uint8(sampling.samples(r, 64, 0).x) for r in (stood, run))
    np.testing.assert_array_equal(np.load(out)['x'], expected)
    assert not np.array_equal(expected, before)
    assert main(['sample', str(runs / 'vae'), *words[2:]]) == 2
    assert "expected a GAN for standing=3, got 'vae'" in capsys.readouterr().err


@pytest.mark.parametrize('name', ['..', 'a/b', '', 'cat'])
def test_a_class_whose_name_is_no_folder_is_its_number(tmp_path, name):
    plots.save_each(tmp_path / 'x', np.zeros((1, 4, 4, 1), np.uint8), y=[0], classes=[name])
    (path,) = tmp_path.rglob('*.png')
    assert path.parent == tmp_path / 'x' / ('cat' if name == 'cat' else '0')


def test_a_class_is_asked_for(runs, tmp_path):
    run, out = load(runs / 'gan'), tmp_path / 'two.npz'
    assert main(['sample', str(runs / 'gan'), '--y', '2', '--seed', '7', '--out', str(out)]) == 0
    expected = sampling.samples(run, 64, 7, 2).x
    np.testing.assert_array_equal(np.load(out)['x'], plots.to_uint8(expected))
    assert not np.array_equal(expected, sampling.samples(run, 64, 7, 1).x)


def text_of(path):
    with Image.open(path) as image:
        return image.text


def test_images_say_which_model_made_them_unless_they_are_not_to(runs, source, tmp_path):
    loaded = load(runs / 'vae')
    said = origin(loaded.config, 4, 7)
    assert text_of(runs / 'vae' / 'samples' / 'step_00000002.png') == origin(loaded.config, 2, 0)
    for command in ('sample', 'interpolate'):
        words = [command, str(runs / 'vae'), '--seed', '7', '--out', str(tmp_path / 'x.png')]
        assert main(words) == 0
        assert text_of(tmp_path / 'x.png') == said
        assert main([*words, '--no-provenance']) == 0
        assert text_of(tmp_path / 'x.png') == {}
    words = ['reconstruct', str(runs / 'vae'), '--out', str(tmp_path / 'x.png')]
    assert main(words) == 0
    assert text_of(tmp_path / 'x.png') == origin(loaded.config, 4, 0)
    words = ['train', 'vae', '--hidden', '4', '--latent-dim', '2', '--data', source, *TRAIN]
    assert main([*words, '--run', str(tmp_path / 'run'), '--no-provenance']) == 0
    pictures = list((tmp_path / 'run').rglob('step_*.png'))
    assert pictures
    assert all(text_of(path) == {} for path in pictures)


def test_reconstructions_are_of_held_out_images(runs, source, tmp_path):
    out = tmp_path / 'pairs.npz'
    assert main(['reconstruct', str(runs / 'vae'), '--out', str(out)]) == 0
    held = data.split(data.load(source), 0.1)[1]
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays['x'], held.x)
        assert arrays['reconstructions'].shape == held.x.shape


def test_interpolations_are_a_pair_a_row(runs, tmp_path):
    out = tmp_path / 'ways.npz'
    words = ['--rows', '2', '--columns', '3', '--y', '1', '--out', str(out)]
    assert main(['interpolate', str(runs / 'gan'), *words]) == 0
    expected = sampling.interpolations(load(runs / 'gan'), 2, 3, y=1)
    np.testing.assert_array_equal(np.load(out)['x'], plots.to_uint8(expected))


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['sample', '{runs}/gan', '--y', '3', '--out', 'x.png'], 'a class of [0, 3), got 3'),
        (['reconstruct', '{runs}/gan', '--out', 'x.png'], 'expected a run of a VAE'),
        (
            ['train', 'dcgan', '--data', '{source}', '--run', '{runs}/gan', '--steps', '9'],
            "options.networks: the run has 'dcgan:width=2', the command says 'dcgan'",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    words, message, runs, source, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main([word.format(runs=runs, source=source) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith('genjax: ')
    assert message in error
    assert not list(tmp_path.iterdir())


def test_a_misspelt_option_is_refused_with_the_nearest_name(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['train', 'dcgan', '--data', 'digits', '--run', 'x', '--steps', '1', '--widht', '3'])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert '--widht' in error
    assert '--width' in error


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--penalties', 'r1:wieght=1'], "did you mean 'weight'?"),
        (['--penalties', 'r1:weight=1,weight=2'], 'expected each option of r1 once'),
        (['--objective', 'Hinge'], "did you mean 'hinge'?"),
        (
            ['--generator-learning-rate', 'piecewise_constant_schedule:boundaries_and_scales=3'],
            'piecewise_constant_schedule',
        ),
    ],
)
def test_a_misspelt_part_is_refused_with_the_nearest_name(words, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['train', 'dcgan', '--data', 'digits', '--run', 'x', '--steps', '1', *words])
    assert caught.value.code == 2
    assert message in ' '.join(capsys.readouterr().err.replace('│', ' ').split())


def test_a_run_is_started_from_another_and_changed_by_words(runs, source, tmp_path, capsys):
    words = ['train', 'vae', '--hidden', '4', '--latent-dim', '2', '--data', source, *TRAIN]
    words += ['--run', str(tmp_path / 'run'), '--from', f'{runs / "vae"}:4']
    assert main(words) == 0
    assert f'genjax: started from {runs / "vae"}:4, step 4' in capsys.readouterr().err
    assert main([*words, '--learning-rate', '0.01']) == 2
    assert 'say --change to change that from here on' in capsys.readouterr().err
    assert main([*words, '--learning-rate', '0.01', '--change']) == 0
    assert 'changed at step 4: options.learning_rate 0.001 -> 0.01' in capsys.readouterr().err


def test_how_training_ended_is_said_beside_the_folder(source, tmp_path, capsys):
    words = ['train', 'vae', '--hidden', '4', '--latent-dim', '2', '--data', source, *TRAIN]
    words += ['--run', str(tmp_path / 'run'), '--learning-rate', '0', '--eval-every', '2']
    words += ['--likelihood', 'grey_bernoulli']
    assert main([*words, '--patience', '1', '--steps', '100']) == 0
    out, error = capsys.readouterr()
    assert out == f'{tmp_path / "run"}\n'
    assert 'genjax: stopped early at step 4, by the held-out figures' in error
    assert main([*words, '--steps', '2']) == 0
    assert 'genjax: the run has 4 steps already' in capsys.readouterr().err


@pytest.mark.parametrize('name', sorted(recipes()))
def test_every_option_has_a_word_of_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main(['train', name, '--help'])
    assert caught.value.code == 0
    words = ' '.join(capsys.readouterr().out.replace('│', ' ').split())
    common = {*inspect.signature(train).parameters, *Reading._fields} - {
        'recipe',
        'options',
        'reading',
    }
    for option in common | set(options_of(recipes()[name])):
        described = '\n'.join(map(inspect.getdoc, (recipes()[name], train, Reading)))
        (line,) = {s for s in described.splitlines() if s.startswith(f'  {option}:')}
        written = {'start_from': 'from'}.get(option, option.replace('_', '-'))
        assert f'--{written}' in words
        assert ' '.join(line.split()[1:6]) in words


def wait_for(path, process):
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)


def start(words):
    """The command as users start it, with SIGINT not ignored as in the background of a shell."""
    command = [sys.executable, '-X', 'importtime', '-m', 'genjax.cli', *words]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


# Imported first, amid, and last before the command is read; then by a training.
@pytest.mark.parametrize('module', ['jax.version', 'jax', 'orbax.checkpoint'])
def test_it_can_be_interrupted_from_the_first_moment(module, source, tmp_path):
    """Libraries lose a KeyboardInterrupt, and training would go on."""
    words = ['train', 'vae', '--hidden', '4', '--latent-dim', '2', '--data', source]
    words += ['--batch-size', '4', '--steps', '1000000', '--run', str(tmp_path / 'run')]
    with start(words) as process:
        assert any(line.split()[-1:] == [module] for line in process.stderr)
        process.send_signal(signal.SIGINT)
        *_, last = process.stderr.read().splitlines()
    assert process.returncode == 130
    assert last == 'genjax: interrupted'


@pytest.mark.parametrize(
    ('number', 'status'), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_run_that_was_ended_by_a_signal_goes_on(number, status, source, tmp_path):
    """SIGTERM and SIGINT save what is done; SIGKILL loses what came after the last checkpoint."""
    words = ['train', 'vae', '--hidden', '4', '--latent-dim', '2', '--data', source]
    words += ['--batch-size', '4', '--dispatch', '2', '--run', str(tmp_path / 'run')]
    command = [sys.executable, '-m', 'genjax.cli', *words]
    many = [*command, '--steps', '1000000', '--eval-every', '20', '--sample-every', '20']
    with subprocess.Popen(many, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        wait_for(tmp_path / 'run' / 'checkpoints' / '20', process)
        os.kill(process.pid, number)
        error = process.communicate(timeout=60)[1].decode()
    assert process.returncode == status, error
    saved = load(tmp_path / 'run').state.step
    assert saved >= 20
    if status > 0:
        assert f'stopped at step {saved}' in error
    steps = str(saved // 2 * 2 + 10)
    assert main([*words, '--steps', steps]) == 0
    straight = [*words[:-1], str(tmp_path / 'straight'), '--steps', steps]
    assert main(straight) == 0
    one, two = (load(tmp_path / name).state.nets for name in ('run', 'straight'))
    assert different(one, two) == []
