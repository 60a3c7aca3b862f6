"""Folders as people have them: parts, shards, archives, labels in files, what is odd."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from genjax import data
from genjax.data import DataError, Reading
from genjax.train import RunError
from genjax.train.prepare import like
from tests.image_files import COLOUR, GREY, write

pytestmark = pytest.mark.usefixtures('data_cache')


def files(folder):
    return sorted(p for p in folder.rglob('*') if p.is_file())


def zipped(folder, path, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', method) as archive:
        for file in files(folder):
            archive.write(file, file.relative_to(folder))


def tarred(folder, path):
    with tarfile.open(path, 'w') as archive:
        for file in files(folder):
            archive.add(file, f'./{file.relative_to(folder)}')


@pytest.mark.parametrize('pack', [zipped, tarred])
def test_an_archive_is_read_in_place(tmp_path, pack):
    folder, archive = tmp_path / 'a', tmp_path / f'b.{"zip" if pack is zipped else "tar"}'
    write(folder, a__1=GREY, a__2=GREY + 1, b__1=GREY + 2)
    pack(folder, archive)
    plain, packed = data.load(folder), data.load(archive)
    np.testing.assert_array_equal(plain.x, packed.x)
    assert plain.y.tolist() == packed.y.tolist()
    assert plain.classes == packed.classes
    assert data.fingerprint(plain) == data.fingerprint(packed)
    assert data.load(archive).x.shape == plain.x.shape  # from the cache


def test_class_names_count_as_numbers_do(tmp_path):
    write(tmp_path, **{f'{i}__a': GREY + i for i in (1, 2, 9, 10, 12)})
    dataset = data.load(tmp_path)
    assert dataset.classes == ('1', '2', '9', '10', '12')
    assert dataset.x[dataset.y == 4][0, 0, 0, 0] == GREY[0, 0] + 12
    older = data.load(tmp_path, reading={'rules': 1})
    assert older.classes == ('1', '10', '12', '2', '9')


@pytest.mark.parametrize('names', [('train', 'test'), ('Training', 'Validation'), ('train', 'val')])
def test_parts_are_no_classes(tmp_path, names):
    train, apart = names
    write(tmp_path, **{f'{train}__cat__1': GREY, f'{train}__dog__1': GREY + 1})
    write(tmp_path, **{f'{apart}__dog__1': GREY + 2, f'{apart}__dog__2': GREY + 3})
    dataset = data.load(tmp_path)
    assert (dataset.size, dataset.classes) == (2, ('cat', 'dog'))
    assert (dataset.apart.size, dataset.apart.classes) == (2, ('dog',))
    assert dataset.notes == (f"{tmp_path}: '{train}' is trained on, '{apart}' is held out",)
    # Numbered as the training images are.
    assert like(dataset, dataset.apart).y.tolist() == [1, 1]
    assert data.load(tmp_path, reading={'rules': 1}).classes == tuple(sorted(names))


@pytest.mark.parametrize('pack', [zipped, tarred])
def test_the_folder_around_all_classes_is_no_class(tmp_path, pack):
    archive = tmp_path / f'photos.{"zip" if pack is zipped else "tar"}'
    write(tmp_path / 'a' / 'photos' / 'all', cat__1=GREY, cat__2=GREY + 1, dog__1=GREY + 2)
    pack(tmp_path / 'a', archive)
    for source in (archive, tmp_path / 'a'):
        dataset = data.load(source)
        assert dataset.classes == ('cat', 'dog')
        assert dataset.y.tolist() == [0, 0, 1]
    write(tmp_path / 'b' / 'photos', cat__1=GREY)
    assert data.load(tmp_path / 'b').classes == ('cat',)


def test_parts_may_lie_in_a_folder(tmp_path):
    write(tmp_path / 'a' / 'photos', train__cat__1=GREY, train__dog__2=GREY + 1, val__dog__3=GREY)
    dataset = data.load(tmp_path / 'a')
    assert dataset.classes == ('cat', 'dog')
    assert dataset.apart.classes == ('dog',)


def test_of_three_parts_one_is_left_aside(tmp_path):
    write(tmp_path, train__a=GREY, val__a=GREY + 1, test__a=GREY + 2)
    dataset = data.load(tmp_path)
    assert (dataset.size, dataset.y, dataset.apart.size) == (1, None, 1)
    assert dataset.apart.x[0, 0, 0, 0] == GREY[0, 0] + 2
    assert dataset.notes[0].endswith(
        "'train' is trained on, 'test' is held out, 'val' is left aside"
    )


def test_a_class_may_be_called_test(tmp_path):
    write(tmp_path, train__a=GREY, bus__a=GREY, test__a=GREY)
    assert data.load(tmp_path).classes == ('bus', 'test', 'train')


def test_shards_are_no_classes(tmp_path):
    write(tmp_path, **{'00000__1': GREY, '00000__2': GREY, '01000__1001': GREY + 1})
    dataset = data.load(tmp_path)
    assert (dataset.size, dataset.y) == (3, None)
    assert "folders such as '00000' are taken for shards" in dataset.notes[0]


@pytest.mark.parametrize('pack', [None, zipped])
def test_stylegans_labels_are_taken(tmp_path, pack):
    write(tmp_path / 'a', **{'00000__img0': GREY, '00000__img1': GREY + 1})
    pairs = [['00000/img0.png', 3], ['00000/img1.png', 0]]
    (tmp_path / 'a' / 'dataset.json').write_text(json.dumps({'labels': pairs}))
    source = tmp_path / 'a'
    if pack:
        pack(source, tmp_path / 'a.zip')
        source = tmp_path / 'a.zip'
    dataset = data.load(source)
    assert dataset.y.tolist() == [1, 0]
    assert dataset.classes == ('0', '3')


def test_stylegans_labels_may_be_none(tmp_path):
    write(tmp_path, **{'00000__img0': GREY})
    for labels, count in ((None, 0), ([['00000/other.png', 1]], 1)):
        (tmp_path / 'dataset.json').write_text(json.dumps({'labels': labels}))
        dataset = data.load(tmp_path)
        assert dataset.y is None
        assert len(dataset.notes) == count
    (tmp_path / 'dataset.json').write_text('{"labels": [3]}')
    with pytest.raises(DataError, match=r"expected {'labels': \[\[NAME, CLASS\]"):
        data.load(tmp_path)


def test_shards_of_webdataset(tmp_path):
    for shard, rows in (('s-000', (0, 1)), ('s-001', (2,))):
        with tarfile.open(tmp_path / f'{shard}.tar', 'w') as archive:
            for row in rows:
                buffer = io.BytesIO()
                Image.fromarray(GREY + row).save(buffer, 'PNG')
                pieces = (('png', buffer.getvalue()), ('cls', f'{row % 2}\n'.encode()))
                for suffix, content in (*pieces, ('json', b'{}')):
                    info = tarfile.TarInfo(f'{row:06d}.{suffix}')
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    dataset = data.load(tmp_path)
    np.testing.assert_array_equal(dataset.x[:, 0, 0, 0], GREY[0, 0] + np.arange(3))
    assert dataset.y.tolist() == [0, 1, 0]
    assert dataset.classes == ('0', '1')


def test_damaged_archives_are_told(tmp_path):
    for name in ('a.zip', 'a.tar'):
        (tmp_path / name).write_bytes(b'no archive')
        with pytest.raises(DataError, match=f'{name}: expected a whole archive, got'):
            data.load(tmp_path / name)
    (tmp_path / 'b.zip').write_bytes(b'PK\x05\x06' + bytes(18))
    with pytest.raises(DataError, match='expected PNG, JPEG or WebP images'):
        data.load(tmp_path / 'b.zip')


def test_unreadable_files_are_left_out_on_request(tmp_path):
    write(tmp_path, a=GREY, b=GREY + 1)
    (tmp_path / 'c.png').write_text('no image')
    (tmp_path / 'd.gif').touch()
    with pytest.raises(DataError, match='--skip-unreadable leaves them out'):
        data.load(tmp_path)
    dataset = data.load(tmp_path, reading=Reading(skip_unreadable=True))
    assert dataset.size == 2
    assert dataset.left_out == {
        'c.png': 'no PNG, JPEG or WebP',
        'd.gif': 'an image of another kind (image/gif)',
    }


def test_links_are_followed_on_request(tmp_path):
    write(tmp_path / 'far', a=GREY)
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here' / 'cat').symlink_to(tmp_path / 'far')
    (tmp_path / 'here' / 'notes').symlink_to('/etc/hostname')  # no image: of no matter
    with pytest.raises(DataError, match='a link that leaves the folder, which --follow-links'):
        data.load(tmp_path / 'here')
    reading = Reading(follow_links=True)
    assert data.load(tmp_path / 'here', reading=reading).classes == ('cat',)
    (tmp_path / 'far' / 'round').symlink_to(tmp_path / 'here')
    with pytest.raises(DataError, match='got a link to one of those that it lies in'):
        data.load(tmp_path / 'here', reading=reading)


def test_the_first_frame_is_taken_on_request(tmp_path):
    frames = [Image.fromarray(COLOUR), Image.fromarray(COLOUR // 2)]
    for name in ('a.webp', 'b.gif'):
        options = {'lossless': True} if name == 'a.webp' else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    dataset = data.load(tmp_path, reading=Reading(first_frame=True))
    np.testing.assert_array_equal(dataset.x[0], COLOUR)
    assert dataset.size == 2


def wide(tmp_path, image, **options):
    Image.fromarray(image).save(tmp_path / 'a.png')
    return data.load(tmp_path, options.pop('size', None), Reading(**options)).x[0]


def test_scans_of_twelve_bits_fill_the_range(tmp_path):
    scan = (np.arange(35).reshape(5, 7) * 117).astype(np.uint16)
    found = wide(tmp_path, scan, range=(0, 4095))
    np.testing.assert_array_equal(found[..., 0], np.rint(scan / 4095 * 255))
    report = str(data.inspect(tmp_path))
    assert 'nearly black: ' in report
    assert '(of files of 16 bits --range 0 4095)' in report


def test_images_may_be_padded_or_stretched(tmp_path):
    image = np.full((4, 8, 3), 99, np.uint8)
    padded = wide(tmp_path, image, size=8, fit='pad', ground='#ff0000')
    np.testing.assert_array_equal(padded[2:6], np.full((4, 8, 3), 99))
    np.testing.assert_array_equal(padded[:2], np.full((2, 8, 3), [255, 0, 0]))
    image[:, 4:] = 0
    stretched = wide(tmp_path, image, size=8, fit='stretch', resample='nearest')
    np.testing.assert_array_equal(stretched[:, :4], np.full((8, 4, 3), 99))
    np.testing.assert_array_equal(stretched[:, 4:], 0)


def test_transparency_lies_on_a_ground_of_ones_choice(tmp_path):
    image = np.zeros((4, 4, 4), np.uint8)
    image[:2] = 255
    found = wide(tmp_path, image, ground='#204060')
    np.testing.assert_array_equal(found[2:], np.full((2, 4, 3), [0x20, 0x40, 0x60]))


def test_channels_of_a_folder(tmp_path):
    write(tmp_path, a=COLOUR)
    assert data.load(tmp_path, reading={'channels': 1}).image_shape[2] == 1
    write(tmp_path, a=GREY)
    assert data.load(tmp_path, reading={'channels': 3}).image_shape[2] == 3


def test_what_another_decoder_makes_of_the_same_files_is_the_same_data(tmp_path, data_cache):
    write(tmp_path, a__1=GREY, b__1=GREY + 1)
    before = data.load(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('GENJAX_DATA_CACHE', str(data_cache / 'other'))
        real = data.folder.decode
        patch.setattr('genjax.data.folder.decode', lambda *args: real(*args) ^ 1)
        after = data.load(tmp_path)
    assert not np.array_equal(before.x, after.x)
    assert data.fingerprint(before) == data.fingerprint(after)
    assert data.recognised(before, before.older)
    assert before.older != after.older
    write(tmp_path, b__1=GREY + 2)
    assert data.fingerprint(data.load(tmp_path)) != data.fingerprint(before)
    other = data.load(tmp_path, reading={'range': (0, 99)})
    assert data.fingerprint(other) != data.fingerprint(data.load(tmp_path))


def test_an_inspection_says_what_scaling_does(tmp_path):
    write(tmp_path, a=np.zeros((8, 16), np.uint8), b=np.zeros((4, 4), np.uint8))
    report = data.inspect(tmp_path, 8)
    assert (report.cropped, report.enlarged) == (0.25, 1)
    assert '25% of the area of images is cropped: --fit pad keeps all of them' in str(report)
    assert 'enlarged: 1 images' in str(report)
    assert data.inspect(tmp_path, 4, {'fit': 'pad'}).cropped == 0


def test_an_inspection_says_what_spoils_a_training(tmp_path):
    write(tmp_path, **{f'a__{i}': np.dstack([GREY + i] * 3) for i in range(20)}, b__1=COLOUR * 0)
    report = str(data.inspect(tmp_path))
    assert 'all images are grey: --channels 1' in report
    assert 'unbalanced: 20 images of a, 1 of b' in report
    same = data.inspect(np.repeat(np.arange(10, dtype=np.uint8)[:, None, None, None], 4, axis=0))
    assert same.both > 0
    assert f'{same.both} images are equal to one that is trained on' in str(same)


def test_held_out_classes_are_among_those_of_training():
    x = np.zeros((3, 4, 4, 1), np.uint8)
    one = data.from_arrays(x, ['cat', 'dog', 'eel'])
    assert like(one, data.from_arrays(x, ['eel'] * 3)).y.tolist() == [2] * 3
    with pytest.raises(RunError, match='of the classes of array, cat, dog, eel, got fox'):
        like(one, data.from_arrays(x, ['eel', 'fox', 'fox']))
    numbers = data.from_arrays(x, [0, 1, 2])
    assert like(numbers, data.from_arrays(x, [2, 2, 1])).y.tolist() == [2, 2, 1]


def test_a_split_keeps_equal_images_together_and_every_class_in_training():
    x = np.repeat(np.arange(30, dtype=np.uint8), 2).reshape(-1, 1, 1, 1)
    train, apart = data.split(data.from_arrays(x), 0.3)
    assert not set(train.x.ravel()) & set(apart.x.ravel())
    assert train.size + apart.size == 60
    y = np.array([0] * 55 + [1, 2, 3, 4, 5])
    for seed in range(5):
        train, _ = data.split(
            data.from_arrays(np.arange(60, dtype=np.uint8)[:, None, None], y), 0.9, seed
        )
        assert set(train.y) == set(range(6))
    before = data.split(data.from_arrays(x[::2]), 0.3, rules=1)
    after = data.split(data.from_arrays(x[::2]), 0.3)
    np.testing.assert_array_equal(before[0].x, after[0].x)
