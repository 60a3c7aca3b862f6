"""Bad arrays, sources and files, each with the message of the `DataError` that it gives.

In a message, `...` stands for anything and HERE for the folder that an input lies in.
"""

import gzip
import io
import struct
import zipfile

import jax
import numpy as np
import pytest

from genjax import data

FORMS = (
    "expected 'digits', 'sprites', 'tfds:NAME', 'hf:FOLDER', a folder, .zip or .tar of images, a "
    ".npz or .npy file, an MNIST idx file, a folder with the MNIST idx files, a dict {'x': images, "
    "'y': "
    'labels}, an array, a sequence of examples or a Dataset; '
)
SHAPES = 'array: expected images [n, h, w] or [n, h, w, c] with n, h, w >= 1 and c = 1 or 3, got '
NUMBERS = 'array: expected labels in [0, 2^31), or -1 of some that are not known, got values in '
LABELS = 'array: expected a class for each of 4 images, [4] or one-hot, got '
FACTORS = 'array: expected factors as integers [4, f >= 1], got '
MANY = ', which has more than one class in a row: choose one column'
ROWS = '; x.reshape(-1, h, w) makes images of rows'
FLOATS = 'array: expected float images in [-1, 1], got values in '
SIZE = 'expected image_size to be an integer in [1, 16384], got '
IMAGES = np.zeros((4, 5, 5, 1), np.uint8)
NAN = np.where(np.eye(5)[None, :, :, None], np.nan, 0.0)


class Elsewhere:
    """An array of another library, which NumPy cannot take."""

    shape, dtype = (4, 5, 5), np.dtype(np.uint8)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError('it is on another device')


def arrays(x, y=None, **others):
    return lambda here: data.from_arrays(x, y, **others)


