"""Evaluations of runs: planted faults are named, honest models are not; figures while training."""

import json
import math
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from genjax import data, metrics
from genjax.cli import main
from genjax.evaluation.evaluation import evaluate, write
from genjax.evaluation.evidence import gather
from genjax.evaluation.figures import of_classes, of_labels, of_samples, of_sets
from genjax.evaluation.findings import findings
from genjax.evaluation.inference import Likelihoods, mean_codes, posteriors
from genjax.evaluation.vae_figures import of_factors, of_latents, of_likelihoods
from genjax.random import stream
from genjax.train import RunError, held_out, load, train
from genjax.train.run import divided

pytestmark = pytest.mark.usual_compiler
DIGITS = data.digits()
ORDER = np.random.default_rng(0).permutation(DIGITS.size)
# What the run knows, and other images of the same distribution.
KNOWN, OTHER = (DIGITS.x[rows] for rows in np.split(ORDER, [2000])[::1])
LABELS = DIGITS.y[ORDER[:2000]]
FEW = (
    'few images: frechet_distance is of 200 samples and 1800 training images with 128 features; of '
    'fewer than 2000 it is too large, by how much depends on their number: compare it with that of '
    'as many only'
)


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp('data') / 'digits.npz'
    np.savez(path, x=KNOWN, y=LABELS)
    return str(path)


