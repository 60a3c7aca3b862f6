"""Runs: what a folder holds, and that it ends the same however often it was interrupted."""

import contextlib
import json
import shutil

import jax
import numpy as np
import pytest

import genjax
from experiments.parallel import difference
from genjax import data, gan, vae
from genjax.evaluation import sampling
from genjax.train import Checkpoints, DivergedError, RunError, held_out, load, train, view
from genjax.train.logs import read
from genjax.train.recorder import Recorder
from tests.contracts.subject import different

RNG = np.random.default_rng(0)
IMAGES = data.from_arrays(RNG.integers(0, 256, (40, 28, 28, 1), np.uint8), RNG.integers(0, 3, 40))
PACE = {'batch_size': 4, 'dispatch': 5, 'sample_every': 5, 'eval_every': 10}
TINY = {'hidden': (4,), 'latent_dim': 2}


def run_vae(folder, steps=20, **options):
    return train('vae', IMAGES, run=folder, steps=steps, **{**PACE, **TINY, **options})


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    return run_vae(tmp_path_factory.mktemp('runs') / 'whole')


def assert_same_run(one, two):
    """State, metrics and pictures agree bit for bit."""
    assert different(one.state, two.state) == []
    metrics = [(run.folder / 'metrics.jsonl').read_text() for run in (one, two)]
    assert metrics[0] == metrics[1]
    pictures = [sorted(p.name for p in (r.folder / 'samples').iterdir()) for r in (one, two)]
    assert pictures[0] == pictures[1]
    for name in pictures[0]:
        images = [(run.folder / 'samples' / name).read_bytes() for run in (one, two)]
        assert images[0] == images[1]


def test_a_run_leaves_all_that_the_readme_says(whole):
    folder = whole.folder
    found = {path.name for path in folder.iterdir() if not path.name.startswith('.')}
    assert found == {
        'checkpoints', 'config.json', 'loss.png', 'metrics.jsonl', 'reconstructions', 'samples',
        'tensorboard', 'timeline.gif',
    }  # fmt: skip
    steps = [f'step_{step:08d}.png' for step in (0, 5, 10, 15, 20)]
    assert sorted(p.name for p in (folder / 'samples').iterdir()) == steps
    records = read(folder / 'metrics.jsonl')
    assert [r['step'] for r in records] == [5, 10, 15, 20]
    assert ['heldout/elbo' in r for r in records] == [False, True, False, True]
    config = json.loads((folder / 'config.json').read_text())
    assert config == whole.config
    assert config['options']['likelihood'] == 'discretized_logistic'
    assert whole.finished.signal is None
    assert not whole.finished.early


def test_a_continued_run_is_the_uninterrupted_one(whole, tmp_path):
    run_vae(tmp_path / 'run', steps=10)
    assert_same_run(run_vae(tmp_path / 'run'), whole)


@pytest.mark.parametrize('first', [True, False])
def test_a_run_goes_on_whether_or_not_jax_is_in_64_bits(tmp_path, first):
    """Its numbers are float32 either way, and its order and noise the same."""
    usual = run_vae(tmp_path / 'usual', steps=4, dispatch=2)
    with jax.enable_x64(first):
        run_vae(tmp_path / 'run', steps=2, dispatch=2)
    with jax.enable_x64(not first):
        run = run_vae(tmp_path / 'run', steps=4, dispatch=2)
        again = load(tmp_path / 'run')
    for state in (run.state, load(tmp_path / 'run').state):
        assert different(state, again.state) == []
    assert difference(usual.state, run.state) < 1e-5


def test_a_run_that_crashed_goes_on_from_its_last_checkpoint(whole, tmp_path, monkeypatch):
    capture = Recorder.capture

    def crash(self, step, state, metrics):
        if step == 20:
            raise KeyError('crash')
        return capture(self, step, state, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, 'capture', crash)
        patch.setattr('genjax.train.recorder._REDRAWN', -1)
        with pytest.raises(KeyError):
            run_vae(tmp_path / 'run')
    assert (tmp_path / 'run' / 'loss.png').is_file()  # It is drawn on the way.
    assert read(tmp_path / 'run' / 'metrics.jsonl')[-1]['step'] == 15
    assert load(tmp_path / 'run').state.step == 10
    assert_same_run(run_vae(tmp_path / 'run'), whole)


