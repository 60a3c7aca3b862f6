"""Features of pixels and of a classifier, and what a classifier says of labelled samples."""

import hashlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors

from genjax import data, metrics
from genjax.metrics import classifier

MNIST = Path(__file__).resolve().parents[2] / 'shared' / 'data' / 'mnist'
WEIGHTS = Path(classifier.__file__).with_name(classifier.DIGITS)


# Pixels


def bytes_like(n, shape=(4, 3, 1), seed=0):
    """Images whose variance differs from pixel to pixel."""
    rng = np.random.default_rng(seed)
    spread = np.linspace(10, 60, np.prod(shape)).reshape(shape)
    return np.clip(128 + spread * rng.normal(size=(n, *shape)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize('n', [100, 8])  # more rows than columns, and fewer
def test_pixels_are_the_leading_eigenvectors_of_the_covariance(n):
    images, d = bytes_like(n), 5
    got = metrics.extract(metrics.pixels(images, d), images).features
    x = images.reshape(n, -1) / 127.5 - 1
    values, vectors = np.linalg.eigh(np.cov(x.T))
    vectors = vectors[:, ::-1][:, :d]
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(d)])
    np.testing.assert_allclose(got, (x - x.mean(axis=0)) @ vectors, atol=2e-5)
    np.testing.assert_allclose(np.var(got, axis=0, ddof=1), values[::-1][:d], rtol=1e-4)


def test_pixels_have_a_name_and_a_hash_of_what_was_fitted():
    images = bytes_like(100)
    extractor = metrics.pixels(images, 5)
    assert extractor.name == 'pixels-pca5'
    assert len(extractor.sha256) == 64
    assert metrics.pixels(images.copy(), 5).sha256 == extractor.sha256
    assert metrics.pixels(bytes_like(100, seed=1), 5).sha256 != extractor.sha256
    floats = (images / 127.5 - 1).astype(np.float32)
    np.testing.assert_allclose(
        extractor.apply(jnp.asarray(images)).features,
        metrics.pixels(floats, 5).apply(jnp.asarray(floats)).features,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ('images', 'd', 'message'),
    [
        (bytes_like(8), 8, r'expected d in \[1, 7\] of images \(8, 4, 3, 1\), got 8'),
        (bytes_like(100), 13, r'expected d in \[1, 12\] .* got 13'),
        (bytes_like(100), 0, r'expected d in \[1, 12\] .* got 0'),
        (bytes_like(8)[..., 0], 2, r'expected images \[n, h, w, c\], got \(8, 4, 3\)'),
        (bytes_like(8).astype(int), 2, 'expected images of uint8 or float .* got int32'),
    ],
)
def test_pixels_refuse(images, d, message):
    with pytest.raises(ValueError, match=message):
        metrics.pixels(images, d)


def test_pixels_refuse_images_of_another_shape():
    with pytest.raises(ValueError, match=r'expected images \[b, 4, 3, 1\], got'):
        metrics.extract(metrics.pixels(bytes_like(8), 2), bytes_like(8, (3, 4, 1)))


# The digits that ship


def test_the_classifier_of_digits_is_the_file_and_names_held_out_digits():
    extractor, content = metrics.digits(), WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == extractor.sha256
    assert len(content) < 2e6
    _, held_out = data.split(data.digits())
    found = metrics.accuracy(extractor, held_out.x, held_out.y)
    assert found.total >= 0.98
    assert found.by_class.min() >= 0.9
    with safetensors.safe_open(WEIGHTS, 'np') as file:
        assert file.metadata()['held_out_accuracy'] == f'{found.total:.4f} of 500'
        assert float(file.metadata()['mnist_test_accuracy'].split()[0]) >= 0.985


@pytest.mark.usual_compiler
@pytest.mark.skipif(not MNIST.is_dir(), reason='the MNIST files are not beside the repository')
def test_the_classifier_of_digits_names_those_of_mnists_test_set():
    test = data.from_idx(MNIST / 't10k-images-idx3-ubyte.gz')
    assert metrics.accuracy(metrics.digits(), test.x[:2000], test.y[:2000]).total >= 0.98


def test_features_are_what_the_logits_are_computed_from():
    images = data.digits().x[::500]
    out = metrics.extract(metrics.digits(), images)
    assert out.features.shape == (10, 128)
    assert out.logits.argmax(axis=1).tolist() == list(range(10))
    with safetensors.safe_open(WEIGHTS, 'np') as file:
        kernel, bias = (file.get_tensor(f'params/Dense_0/{name}') for name in ('kernel', 'bias'))
    want = out.features @ kernel.astype(np.float64) + bias
    np.testing.assert_allclose(out.logits, want, atol=1e-4)
    floats = metrics.extract(metrics.digits(), (images / 127.5 - 1).astype(np.float32))
    np.testing.assert_allclose(floats.features, out.features, atol=1e-5)


@pytest.mark.parametrize('shape', [(2, 32, 32, 1), (2, 28, 28, 3), (2, 28, 28)])
def test_digits_refuse_images_of_another_shape(shape):
    with pytest.raises(ValueError, match=r'expected images \[b, 28, 28, 1\], got'):
        metrics.extract(metrics.digits(), np.zeros(shape, np.uint8))


