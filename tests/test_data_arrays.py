"""Arrays as people hold them: taken as what they are, or refused with the way out."""

import io

import numpy as np
import pytest

from genjax import data
from genjax.data import DataError
from genjax.data.arrays import labels, natural
from genjax.data.dataset import mapped

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (6, 9, 8, 3), np.uint8)
GREY = X[..., :1]


@pytest.mark.parametrize(
    ('x', 'value_range'),
    [
        (X / np.float32(127.5) - 1, None),
        (X / 255.0, (0, 1)),
        (X.astype(np.float16), (0, 255)),
        (X.astype(np.int64), (0, 255)),
        (X.astype(np.int16) * 16, (0, 4080)),
        (X.astype(np.int32) - 1000, (-1000, -745)),
        (np.moveaxis(X, 3, 1), None),
        (np.moveaxis(X / 255.0, 3, 1), (0, 1)),
        (X, (0, 255)),
    ],
)
def test_images_of_any_numbers_are_the_same_bytes(x, value_range):
    np.testing.assert_array_equal(data.from_arrays(x, value_range=value_range).x, X)
    dataset = data.load({'x': x}, reading={'range': value_range})
    np.testing.assert_array_equal(dataset.x, X)


def test_masks_are_black_and_white():
    np.testing.assert_array_equal(data.from_arrays(X > 99).x, (X > 99) * np.uint8(255))
    (note,) = data.from_arrays(np.uint8(X > 99)).notes
    assert note == 'array: the greatest value is 1 of 255; --range 0 1 makes it white'
    np.testing.assert_array_equal(
        data.from_arrays(np.uint8(X > 99), value_range=(0, 1)).x, (X > 99) * np.uint8(255)
    )


def test_what_is_done_is_said():
    (note,) = data.from_arrays(np.moveaxis(X, 3, 1)).notes
    assert note == 'array: (6, 3, 9, 8) has the channels first, and is taken as (6, 9, 8, 3)'
    (note,) = data.from_arrays(X.astype(int), value_range=(0, 127)).notes
    share = f'{np.mean(X > 127):.2%}'
    assert note == f'array: {share} of the values are beyond (0, 127), and cut'


@pytest.mark.parametrize(
    ('y', 'numbers', 'classes'),
    [
        ([0, 1, 2, 2, 1, 0], [0, 1, 2, 2, 1, 0], None),
        ([[0], [1], [2], [2], [1], [0]], [0, 1, 2, 2, 1, 0], None),
        (np.eye(3)[[0, 1, 2, 2, 1, 0]], [0, 1, 2, 2, 1, 0], None),
        (np.eye(3, dtype=bool)[[0, 1, 2, 2, 1, 0]], [0, 1, 2, 2, 1, 0], None),
        ([0.0, 1.0, 2.0, 2.0, 1.0, 0.0], [0, 1, 2, 2, 1, 0], None),
        ([True, False, True, True, False, False], [1, 0, 1, 1, 0, 0], None),
        ([*'cab', *'bac'], [2, 0, 1, 1, 0, 2], ('a', 'b', 'c')),
        (['12', '2', '1', '1', '2', '12'], [2, 1, 0, 0, 1, 2], ('1', '2', '12')),
        ([1, 2, 5, 5, 2, 1], [0, 1, 2, 2, 1, 0], ('1', '2', '5')),
        (np.array([b'b', b'a'] * 3), [1, 0] * 3, ('a', 'b')),
    ],
)
def test_labels_as_people_write_them(y, numbers, classes):
    dataset = data.from_arrays(X, y)
    assert dataset.y.dtype == np.int32
    assert dataset.y.tolist() == numbers
    assert dataset.classes == classes
    assert labels(y, 6, '')[1] == classes


def test_names_are_in_the_order_of_their_numbers():
    names = ['10', '9', 'b2', 'b10', 'a', '1', 'b02']
    assert sorted(names, key=natural) == ['1', '9', '10', 'a', 'b02', 'b2', 'b10']