def streamed(patch, whether=True):
    """Has Grain bring the data, or has them on the device."""
    patch.setattr('genjax.train.dispatch.fits', lambda *_: not whether)
    patch.setattr('genjax.train.dispatch.on_device' if whether else 'genjax.data.stream', None)


def test_data_that_do_not_fit_on_the_device_give_the_same_run(whole, tmp_path, monkeypatch):
    streamed(monkeypatch)
    assert_same_run(run_vae(tmp_path / 'run'), whole)


def test_what_is_mapped_from_a_file_is_streamed(tmp_path, monkeypatch):
    np.save(tmp_path / 'x.npy', IMAGES.x)
    mapped, held = np.load(tmp_path / 'x.npy', mmap_mode='r'), IMAGES.x[:4]
    with monkeypatch.context() as patch:
        patch.setattr('genjax.train.dispatch.on_device', None)
        one = train('vae', mapped, run=tmp_path / 'one', steps=5, held_out=held, **PACE, **TINY)
    options = {'run': tmp_path / 'two', 'steps': 5, 'held_out': held, **PACE, **TINY}
    assert_same_run(one, train('vae', IMAGES.x, **options))


@pytest.mark.usual_compiler
def test_a_gan_is_continued_as_exactly_wherever_its_data_are(tmp_path, monkeypatch):
    tiny = {'hidden': (4,), 'latent_dim': 3, 'num_classes': 3, 'n_critic': 2}
    options = {**PACE, 'eval_every': 5, **tiny}
    one = train('gan', IMAGES, run=tmp_path / 'one', steps=15, **options)
    for steps, whether in ((5, True), (10, False), (15, True)):
        with monkeypatch.context() as patch:
            streamed(patch, whether)
            two = train('gan', IMAGES, run=tmp_path / 'two', steps=steps, **options)
    assert_same_run(two, one)


@pytest.mark.parametrize(
    ('patience', 'order'),
    [
        (0, 'dispatch 5, dispatch 10, 5, dispatch 15, 10, dispatch 20, 15, 20'),
        (9, 'dispatch 5, dispatch 10, 5, 10, dispatch 15, dispatch 20, 15, 20'),
    ],
)
def test_a_dispatch_is_recorded_while_the_next_one_runs(tmp_path, monkeypatch, patience, order):
    """And before it, where its held-out figures may end the training."""
    events, capture = [], Recorder.capture

    def spy(self, step, state, metrics):
        events.append(f'dispatch {step}')
        write = capture(self, step, state, metrics)
        return lambda: (events.append(str(step)), write())[1]

    monkeypatch.setattr(Recorder, 'capture', spy)
    run_vae(tmp_path, patience=patience)
    assert ', '.join(events) == order


def test_a_profile_is_written_on_request_and_changes_nothing(whole, tmp_path, capfd):
    run = run_vae(tmp_path, profile=True)
    assert len(list((tmp_path / 'profile').rglob('*.xplane.pb'))) == 1
    assert f'a profile is in {tmp_path / "profile"}' in capfd.readouterr().err
    assert_same_run(run, whole)
    assert run.config == whole.config


def test_a_profile_that_cannot_be_is_refused(tmp_path, monkeypatch):
    def fail(folder):
        raise RuntimeError('another is under way')

    monkeypatch.setattr(jax.profiler, 'start_trace', fail)
    with pytest.raises(RunError, match='the profiler cannot run: another is under way'):
        run_vae(tmp_path, profile=True)


def test_a_run_that_has_its_steps_is_left_as_it_is(whole):
    again = run_vae(whole.folder)
    assert_same_run(again, whole)


def test_a_run_is_loaded_at_any_checkpoint(whole):
    key = jax.random.key(1)
    loaded = genjax.load(whole.folder)
    images = loaded.model.sample(loaded.state, key, 3)
    np.testing.assert_array_equal(images, whole.model.sample(whole.state, key, 3))
    assert load(whole.folder, 10).state.step == 10
    elbo = {r['step']: r['heldout/elbo'] for r in whole.finished.records if 'heldout/elbo' in r}
    assert load(whole.folder, 'best').state.step == max(elbo, key=elbo.get)
    with pytest.raises(RunError, match=r"among \['latest', 'best', 10, 20\], got 15"):
        load(whole.folder, 15)