@pytest.fixture(scope='module')
def run(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs') / 'vae'
    train('vae', source, run=folder, steps=2, batch_size=8, hidden=(8,), latent_dim=3)
    return load(folder)


def planted(run, images, noise=0.0, **others):
    """The run with samples drawn from some images."""
    images = np.float32(images) / 127.5 - 1

    def sample(state, key, n, y=None):
        rows = jax.random.randint(stream(key, 'rows'), (n,), 0, len(images))
        return images[np.asarray(rows)] + noise * jax.random.normal(
            stream(key, 'noise'), (n, 1, 1, 1)
        )

    return run._replace(model=run.model._replace(sample=sample, **others))


def measured(run):
    """Figures by name, without those that take long, and findings."""
    evidence = gather(run, None, None, 'auto', 0, 3, 1)
    q = posteriors(run, evidence)
    figures = named(of_samples(evidence), of_latents(q, evidence.key))
    *faults, few = findings(evidence, q, figures)
    assert few == FEW
    return figures, faults


def named(*parts):
    return {figure.name: figure for part in parts for figure in part}


def working(run):
    """With a posterior whose latents all depend on the image."""

    def encode(state, x, y=None):
        q = run.model.encode(state, x, y)
        rows = np.float32(x).reshape(len(x), -1)[:, 404 : 404 + q.mean.shape[1]] / 100
        return q.replace(mean=rows)

    return encode


def test_an_honest_model_is_not_accused(run):
    figures, faults = measured(planted(run, OTHER, encode=working(run)))
    assert faults == []

    for name in (
        'precision',
        'recall',
        'density',
        'coverage',
        'neighbour_distance',
        'inception_score',
    ):
        figure = figures[name]
        assert abs(figure.value - figure.real) < 0.15 * max(figure.real, 0.5), name
    assert figures['frechet_distance'].value < 2 * figures['frechet_distance'].real


def test_copies_of_training_images_are_named(run):
    copies = planted(run, divided(run)[0].x, noise=0.05, encode=working(run))
    figures, (fault,) = measured(copies)
    assert fault.startswith('memorisation: ')
    assert figures['copied_share'].value > 0.8


def test_copies_among_other_samples_are_named(run):
    mixed = np.concatenate([divided(run)[0].x[:500], np.random.default_rng(1).permutation(
        OTHER[:500].reshape(500, -1), axis=1).reshape(500, 28, 28, 1)])  # fmt: skip
    figures, faults = measured(planted(run, mixed, encode=working(run)))
    assert faults[0].startswith('memorisation: ')
    assert 0.4 < figures['near_copies_share'].value < 0.6
    # Of the samples that are copied in the wider sense, held-out images have as many.
    assert abs(figures['copied_share'].value - figures['copied_share'].real) < 0.1


def test_images_in_both_parts_do_not_hide_copies(tmp_path):
    """Without them in the comparison memorisation is seen; where all are such, it cannot be."""
    options = {'steps': 1, 'batch_size': 8, 'hidden': (8,), 'latent_dim': 3}
    known, both = KNOWN[:1800], 150
    options['held_out'] = str(tmp_path / 'held.npz')
    np.savez(options['held_out'], x=np.concatenate([known[:both], OTHER[:50]]))
    made = train('vae', known, run=tmp_path / 'run', **options)
    evidence = gather(planted(made, known, 0.05), known, None, 'auto', 0, 1, 1)
    assert evidence.trained_on.tolist() == [True] * both + [False] * 50
    figures = named(of_samples(evidence))
    assert figures['held_out_share_trained_on'].value == both / 200
    assert figures['near_copies_share'].real < 0.1
    memorised, overlap, _ = findings(evidence, None, figures)
    assert memorised.startswith('memorisation: ')
    assert overlap == (
        f'overlap: {both} of 200 held-out images are training images too: copies are looked for '
        'without them, all other figures take them for unseen; remove repeated images, or hold out '
        'others'
    )
    evidence = evidence._replace(trained_on=np.ones(200, bool))
    figures = named(of_samples(evidence))
    assert math.isnan(figures['near_copies_share'].real)
    faults = [text.partition(':')[0] for text in findings(evidence, None, figures)]
    assert faults == ['overlap', 'few images']


def test_repeated_images_are_named(run):
    evidence = gather(planted(run, OTHER), None, None, 'pixels', 100, 1, 0)
    again = np.concatenate([np.repeat(np.arange(10), 6), np.arange(10, 50)])
    reference = evidence.reference._replace(x=evidence.reference.x[again])
    evidence = evidence._replace(reference=reference)
    figures = named(of_samples(evidence))
    assert list(findings(evidence, None, figures))[-2] == (
        'repeated images: 60 of 100 training images are there more than 5 times: density and '
        'coverage count nothing but copies of these'
    )


def test_smooth_samples_are_no_copies(run):
    means = np.mean([np.roll(OTHER, i, 1 + i % 2) for i in (0, 1, -1)], axis=0)
    figures, faults = measured(planted(run, means, encode=working(run)))
    assert not [fault for fault in faults if 'memorisation' in fault]
    assert figures['near_copies_share'].value < 0.02


def test_a_collapse_is_named(run):
    _, faults = measured(planted(run, OTHER[:1], noise=0.02, encode=working(run)))
    assert {text.partition(':')[0] for text in faults} >= {'collapse'}
    assert faults[0].startswith('collapse: samples have 0.')
    _, faults = measured(planted(run, OTHER[:5], encode=working(run)))
    assert faults[0].startswith('collapse: half of the samples have another within 0, half of the')
    _, faults = measured(planted(run, OTHER[DIGITS.y[ORDER[2000:]] != 3], encode=working(run)))
    assert faults == ['collapse: samples of the classes [3] are all but missing']


def test_a_dead_latent_is_named(run):
    works = working(run)

    def encode(state, x, y=None):
        q = works(state, x, y)
        dead = np.arange(q.mean.shape[1]) == 1
        return q.replace(mean=np.where(dead, 0, q.mean), log_var=np.where(dead, 0, q.log_var))

    figures, (fault,) = measured(planted(run, OTHER, encode=encode))
    assert fault.startswith('posterior collapse of 1 of 3 latents, which do not depend on the')
    assert '1; their KL is 0 of' in fault
    assert figures['active_units'].value == 2


def test_each_image_is_encoded_once_and_posteriors_are_gaussian_or_none(run):
    seen = []

    def encode(state, x, y=None):
        seen.append(len(x))
        return run.model.encode(state, x, y)

    evidence = gather(run, None, None, 'pixels', 20, 1, 0)
    q = posteriors(planted(run, OTHER, encode=encode), evidence)
    assert sum(seen) == len(q.train.mean) + len(q.held_out.mean) == 1820
    assert posteriors(planted(run, OTHER, encode=lambda *_: {'levels': 3}), evidence) is None


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    """A run on sprites of one scale and orientation, and these."""
    whole = data.sprites()
    some = np.all(whole.factors[:, 1:3] == [2, 0], axis=1)
    given = {'x': whole.x[some], 'factors': whole.factors[some], 'factor_names': list('saoxy')}
    folder = tmp_path_factory.mktemp('drawn') / 'vae'
    options = {'steps': 1, 'batch_size': 8, 'hidden': (8,), 'latent_dim': 3, 'held_out': 0.5}
    return train('vae', given, run=folder, **options), given


def test_codes_are_compared_with_factors(drawn):
    """Codes that are the centre and a moment of the shape score high, by any kind of posterior."""
    made, given = drawn

    def encode(state, x, y=None):
        ink, place = np.float64(x[..., 0]), np.arange(32) - 15.5
        area = ink.sum(axis=(1, 2))
        across, down = (ink.sum(axis=axis) @ place / area for axis in (1, 2))
        return SimpleNamespace(mean=np.stack([across, area / 1e4, down], axis=1))

    def normal(state, x, y=None):
        means = np.float32(encode(state, x).mean)
        return made.model.encode(made.state, x).replace(mean=means, log_var=np.zeros_like(means))

    means = []
    for kind in encode, normal:
        planted = made._replace(model=made.model._replace(encode=kind))
        e = gather(planted, given, None, 'pixels', 0, 1, 0)
        q = posteriors(planted, e)
        assert (q is None) == (kind is encode)
        means.append(mean_codes(planted, e, q))
    np.testing.assert_allclose(*means, rtol=1e-5)
    assert e.held_out.factors.shape == (384, 3)
    found = named(of_factors(means[0], e.held_out.factors, e.key))
    assert [*found] == [
        'mig', 'sap', 'dci_disentanglement', 'dci_completeness', 'dci_informativeness',
        'modularity', 'beta_vae', 'factor_vae',
    ]  # fmt: skip
    for name, figure in found.items():
        assert figure.value > (0.5 if name == 'sap' else 0.8), name


def test_factors_that_are_too_few_have_no_figures(drawn, run):
    made, given = drawn
    e = gather(made, given, None, 'pixels', 150, 1, 0)
    means, factors = mean_codes(made, e, posteriors(made, e)), e.held_out.factors
    assert [*named(of_factors(means, factors * [0, 1, 0], e.key))] == ['mig', 'sap']
    assert not named(of_factors(means, 0 * factors, e.key))
    assert 'beta_vae' not in named(of_factors(means, np.arange(150)[:, None] * [1, 1], e.key))
    assert not named(of_factors(means[:99], factors[:99], e.key))
    plain = gather(run, None, None, 'pixels', 20, 1, 0)
    assert plain.held_out.factors is None
    without = run.model._replace(encode=lambda state, x, y=None: SimpleNamespace(levels=x))
    assert mean_codes(run._replace(model=without), plain, None) is None
    assert mean_codes(run._replace(model=None), plain, None) is None


def test_likelihoods_are_those_of_the_model(run):
    found = evaluate(run, resamples=1)
    assert found.facts['extractor'] == metrics.digits().mark
    assert found.facts['samples'] == 200
    figures = named(found.figures)
    batch = {'x': held_out(run).x}
    expected = run.model.evaluate(run.state, jax.random.key(0), batch)
    elbo, nll = figures['elbo (nats)'], figures['nll (nats, k=1000)']
    np.testing.assert_allclose(elbo.value, np.mean(expected['elbo']), rtol=0.01)
    assert -elbo.value >= nll.value
    assert not [name for name in figures if 'bits_per_dim' in name]  # Of binary images.


@pytest.mark.parametrize('likelihood', ['discretized_logistic', 'gaussian', 'learned_gaussian'])
def test_bits_are_those_of_levels(likelihood):
    estimate = metrics.Estimate(np.float32([-784, -392]), np.zeros(2), np.ones(2))
    bounds = dict.fromkeys(('elbo', 'log_px_z', 'kl'), np.zeros(2))
    found = named(of_likelihoods(Likelihoods(likelihood, 784, bounds, np.zeros(2), estimate)))
    bits = found.get('bits_per_dim (discretized_logistic)')
    assert (bits is not None) == (likelihood == 'discretized_logistic')
    assert bits is None or math.isclose(bits.value, 0.75 / math.log(2), rel_tol=1e-6)


def test_intervals_of_sets():
    """Student's: of normal draws, 95% of the intervals have the mean in them."""
    draws = np.random.default_rng(0).standard_normal((2000, 4)) + 7
    figures = [of_sets('x', row) for row in draws]
    assert 0.93 < np.mean([figure.low < 7 < figure.high for figure in figures]) < 0.97
    assert math.isnan(of_sets('x', [1.0]).low)


def test_the_command(run, source, tmp_path, capsys):
    out = tmp_path / 'out'
    words = ['--out', str(out), '--resamples', '1', '--n', '50', '--features', 'pixels']
    assert main(['evaluate', str(run.folder), *words]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('vae, step 2; features pixels-pca64@')
    assert printed.endswith(f'{out}\n')
    written = json.loads((out / 'evaluation.json').read_text())
    assert written['samples'] == 50
    assert written['extractor'].startswith('pixels-pca64@')
    assert all(math.isfinite(figure['value']) for figure in written['figures'])
    pictures = {'neighbours', 'reconstructions', 'samples', 'spectrum', 'traversals'}
    assert {path.stem for path in out.glob('*.png')} == pictures
    # An evaluation that is replaced leaves nothing of itself, also where the next one is cut off.
    (out / 'classes.png').touch()
    write(evaluate(run, features='pixels', n=50, resamples=1), run, out)
    assert {path.stem for path in out.glob('*.png')} == pictures


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'n': 3}, 'expected 20 training and held-out images or more, got 3'),
        ({'resamples': 0}, 'expected resamples to be an integer >= 1, got 0'),
        ({'data': 'digits'}, 'expected the data of the run, got others in digits'),
        ({'held_out': 'digits'}, 'expected no held-out data, since a share of 0.1 was held out'),
        ({'features': 'Inception'}, "expected an extractor, 'auto' or 'pixels', got 'Inception'"),
        (
            {'features': metrics.of_function('odd', lambda x: x[:, :30].reshape(1, 3))},
            'odd: ',
        ),
    ],
)
def test_what_is_refused(run, options, message):
    with pytest.raises(RunError, match=message):
        evaluate(run, **options)


