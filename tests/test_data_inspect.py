"""What `inspect` finds, and the arrays that any caller may bring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from genjax import data
from genjax.cli import main
from genjax.data import DataError, Dataset


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Five images of two classes, two of them equal, and one that cannot be read."""
    monkeypatch.setenv('GENJAX_DATA_CACHE', str(tmp_path / 'cache'))
    for name, level in {'a/1': 3, 'a/2': 90, 'a/3': 3, 'b/1': 200, 'b/2': 7}.items():
        path = tmp_path / 'images' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5), level, np.uint8)).save(path)
    (tmp_path / 'images' / 'b' / '0.png').write_bytes(b'')
    return tmp_path / 'images'


def test_a_folder(images):
    report = data.inspect(images)
    assert report.dataset.x[:, 0, 0, 0].tolist() == [3, 90, 3, 200, 7]
    assert report.counts == {'a': 3, 'b': 2}
    assert (report.low, report.high, report.duplicates) == (3, 200, (2,))
    assert report.dataset.left_out == {'b/0.png': 'no PNG, JPEG or WebP'}


def test_the_command(images, tmp_path, capsys):
    out = tmp_path / 'grid.npz'
    assert main(['data', 'inspect', str(images), '--image-size', '4', '--out', str(out)]) == 0
    text = capsys.readouterr().out
    for line in ('images: 5 images, 4x4x1', 'values in [3, 200]', '2 classes:', '  a: 3',
                 'duplicates: 1 groups of equal images, 2 images in them', 'unreadable: 1 files',
                 "  'b/0.png': no PNG, JPEG or WebP"):  # fmt: skip
        assert line in text
    with np.load(out) as grid:
        tiles = grid['x'][:, 0, 0, 0].reshape(2, 10)
    assert tiles[:, :4].tolist() == [[3, 90, 3, 255], [200, 7, 255, 255]]
    assert main(['data', 'inspect', 'digits', '--out', str(tmp_path / 'grid.png')]) == 0
    with Image.open(tmp_path / 'grid.png') as image:
        assert image.size[0] == image.size[1]


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['nowhere'], "got 'nowhere', which does not exist"),
        (['digits', '--out', 'x.jpg'], 'a file that ends in .png or .npz'),
        (['digits', '--image-size', '-1'], 'expected image_size to be an integer'),
    ],
)
def test_what_cannot_be_inspected_is_said(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(['data', 'inspect', *words]) == 2
    assert message in capsys.readouterr().err


def test_sources_without_labels_make_a_square():
    x = np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(300, 1, 1, 1)
    report = data.inspect(x)
    assert report.counts is None
    assert report.duplicates == (2,) * 44
    np.testing.assert_array_equal(data.examples(report.dataset), x[:100])


ANY = arrays.arrays(
    st.one_of(
        arrays.boolean_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(),
        arrays.floating_dtypes(), arrays.complex_number_dtypes(), arrays.byte_string_dtypes(),
        arrays.datetime64_dtypes(),
    ),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(x=ANY, y=st.none() | ANY)
@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')
def test_any_array_is_a_dataset_or_a_data_error(x, y):
    try:
        dataset = data.load(x if y is None else {'x': x, 'y': y})
    except DataError:
        return
    assert isinstance(dataset, Dataset)
    assert dataset.x.dtype == np.uint8
    first = x.ndim == 4 and x.shape[-1] not in (1, 3)
    assert dataset.x.shape[:3] == (np.moveaxis(x, 1, -1) if first else x).shape[:3]
    assert dataset.x.shape[3] in (1, 3)
    assert x.dtype in (np.uint8, bool) or np.abs(x.astype(float)).max() <= 1
    if y is not None:
        assert len(np.unique(dataset.y)) == dataset.num_classes == len(np.unique(y))


@settings(max_examples=60, deadline=None)
@given(
    x=arrays.arrays(
        st.sampled_from([np.uint8, np.float16, np.float32, np.float64]),
        st.tuples(*[st.integers(1, 4)] * 3, st.sampled_from([1, 3])),
        elements=st.integers(0, 1),
    )
)
def test_good_arrays_are_taken_whatever_their_shape(x):
    if x.dtype != np.uint8:
        x = x.copy()
        x.flat[0] = -1  # Without a negative value floats may be in [0, 1] as well.
    expected = x if x.dtype == np.uint8 else np.rint((x.astype(float) + 1) * 127.5)
    np.testing.assert_array_equal(data.load(x).x, expected)
