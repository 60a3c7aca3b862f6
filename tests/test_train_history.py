"""What became of a run is on record and told: its stacks, its start, its changes."""

import contextlib
import json
import shutil

import jax
import numpy as np
import pytest

from genjax import data, parallel, vae
from genjax.core import with_hypers
from genjax.train import Checkpoints, RunError, held_out, load, train
from genjax.train.config import config_hash
from genjax.train.history import as_of, changed, judged_since, offset, stack, told
from genjax.train.start import begun, named, start
from tests.contracts.subject import different, plain

RNG = np.random.default_rng(0)
DATA = np.uint8(RNG.integers(0, 255, (40, 4, 4, 1)))
SCHEDULE = 'cosine_decay_schedule:init_value=0.001,decay_steps=100'


def run(folder, steps):
    options = {'hidden': (4,), 'latent_dim': 2, 'dispatch': 1, 'batch_size': 4}
    return train('vae', DATA, run=folder, steps=steps, **options)


def test_a_run_records_what_it_was_computed_by(tmp_path, capsys, monkeypatch):
    first = run(tmp_path, 1).config
    (now,) = first['stacks']
    assert now == stack() == load(tmp_path).config['stacks'][0]
    assert now['jax'] == jax.__version__
    assert run(tmp_path, 2).config == first
    assert 'stack' not in capsys.readouterr().err

    other = {**now, 'jax': '0.9.9', 'processor': ['avx', 'sve']}
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**config, 'stacks': [other]}))
    assert run(tmp_path, 3).config['stacks'] == [other, now]
    told = capsys.readouterr().err
    assert 'genjax: the run goes on under another stack, and will differ in the last digits' in told
    assert f'jax 0.9.9 -> {now["jax"]}, processor avx sve -> ' in told
    assert run(tmp_path, 3).config['stacks'] == [other, now]


def test_a_run_of_an_unknown_stack_goes_on_in_silence():
    assert changed([], stack()) == ''
    assert changed([{}, stack()], stack()) == ''


DATA_60 = data.from_arrays(RNG.integers(0, 256, (60, 4, 4, 1), np.uint8))
TINY = {
    'likelihood': 'bernoulli',
    'hidden': (4,),
    'latent_dim': 2,
    'batch_size': 4,
    'dispatch': 2,
    'eval_every': 2,
}
CHANGED = {'batch_size': 8, 'learning_rate': 0.01, 'beta': 3.0}


