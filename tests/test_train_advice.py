"""What is said before a training starts, and what the data decide."""

import json

import jax
import numpy as np
import pytest

from genjax import data, gan, vae
from genjax.cli import main
from genjax.train import RunError, held_out, load, train
from genjax.train.advice import advised, photographs, plan, warnings
from genjax.train.config import describe_options
from genjax.train.pace import Pace, checked_pace, timed
from tests.image_files import write

RNG = np.random.default_rng(0)
GREYS = data.from_arrays(RNG.integers(0, 256, (40, 16, 16, 1), np.uint8), [0, 1] * 20)
BINARY = data.from_arrays((GREYS.x > 127) * np.uint8(255))
PACE = Pace(100, 10)


def said(recipe, trained=GREYS, batch_size=8, **options):
    told = describe_options(recipe, options)
    model = recipe(trained.image_shape, **options)
    state = jax.eval_shape(model.init, jax.random.key(0))
    config = {'options': told, 'batch_size': batch_size}
    return warnings(config, state, trained, model.num_classes)


SMALL = {'hidden': (4,), 'latent_dim': 2}
SPOILT = {
    'bernoulli of photographs': (
        (vae.vae, GREYS),
        SMALL,
        'of the pixels are grey, and bernoulli draws each black or white anew: ',
    ),
    'levels of binary images': (
        (vae.vae, BINARY),
        {'likelihood': 'discretized_logistic', **SMALL},
        'densities of images in black and white have no bound, bernoulli fits them',
    ),
    'a wide gaussian': (
        (vae.vae, GREYS),
        {'likelihood': 'gaussian', **SMALL},
        'gaussian:scale=1 is as wide as all that pixels can be',
    ),
    'mirrored images': (
        (vae.vae, GREYS),
        {'augment': 'flip', **SMALL},
        'flip makes a VAE draw mirrored images as often as others',
    ),
    'halves that are mirrored': (
        (gan.gan, GREYS),
        {'augment': 'flip:probability=0.5', **SMALL},
        'leaves open which way round samples are',
    ),
    'labels that are not used': (
        (gan.gan, GREYS),
        SMALL,
        'the labels of 2 classes are not used: num_classes=2 uses them',
    ),
    'a batch of more than there is': (
        (gan.gan, GREYS),
        {'batch_size': 41, **SMALL},
        'a batch of 41 has each of 40 images more than once',
    ),
    'a penalty of batches': (
        (gan.dcgan, GREYS),
        {'penalties': 'r1', 'width': 4},
        'batch norm in the discriminator makes one of its batch',
    ),
    'statistics of pieces': (
        (gan.dcgan, GREYS),
        {'microbatches': 2, 'width': 4},
        'batch norm takes its statistics of pieces of 4 images, not of all 8',
    ),
    'statistics of one': (
        (gan.dcgan, GREYS),
        {'microbatches': 8, 'width': 4},
        'batch norm of a single image puts out nothing but its shift',
    ),
    'no bound on a critic': (
        (gan.gan, GREYS),
        {'objective': 'wasserstein', **SMALL},
        "wasserstein's loss has no bound without weight_clip or a penalty",
    ),
    'nothing to learn by': (
        (vae.vae, GREYS),
        {'dropout': 1.0, **SMALL},
        'a dropout of 1 leaves nothing to learn by',
    ),
}


RISING = 'linear_schedule:init_value=0.0,end_value=1.0,transition_steps=9'
NEVER = 'patience looks at what is measured after the warm-up, of 100 steps, and there are 100'


@pytest.mark.parametrize(
    ('options', 'waits', 'monitor', 'texts'),
    [
        ({'warmup': 100}, 3, 'recall', [NEVER]),
        ({'warmup': 50}, 3, '', []),
        ({'warmup': 100}, 0, '', []),
        ({'free_bits': 0.5}, 3, '', ['free_bits lets training fill latents at no cost']),
        ({'free_bits': 0.5}, 3, 'recall', []),
        ({'beta': RISING}, 3, '', ['beta follows a schedule, and the bound that patience looks']),
        ({'beta': 2.0}, 3, '', []),
    ],
)
def test_what_patience_would_misjudge_is_said(options, waits, monitor, texts):
    told = describe_options(vae.vae, options)
    model, pace = vae.vae((16, 16, 1), **SMALL, **options), PACE._replace(patience=waits)
    config = {'options': told, 'batch_size': 8, 'notes': []}
    notes = advised(config, model, BINARY, BINARY, pace, monitor)[0]['notes']
    assert len(notes) == len(texts)
    assert all(note.startswith(text) for note, text in zip(notes, texts, strict=True))


@pytest.mark.parametrize(('of', 'options', 'text'), SPOILT.values(), ids=SPOILT)
def test_what_would_spoil_a_training_is_said(of, options, text):
    assert any(text in line for line in said(*of, **options))