def test_another_file_is_refused(monkeypatch):
    monkeypatch.setattr(classifier, 'SHA256', '0' * 64)
    with pytest.raises(
        ValueError, match=r'expected digits.safetensors with the SHA-256 0{64}, got'
    ):
        metrics.digits.__wrapped__()


# Training


def coloured(n, seed=0):
    """Images [n, 5, 6, 3] that are brightest in the channel that is their label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.integers(0, 120, (n, 5, 6, 3))
    x[np.arange(n), :, :, y] += 100
    return x.astype(np.uint8), y


FAST = {'width': 4, 'steps': 40, 'batch_size': 32, 'learning_rate': 0.02}


def test_samples_are_judged_by_what_a_classifier_learns_of_them():
    x, y = coloured(200)
    test_x, test_y = coloured(100, seed=1)
    honest = metrics.classification_accuracy(x, y, test_x, test_y, jax.random.key(0), **FAST)
    assert honest.total == 1.0
    # A model that takes class 1 for class 2, and 2 for 1.
    confused = np.array([0, 2, 1])[y]
    found = metrics.classification_accuracy(x, confused, test_x, test_y, jax.random.key(0), **FAST)
    np.testing.assert_array_equal(found.by_class, [1, 0, 0])
    assert found.total == np.mean(test_y == 0)


def test_training_is_a_function_of_its_key():
    x, y = coloured(50)
    x = (x / 127.5 - 1).astype(np.float32)
    few = FAST | {'steps': 2}
    marks = [
        metrics.fingerprint(metrics.train_classifier(x, y, jax.random.key(seed), **few))
        for seed in (0, 0, 1)
    ]
    assert marks[0] == marks[1] != marks[2]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'labels': np.arange(9)}, r'expected integer labels \[10\], got int64 \(9,\)'),
        ({'images': np.zeros((0, 5, 6, 3))}, r'expected integer labels \[0\], got int64 \(10,\)'),
        ({'labels': np.ones(10)}, r'expected integer labels \[10\], got float64 \(10,\)'),
        ({'labels': np.arange(10) - 1}, r'expected labels >= 0, got values in \[-1, 8\]'),
        ({'num_classes': 5}, r'expected labels in \[0, 5\), got values in \[0, 9\]'),
        ({'images': np.zeros((10, 5, 6))}, r'expected images \[n, h, w, c\], got \(10, 5, 6\)'),
        ({'images': np.zeros((0, 5, 6, 3)), 'labels': np.arange(0)}, 'one label or more, got none'),
        ({'steps': 0}, 'expected steps >= 1, got 0'),
        ({'width': 0}, 'expected width >= 1, got 0'),
    ],
)
def test_training_refuses(change, message):
    fit = {'images': np.zeros((10, 5, 6, 3), np.uint8), 'labels': np.arange(10)}
    with pytest.raises(ValueError, match=message):
        metrics.train_classifier(**(fit | change), key=jax.random.key(0))


def test_samples_of_another_shape_are_refused_before_the_training():
    x, y = coloured(10)
    with pytest.raises(ValueError, match=r'of one shape, got \(10, 5, 6, 3\) and \(10, 4, 6, 3\)'):
        metrics.classification_accuracy(x, y, x[:, 1:], y, jax.random.key(0))


# What is counted


def by_first_pixel(classes=4):
    """An extractor whose logits are one where the first pixel says."""

    def apply(images):
        first = jnp.int32(images[:, 0, 0, 0])
        return metrics.Activations(first[:, None], jax.nn.one_hot(first, classes))

    return metrics.of_function('first', apply)


def test_accuracy_of_all_and_of_each_class():
    images = np.array([0, 1, 1, 3], np.uint8).reshape(4, 1, 1, 1)
    found = metrics.accuracy(by_first_pixel(), images, np.array([0, 1, 3, 3]))
    assert found.total == 0.75
    np.testing.assert_array_equal(found.by_class, [1, 1, np.nan, 0.5])


def test_an_extractor_without_logits_has_no_accuracy():
    images = np.zeros((4, 1, 1, 1), np.uint8)
    extractor = metrics.of_function('features', lambda images: jnp.float32(images))
    with pytest.raises(ValueError, match='expected an extractor with logits, got features'):
        metrics.accuracy(extractor, images, np.zeros(4, int))


def test_a_distance_of_each_class():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    real_y, fake_y = np.arange(30) % 3 + 5, np.arange(20) % 3 + 5

    def distance(a, b):
        return np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)

    want = []
    for c in (5, 6, 7):
        a = np.mean([row for row, y in zip(real, real_y, strict=True) if y == c], axis=0)
        b = np.mean([row for row, y in zip(fake, fake_y, strict=True) if y == c], axis=0)
        want.append(np.dot(a - b, a - b))
    got = metrics.intra_class(distance, real, real_y, fake, fake_y)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    with pytest.raises(ValueError, match=r'of each class, got one side of \[7, 8\]'):
        metrics.intra_class(distance, real, real_y, fake, np.where(fake_y == 7, 8, fake_y))