def go(folder, steps, source=DATA_60, **options):
    return train('vae', source, run=folder, **{'steps': steps, **TINY, **options})


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A run of four steps."""
    return go(tmp_path_factory.mktemp('history') / 'run', 4, ema_decay=0.9)


def copied(run, folder):
    return shutil.copytree(run.folder, folder / 'run')


def test_a_change_goes_on_at_the_place_in_the_data_with_what_the_command_says(whole, tmp_path):
    """By a naive loop: eight examples a step, after the sixteen that were seen."""
    folder = copied(whole, tmp_path)
    run = go(folder, 6, change=True, ema_decay=0.9, **CHANGED)
    trained, _ = data.split(DATA_60, 0.1)
    state = with_hypers(load(folder, 4).state, {'vae/beta': 3.0})
    for step in (4, 5):
        rows = data.indices(trained.size, 0, 16 + 8 * (step - 4), 8)
        state, _ = run.model.train_step(state, {'x': trained.x[rows]})
    assert run.state.hypers['vae/beta'] == 3.0
    for one, two in zip(jax.tree.leaves(state.nets), jax.tree.leaves(run.state.nets), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_checkpoint_from_before_a_change_is_what_it_was(whole, tmp_path):
    folder = copied(whole, tmp_path)
    run = go(folder, 6, change=True, likelihood='grey_bernoulli', ema_decay=0.9)
    assert config_hash(load(folder, 4).config) == config_hash(whole.config)
    assert load(folder, 4).config['options']['likelihood'] == 'bernoulli'
    assert load(folder, 6).config == run.config
    # Its bounds are of another likelihood, so that the newest alone is ranked.
    assert load(folder, 'best').state.step == 6


@pytest.mark.parametrize(('first', 'second'), [(0.1, SCHEDULE), (SCHEDULE, 0.1)])
def test_a_rate_may_be_changed_for_a_schedule_and_back(tmp_path, first, second):
    go(tmp_path, 2, learning_rate=first)
    run = go(tmp_path, 4, learning_rate=second, change=True)
    assert run.state.step == 4
    counts = [leaf for name, leaf in plain(run.state).items() if name.endswith('.count')]
    assert {int(count) for count in counts} == {4}


@pytest.mark.parametrize(('white', 'reading'), [(255, {}), (1.0, {'range': [0.0, 1.0]})])
def test_a_grown_data_set_is_a_change_and_says_who_was_trained_on(tmp_path, capsys, white, reading):
    x = DATA_60.x if white == 255 else DATA_60.x / 255
    small, large = tmp_path / 'small.npz', tmp_path / 'large.npz'
    np.savez(small, x=x[:40])
    np.savez(large, x=x)
    go(tmp_path / 'run', 2, small, reading=reading)
    run = go(tmp_path / 'run', 4, large, change=True, reading=reading)
    (change,) = run.config['changes']
    held = data.split(data.load(large, reading=reading), 0.1)[1].x
    trained = {image.tobytes() for image in data.split(data.load(small, reading=reading), 0.1)[0].x}
    assert change['once_trained'] == sum(image.tobytes() in trained for image in held) > 0
    assert change['position'] == 0
    assert change['what']['source'] == [str(small), str(large)]
    told = f'{change["once_trained"]} of the images held out from then on were trained on before'
    assert told in capsys.readouterr().err
    assert load(tmp_path / 'run', 'best').state.step == 4
    assert held_out(load(tmp_path / 'run')).size == 6


def test_changes_are_undone_from_the_last():
    options = {'beta': '3.0', 'k': 1}
    what = [
        {'batch_size': [4, 8]},
        {'options.beta': ['1.0', '2.0']},
        {'options.beta': ['2.0', '3.0']},
    ]
    changes = [
        {'step': step, 'position': place, 'what': each}
        for step, place, each in zip((4, 6, 6), (16, 32, 32), what, strict=True)
    ]
    config = {'batch_size': 8, 'options': options, 'changes': changes}
    assert as_of(config, 7) == config
    assert as_of(config, 6)['options'] == {'beta': '1.0', 'k': 1}
    assert as_of(config, 6)['changes'] == changes[:1]
    assert as_of(config, 4) == {'batch_size': 4, 'options': {'beta': '1.0', 'k': 1}}
    assert 6 * 8 + offset(config, 8) == 32
    assert options['beta'] == '3.0'


def test_figures_count_after_the_warm_up_and_after_what_they_measure_was_changed():
    config = {'options': {'warmup': 5}}
    assert judged_since({'options': {}}) == 0
    assert judged_since(config) == 5
    change = {'step': 9, 'position': 0, 'what': {'fingerprint': ['a', 'b']}}
    assert judged_since({**config, 'changes': [change]}) == 10
    assert judged_since({**config, 'changes': [{**change, 'what': {'batch_size': [1, 2]}}]}) == 5


def test_patience_begins_after_the_warm_up(tmp_path):
    still = {'learning_rate': 0.0, 'likelihood': 'grey_bernoulli', 'patience': 1, 'warmup': 6}
    run = go(tmp_path, 100, **still)
    assert run.finished.early
    assert run.state.step == 8
    assert load(tmp_path, 'best').state.step == 8


def test_what_does_not_fit_is_made_anew_and_averages_are_carried(whole, tmp_path):
    model = vae.vae((4, 4, 1), hidden=(4,), latent_dim=3, ema_decay=0.9)
    told = begun(named(whole.folder), model)
    new = model.init(jax.random.key(0))
    config = {**whole.config, **told, 'seed': 0}
    with contextlib.closing(Checkpoints(tmp_path)) as checkpoints:
        state = start(model, config, parallel.mesh(1), checkpoints)
    kept = 0
    for where in ('nets', 'ema'):
        ours, theirs = (plain(getattr(s, where)) for s in (state, whole.state))
        for name, leaf in ours.items():
            there = theirs[name].shape == leaf.shape
            kept += there
            expected = theirs[name] if there else plain(getattr(new, where))[name]
            np.testing.assert_array_equal(leaf, expected, err_msg=name)
    assert int(state.memory['ema/encoder']['steps']) == 4
    assert told['start']['carried'] == kept > 0
    assert len(told['start']['new']) == len(jax.tree.leaves((new.nets, new.ema))) - kept > 0
    assert told['start']['new'][0].startswith('nets/')
    assert int(state.step) == 0


def test_an_average_that_the_source_has_not_is_that_of_the_networks(whole, tmp_path):
    plainly = go(tmp_path / 'run', 2)
    model = vae.vae((4, 4, 1), hidden=(4,), latent_dim=2, ema_decay=0.9)
    config = {'seed': 0, **begun(named(plainly.folder), model)}
    with contextlib.closing(Checkpoints(tmp_path / 'none')) as checkpoints:
        state = start(model, config, parallel.mesh(1), checkpoints)
    for name, leaf in plain(state.ema).items():
        np.testing.assert_array_equal(leaf, plain(plainly.state.nets)[name])


@pytest.mark.parametrize(
    ('said', 'name'),
    [('/a/b', '/a/b:latest'), ('/a/b:7', '/a/b:7'), ('/a/b:best', '/a/b:best'),
     ('/a:b/c', '/a:b/c:latest')],
)  # fmt: skip
def test_the_source_of_a_start_is_named_with_its_step(said, name):
    assert named(said) == name


def test_what_became_of_a_run_is_on_record_and_the_same_commands_give_the_same_bits(
    whole, tmp_path, capsys
):
    """Of a run that was started from another and changed, however often it was interrupted."""
    source = copied(whole, tmp_path)
    options, changed = {'ema_decay': 0.9, 'start_from': source}, CHANGED | {'change': True}
    one, two = tmp_path / 'one', tmp_path / 'two'
    first = go(one, 2, **options)
    leaves = len(jax.tree.leaves((first.state.nets, first.state.ema)))
    start = {'config': config_hash(whole.config), 'step': 4, 'carried': leaves, 'new': []}
    assert (first.config['start'], first.config['start_source']) == (start, f'{source}:latest')
    shutil.copytree(one, two)
    shutil.rmtree(source)
    with pytest.raises(RunError, match=r'holds another run:(.*\n)*say --change to change that'):
        go(one, 6, **options, **CHANGED)
    run = go(one, 6, **options, **changed)
    go(two, 4, **options, **changed)
    assert capsys.readouterr().err.count('genjax: changed at step 2') == 2
    again = go(two, 6, **options, **CHANGED)
    assert different(run.state, again.state) == []
    assert run.config == again.config == load(two).config
    what = {
        'batch_size': [4, 8], 'options.beta': ['1.0', '3.0'],
        'options.learning_rate': ['0.001', '0.01'],
    }  # fmt: skip
    assert run.config['changes'] == [{'step': 2, 'position': 8, 'what': what}]
    assert list(told(run.config)) == [
        f'started from {source}:latest, step 4 of config {start["config"]}: {leaves} arrays '
        'carried over, 0 made anew',
        'changed at step 2: batch_size 4 -> 8, options.beta 1.0 -> 3.0, options.learning_rate '
        '0.001 -> 0.01',
    ]
    assert 'changed at step' not in capsys.readouterr().err
