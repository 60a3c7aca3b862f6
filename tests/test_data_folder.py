"""Folders of images: what is read, and what is refused."""

import itertools
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from genjax import data
from genjax.data import DataError
from tests.image_files import COLOUR, GREY, write

pytestmark = pytest.mark.usefixtures('data_cache')
RNG = np.random.default_rng(1)


def test_folders_are_classes_and_files_of_other_kinds_are_left_aside(tmp_path):
    flat = {'b__2': GREY + 1, 'a__z__1': GREY + 2, 'b__10': GREY + 3, 'a__y': GREY + 4}
    write(tmp_path, **flat, **{'.hidden': GREY, '.git__x': GREY})
    (tmp_path / 'a' / 'labels.csv').write_text('1,2')
    (tmp_path / 'empty').mkdir()
    dataset = data.load(tmp_path)
    np.testing.assert_array_equal(dataset.x[..., 0], [GREY + 4, GREY + 2, GREY + 3, GREY + 1])
    assert dataset.y.tolist() == [0, 0, 1, 1]
    assert dataset.y.dtype == np.int32
    assert (dataset.classes, dataset.num_classes) == (('a', 'b'), 2)
    assert data.split(dataset, 0.5)[1].classes == ('a', 'b')


def test_a_flat_folder_has_no_labels(tmp_path):
    write(tmp_path, b=GREY, a=COLOUR)
    dataset = data.load(str(tmp_path))
    assert (dataset.y, dataset.classes, dataset.name) == (None, None, tmp_path.name)


def test_a_link_inside_the_folder_is_followed(tmp_path):
    write(tmp_path, a=GREY)
    (tmp_path / 'b.png').symlink_to(tmp_path / 'a.png')
    assert data.load(tmp_path).size == 2


def test_names_that_are_no_text_are_read(tmp_path):
    write(tmp_path, a=GREY)
    os.rename(tmp_path / 'a.png', os.fsencode(tmp_path) + b'/\xff\n.png')
    assert data.load(tmp_path).size == 1
    (tmp_path / 'b.png').write_bytes(b'')
    with pytest.raises(DataError, match=r"got 1 others of 2:\n  'b.png': no PNG, JPEG or WebP"):
        data.load(tmp_path)


