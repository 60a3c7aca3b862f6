"""The range of images and of labels: what is taken, mapped and refused."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import gan, vae
from genjax.images import check_floats, looked_at, to_unit
from genjax.nn.labels import UNKNOWN, check_labels


@pytest.mark.parametrize(
    ('low', 'high', 'given'),
    [
        (-1, 1, None),
        (-0.1, 0.2, None),
        (-1, -1, None),
        (0, 1, (0, 1)),
        (0, 0, (0, 1)),
        (0, 1, (-1, 1)),
        (3, 3, (0, 4095)),
        (-2.1, 2.6, (-3, 3)),
    ],
)
def test_ranges_that_are_known(low, high, given):
    check_floats(low, high, 'x', given)


LOOK = 'expected float images in [-1, 1], got values in '
WAY = 'clip them, or say their range'


@pytest.mark.parametrize(
    ('low', 'high', 'given', 'message'),
    [
        (
            0, 1, None,
            LOOK + '[0, 1], which look like [0, 1]: say value_range=(0, 1), or (-1, 1) if they are',
        ),
        (
            0, 0, None,
            LOOK + '[0, 0], which look like [0, 1]: say value_range=(0, 1), or (-1, 1) if they are',
        ),
        (0, 254, None, LOOK + '[0, 254], which look like [0, 255]: say value_range=(0, 255)'),
        (7, 4095, None, LOOK + '[7, 4095], which look like [0, 65535]: say value_range=(0, 65535)'),
        (0, 1e6, None, LOOK + '[0, 1e+06], which look like [0, 1e+06]: say value_range=(0, 1e+06)'),
        (0, np.inf, None, 'expected float images in [-1, 1], got NaN or infinity'),
        (-2, 1, None, f'{LOOK}[-2, 1]: {WAY}'),
        (np.nan, np.nan, None, 'expected float images in [-1, 1], got NaN or infinity'),
        (-1, np.nan, (-1, 1), 'expected images in [-1, 1], got NaN or infinity'),
        (-1, 1, (0, 1), f'expected images in [0, 1], got values in [-1, 1]: {WAY}'),
        (0, 255, (0, 1), f'expected images in [0, 1], got values in [0, 255]: {WAY}'),
        (0, 1, (1, 0), 'expected a value_range (low, high) with low < high, got (1, 0)'),
        (0, 1, (0, np.inf), 'expected a value_range (low, high) with low < high, got (0, inf)'),
    ],
)  # fmt: skip
def test_ranges_that_are_refused(low, high, given, message):
    with pytest.raises(ValueError) as caught:
        check_floats(low, high, '', given)
    assert str(caught.value) == message


@pytest.mark.parametrize('module', [np, jnp])
@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.float16, np.float32])
def test_images_of_any_range_are_mapped_to_that_of_models(module, kind):
    x = module.asarray([0, 1, 100, 255], kind)
    found = to_unit(x, (0, 255))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array([0, 1, 100, 255]) * 2 / 255 - 1, atol=1e-7)
    np.testing.assert_array_equal(to_unit(x[:2], (0, 1)), [-1, 1])


def test_what_is_in_the_range_of_models_keeps_its_bits():
    x = np.float32([-1, -1e-20, 1e-20, 1 / 3, 1])
    np.testing.assert_array_equal(to_unit(x, (-1, 1)), x)
    assert to_unit(np.float32([3, 9]), (3, 9)).tolist() == [-1, 1]
    assert to_unit(np.int16([-1024, 3071]), (-1024, 3071)).tolist() == [-1, 1]


Y = np.int32([2, 3, 7, -1])  # of three classes: one label is there, three are none


@pytest.mark.parametrize('kind', [np.int32, np.int8, np.uint8, np.uint32])
def test_labels_on_a_device_are_known_or_not(kind):
    y = jnp.asarray(Y.astype(kind))
    assert check_labels(y, 4, 3).tolist() == [2] + [UNKNOWN] * 3
    assert check_labels(y[:1], 1, 3).dtype == np.int32
    assert check_labels(check_labels(y, 4, 3), 4, 3).tolist() == [2] + [UNKNOWN] * 3


def test_labels_beyond_32_bits_are_none():
    with jax.enable_x64(True):
        y = jnp.asarray([2, 2**32, 2**32 + 1, -(2**32)])
        assert check_labels(y, 4, 3).tolist() == [2] + [UNKNOWN] * 3


def only_first(tree):
    """Whether of the rows of each array only the first has no NaN."""
    return all(
        np.isnan(leaf).reshape(4, -1).any(axis=1).tolist() == [False, True, True, True]
        for leaf in jax.tree.leaves(tree)
    )


TINY = {'image_shape': (16, 16, 1), 'latent_dim': 2, 'num_classes': 3}
KEY, X = jax.random.key(0), np.random.default_rng(0).integers(0, 256, (4, 16, 16, 1), np.uint8)


@pytest.mark.parametrize('networks', ['mlp:hidden=(4,)', 'dcgan:width=2'])
def test_a_gan_makes_nan_of_labels_that_it_has_not(networks):
    model = gan.gan(networks=networks, **TINY)
    state, y = model.init(KEY), jnp.asarray(Y)
    assert only_first(model.sample(state, KEY, 4, y))
    if networks != 'mlp:hidden=(4,)':
        return
    assert only_first(model.score(state, X, y))
    after, metrics = model.train_step(state, {'x': X, 'y': y})
    assert metrics['generator/skipped'] == metrics['discriminator/skipped'] == 1
    jax.tree.map(np.testing.assert_array_equal, state.nets, after.nets)


def test_a_vae_makes_nan_of_labels_that_it_has_not():
    model = vae.vae(hidden=(4,), **TINY)
    state, batch = model.init(KEY), {'x': X, 'y': jnp.asarray(Y)}
    assert only_first(model.decode(state, jnp.zeros((4, 2)), batch['y']))
    assert only_first(model.encode(state, *batch.values()))
    assert only_first(model.evaluate(state, KEY, batch)['elbo'])
    assert only_first(model.log_joint(state, KEY, batch, jnp.zeros((1, 4, 2)))[0])
    after, metrics = model.train_step(state, batch)
    assert metrics['vae/skipped'] == 1
    jax.tree.map(np.testing.assert_array_equal, state.nets, after.nets)


def test_a_device_is_not_waited_for():
    """And what is traced is not looked at, nor images that are for an update to leave out."""

    def step(state, batch):
        return batch['x']

    function = looked_at({'step': jax.jit(step)}, 3)['step']
    for x in jnp.full((2, 4, 4, 1), 0.5), np.float32([[[[np.nan]]]]), np.zeros((0, 4, 4, 1)):
        function(None, {'x': x, 'y': jnp.asarray([7])})
        jax.eval_shape(partial(function, None), {'x': x, 'y': np.int32([7])})
    assert function.lower(None, {'x': X}).as_text()