NAMES = {
    'x and y': ({'x': X, 'y': [0, 1] * 3}, '', X, [0, 1] * 3),
    'images alone': ({'faces': X}, '', X, None),
    'the only images': ({'faces': X, 'ages': np.arange(6)}, '', X, None),
    'images and labels': ({'images': X, 'labels': [[0], [1]] * 3}, '', X, [0, 1] * 3),
    'by keys': ({'a': GREY, 'b': X, 'c': [1, 0] * 3}, 'images=b,labels=c', X, [1, 0] * 3),
    'images by key': ({'x': GREY, 'b': X, 'y': [1, 0] * 3}, 'images=b', X, None),
}


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path if path.suffix == '.npz' else path.with_name(f'{path.name}.npz').rename(path)


@pytest.mark.parametrize(('arrays', 'keys', 'x', 'y'), NAMES.values(), ids=NAMES)
@pytest.mark.parametrize('name', ['a.npz', 'a.NPZ'])
def test_a_file_of_arrays(tmp_path, name, arrays, keys, x, y):
    dataset = data.load(saved(tmp_path / name, **arrays), reading={'keys': keys})
    np.testing.assert_array_equal(dataset.x, x)
    assert (None if dataset.y is None else dataset.y.tolist()) == y
    assert dataset.apart is None


@pytest.mark.parametrize(
    'names',
    [
        ('x_train', 'y_train', 'x_test', 'y_test'),
        ('train_images', 'train_labels', 'test_images', 'test_labels'),
        ('train_images', 'train_labels', 'val_images', 'val_labels'),
    ],
)
def test_files_of_keras_and_medmnist_keep_a_part_for_tests(tmp_path, names):
    parts = X, [[0], [1]] * 3, X[:2, ..., ::-1], [[1], [0]]
    dataset = data.load(saved(tmp_path / 'a.npz', **dict(zip(names, parts, strict=True))))
    np.testing.assert_array_equal(dataset.x, X)
    np.testing.assert_array_equal(dataset.apart.x, X[:2, ..., ::-1])
    assert (dataset.y.tolist(), dataset.apart.y.tolist()) == ([0, 1] * 3, [1, 0])


def test_labels_that_can_be_no_classes_are_left_aside(tmp_path):
    dataset = data.load(saved(tmp_path / 'a.npz', x=X, y=np.ones((6, 3))))
    assert dataset.y is None
    (note,) = dataset.notes
    assert note.startswith('labels are left aside: a.npz: expected a class for each of 6 images')
    assert note.endswith('which has more than one class in a row: choose one column')


def test_a_file_of_one_array_is_mapped(tmp_path):
    np.save(tmp_path / 'a.npy', X)
    dataset = data.load(tmp_path / 'a.npy')
    np.testing.assert_array_equal(dataset.x, X)
    assert data.dataset.mapped(dataset.x)
    np.save(tmp_path / 'b.npy', X / 255)
    dataset = data.load(tmp_path / 'b.npy', reading={'range': (0, 1)})
    np.testing.assert_array_equal(dataset.x, X)


class Examples:
    """As Grain's and PyTorch's data sets are."""

    def __init__(self, *examples, **attributes):
        self.examples = examples
        vars(self).update(attributes)

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, index):
        return self.examples[index]


def png(x):
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(x).save(buffer, 'PNG')
    return buffer.getvalue()


def pillow(x):
    from PIL import Image

    return Image.fromarray(x)


@pytest.mark.parametrize(
    'example',
    [
        lambda x, y: (x, y),
        lambda x, y: (np.moveaxis(x, 2, 0), np.int64(y)),
        lambda x, y: {'image': x, 'label': y},
        lambda x, y: {'img': pillow(x), 'label': y},
        lambda x, y: (png(x), y),
        lambda x, y: {'image': {'bytes': png(x), 'path': None}, 'label': y},
    ],
)
def test_examples_of_any_sequence(example):
    source = Examples(*(example(x, y) for x, y in zip(X, [0, 1] * 3, strict=True)))
    dataset = data.load(source)
    np.testing.assert_array_equal(dataset.x, X)
    assert dataset.y.tolist() == [0, 1] * 3
    named = Examples(*source.examples, classes=['cat', 'dog'])
    assert data.load(named).classes == ('cat', 'dog')


