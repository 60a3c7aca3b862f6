"""Grids, animations and curves."""

import os

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageSequence

from genjax import data, plots


def images(n=5, shape=(4, 3, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 255, (n, *shape), np.uint8)  # never blank: 255


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


# Bytes


def test_every_byte_comes_back_from_its_float():
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    for dtype in (np.float32, np.float64):
        np.testing.assert_array_equal(plots.to_uint8(x.astype(dtype) / dtype(127.5) - 1), x)
    np.testing.assert_array_equal(plots.to_uint8(jnp.asarray(x, jnp.float32) / 127.5 - 1), x)
    assert plots.to_uint8(x) is x


def test_floats_are_rounded_and_clipped():
    x = np.array([-3.0, -1.0, -1 + 0.4 / 127.5, -1 + 0.6 / 127.5, 0.999, 1.0, 1.5])
    got = plots.to_uint8(x.reshape(1, 7, 1)).ravel()
    assert got.tolist() == [0, 0, 0, 1, 255, 255, 255]
    assert plots.to_uint8(jnp.ones((2, 2, 1), jnp.bfloat16)).tolist() == [[[255]] * 2] * 2


ZEROS = np.zeros((2, 4, 4, 1))
BAD_IMAGES = {
    'rank 2': (ZEROS[0, :, :, 0], r'expected images \[h, w, c\] or .*got \(4, 4\)'),
    'rank 5': (ZEROS[None], r'got \(1, 2, 4, 4, 1\)'),
    'two channels': (np.zeros((2, 4, 4, 2)), r'c = 1 or 3, got \(2, 4, 4, 2\)'),
    'empty': (ZEROS[:0], r'got \(0, 4, 4, 1\)'),
    'integers': (ZEROS.astype(int), 'expected images of uint8 or float.*got int64'),
    'bytes as floats': (ZEROS + 200, r'in \[-1, 1\], got values in \[200, 200\]'),
    'NaN': (ZEROS + np.nan, 'expected finite images, got 32 NaN or infinity'),
    'infinity': (ZEROS - np.inf, 'expected finite images, got 32 NaN or infinity'),
}


@pytest.mark.parametrize(('bad', 'message'), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_bad_images_are_refused(tmp_path, bad, message):
    writers = [
        plots.to_uint8,
        plots.grid,
        lambda x: plots.pairs(x, x),
        lambda x: plots.save_images(tmp_path / 'a.png', x),
    ]
    for write in writers:
        with pytest.raises(ValueError, match=message):
            write(bad)
    assert not files(tmp_path)


# Grids


@pytest.mark.parametrize(
    ('n', 'columns', 'padding'), [(5, None, 2), (6, 4, 1), (3, 5, 0), (1, 1, 3)]
)
def test_grid_has_each_image_in_its_place(n, columns, padding):
    x = images(n)
    sheet = plots.grid(x, columns, padding)
    columns = columns or 3
    rows = -(-n // columns)
    want = np.full((rows * (4 + padding) + padding, columns * (3 + padding) + padding, 3), 255)
    for i in range(n):
        top = padding + i // columns * (4 + padding)
        left = padding + i % columns * (3 + padding)
        want[top : top + 4, left : left + 3] = x[i]
    assert sheet.dtype == np.uint8
    np.testing.assert_array_equal(sheet, want)


@pytest.mark.parametrize(('n', 'columns'), [(5, None), (5, 2), (4, 9), (1, None)])
def test_each_reconstruction_is_below_its_original(n, columns):
    above, below = images(n, seed=1), images(n, seed=2)
    sheet = plots.pairs(above, below, columns, padding=1)
    height, width = (sheet.shape[0] - 1) // 5, (sheet.shape[1] - 1) // 4
    assert width == min(columns or int(np.ceil(np.sqrt(2 * n))), n)
    assert height % 2 == 0
    cells = sheet[1:, 1:].reshape(height, 5, width, 4, 3).swapaxes(1, 2)[:, :, :4, :3]
    for i in range(height // 2 * width):
        row, column = 2 * (i // width), i % width
        blank = np.full((4, 3, 3), 255)
        np.testing.assert_array_equal(cells[row, column], above[i] if i < n else blank)
        np.testing.assert_array_equal(cells[row + 1, column], below[i] if i < n else blank)


def test_bad_layouts_are_refused():
    with pytest.raises(ValueError, match='expected columns >= 1, got 0'):
        plots.grid(images(), columns=0)
    with pytest.raises(ValueError, match='expected columns >= 1, got -1'):
        plots.pairs(images(), images(), columns=-1)
    with pytest.raises(ValueError, match='expected a padding >= 0, got -1'):
        plots.grid(images(), padding=-1)
    with pytest.raises(ValueError, match=r'expected reconstructions \(5, 4, 3, 3\), got \(4, 4'):
        plots.pairs(images(5), images(4))
    with pytest.raises(ValueError, match=r'expected images \[n, h, w, c\], got \(4, 3, 3\)'):
        plots.grid(images()[0])


# Files


@pytest.mark.parametrize('channels', [1, 3])
def test_png_round_trip(tmp_path, channels):
    image = images(1, (9, 7, channels))[0]
    plots.save(tmp_path / 'new' / 'a.png', image, scale=1)
    np.testing.assert_array_equal(read(tmp_path / 'new' / 'a.png').reshape(9, 7, channels), image)
    assert files(tmp_path / 'new') == ['a.png']


def test_a_png_carries_text_on_request(tmp_path):
    path, image = tmp_path / 'x.png', np.zeros((2, 3, 3, 1), np.uint8)
    text = {'Software': 'genjax', 'Model': 'Modèle 画'}
    plots.save(path, image[0], text=text)
    with Image.open(path) as saved:
        assert saved.text == text
    plots.save(path, image[0])
    with Image.open(path) as saved:
        assert saved.text == {}
    plots.save_images(path, image, text=text)
    with Image.open(path) as saved:
        assert saved.text == text
    plots.save_pairs(path, image, image, text=text)
    with Image.open(path) as saved:
        assert saved.text == text


def test_small_images_are_enlarged_pixel_by_pixel(tmp_path):
    for size, scale in (((9, 7), 8), ((242, 100), 3), ((500, 100), 1), ((10, 900), 1)):
        image = images(1, (*size, 1))[0]
        plots.save(tmp_path / 'a.png', image)
        got = read(tmp_path / 'a.png')
        assert got.shape == (size[0] * scale, size[1] * scale)
        for corner in (0, scale - 1):
            np.testing.assert_array_equal(got[corner::scale, corner::scale], image[..., 0])


def test_images_are_saved_as_grid_or_arrays(tmp_path):
    x = images(6)
    plots.save_images(tmp_path / 'a.npz', x / 127.5 - 1)
    np.testing.assert_array_equal(data.load(tmp_path / 'a.npz').x, x)
    plots.save_images(tmp_path / 'a.png', x)
    plots.save(tmp_path / 'b.png', plots.grid(x))
    np.testing.assert_array_equal(read(tmp_path / 'a.png'), read(tmp_path / 'b.png'))
    assert files(tmp_path) == ['a.npz', 'a.png', 'b.png']


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'ends in .png, got .*a.jpg'):
        plots.save(tmp_path / 'a.jpg', images()[0])
    with pytest.raises(ValueError, match=r'ends in .png or .npz, got .*a.gif'):
        plots.save_images(tmp_path / 'a.gif', images())
    with pytest.raises(ValueError, match=r'ends in .gif, got .*a.png'):
        plots.timeline(images(), tmp_path / 'a.png')
    with pytest.raises(ValueError, match=r"ends in .png, got .*a'"):
        plots.curves([{'step': 0, 'loss': 1.0}], tmp_path / 'a')
    with pytest.raises(ValueError, match=r'expected one image \[h, w, c\], got \(5, 4, 3, 3\)'):
        plots.save(tmp_path / 'a.png', images())
    with pytest.raises(ValueError, match='expected a scale >= 1, got 0'):
        plots.save(tmp_path / 'a.png', images()[0], scale=0)
    assert not files(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.npz'
    plots.save_images(path, images(3))

    def fail(file, **arrays):
        file.write(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(np, 'savez_compressed', fail)
    with pytest.raises(OSError, match='disk full'):
        plots.save_images(path, images(4))
    assert data.load(path).size == 3
    assert files(tmp_path) == ['a.npz']


@pytest.mark.skipif(os.name != 'posix', reason='permissions of POSIX')
def test_files_have_the_usual_permissions(tmp_path):
    plots.save(tmp_path / 'a.png', images()[0])
    (tmp_path / 'b').touch()
    assert (tmp_path / 'a.png').stat().st_mode == (tmp_path / 'b').stat().st_mode


# Animations


def frames_of(path):
    with Image.open(path) as animation:
        assert animation.info['loop'] == 0
        return [
            (np.asarray(frame.convert('L')), frame.info['duration'])
            for frame in ImageSequence.Iterator(animation)
        ]


@pytest.mark.parametrize(('n', 'kept'), [(1, 1), (2, 2), (7, 7), (60, 60), (61, 60), (200, 60)])
def test_timeline_takes_six_seconds_and_holds_its_end(tmp_path, n, kept):
    shades = np.linspace(0, 255, n).round().astype(np.uint8)
    frames = [np.full((110, 110, 1), shade) for shade in shades]
    plots.timeline(frames, tmp_path / 'a.gif')
    got = frames_of(tmp_path / 'a.gif') if n > 1 else [(read(tmp_path / 'a.gif'), 1500)]
    assert len(got) == kept
    means = np.array([frame.mean() for frame, _ in got])
    assert means[0] == shades[0]
    assert means[-1] == shades[-1]
    assert np.all(np.diff(means) > 0)
    durations = [duration for _, duration in got]
    assert durations[-1] == 1500
    assert len(set(durations[:-1])) <= 1
    assert n == 1 or 5700 <= sum(durations) <= 6300


def test_timeline_of_files_is_that_of_their_images(tmp_path):
    x = [plots.grid(images(4, (28, 28, 1), seed)) for seed in range(3)]
    paths = [tmp_path / f'{i}.png' for i in range(3)]
    for path, image in zip(paths, x, strict=True):
        plots.save(path, image)
    plots.timeline(paths, tmp_path / 'paths.gif')
    plots.timeline(iter(x), tmp_path / 'arrays.gif')
    one, other = frames_of(tmp_path / 'paths.gif'), frames_of(tmp_path / 'arrays.gif')
    assert len(one) == len(other) == 3
    for (a, _), (b, _), path in zip(one, other, paths, strict=True):
        np.testing.assert_array_equal(a, read(path))
        np.testing.assert_array_equal(b, read(path))


def test_bad_timelines_are_refused(tmp_path):
    with pytest.raises(ValueError, match='expected one frame or more, got none'):
        plots.timeline([], tmp_path / 'a.gif')
    with pytest.raises(
        ValueError, match=r'expected frames of one size.*\(696, 800\), \(800, 800\)'
    ):
        plots.timeline([images(1, (100, s, 1))[0] for s in (100, 87)], tmp_path / 'a.gif')
    assert not files(tmp_path)