ARRAYS = {
    'a list': (arrays([[0]]), 'array: expected an array of images, got list'),
    'rank 2': (arrays(np.zeros((4, 5), np.uint8)), SHAPES + '(4, 5)' + ROWS),
    'two channels': (arrays(np.zeros((4, 5, 5, 2), np.uint8)), SHAPES + '(4, 5, 5, 2)'),
    'alpha': (
        arrays(np.zeros((4, 5, 5, 4), np.uint8)),
        SHAPES + '(4, 5, 5, 4); x[..., :3] is without transparency',
    ),
    'no images': (arrays(np.zeros((0, 5, 5, 1), np.uint8)), SHAPES + '(0, 5, 5, 1)'),
    'no pixels': (arrays(np.zeros((4, 0, 5), np.uint8)), SHAPES + '(4, 0, 5)'),
    **{
        f'{dtype} images': (
            arrays(IMAGES.astype(dtype)),
            f'array: expected images of numbers, got {dtype}',
        )
        for dtype in ('object', 'complex128')
    },
    **{
        f'{dtype} images': (
            arrays(IMAGES.astype(dtype) + np.dtype(dtype).type(add)),
            'array: expected images of uint8, or other numbers and their range, got '
            f'{dtype} in [{add}, {add}]: say --range {low} {high}, or value_range=({low}, {high})',
        )
        for dtype, add, low, high in (
            ('int64', 0, 0, 255),
            ('uint16', 3000, 0, 4095),
            ('int16', -7, -7, -6),
        )
    },
    'a picture': (
        arrays(np.zeros((28, 30, 3), np.uint8)),
        'array: expected images [n, h, w] or [n, h, w, c], got (28, 30, 3), which looks like one '
        'picture: x[None] is a set of it alone',
    ),
    'in [0, 1]': (
        arrays(np.linspace(0, 1, 100).reshape(4, 5, 5)),
        FLOATS + '[0, 1], which look like [0, 1]: say --range 0 1, or value_range=(0, 1), or -1 1 '
        'if they are',
    ),
    'above 1': (
        arrays(IMAGES + 255.0),
        FLOATS + '[255, 255], which look like [0, 255]: say --range 0 255, or value_range=(0, 255)',
    ),
    'below -1': (arrays(IMAGES - 1.5), FLOATS + '[-1.5, -1.5]: clip them, or say their range'),
    'infinite': (arrays(IMAGES + np.inf), 'array: expected finite images, got NaN or infinity'),
    'NaN': (arrays(NAN), 'array: expected finite images, got NaN or infinity'),
    'a range of one value': (
        lambda here: data.load(IMAGES, reading={'range': (3, 3)}),
        'expected a range (low, high) with low < high, got (3, 3)',
    ),
    'an unknown option of reading': (
        lambda here: data.load(IMAGES, reading={'fitt': 'pad'}),
        "expected options of reading among (...), got ['fitt']",
    ),
    'another fit': (
        lambda here: data.load(IMAGES, reading={'fit': 'squeeze'}),
        "expected fit among ('crop', 'pad', 'stretch'), got 'squeeze'",
    ),
    'another ground': (
        lambda here: data.load(IMAGES, reading={'ground': 'whitish'}),
        "expected a colour such as 'white' or '#808080', got 'whitish'",
    ),
    'other keys': (
        lambda here: data.load(IMAGES, reading={'keys': 'x=images'}),
        "expected keys as images=NAME,labels=NAME, got 'x=images'",
    ),
    'keys': (
        lambda here: data.load(jax.random.split(jax.random.key(0), 16).reshape(1, 4, 4)),
        'array: expected an array of images, got PRNGKeyArray: ...',
    ),
    'of another library': (
        arrays(Elsewhere()),
        'array: expected an array of images, got Elsewhere: it is on another device',
    ),
    'labels short': (arrays(IMAGES, [0, 1]), LABELS + 'int64 (2,)'),
    'labels float': (arrays(IMAGES, [0.5] * 4), LABELS + 'float64 (4,)'),
    'labels of many': (arrays(IMAGES, np.ones((4, 4), int)), LABELS + 'int64 (4, 4)' + MANY),
    'labels ragged': (
        arrays(IMAGES, [[0], [1, 2], [0], [0]]),
        'array: expected a class for each of 4 images, got list: setting an array element...',
    ),
    'labels negative': (
        arrays(IMAGES, [0, -2, 2, 3]),
        NUMBERS + '[-2, 3]',
    ),
    'labels huge': (
        arrays(IMAGES, [0, 1, 2, 2**31]),
        NUMBERS + '[0, 2147483648]',
    ),
    'factors short': (arrays(IMAGES, factors=[[0], [1]]), FACTORS + 'int64 (2, 1)'),
    'factors of rank 1': (arrays(IMAGES, factors=[0, 1, 2, 3]), FACTORS + 'int64 (4,)'),
    'factors of text': (arrays(IMAGES, factors=[['a']] * 4), FACTORS + '<U1 (4, 1), not all...'),
    'half a factor': (
        arrays(IMAGES, factors=[[0.5]] * 4),
        FACTORS + 'float64 (4, 1), not all of them whole',
    ),
    'an infinite factor': (
        arrays(IMAGES, factors=[[np.inf], [0], [np.nan], [1]]),
        FACTORS + 'float64 (4, 1), not all of them whole',
    ),
    'factors that stay': (
        arrays(IMAGES, factors=[[3, 1]] * 4),
        'array: expected factors that vary, got one value of each',
    ),
    'too few names of factors': (
        arrays(IMAGES, factors=np.eye(4, dtype=int), factor_names=('x', 'y')),
        "array: expected 4 names of factors, got ['x', 'y']",
    ),
}


def loads(source, image_size=None):
    return lambda here: data.load(source, image_size)


def splits(n, held_out, seed=0):
    return (
        lambda here: data.split(data.from_arrays(np.zeros((n, 2, 2), np.uint8)), held_out, seed),
        'expected 2 or more examples, held_out in (0, 1) and a seed >= 0, '
        f'got {n}, {held_out} and {seed}',
    )


def near(here):
    np.savez(here / 'faces.npz', x=IMAGES)
    data.load(here / 'face.npz')


