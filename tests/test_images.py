"""The range of images: what is taken, mapped and refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.images import check_floats, to_unit


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
WAY = 'clip them, or say another range'


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
        (-2, 1, None, LOOK + '[-2, 1]: clip them, or say value_range=(low, high)'),
        (np.nan, np.nan, None, 'expected float images in [-1, 1], got NaN or infinity'),
        (-1, np.nan, (-1, 1), 'expected float images in [-1, 1], got NaN or infinity'),
        (-1, 1, (0, 1), f'expected float images in [0, 1], got values in [-1, 1]: {WAY}'),
        (0, 255, (0, 1), f'expected float images in [0, 1], got values in [0, 255]: {WAY}'),
        (0, 1, (1, 0), 'expected a value_range (low, high) with low < high, got (1, 0)'),
        (0, 1, (0, np.inf), 'expected a value_range (low, high) with low < high, got (0, inf)'),
    ],
)  # fmt: skip
def test_ranges_that_are_refused(low, high, given, message):
    with pytest.raises(ValueError) as caught:
        check_floats(low, high, '', given)
    assert str(caught.value) == message


def test_the_source_is_named():
    with pytest.raises(ValueError, match=r'^cats\.npz: expected float images in '):
        check_floats(0, 1, 'cats.npz')


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
