"""Figures that the experiments reproduce, where their data are at hand."""

from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import iwae
from experiments.vae_mnist import reproduce
from genjax import data

MNIST = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'mnist'


@pytest.mark.usual_compiler
@pytest.mark.skipif(not MNIST.is_dir(), reason=f'expects the idx files of MNIST in {MNIST}')
def test_the_example_vae_is_on_its_way_to_its_test_loss_on_mnist(tmp_path):
    """Two of its ten epochs, after which three seeds gave 115.6, 115.3 and 115.7."""
    record = reproduce(MNIST, tmp_path / 'run', epochs=2).finished.records[-1]
    assert record['step'] == 938
    assert abs(-record['heldout/elbo'] - 115.55) < 0.8


def test_the_iwae_starts_at_the_mean_and_learns(tmp_path):
    """The short protocol in a very short version."""
    assert [round(rate * 1e4, 1) for rate in iwae.RATES] == [10, 7.2, 5.2, 3.7, 2.7, 1.9, 1.4, 1]
    images, stages = iwae.binarized('digits', 50), (25,) * 8
    run = iwae.learn('digits', tmp_path / 'run', 3, stages, 200, 50)
    start = run._replace(state=run.model.init(jax.random.key(0)))
    mean = (run.model.decode(start.state, np.zeros((1, iwae.LATENT), np.float32))[0] + 1) / 2
    np.testing.assert_allclose(mean, (data.digits().x.mean(0) / 255).clip(0.001, 0.999), atol=1e-5)
    before, after = (iwae.measure(each, images, 20).value for each in (start, run))
    assert after < before - 30
