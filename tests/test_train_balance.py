"""What is said of gradient penalties that are far too strong or far too weak."""

import re

import numpy as np
import pytest

from genjax.train import train
from genjax.train.health import imbalance

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)


def records(gap, loss, alone, n=5, penalty='r1'):
    mine = {'real_logits': gap / 2, 'fake_logits': -gap / 2, 'loss': loss, 'adversarial': alone,
            penalty: 0.1}  # fmt: skip
    return [{f'discriminator/{name}': value for name, value in mine.items()}] * n


@pytest.mark.parametrize(
    ('logged', 'told'),
    [
        (records(0.1, 1.4, 1.35), ['r1 far too strong: .* 0.1 apart']),
        (records(0.1, 1.4, 1.35, n=4), []),
        (records(0.1, 1.4, 1.35, penalty='wgan_gp'), []),
        (records(3.0, 0.9, 0.7), []),
        # It was apart once: samples may be as good as real ones by now.
        (records(1.0, 0.9, 0.7, n=1) + records(0.01, 1.4, 1.38), []),
        (records(8.0, 0.1, 0.0999), ['r1 far too weak: .*loss 0.1.*0.1% of its loss']),
        (records(8.0, 0.1, 0.08), []),
        (records(8.0, -5.0, -5.0), []),  # Wasserstein's
    ],
)
def test_what_is_said(logged, told):
    found = imbalance(logged)
    assert len(found) == len(told)
    for text, pattern in zip(found, told, strict=True):
        assert re.search(pattern, text)


@pytest.mark.parametrize(('weight', 'told'), [(1e6, 1), (1, 0)])
def test_a_training_says_it_once(tmp_path, capfd, weight, told):
    train(
        'gan', IMAGES, run=tmp_path / 'run', steps=24, dispatch=2, batch_size=8, eval_every=6,
        hidden=(16,), penalties=(f'r1:weight={weight}',), discriminator_learning_rate=1e-2,
    )  # fmt: skip
    assert capfd.readouterr().err.count('r1 far too strong') == told