def test_what_is_well_is_not_said():
    fair = BINARY._replace(y=GREYS.y)
    assert said(vae.vae, fair, num_classes=2, **SMALL) == []
    assert said(gan.wgan_gp, fair, num_classes=2, width=4) == []
    assert said(gan.wgan, BINARY, width=4) == []
    assert not photographs(data.digits())


def test_the_plan_counts_passes():
    model = gan.gan(**SMALL)
    state = jax.eval_shape(model.init, jax.random.key(0))
    config = {'options': {'precision': 'float32'}, 'batch_size': 8}
    first, second, *_ = plan(config, state, GREYS, BINARY, PACE, 16)
    assert ', float32; state ' in first
    assert second == (
        '40 training images 16x16x1 of 2 classes, 40 held out; 100 steps of 16 are 40 passes over '
        'them'
    )
    config |= {'image_shape': [16, 16, 1], 'options': {'penalties': ['r1:weight=2', 'wgan_gp']}}
    told = plan(config, state, GREYS, BINARY, PACE, 16)[2]
    assert told.startswith('r1:weight=2, of weight 10 where')
    assert 'StyleGAN2, is 0.0064 here' in told


def test_passes_stand_for_steps():
    assert timed(checked_pace(Pace(0), 2.5), 2.5, 4.1).steps == 11
    assert timed(Pace(7), 0.0, 4.1).steps == 7
    for steps, epochs in ((3, 1.0), (0, -1.0), (0, float('nan'))):
        with pytest.raises(RunError, match='expected steps or epochs > 0, got'):
            checked_pace(Pace(steps), epochs)


@pytest.fixture
def pets(tmp_path, data_cache):
    images = RNG.integers(0, 256, (12, 8, 8), np.uint8)
    names = [f'{part}__{pet}__{i}' for part in ('train', 'test') for pet in 'ab' for i in range(3)]
    write(tmp_path / 'pets', **dict(zip(names, images, strict=True)))
    return tmp_path / 'pets'


def test_the_data_decide_what_is_not_chosen(pets, tmp_path, capsys):
    words = ['--data', str(pets), '--run', str(tmp_path / 'run'), '--hidden', '4']
    words += ['--latent-dim', '2', '--batch-size', '3', '--num-classes', 'auto']
    assert main(['train', 'vae', *words, '--epochs', '2']) == 0
    error = capsys.readouterr().err
    assert "'train' is trained on, 'test' is held out" in error
    assert 'the likelihood is discretized_logistic, unless another is chosen' in error
    config = json.loads((tmp_path / 'run' / 'config.json').read_text())
    assert config['options']['num_classes'] == 2
    assert config['options']['likelihood'] == 'discretized_logistic'
    assert (config['classes'], config['counts']) == (['a', 'b'], [3, 3])
    assert (config['held_out_source'], load(tmp_path / 'run').state.step) == ('apart', 4)
    for y, labels in (('b', [1] * 9), ('data', None)):
        out = tmp_path / f'{y}.npz'
        assert main(['sample', str(tmp_path / 'run'), '--y', y, '--n', '9', '--out', str(out)]) == 0
        assert labels is None or np.load(out)['y'].tolist() == labels
    assert main(['reconstruct', str(tmp_path / 'run'), '--out', str(tmp_path / 'r.png')]) == 0
    capsys.readouterr()
    assert main(['sample', str(tmp_path / 'run'), '--y', 'c', '--out', 'x.png']) == 2
    assert capsys.readouterr().err == 'genjax: expected a class of [0, 2) or a, b, got c\n'
    assert main(['train', 'vae', *words, '--steps', '5', '--likelihood', 'bernoulli']) == 2
    assert "options.likelihood: the run has 'discretized_logistic'" in capsys.readouterr().err


def test_a_likelihood_that_is_chosen_is_kept(tmp_path):
    options = {'steps': 1, 'batch_size': 4, 'held_out': 0.2, 'num_classes': 'auto', **SMALL}
    run = train('vae', GREYS, run=tmp_path, likelihood='bernoulli', **options)
    assert run.config['options']['likelihood'] == 'bernoulli'
    assert any('bernoulli draws each' in note for note in run.config['notes'])


def test_a_part_that_is_kept_apart_is_found_again_whatever_its_labels_are(tmp_path):
    parts = {'x_train': GREYS.x, 'y_train': np.arange(40) % 3, 'x_test': GREYS.x[:6] ^ 1}
    np.savez(tmp_path / 'a.npz', **parts, y_test=[2, 0, 2, 0, 2, 0])
    options = {'steps': 1, 'batch_size': 4, 'num_classes': 3, 'likelihood': 'bernoulli', **SMALL}
    run = train('vae', tmp_path / 'a.npz', run=tmp_path / 'run', **options)
    assert run.config['held_out_source'] == 'apart'
    held = held_out(load(tmp_path / 'run'))
    np.testing.assert_array_equal(held.x, GREYS.x[:6] ^ 1)
    assert held.y.tolist() == [2, 0, 2, 0, 2, 0]
