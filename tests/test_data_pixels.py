"""Single images of folders: modes, formats, orientation, scaling."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from genjax import data
from genjax.data import DataError, pixels
from genjax.data.pixels import decode
from tests.image_files import COLOUR, GREY, write

pytestmark = pytest.mark.usefixtures('data_cache')
RNG = np.random.default_rng(1)
ALPHA = RNG.integers(0, 256, (5, 7), np.uint8)


def on_white(image):
    """By the definition of a transparent picture over a white one."""
    share = ALPHA.astype(float)[..., None] / 255
    return image.reshape(5, 7, -1) * share + 255 * (1 - share)


PALETTE = Image.fromarray(COLOUR).quantize(256)
MODES = {
    'L': (Image.fromarray(GREY), GREY, 0),
    '1': (Image.fromarray(GREY > 99), 255 * (GREY > 99), 0),
    'LA': (Image.fromarray(np.dstack([GREY, ALPHA]), 'LA'), on_white(GREY), 1),
    'RGB': (Image.fromarray(COLOUR), COLOUR, 0),
    'RGBA': (Image.fromarray(np.dstack([COLOUR, ALPHA])), on_white(COLOUR), 1),
    'P': (PALETTE, np.array(PALETTE.getpalette()).reshape(-1, 3)[np.asarray(PALETTE)], 0),
    'I;16': (
        Image.fromarray((256 * GREY.astype(np.uint16)) + ALPHA),
        (256 * GREY.astype(float) + ALPHA) / 65535 * 255,
        0.51,
    ),
}


@pytest.mark.parametrize(('image', 'expected', 'error'), MODES.values(), ids=MODES)
@pytest.mark.filterwarnings('ignore:.*mode.*deprecated:DeprecationWarning')
def test_modes(tmp_path, image, expected, error):
    image.save(tmp_path / 'a.png')
    x = data.load(tmp_path).x[0]
    assert x.shape == (5, 7, 1 if image.mode in ('L', '1', 'LA', 'I;16') else 3)
    assert np.abs(x - np.reshape(expected, x.shape).astype(float)).max() <= error


def test_a_transparent_colour_of_a_palette_is_white(tmp_path):
    PALETTE.save(tmp_path / 'a.png', transparency=3)
    x, index = data.load(tmp_path).x[0], np.asarray(PALETTE)
    assert np.all(x[index == 3] == 255)
    np.testing.assert_array_equal(x[index != 3], COLOUR[index != 3])


def test_one_colour_image_makes_a_dataset_of_colour(tmp_path):
    write(tmp_path, a=GREY, b=COLOUR)
    np.testing.assert_array_equal(data.load(tmp_path).x, [np.dstack([GREY] * 3), COLOUR])


@pytest.mark.parametrize('suffix', ['jpg', 'JPEG', 'webp', 'png'])
def test_formats(tmp_path, suffix):
    smooth = np.add.outer(np.arange(40), np.arange(40)).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / f'a.{suffix}')
    assert np.abs(data.load(tmp_path).x[0, ..., 0].astype(int) - smooth).max() < 6


@pytest.mark.parametrize('suffix', ['png', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_photographs_are_turned_upright(tmp_path, orientation, suffix):
    """The table of the EXIF standard: where row 0 and column 0 of the file are on the picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / f'a.{suffix}', exif=exif, lossless=True)
    turned = COLOUR.swapaxes(0, 1) if orientation >= 5 else COLOUR
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    np.testing.assert_array_equal(data.load(tmp_path).x[0], turned[::rows, ::columns])


def lanczos(line, size):
    """Lanczos resampling with antialiasing of the first axis, of its central part."""
    length = min(line.shape[:1])
    scale = length / size
    reach = 3 * max(scale, 1)
    out = []
    for i in range(size):
        centre = (i + 0.5) * scale
        places = [j for j in range(length) if abs(j + 0.5 - centre) < reach]
        at = [(j + 0.5 - centre) / max(scale, 1) for j in places]
        weights = np.array([np.sinc(t) * np.sinc(t / 3) for t in at])
        out.append(np.tensordot(weights / weights.sum(), line[places], 1))
    return np.array(out)