def test_a_sequence_of_images_alone_has_no_labels():
    dataset = data.load(Examples(*X[..., 0]))
    np.testing.assert_array_equal(dataset.x, GREY)
    assert dataset.y is None


def test_examples_are_brought_to_one_size():
    source = Examples(pillow(X[0]), pillow(X[1, :5]), pillow(X[2, ..., 0]))
    with pytest.raises(DataError, match='expected images of one size, or a size'):
        data.load(source)
    dataset = data.load(source, image_size=4)
    assert dataset.x.shape == (3, 4, 4, 3)


def test_channels_are_made_grey_or_coloured():
    grey = data.load(X, reading={'channels': 1})
    weights = X @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(grey.x[..., 0], weights, atol=1)
    colour = data.load(GREY, reading={'channels': 3})
    np.testing.assert_array_equal(colour.x, np.repeat(GREY, 3, axis=3))


def test_folders_of_hugging_face(tmp_path):
    datasets = pytest.importorskip('datasets', reason='expects the extra hf')
    features = datasets.Features(
        {'img': datasets.Image(), 'label': datasets.ClassLabel(names=['cat', 'dog'])}
    )

    def part(images):
        columns = {'img': [pillow(x) for x in images], 'label': [0, 1] * (len(images) // 2)}
        return datasets.Dataset.from_dict(columns, features=features)

    parts = datasets.DatasetDict({'train': part(X[:4]), 'test': part(X[4:])})
    parts.save_to_disk(tmp_path / 'saved')
    (tmp_path / 'parquet').mkdir()
    for name, each in parts.items():
        each.to_parquet(tmp_path / 'parquet' / f'{name}-00000.parquet')
    for name in ('saved', 'parquet'):
        dataset = data.load(f'hf:{tmp_path / name}')
        np.testing.assert_array_equal(dataset.x, X[:4])
        np.testing.assert_array_equal(dataset.apart.x, X[4:])
        assert (dataset.y.tolist(), dataset.classes) == ([0, 1, 0, 1], ('cat', 'dog'))
    assert data.load(parts['train']).classes == ('cat', 'dog')


@pytest.mark.parametrize('marked', [{}, {'fingerprint': 'ab'}], ids=['unknown', 'known'])
def test_a_sequence_that_is_larger_than_memory_lies_in_a_file(marked, data_cache, monkeypatch):
    """It is the same data; one with a fingerprint is converted once, another leaves no file."""
    pairs = list(zip(map(pillow, X), ['cat', 'dog'] * 3, strict=True))
    small = data.load(Examples(*pairs, **marked))
    monkeypatch.setattr('genjax.data.cache.SHARE', 0)
    large = data.load(Examples(*pairs, **marked))
    assert mapped(large.x)
    np.testing.assert_array_equal(large.x, X)
    assert (large.y.tolist(), large.classes) == ([0, 1] * 3, ('cat', 'dog'))
    assert data.fingerprint(large) == data.fingerprint(small)
    kept = sorted(path.name for path in data_cache.rglob('*.npy'))
    assert kept == (['images.npy'] if marked else [])
    if marked:
        monkeypatch.setattr('genjax.data.sequences.from_arrays', None)
        np.testing.assert_array_equal(data.load(Examples(*pairs, **marked)).x, X)


@pytest.mark.parametrize(
    ('example', 'reading', 'message'),
    [
        (lambda x: x / 255, {}, 'expected bytes, or a range'),
        (lambda x: x[:4], {}, r'expected images \(9, 8, 3\)'),
    ],
)
def test_what_cannot_lie_in_a_file_is_refused(data_cache, monkeypatch, example, reading, message):
    monkeypatch.setattr('genjax.data.cache.SHARE', 0)
    with pytest.raises(DataError, match=message):
        data.load(Examples(*X[:5], example(X[5])), reading=reading)


def test_numbers_of_a_large_sequence_are_bytes_by_their_range(data_cache, monkeypatch):
    monkeypatch.setattr('genjax.data.cache.SHARE', 0)
    dataset = data.load(Examples(*(X / 255.0)), reading={'range': (0.0, 1.0)})
    np.testing.assert_array_equal(dataset.x, X)