def test_the_held_out_part_is_never_trained_on(whole):
    held = held_out(whole, IMAGES)
    rest, same = data.split(IMAGES, 0.1)
    np.testing.assert_array_equal(held.x, same.x)
    seen = {image.tobytes() for image in rest.x}
    assert not seen & {image.tobytes() for image in held.x}
    with pytest.raises(RunError, match='expected the data of the run, got none'):
        held_out(whole)
    with pytest.raises(RunError, match='expected the data of the run, got others'):
        held_out(whole, data.from_arrays(IMAGES.x[1:]))


def test_data_are_found_again_where_they_were(tmp_path, monkeypatch):
    np.savez(tmp_path / 'some.npz', x=IMAGES.x)
    monkeypatch.chdir(tmp_path)
    run = train('vae', 'some.npz', run='run', steps=1, **TINY)
    monkeypatch.chdir('/')
    assert held_out(load(tmp_path / run.folder)).size == 4


def test_what_is_held_out_may_be_given_by_itself(tmp_path, monkeypatch):
    test = data.from_arrays(IMAGES.x[:7] // 2, IMAGES.y[:7])
    np.savez(tmp_path / 'test.npz', x=test.x, y=test.y)
    monkeypatch.chdir(tmp_path)
    run = run_vae(tmp_path / 'run', steps=1, held_out='test.npz')
    np.testing.assert_array_equal(held_out(load(run.folder)).x, test.x)
    np.testing.assert_array_equal(held_out(run, test).x, test.x)
    with pytest.raises(RunError, match='held_out: the run has'):
        run_vae(tmp_path / 'run', steps=1)
    with pytest.raises(RunError, match='got others'):
        held_out(run, IMAGES)


def test_an_option_that_is_new_is_at_its_default_in_an_old_run(tmp_path):
    run = run_vae(tmp_path, steps=5)
    config = dict(run.config, options=dict(run.config['options']))
    del config['options']['clip_norm']
    (tmp_path / 'config.json').write_text(json.dumps(config))
    with pytest.raises(
        RunError, match=r'options.clip_norm: the run has None, the command says 0.5'
    ):
        run_vae(tmp_path, steps=5, clip_norm=0.5)
    assert run_vae(tmp_path, steps=5).config == run.config


def test_files_of_a_user_in_a_run_folder_are_left_alone(tmp_path):
    run_vae(tmp_path, steps=5)
    mine = [tmp_path / 'mine' / 'step_00000100.png', tmp_path / 'samples' / 'step_8 (copy).png']
    later = tmp_path / 'samples' / 'step_00000900.png'
    (tmp_path / 'mine').mkdir()
    for path in (*mine, later):
        path.write_bytes(b'x')
    run_vae(tmp_path, steps=10)
    assert all(path.exists() for path in mine)
    assert not later.exists()


def test_a_disk_that_is_full_keeps_the_checkpoints_before(tmp_path, monkeypatch):
    run_vae(tmp_path, steps=10)

    def full(*args, **kwargs):
        raise ValueError('RESOURCE_EXHAUSTED: no space left on device')

    with monkeypatch.context() as patch:
        patch.setattr('orbax.checkpoint.CheckpointManager.save', full)
        with pytest.raises(RunError, match='a checkpoint cannot be written: RESOURCE_EXHAUSTED'):
            run_vae(tmp_path, steps=20)
    assert load(tmp_path).state.step == 10


def test_a_model_that_has_diverged_is_seen_and_said(tmp_path):
    run = run_vae(tmp_path, steps=5)
    spoil = lambda net: net.replace(params=jax.tree.map(lambda p: p * np.nan, net.params))  # noqa: E731
    nets = {name: spoil(net) for name, net in run.state.nets.items()}
    lost = run._replace(state=run.state.replace(nets=nets))
    with pytest.raises(RunError, match='the model has diverged'):
        sampling.samples(lost, 4)
    grey = view(run.model, IMAGES, IMAGES, 0).pictures(lost.state)()['samples']
    assert set(np.unique(grey)) == {128, 255}


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    run_vae(tmp_path, steps=5)
    other = vae.vae((28, 28, 1), **{**TINY, 'latent_dim': 3}).init(jax.random.key(0))
    saved = Checkpoints(tmp_path / 'checkpoints', read_only=True)
    with contextlib.closing(saved), pytest.raises(RunError, match=r'is of another model: .*nets'):
        saved.restore(5, other)


@pytest.mark.parametrize('place', [0.3, 0.6, 0.9])
def test_a_checkpoint_in_which_bits_have_flipped_is_refused(whole, tmp_path, place):
    shutil.copytree(whole.folder, tmp_path / 'run')
    data = max((tmp_path / 'run/checkpoints/20').rglob('d/*'), key=lambda path: path.stat().st_size)
    bytes_ = bytearray(data.read_bytes())
    bytes_[int(place * len(bytes_))] ^= 1
    data.write_bytes(bytes_)
    with pytest.raises(RunError, match='checkpoint 20 cannot be read; remove it to go on from 10'):
        load(tmp_path / 'run')


def damaged(run, folder, figures):
    shutil.copytree(run.folder, folder)
    (folder / 'checkpoints/20/metrics/metrics').write_text(figures)
    return folder


@pytest.mark.parametrize('figures', ['', '{', '[1]'])
def test_figures_of_a_checkpoint_that_cannot_be_read_are_refused(whole, tmp_path, figures):
    with pytest.raises(RunError, match=r'expected the figures of checkpoints in .*/metrics, got'):
        load(damaged(whole, tmp_path / 'run', figures))


@pytest.mark.parametrize('figures', ['{"monitor": "x"}', '{}', '{"monitor": null}'])
def test_a_checkpoint_without_figures_is_not_the_best(whole, tmp_path, figures):
    assert load(damaged(whole, tmp_path / 'run', figures), 'best').state.step == 10


def test_a_checkpoint_of_another_run_is_refused(whole, tmp_path):
    run = run_vae(tmp_path, seed=1)
    shutil.rmtree(tmp_path / 'checkpoints')
    shutil.copytree(whole.folder / 'checkpoints', tmp_path / 'checkpoints')
    with pytest.raises(RunError, match=r'checkpoint 20 is of another run: expected the same seed$'):
        load(run.folder)
    with pytest.raises(RunError, match='checkpoint 20 is of another run'):
        run_vae(tmp_path, seed=1, steps=25)


def test_a_training_that_no_longer_moves_is_stopped_and_explained(tmp_path):
    broken = {'learning_rate': 1e30, 'dispatch': 60, 'eval_every': 60, 'sample_every': 60}
    told = (
        r'vae was not updated in 1\d\d steps in a row, from step 2 on, where these were not '
        r'finite: .*vae/loss.*; the next step has its first nan generated by primitive: \w+, '
        r'at .*:\d+, `.+`'
    )
    with pytest.raises(DivergedError, match=told):
        run_vae(tmp_path, steps=240, **broken)
    kept = load(tmp_path)
    assert kept.state.step == 60
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(kept.state.nets))
    assert [record['vae/skipped'] for record in read(tmp_path / 'metrics.jsonl')] == [59, 119]


def test_training_ends_early_and_stays_ended(tmp_path):
    def still():
        return run_vae(
            tmp_path, steps=1000, eval_every=5, patience=2, learning_rate=0.0,
            likelihood=vae.grey_bernoulli,
        )  # fmt: skip

    run = still()
    assert run.finished.early
    assert run.state.step == 15
    again = still()
    assert again.finished.early
    assert again.state.step == 15


def test_a_recipe_of_ones_own_is_trained_and_loaded(tmp_path):
    def mine(image_shape=(28, 28, 1), *, objective: gan.objectives.ObjectiveLike = gan.hinge):
        return gan.dcgan(image_shape, width=2, latent_dim=2, objective=objective())

    run = train(mine, IMAGES, run=tmp_path, steps=2, objective=gan.wasserstein)
    assert run.config['recipe'] == 'mine'
    assert run.config['options'] == {'objective': 'wasserstein'}
    assert load(tmp_path, recipe=mine).state.step == 2
    with pytest.raises(RunError, match="unknown recipe 'mine'"):
        load(tmp_path)