def test_held_out_images_may_outnumber_training_images(tmp_path):
    options = {'steps': 1, 'batch_size': 8, 'hidden': (8,), 'latent_dim': 3}
    made = train('vae', KNOWN[:100], run=tmp_path / 'run', held_out=0.6, **options)
    evidence = gather(made, KNOWN[:100], None, 'auto', 0, 1, 0)
    assert len(evidence.held_out.x) == len(evidence.reference.x) == 40


def test_a_conditional_model_is_held_to_the_labels_that_it_was_given(tmp_path):
    rows = np.concatenate([np.flatnonzero(i == LABELS)[: 60 if i < 5 else 8] for i in range(10)])
    held = {'x': KNOWN[rows], 'y': LABELS[rows]}
    options = {'steps': 1, 'batch_size': 8, 'hidden': (8,), 'latent_dim': 3, 'num_classes': 10}
    np.savez(tmp_path / 'held.npz', **held)
    options['held_out'] = str(tmp_path / 'held.npz')
    source = {'x': KNOWN, 'y': LABELS}
    made = train('vae', source, run=tmp_path / 'run', **options)
    moved = tmp_path / 'moved.npz'
    (tmp_path / 'held.npz').rename(moved)
    images, own = np.float32(OTHER) / 127.5 - 1, DIGITS.y[ORDER[2000:]]

    def sample(state, key, n, y):
        return images[[np.random.default_rng(i).choice(np.flatnonzero(own == c))
                       for i, c in enumerate(y)]]  # fmt: skip

    made = made._replace(model=made.model._replace(sample=sample))
    evidence = gather(made, source, str(moved), 'auto', 0, 2, 0)
    figures = named(of_samples(evidence), of_classes(evidence), of_labels(evidence))
    assert not [fault for fault in findings(evidence, None, figures) if 'classes' in fault]
    assert figures['class_total_variation'].value < 0.05
    assert figures['class_accuracy'].value > 0.95
    within = figures['intra_class_frechet_distance']
    assert within.value < 2 * within.real


