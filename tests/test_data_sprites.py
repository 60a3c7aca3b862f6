"""Images of known factors: sprites that are drawn, and factors that go where the images go."""

import jax
import numpy as np
import pytest

from genjax import data
from genjax.cli import main
from genjax.data.sprites import NAMES

SPRITES = data.sprites()
SIZES = (3, 5, 10, 16, 16)


def moments():
    """Area in pixels, and the centre of mass, of each image."""
    x = SPRITES.x[..., 0].astype(np.float64) / 255
    middle = np.arange(32) + 0.5
    area = x.sum(axis=(1, 2))
    return area, (x.sum(axis=1) @ middle) / area, (x.sum(axis=2) @ middle) / area


def test_there_is_one_image_of_each_combination():
    assert SPRITES.x.shape == (38_400, 32, 32, 1)
    assert SPRITES.x.dtype == np.uint8
    assert SPRITES.factors.dtype == SPRITES.y.dtype == np.int32
    np.testing.assert_array_equal(np.ravel_multi_index(SPRITES.factors.T, SIZES), np.arange(38_400))
    assert SPRITES.factor_names == NAMES == ('shape', 'scale', 'orientation', 'x', 'y')
    np.testing.assert_array_equal(SPRITES.y, SPRITES.factors[:, 0])
    assert SPRITES.classes == ('square', 'ellipse', 'heart')


def test_all_are_distinct_and_whole():
    assert len(np.unique(data.marks(SPRITES.x))) == 38_400
    # Forms at one place, the nearest of which differ by three white pixels in all.
    forms = SPRITES.x.reshape(150, 16, 16, -1)[:, 8, 8].astype(np.int32)
    apart = [np.abs(forms[i + 1 :] - forms[i]).sum(axis=1) for i in range(149)]
    assert np.concatenate(apart).min() > 3 * 255
    # None is cut off at the edge: a form covers as much wherever it is.
    area = moments()[0].reshape(150, 256)
    assert np.ptp(area, axis=1).max() < 0.1


def test_each_factor_is_what_it_is_called():
    area, x, y = moments()
    factors = SPRITES.factors
    places = 16 + (factors[:, 3:] - 7.5) * 7 / 8
    np.testing.assert_allclose(x, places[:, 0], atol=0.05)
    np.testing.assert_allclose(y, places[:, 1], atol=0.05)
    radius = 9 * np.linspace(0.5, 1, 5)[factors[:, 1]]
    unit = np.array([1.4**2, np.pi / 2])
    some = factors[:, 0] < 2
    np.testing.assert_allclose(area[some], unit[factors[some, 0]] * radius[some] ** 2, rtol=0.03)
    # The principal axis of an ellipse turns by nine degrees at a time, from right to down.
    ellipses = SPRITES.x.reshape(*SIZES, 32, 32)[1, -1, :, 8, 8].astype(np.float64)
    middle = np.arange(32) + 0.5 - 16 - 7 / 16
    xx, yy, xy = (
        np.einsum('nyx,x,y->n', ellipses, a, b)
        for a, b in ((middle**2, middle**0), (middle**0, middle**2), (middle, middle))
    )
    turned = np.rad2deg(np.arctan2(2 * xy, xx - yy) / 2)
    np.testing.assert_allclose(turned, 9 * np.arange(10), atol=0.5)


def test_pixels_are_covered_shares():
    """Against a square that is drawn by 64x64 samples of each pixel, one by one."""
    image = SPRITES.x.reshape(*SIZES, 32, 32)[0, 2, 3, 1, 9] / 255
    fine = (np.arange(32 * 64) + 0.5) / 64
    across, down = fine[None] - 16 + 6.5 * 7 / 8, fine[:, None] - 16 - 1.5 * 7 / 8
    angle, half = np.deg2rad(27), 0.7 * 9 * 0.75
    u = across * np.cos(angle) + down * np.sin(angle)
    v = down * np.cos(angle) - across * np.sin(angle)
    inside = (abs(u) <= half) & (abs(v) <= half)
    want = inside.reshape(32, 64, 32, 64).mean(axis=(1, 3))
    assert np.abs(image - want).max() < 0.1
    assert np.abs(image - want).mean() < 0.002


def test_they_are_drawn_again_bit_for_bit():
    again = data.load('sprites')
    assert data.fingerprint(again) == data.fingerprint(SPRITES)
    assert data.located('sprites') == 'sprites'
    with pytest.raises(data.DataError, match=r"did you mean 'sprites'\?"):
        data.load('sprite')


def test_the_command_tells_factors(capsys):
    assert main(['data', 'inspect', 'sprites']) == 0
    assert 'factors: shape (3), scale (5), orientation (10), x (16), y (16)\n' in (
        capsys.readouterr().out
    )


# Factors of other data


def numbered(n=40):
    """Images that say which they are, and two factors of each."""
    x = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) * np.ones((1, 2, 2, 1), np.uint8)
    factors = np.stack([np.arange(n) % 4, np.arange(n) // 4], axis=1)
    return x, factors


def assert_together(dataset, names):
    rows = np.asarray(dataset.x)[:, 0, 0, 0].astype(int)
    np.testing.assert_array_equal(dataset.factors, np.stack([rows % 4, rows // 4], axis=1))
    assert dataset.factor_names == names
    assert dataset.factors.dtype == np.int32


def test_factors_go_where_images_go(tmp_path):
    x, factors = numbered()
    given = {'x': x, 'factors': factors, 'factor_names': ['a', 'b']}
    whole = data.load(given)
    np.save(tmp_path / 'x.npy', x)
    mapped = whole._replace(x=np.load(tmp_path / 'x.npy', mmap_mode='r'))
    np.savez(tmp_path / 'x.npz', **given)
    for dataset in (whole, mapped, data.load(tmp_path / 'x.npz'), data.load(whole)):
        parts = data.split(dataset)
        some = data.subset(parts[0], 7, jax.random.key(0))
        for part in (dataset, *parts, some):
            assert_together(part, ('a', 'b'))
        assert some.size == 7
    assert data.fingerprint(whole) == data.fingerprint(data.load(x))
    assert data.split(data.load(x))[0].factors is None


def test_factors_as_dsprites_has_them(tmp_path):
    """A constant colour, and no names in the file that can be read."""
    x, factors = numbered()
    with_colour = np.concatenate([np.zeros((40, 1), np.int64), factors], axis=1)
    np.savez(tmp_path / 'd.npz', imgs=x, latents_classes=with_colour, latents_values=with_colour)
    found = data.load(tmp_path / 'd.npz')
    assert_together(found, ('1', '2'))
    assert found.notes == ('d.npz: factors that do not vary are left out: 0',)
    np.savez(tmp_path / 'e.npz', x=x, factors=factors[:3])
    found = data.load(tmp_path / 'e.npz')
    assert found.factors is None
    assert found.notes == (
        'factors are left aside: e.npz: expected factors as integers [40, f >= 1], got int64 '
        '(3, 2)',
    )


def test_values_of_factors_are_counted_from_zero():
    x, factors = numbered()
    for values in (10 * factors - 3, 10.0 * factors):
        assert_together(data.from_arrays(x, factors=values), ('0', '1'))
