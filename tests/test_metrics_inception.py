"""Inception's graph beside PyTorch's layers, how images come to it, and files of its weights."""

import importlib
import sys
import zipfile
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from genjax import metrics, plots
from genjax.metrics.inception import of_tensors, prepare, resize
from genjax.nn.inception import Inception

# A line for each branch, with stages of a layer, a pool, or layers side by side. A layer has a
# name, features, a kernel and, where those are not 1 and (k - 1) / 2, stride and padding.
STEM = """
Conv2d_1a_3x3 32 3x3 2 0 | Conv2d_2a_3x3 32 3x3 1 0 | Conv2d_2b_3x3 64 3x3 | max/2 \
| Conv2d_3b_1x1 80 1x1 | Conv2d_4a_3x3 192 3x3 1 0 | max/2
"""
A = """
branch1x1 64 1x1
branch5x5_1 48 1x1 | branch5x5_2 64 5x5
branch3x3dbl_1 64 1x1 | branch3x3dbl_2 96 3x3 | branch3x3dbl_3 96 3x3
mean | branch_pool {} 1x1
"""
B = """
branch3x3 384 3x3 2 0
branch3x3dbl_1 64 1x1 | branch3x3dbl_2 96 3x3 | branch3x3dbl_3 96 3x3 2 0
max/2
"""
C = """
branch1x1 192 1x1
branch7x7_1 {0} 1x1 | branch7x7_2 {0} 1x7 | branch7x7_3 192 7x1
branch7x7dbl_1 {0} 1x1 | branch7x7dbl_2 {0} 7x1 | branch7x7dbl_3 {0} 1x7 \
| branch7x7dbl_4 {0} 7x1 | branch7x7dbl_5 192 1x7
mean | branch_pool 192 1x1
"""
D = """
branch3x3_1 192 1x1 | branch3x3_2 320 3x3 2 0
branch7x7x3_1 192 1x1 | branch7x7x3_2 192 1x7 | branch7x7x3_3 192 7x1 | branch7x7x3_4 192 3x3 2 0
max/2
"""
E = """
branch1x1 320 1x1
branch3x3_1 384 1x1 | branch3x3_2a 384 1x3 + branch3x3_2b 384 3x1
branch3x3dbl_1 448 1x1 | branch3x3dbl_2 384 3x3 \
| branch3x3dbl_3a 384 1x3 + branch3x3dbl_3b 384 3x1
{} | branch_pool 192 1x1
"""
GRAPH = {
    '': STEM,
    'Mixed_5b.': A.format(32),
    'Mixed_5c.': A.format(64),
    'Mixed_5d.': A.format(64),
    'Mixed_6a.': B,
    'Mixed_6b.': C.format(128),
    'Mixed_6c.': C.format(160),
    'Mixed_6d.': C.format(160),
    'Mixed_6e.': C.format(192),
    'Mixed_7a.': D,
    'Mixed_7b.': E.format('mean'),
    'Mixed_7c.': E.format('max'),
}