def test_a_handful_of_images_is_no_measure(tmp_path):
    options = {'steps': 1, 'batch_size': 2, 'hidden': (8,), 'latent_dim': 3}
    with pytest.raises(RunError, match='images or more for metrics, got 45 and 5'):
        train('vae', KNOWN[:50], run=tmp_path / 'run', metrics=('recall',), **options)
    assert not (tmp_path / 'run').exists()


def test_a_run_that_has_diverged_is_refused(run):
    state = run.state.replace(nets=jax.tree.map(lambda leaf: leaf * np.nan, run.state.nets))
    with pytest.raises(RunError, match='expected finite images, got NaN or infinity'):
        evaluate(run._replace(state=state), n=20)


def test_an_evaluation_that_cannot_be_written(run, tmp_path):
    (tmp_path / 'file').touch()
    found = evaluate(run, n=20, resamples=1)
    with pytest.raises(RunError, match='expected a folder to write to, got'):
        write(found, run, tmp_path / 'file' / 'out')


def test_the_best_checkpoint_by_a_metric(source, tmp_path):
    options = {'batch_size': 8, 'hidden': (8,), 'latent_dim': 3, 'steps': 12, 'dispatch': 4}
    kept = {}
    for monitor in 'frechet_distance', 'recall':
        folder = tmp_path / monitor
        names = ('frechet_distance', 'recall')
        made = train(
            'vae', source, run=folder, eval_every=4, metrics=names, monitor=monitor, **options
        )
        title = f'heldout/{monitor}/{metrics.digits().mark}'
        values = {r['step']: r[title] for r in made.finished.records}
        assert set(values) == {4, 8, 12}
        best = (min if monitor == 'frechet_distance' else max)(values.values())
        kept[monitor] = int(load(folder, 'best').state.step)
        assert values[kept[monitor]] == best
    for wrong, message in (
        ({'metrics': ('fid',)}, r"expected metrics among .*, got \['fid'\]"),
        ({'monitor': 'recall'}, r"expected a monitor among metrics=\(\), got 'recall'"),
    ):
        with pytest.raises(RunError, match=message):
            train('vae', source, run=tmp_path / 'new', **options, **wrong)
        assert not (tmp_path / 'new').exists()


def test_the_spectrum():
    """Of a plane wave, all of its power in one ring; of white noise, the same in all."""
    wave = np.cos(2 * np.pi * 3 * np.arange(16) / 16)[None, :, None, None] * np.ones((2, 16, 16, 1))
    power = 10 ** (metrics.spectrum(wave) / 10)
    assert power.shape == (9,)
    assert np.argmax(power) == 3
    assert np.delete(power, 3).max() < 1e-20
    noise = np.random.default_rng(0).standard_normal((400, 16, 16, 3)).clip(-6, 6)
    power = 10 ** (metrics.spectrum(noise, (-6, 6)) / 10)
    np.testing.assert_allclose(36 * power, 1, rtol=0.05)
    with pytest.raises(ValueError, match=r'expected images \[n, h, w, c\], got \[16, 16\]'):
        metrics.spectrum(noise[0, ..., 0])