@pytest.mark.parametrize('shape', [(20, 20), (12, 12), (5, 5), (20, 26), (26, 20)])
def test_images_are_scaled_with_antialiasing_and_cropped_at_the_centre(tmp_path, shape):
    image = RNG.integers(60, 196, (*shape, 3), np.uint8)
    write(tmp_path, a=image)
    x = data.load(tmp_path, image_size=8).x[0]
    short = min(shape)
    top, left = ((length - short) // 2 for length in shape)
    square = image[top : top + short, left : left + short].astype(float)
    across = np.rint(lanczos(square.swapaxes(0, 1), 8)).swapaxes(0, 1)
    expected = lanczos(across, 8)
    # Beside a crop, Pillow's filter sees some of what is cropped.
    inner = slice(None) if shape[0] == shape[1] else slice(3, 5)
    assert x.shape == (8, 8, 3)
    assert np.abs(x - expected)[inner, inner].max() <= 1.01


def test_image_size_is_for_all_sources():
    x = data.load('digits', image_size=14).x
    assert x.shape == (5000, 14, 14, 1)
    whole = data.digits().x
    assert np.abs(x.mean((1, 2, 3)) - whole.mean((1, 2, 3))).max() < 5
    np.testing.assert_array_equal(data.load('digits', image_size=28).x, whole)
    for size in (0, 2.0, 1 << 20):
        with pytest.raises(DataError, match='expected image_size to be an integer in'):
            data.load('digits', image_size=size)


def test_decode_reads_the_first_picture_of_a_phone(tmp_path):
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (200, 20)]
    frames[0].save(tmp_path / 'a.jpg', 'MPO', save_all=True, append_images=frames[1:])
    assert decode((tmp_path / 'a.jpg').read_bytes(), 1).min() > 190


def jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, 'JPEG', **options)
    return file.getvalue()


NOISY = Image.fromarray(RNG.integers(0, 256, (33, 50, 3), np.uint8))


def by_pillow(content, channels):
    return np.asarray(Image.open(io.BytesIO(content)).convert('RGB' if channels == 3 else 'L'))


@pytest.mark.parametrize('quality', [1, 75, 98])
@pytest.mark.parametrize('progressive', [False, True])
def test_plain_jpegs_are_those_of_pillow_bit_for_bit(monkeypatch, quality, progressive):
    monkeypatch.setattr(pixels, '_opened', None)  # It is not asked.
    options = {'quality': quality, 'progressive': progressive}
    smooth = NOISY.resize((5, 3)).resize((64, 17), Image.Resampling.BICUBIC)
    for image, sampling in itertools.product(
        (NOISY, smooth, smooth.crop((0, 0, 1, 1))), ('4:4:4', '4:2:2', '4:2:0', '4:1:1')
    ):
        content = jpeg(image, subsampling=sampling, **options)
        np.testing.assert_array_equal(decode(content, 3), by_pillow(content, 3))
    grey = jpeg(NOISY.convert('L'), **options)
    np.testing.assert_array_equal(decode(grey, 1)[..., 0], by_pillow(grey, 1))
    np.testing.assert_array_equal(decode(grey, 3), by_pillow(grey, 3))
    small = Image.fromarray(decode(content, 3)).resize((1, 1), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode(content, 3, 1), small)


def oriented():
    exif = Image.Exif()
    exif[0x0112] = 3
    return jpeg(NOISY, exif=exif)


PILLOWS = {
    'turned': (oriented, lambda x: by_pillow(x, 3)[::-1, ::-1], 3),
    'CMYK': (lambda: jpeg(NOISY.convert('CMYK')), lambda x: by_pillow(x, 3), 3),
    'RGB': (lambda: jpeg(NOISY, keep_rgb=True), lambda x: by_pillow(x, 3), 3),
    'in grey': (lambda: jpeg(NOISY), lambda x: by_pillow(x, 1)[..., None], 1),
}


@pytest.mark.parametrize(('make', 'expected', 'channels'), PILLOWS.values(), ids=PILLOWS)
def test_other_jpegs_are_read_by_pillow(make, expected, channels):
    content = make()
    np.testing.assert_array_equal(decode(content, channels), expected(content))


def test_pillows_limits_hold_for_plain_jpegs(monkeypatch):
    from PIL import ImageFile

    content = jpeg(NOISY)
    with pytest.raises(OSError, match='truncated'):
        decode(content[:-200], 3)
    monkeypatch.setattr(ImageFile, 'LOAD_TRUNCATED_IMAGES', True)
    assert decode(content[:-200], 3).shape == (33, 50, 3)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 1649)
    with pixels.strict(), pytest.raises(Warning, match=r'1650 pixels\) exceeds limit'):
        decode(content, 3)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', None)
    assert decode(content, 3).shape == (33, 50, 3)