def walk(x, unit, pool, join):
    """The graph of any x, with its functions given."""

    def stage(x, block, text):
        name, *numbers = text.split()
        if not numbers:
            return pool(x, name)
        features, size, *rest = numbers
        kernel = [int(k) for k in size.split('x')]
        stride, padding = [int(n) for n in rest] or (1, [k // 2 for k in kernel])
        return unit(x, block + name, int(features), kernel, stride, padding)

    for block, branches in GRAPH.items():
        found = []
        for branch in branches.strip().splitlines():
            y = x
            for stages in branch.split('|'):
                y = join([stage(y, block, text) for text in stages.split('+')])
            found.append(y)
        x = join(found)
    return x


def random_tensors():
    """Weights by the names of PyTorch's state dict."""
    random = np.random.default_rng(0)
    tensors = {}

    def normal(*shape, scale=1.0):
        return np.float32(scale) * random.standard_normal(shape, np.float32)

    def unit(channels, name, features, kernel, stride, padding):
        scale = np.sqrt(2 / (channels * np.prod(kernel)))
        tensors[f'{name}.conv.weight'] = normal(features, channels, *kernel, scale=scale)
        tensors[f'{name}.bn.weight'] = 1 + normal(features, scale=0.2)
        tensors[f'{name}.bn.bias'] = normal(features, scale=0.2)
        tensors[f'{name}.bn.running_mean'] = normal(features, scale=0.2)
        tensors[f'{name}.bn.running_var'] = random.uniform(0.5, 2, features).astype(np.float32)
        return features

    features = walk(3, unit, lambda channels, name: channels, sum)
    tensors['fc.weight'], tensors['fc.bias'] = normal(1008, features, scale=0.02), normal(1008)
    return tensors


@pytest.fixture(scope='module')
def tensors():
    return random_tensors()


@pytest.fixture(scope='module')
def file(tensors, tmp_path_factory):
    """The weights as a file."""
    path = tmp_path_factory.mktemp('inception') / 'weights.safetensors'
    counted = {'Conv2d_1a_3x3.bn.num_batches_tracked': np.array(7)}
    safetensors.numpy.save_file(tensors | counted, path)
    return path


def naive_resize(images, size):
    """Pixel by pixel, with places as fractions of integers."""
    images = images.astype(np.float64)
    _, h, w, c = images.shape
    out = np.empty((len(images), size, size, c))
    for i in range(size):
        for j in range(size):
            (y, dy), (x, dx) = divmod(i * h, size), divmod(j * w, size)
            below, right = min(y + 1, h - 1), min(x + 1, w - 1)
            top = images[:, y, x] * (size - dx) + images[:, y, right] * dx
            bottom = images[:, below, x] * (size - dx) + images[:, below, right] * dx
            out[:, i, j] = (top * (size - dy) + bottom * dy) / size**2
    return out


def torch_features(torch, tensors, x):
    F = torch.nn.functional
    weights = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    pools = {
        'mean': lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        'max': lambda x: F.max_pool2d(x, 3, 1, 1),
        'max/2': lambda x: F.max_pool2d(x, 3, 2),
    }

    def unit(x, name, features, kernel, stride, padding):
        x = F.conv2d(x, weights[f'{name}.conv.weight'], None, stride, padding)
        norm = (
            weights[f'{name}.bn.{k}'] for k in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return F.relu(F.batch_norm(x, *norm, eps=1e-3))

    with torch.no_grad():
        x = walk(x, unit, lambda x, name: pools[name](x), lambda parts: torch.cat(parts, 1))
    return x.mean((2, 3)).numpy()


def test_features_and_logits_are_those_of_pytorch(file, tensors):
    torch = pytest.importorskip('torch', reason='expects PyTorch to compare with')
    images = np.random.default_rng(1).integers(0, 256, (2, 23, 31, 3), np.uint8)
    images[1] //= 4
    x = (naive_resize(images, 299).transpose(0, 3, 1, 2) - 128) / 128
    features = torch_features(torch, tensors, torch.from_numpy(x.astype(np.float32)))
    logits = features @ tensors['fc.weight'].T
    found = metrics.extract(metrics.inception(file), images, 2)
    for ours, theirs in ((found.features, features), (found.logits, logits)):
        tolerance = 2e-5 * theirs.std()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=tolerance)
        assert np.abs(theirs[0] - theirs[1]).mean() > 100 * tolerance


def test_the_number_of_parameters_is_the_published_one():
    """torchvision has 27,161,264 with the auxiliary classifier's 3,326,696 and 1000 classes."""
    shapes = jax.eval_shape(Inception().init, jax.random.key(0), jnp.zeros((1, 299, 299, 3)))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes['params']))
    assert count == 27_161_264 - 3_326_696 + 8 * 2049


@pytest.mark.parametrize('shape', [(1, 1), (2, 7), (28, 28), (13, 13), (64, 40)])
def test_images_are_resized_as_in_tensorflow_1(shape):
    images = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), np.uint8)
    found = resize(jnp.asarray(images, jnp.float32), 13)
    np.testing.assert_allclose(found, naive_resize(images, 13), atol=1e-3)


@pytest.mark.usual_compiler
def test_images_come_as_bytes():
    floats = np.random.default_rng(0).uniform(-1.1, 1.1, (2, 20, 30, 3)).astype(np.float32)
    prepared = jax.jit(prepare)
    seen = prepared(floats)
    assert seen.shape == (2, 299, 299, 3)
    assert np.array_equal(seen, prepared(plots.to_uint8(floats)))
    assert float(seen.min()) == -1
    assert float(seen.max()) == 127 / 128
    grey = prepared(floats[..., :1])
    assert np.array_equal(grey, np.repeat(seen[..., :1], 3, axis=3))
    inside = jnp.full((1, 299, 299, 1), 0.123)
    slope = jax.jvp(prepared, (inside,), (jnp.ones_like(inside),))[1]
    np.testing.assert_allclose(slope, 127.5 / 128, rtol=1e-6)


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        (np.zeros((2, 8, 8), np.uint8), r'expected images \[n, h, w, 1 or 3\], got \[2, 8, 8\]'),
        (np.zeros((2, 8, 8, 2), np.uint8), r'expected images .*, got \[2, 8, 8, 2\]'),
        (np.zeros((2, 0, 8, 1), np.uint8), r'expected images .*, got \[2, 0, 8, 1\]'),
        (np.zeros((2, 8, 8, 3), int), r'expected images of uint8 or float in \[-1, 1\], got int32'),
    ],
)
def test_other_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        prepare(images)


def test_both_kinds_of_files_hold_the_same_weights(file, tensors, tmp_path):
    np.savez(tmp_path / 'weights.npz', **dict(reversed(tensors.items())))
    extractors = [metrics.inception(path) for path in (file, tmp_path / 'weights.npz')]
    assert {e.mark for e in extractors} == {f'inception-2015-12-05@{extractors[0].sha256[:8]}'}
    other = tensors | {'fc.bias': tensors['fc.bias'] + 1}
    assert of_tensors(other).sha256 != extractors[0].sha256


