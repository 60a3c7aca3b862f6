"""Pictures of a run: samples by index, and the ways between latents."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import vae
from genjax.evaluation.sampling import interpolations, reconstructions, samples, slerp
from genjax.train import Run, RunError


@pytest.fixture(scope='module')
def run():
    model = vae.vae((4, 4, 1), hidden=(8,), latent_dim=3, num_classes=2)
    return Run(model, model.init(jax.random.key(0)), {'recipe': 'vae'}, Path())


def test_a_great_circle_keeps_the_norm_and_the_pace():
    a, b = jnp.array([[3.0, 0, 0]]), jnp.array([[0, 3.0, 0]])
    t = jnp.linspace(0, 1, 5)[:, None]
    angle = t * jnp.pi / 2
    expected = 3 * jnp.concatenate([jnp.cos(angle), jnp.sin(angle), 0 * angle], axis=1)
    np.testing.assert_allclose(slerp(a, b, t), expected, atol=1e-6)
    same = slerp(a, a, t)
    np.testing.assert_allclose(same, jnp.tile(a, (5, 1)), rtol=1e-6)
    twice = slerp(a, 2 * a, t)
    np.testing.assert_allclose(twice, (1 + t) * a, rtol=1e-6)


def test_the_first_samples_are_those_of_a_smaller_number(run):
    few, many = samples(run, 3, 1, y=0).x, samples(run, 130, 1, y=0).x
    np.testing.assert_array_equal(few, many[:3])
    assert many.shape == (130, 4, 4, 1)
    assert len(np.unique(many.reshape(130, -1), axis=0)) == 130
    assert not np.array_equal(samples(run, 3, 2, y=0).x, few)


def test_rows_are_ways_between_two_latents_of_one_class(run):
    images = interpolations(run, 2, 5).reshape(2, 5, 16)
    assert len(np.unique(images.reshape(10, 16), axis=0)) == 10
    steps = np.linalg.norm(np.diff(images, axis=1), axis=2)
    ends = np.linalg.norm(images[:, -1] - images[:, 0], axis=1)
    assert (steps.max(axis=1) < ends).all()
    np.testing.assert_array_equal(interpolations(run, 2, 5)[:5], interpolations(run, 2, 5, y=0)[:5])
    np.testing.assert_array_equal(interpolations(run, 2, 5)[5:], interpolations(run, 2, 5, y=1)[5:])


def test_reconstructions_decode_the_mean(run):
    x, y = jnp.zeros((2, 4, 4, 1)), jnp.array([0, 1])
    mean = run.model.encode(run.state, x, y).mean
    expected = run.model.decode(run.state, mean, y)
    np.testing.assert_array_equal(reconstructions(run, x, y), expected)


@pytest.mark.parametrize('call', [
    lambda run: samples(run, 0),
    lambda run: samples(run, 3, y=2),
    lambda run: samples(run, 3, y=-1),
    lambda run: interpolations(run, 0, 5),
    lambda run: interpolations(run, 1, 1),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused(run, call):
    with pytest.raises(RunError, match='expected'):
        call(run)