def truncated(folder):
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / 'c.jpg')
    whole = (folder / 'c.jpg').read_bytes()
    (folder / 'c.jpg').write_bytes(whole[: len(whole) // 2])


def animated(folder, name='c.webp'):
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR // 2)]
    frames[0].save(folder / name, save_all=True, append_images=frames[1:])


def bomb(folder):
    """A PNG whose header claims 40,000 x 40,000 pixels."""
    write(folder, c=GREY)
    content = bytearray((folder / 'c.png').read_bytes())
    content[16:24] = struct.pack('>2I', 40_000, 40_000)
    content[29:33] = struct.pack('>I', zlib.crc32(content[12:29]))
    (folder / 'c.png').write_bytes(content)


def huge(folder):
    (folder / 'c.jpg').touch()
    os.truncate(folder / 'c.jpg', (1 << 30) + 1)


BAD_FILES = {
    'truncated': (truncated, r"'c.jpg': .*truncated"),
    'text': (lambda f: (f / 'c.png').write_text('not found'), "'c.png': no PNG, JPEG or WebP"),
    'empty': (lambda f: (f / 'c.png').touch(), "'c.png': no PNG, JPEG or WebP"),
    'animated': (animated, "'c.webp': it is animated"),
    'animated PNG': (lambda f: animated(f, 'c.png'), "'c.png': it is animated"),
    'a bomb': (bomb, r"'c.png': Image size \(1600000000 pixels\) exceeds limit"),
    'a GIF by another name': (
        lambda f: Image.fromarray(GREY).save(f / 'c.png', 'GIF'),
        "'c.png': no PNG, JPEG or WebP",
    ),
    'a GIF': (lambda f: (f / 'c.gif').touch(), r"'c.gif': an image of another kind \(image/gif\)"),
    'a link out': (
        lambda f: (f / 'c.png').symlink_to('/etc/hostname'),
        "'c.png': a link that leaves the folder",
    ),
    'a folder out': (lambda f: (f / 'c').symlink_to('/etc'), "'c': a link that leaves the folder"),
    'a folder linked': (lambda f: (f / 'c').symlink_to(f), "'c': a link to what is no file"),
    'a link to nothing': (
        lambda f: (f / 'c.png').symlink_to(f / 'nothing'),
        "'c.png': a link to what is no file",
    ),
    'more than a GiB': (huge, r"'c.jpg': 1073741825 bytes, of at most 1073741824"),
    'a pipe': (lambda f: os.mkfifo(f / 'c.png'), "'c.png': no regular file"),
}


@pytest.mark.parametrize(('make', 'message'), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files_are_named(tmp_path, data_cache, make, message):
    write(tmp_path, a=GREY, b=GREY)
    make(tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match=rf'got 1 others of 3:\n  {message}'):
            data.load(tmp_path)
    assert not list(data_cache.rglob('manifest.json'))


def test_pillows_warning_of_a_bomb_is_an_error(tmp_path, monkeypatch):
    write(tmp_path, a=GREY)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 20)
    with pytest.raises(DataError, match=r"'a.png': Image size \(35 pixels\) exceeds limit of 20"):
        data.load(tmp_path)


def test_of_many_bad_files_the_first_are_named(tmp_path):
    write(tmp_path, a=GREY)
    for i in range(9):
        (tmp_path / f'b{i}.png').touch()
    message = r"(?s)got 9 others of 10:\n  'b0.*'b4.png'[^']*and 4 more\n--skip-unreadable leaves"
    with pytest.raises(DataError, match=message):
        data.load(tmp_path)


def test_different_sizes_need_a_size(tmp_path):
    write(tmp_path, a=GREY, b=GREY[:4])
    message = (
        r"of one size, or a size to bring them to \(--image-size\), got 7x5 and 7x4 in 'b.png'"
    )
    with pytest.raises(DataError, match=message):
        data.load(tmp_path)
    assert data.load(tmp_path, image_size=4).x.shape == (2, 4, 4, 1)


def test_images_beside_classes_are_refused(tmp_path):
    write(tmp_path, a=GREY, b__c=GREY, b__d=GREY)
    with pytest.raises(DataError, match=r"got 1 in the folder, say 'a.png', and 2 below it"):
        data.load(tmp_path)


@pytest.mark.parametrize('name', ['a.tar.gz', 'a.TGZ', 'a.7z'])
def test_packed_archives_are_to_be_unpacked(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(DataError, match='got a packed archive: unpack it first'):
        data.load(tmp_path / name)


@pytest.mark.parametrize(
    ('suffix', 'turned'), [('png', True), ('jpg', True), ('jpg', False), ('webp', True)]
)
def test_damage_is_a_data_error_or_an_image(tmp_path, suffix, turned):
    path, rng = tmp_path / f'a.{suffix}', np.random.default_rng(1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(path, **({'exif': exif} if turned else {}))
    whole, refused = path.read_bytes(), 0
    cuts = [whole[:length] for length in rng.integers(0, len(whole), 12)]
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        cuts.append(bytes(flipped))
    for content in cuts:
        path.write_bytes(content)
        try:
            assert data.load(tmp_path, image_size=4).x.shape[1:3] == (4, 4)
        except DataError:
            refused += 1
    assert refused > 10


def test_classes_of_held_out_images_are_those_of_training(tmp_path):
    from genjax.train import RunError, train

    for part, name in itertools.product(('one', 'two'), 'ab'):
        write(tmp_path / part, **{f'{name}{"" if part == "one" else "x"}__1': GREY})
    with pytest.raises(
        RunError, match='expected held-out images of the classes of one, a, b, got ax, bx in two'
    ):
        train('vae', tmp_path / 'one', run=tmp_path / 'run', steps=1, held_out=tmp_path / 'two')