KEY, BIAS = 'Mixed_7c.branch1x1.conv.weight', 'fc.bias'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda t: {k: v for k, v in t.items() if not k.startswith('fc.')},
            'w: expected the 472 tensors of Inception-v3, got 470, without fc.bias, fc.weight, '
            'with nothing else',
        ),
        (
            lambda t: t | {f'x{i}': t[BIAS] for i in range(5)},
            'w: expected the 472 tensors of Inception-v3, got 477, without nothing else, '
            'with x0, x1, x2 and 2 others',
        ),
        (
            lambda t: t | {KEY: t[KEY].transpose(2, 3, 1, 0)},
            f'w: {KEY}: expected float32 [320, 2048, 1, 1], got float32 [1, 1, 2048, 320]',
        ),
        (
            lambda t: t | {BIAS: t[BIAS].astype(np.float16)},
            f'w: {BIAS}: expected float32 [1008], got float16 [1008]',
        ),
        (
            lambda t: t | {BIAS: t[BIAS] * np.inf},
            f'w: {BIAS}: expected finite numbers, got NaN or infinity',
        ),
    ],
)
def test_other_tensors_are_refused(tensors, change, message):
    with pytest.raises(ValueError) as caught:
        of_tensors(change(tensors), 'w')
    assert str(caught.value) == message


def bomb(path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('fc.bias.npy', bytes(2**27 + 1))


@pytest.mark.parametrize(
    ('name', 'write', 'message'),
    [
        ('none.npz', lambda path: None, 'none.npz: expected a file of weights, which is not there'),
        ('folder.npz', lambda path: path.mkdir(), 'expected a file of weights, '),
        ('weights.pth', lambda path: path.write_bytes(b'x'), 'expected a file of weights, '),
        ('a.safetensors', lambda path: path.write_bytes(b'x' * 99), ': expected the weights of '),
        ('a.npz', lambda path: path.write_bytes(b'PK' * 99), ': expected the weights of Inception'),
        ('b.npz', lambda path: np.savez(path, x=np.array([{}])), 'allow_pickle=False'),
        ('bomb.npz', bomb, 'got ValueError.*bytes'),
    ],
)
def test_other_files_are_refused(tmp_path, name, write, message):
    write(tmp_path / name)
    with pytest.raises(ValueError, match=message) as caught:
        metrics.inception(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_state_dict_is_converted(file, tensors, tmp_path, capsys):
    torch = pytest.importorskip('torch', reason='expects PyTorch, which wrote the weights')
    from experiments import convert_inception

    state = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    source, target = tmp_path / 'in.pth', tmp_path / 'out.safetensors'
    torch.save(state | {'Mixed_7c.branch1x1.bn.num_batches_tracked': torch.tensor(3)}, source)
    convert_inception.main(source, target)
    mark = metrics.inception(target).mark
    assert mark == metrics.inception(file).mark
    assert 'not the published file' in capsys.readouterr().out
    torch.save({**state, 'fc.bias': print}, source)
    before = target.read_bytes()
    with pytest.raises(
        ValueError, match=r'in\.pth: expected a state dict of tensors, got Unpickling'
    ):
        convert_inception.convert(source, target)
    assert target.read_bytes() == before


def test_weights_that_lie_channels_last_in_memory_are_converted(
    file, tensors, tmp_path, monkeypatch
):
    """What PyTorch hands over of them, without PyTorch."""

    def loaded():
        for name, tensor in tensors.items():
            yield name, SimpleNamespace(numpy=lambda tensor=tensor: np.asfortranarray(tensor))

    torch = SimpleNamespace(load=lambda *args, **kwargs: dict(loaded()))
    monkeypatch.setitem(sys.modules, 'torch', torch)
    monkeypatch.delitem(sys.modules, 'experiments.convert_inception', raising=False)
    convert_inception = importlib.import_module('experiments.convert_inception')
    monkeypatch.delitem(sys.modules, 'experiments.convert_inception')
    target = tmp_path / 'out.safetensors'
    convert_inception.convert(tmp_path / 'in.pth', target)
    assert metrics.inception(target).mark == metrics.inception(file).mark


def test_one_program_serves_all_weights_at_full_precision():
    seen = []

    def apply(weight, images):
        seen.append(jax.config.jax_default_matmul_precision)
        return metrics.Activations(images[:, 0, 0].astype(jnp.float32) * weight)

    images = np.ones((3, 2, 2, 1), np.uint8)
    for weight in (1.0, 2.0):
        extractor = metrics.Extractor('one', '', jax.tree_util.Partial(apply, jnp.float32(weight)))
        assert np.array_equal(metrics.extract(extractor, images).features, np.full((3, 1), weight))
    assert seen == ['highest']