SOURCES = {
    'misspelt': (
        loads('digit'),
        FORMS + "got 'digit', which does not exist (did you mean 'digits'?)",
    ),
    'misspelt file': (
        near,
        FORMS + "got 'HERE/face.npz', which does not exist (did you mean 'HERE/faces.npz'?)",
    ),
    'unknown': (loads('imagenet'), FORMS + "got 'imagenet', which does not exist"),
    'below a file': (loads(f'{__file__}/x'), FORMS + "got '.../x', which does not exist"),
    'a device': (loads('/dev/null'), FORMS + "got '/dev/null', which is no regular file"),
    'a long name': (
        loads('x' * 5000),
        FORMS + "got 'x...x': [Errno 36] File name too long: 'x...x'",
    ),
    'of nobody': (
        loads('~no such user/x'),
        FORMS + "got '~no such user/x': Could not determine home directory.",
    ),
    'a number': (loads(3), FORMS + 'got int'),
    'nothing': (loads(None), FORMS + 'got NoneType'),
    'bytes': (loads(b'digits'), FORMS + 'got bytes'),
    'a pair': (loads((IMAGES, [0] * 4)), FORMS + 'got tuple'),
    'no x': (
        loads({'images': IMAGES}),
        "expected a dict {'x': images, 'y': labels}, got ['images']",
    ),
    'a strange key': (
        loads({'x': IMAGES, 'labels': [0] * 4}),
        "expected a dict {'x': images, 'y': labels}, got ['x', 'labels']",
    ),
    'a bad dataset': (
        loads(data.Dataset(IMAGES[0, 0], None, 'mine')),
        SHAPES.replace('array', 'mine') + '(5, 1)' + ROWS,
    ),
    'too few class names': (
        loads(data.Dataset(IMAGES, np.arange(4, dtype=np.int32), 'mine', ('cat', 'dog'))),
        "mine: expected a name for 4 classes, got ('cat', 'dog')",
    ),
    'size 0': (loads('digits', 0), SIZE + '0'),
    'a huge size': (loads('digits', 10**6), SIZE + '1000000'),
    'a size of text': (loads(IMAGES, '28'), SIZE + "'28'"),
    'no TFDS name': (loads('tfds:'), "expected tfds:NAME or tfds:NAME:SPLIT, got 'tfds:'"),
    'only a TFDS split': (
        loads('tfds:[:9]'),
        "expected tfds:NAME or tfds:NAME:SPLIT, got 'tfds:[:9]'",
    ),
    'one image to split': splits(1, 0.5),
    'none held out': splits(9, 0.0),
    'all held out': splits(9, 1.0),
    'NaN held out': splits(9, np.nan),
    'text held out': splits(9, 'a tenth'),
    'a negative seed': splits(9, 0.5, -1),
    'half a seed': splits(9, 0.5, 1.5),
}


def file(name, content, reading=None):
    def act(here):
        (here / name).write_bytes(content)
        data.load(here / name, reading=reading or {})

    return act


def npz(reading=None, **arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return file('a.npz', buffer.getvalue(), reading)


def npy(shape, content):
    """A .npz file whose header claims a shape."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    array = b'\x93NUMPY\x01\x00' + struct.pack('<H', 118) + header.ljust(117) + b'\n' + content
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('x.npy', array)
    return buffer.getvalue()


def bomb(here):
    np.savez_compressed(here / 'a.npz', x=np.zeros((1000, 28, 28), np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('genjax.data.files.memory', lambda: 2**19)
        data.load(here / 'a.npz')


def idx_labels(here, given=None):
    content = struct.pack('>2I', 2049, 3) + bytes(3)
    (here / 'train-labels-idx1-ubyte').write_bytes(content)
    (here / 'train-images-idx3-ubyte').write_bytes(IDX)
    data.from_idx(here / 'train-images-idx3-ubyte', given and here / given)


IDX = struct.pack('>4I', 2051, 4, 5, 5) + bytes(100)
VAST = struct.pack('>4I', 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(100)
WHOLE = 'HERE/a.npz: expected a whole .npz file, got '
FILES = {
    'empty npz': (file('a.npz', b''), WHOLE + "BadZipFile('File is not a zip file')"),
    'no zip': (file('a.npz', b'no zip'), WHOLE + "BadZipFile('File is not a zip file')"),
    'a cut zip': (file('a.npz', npy((4, 5, 5), bytes(100))[:-30]), WHOLE + "BadZipFile('...')"),
    'no npy': (file('a.npz', npy((4, 5, 5), b'').replace(b'NUMPY', b'numpy')), WHOLE + '...'),
    'no images in it': (
        npz(y=[0, 1], names=['a', 'b']),
        "HERE/a.npz: expected an array 'x' of images, or one alone, got y [2], names [2]: say "
        'which by --keys images=NAME,labels=NAME',
    ),
    'many images in it': (
        npz(a=IMAGES, b=IMAGES[..., 0]),
        "HERE/a.npz: expected an array 'x' of images, or one alone, got a [4, 5, 5, 1], "
        'b [4, 5, 5]: say which by --keys images=NAME,labels=NAME',
    ),
    'a missing key': (
        npz({'keys': 'images=z'}, x=IMAGES),
        "HERE/a.npz: expected the keys ['z'], got ['x']",
    ),
    'a damaged npy': (
        file('a.npy', b'x' * 99),
        'HERE/a.npy: expected a whole .npy file of numbers, got ValueError(...)',
    ),
    'objects': (
        npz(x=np.array([IMAGES, None], object)),
        "HERE/a.npz: expected an array of numbers, got objects in 'x'",
    ),
    'objects for labels': (
        npz(x=IMAGES, y=np.array([0, 1, 2, None], object)),
        "HERE/a.npz: expected an array of numbers, got objects in 'y'",
    ),
    'npz labels short': (npz(x=IMAGES, y=[0, 1]), LABELS.replace('array', 'a.npz') + 'int64 (2,)'),
    'an npz header that lies': (
        file('a.npz', npy((99999999999, 5, 5), bytes(50))),
        "HERE/a.npz: expected uint8 (99999999999, 5, 5) in 'x', got 50 bytes",
    ),
    'a bomb': (bomb, 'HERE/a.npz: expected an array that fits into memory, got 784128 bytes'),
    'no npz': (lambda here: data.from_npz(here / 'b.npz'), 'HERE/b.npz: expected a file, got none'),
    'empty idx': (file('a', b''), 'HERE/a: expected an idx header of 16 bytes, got 0'),
    'a short header': (file('a', IDX[:10]), 'HERE/a: expected an idx header of 16 bytes, got 10'),
    'idx labels': (
        file('a', struct.pack('>2I', 2049, 50) + bytes(50)),
        'HERE/a: expected the idx magic number 2051, got 2049',
    ),
    'idx floats': (
        file('a', struct.pack('>I', 0xD03) + IDX[4:]),
        'HERE/a: expected the idx magic number 2051, got 3331',
    ),
    'short idx': (
        file('a', IDX[:-1]),
        'HERE/a: expected 100 bytes of [4, 5, 5] in its header, got 99 bytes',
    ),
    'long idx': (
        file('a', IDX + b'0'),
        'HERE/a: expected 100 bytes of [4, 5, 5] in its header, got more',
    ),
    'idx of none': (
        file('a', struct.pack('>4I', 2051, 0, 5, 5)),
        SHAPES.replace('array', 'a', 1) + '(0, 5, 5)',
    ),
    'cut gzip': (
        file('a', gzip.compress(IDX)[:-9]),
        'HERE/a: expected a readable idx file, got EOFError(...)',
    ),
    'gzip checksum': (
        file('a', gzip.compress(IDX)[:-8] + bytes(8)),
        'HERE/a: expected a readable idx file, got BadGzipFile(...)',
    ),
    'a page': (
        file('a', b'a page that says: not found'),
        'HERE/a: expected the idx magic number 2051, got 1629515873',
    ),
    'an idx header that lies': (
        file('a', VAST),
        f'HERE/a: expected an array that fits into memory, got {(2**32 - 1) ** 3} bytes',
    ),
    'and one zipped': (
        file('a', gzip.compress(VAST)),
        f'HERE/a: expected an array that fits into memory, got {(2**32 - 1) ** 3} bytes',
    ),
    'other idx labels': (
        idx_labels,
        'train-images-idx3-ubyte: expected a class for each of 4 images, [4] or one-hot, got '
        'uint8 (3,)',
    ),
    'no idx labels': (
        lambda here: idx_labels(here, 'labels'),
        'HERE/labels: expected a file, got none',
    ),
    'a folder for idx': (lambda here: data.from_idx(here), 'HERE: expected a file, got a folder'),
    'an empty folder': (
        lambda here: data.load(here),
        'HERE: expected PNG, JPEG or WebP images, or MNIST idx files, got none in the folder or '
        'its subfolders',
    ),
    **{
        name: (
            file(name, b''),
            f'HERE/{name}: expected a folder of images, or a .zip or .tar of one that is read in '
            'place, got a packed archive: unpack it first',
        )
        for name in ('a.tar.gz', 'a.TGZ', 'a.rar')
    },
    **{
        name: (file(name, b''), f"{FORMS}got 'HERE/{name}', which is {what}: ...{hint}...")
        for name, what, hint in (
            ('a.h5', 'an HDF5 file', 'h5py'),
            ('a.csv', 'a table', 'pandas'),
            ('a.pkl', 'a pickle', 'runs code'),
            ('a.pt', "a file of PyTorch's", 'numpy()'),
            ('a.tiff', 'a TIFF image', 'PNG'),
            ('a.mat', "a file of MATLAB's", 'scipy.io.loadmat'),
            ('a.dcm', 'a DICOM image', 'pydicom'),
            ('a.parquet', 'a table', 'hf:FOLDER'),
            ('a.PNG', 'a single picture', 'give the folder'),
            ('a.mp4', 'a video', 'PNG files'),
            ('a.tfrecord', 'TFRecords', 'tfds:NAME'),
        )
    },
}
