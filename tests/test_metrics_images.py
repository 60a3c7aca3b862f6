"""Extractors, scores and variety, against definitions written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, special

from experiments import metrics_peers as peers
from genjax import metrics

RANDOM = np.random.default_rng(0)


def test_the_inception_score():
    logits = 3 * RANDOM.standard_normal((53, 7))
    found, order = [], jax.random.permutation(jax.random.key(0), 53)
    for part in range(4):
        p = special.softmax(logits[order[part * 53 // 4 : (part + 1) * 53 // 4]], axis=1)
        found.append(np.exp(np.mean(np.sum(special.rel_entr(p, p.mean(axis=0)[None]), axis=1))))
    np.testing.assert_allclose(
        metrics.inception_score(logits, 4), (np.mean(found), np.std(found)), rtol=1e-12
    )
    # Of torch-fidelity 0.4.0.
    theirs = peers.logits()
    order = np.argsort(jax.random.permutation(jax.random.key(3), len(theirs)))
    known = metrics.inception_score(theirs[order], peers.SPLITS, jax.random.key(3))
    np.testing.assert_allclose(known, (3.603647225992698, 0.2426532316525773), rtol=1e-12)
    sure = 1000.0 * np.eye(5)[np.arange(50) % 5]
    np.testing.assert_allclose(metrics.inception_score(sure, 1), (5, 0), atol=1e-9)
    in_order = 1000.0 * np.eye(10)[np.arange(5000) // 500]
    assert 9.9 < metrics.inception_score(in_order).value < 10
    np.testing.assert_allclose(metrics.inception_score(np.zeros((9, 3)), 2), (1, 0), atol=1e-12)
    with pytest.raises(ValueError, match='expected 1 <= splits <= 53, got 54'):
        metrics.inception_score(logits, 54)


def naive_ms_ssim(a, b, weights):
    """Of two images of one channel in [0, 1], by filters of SciPy."""
    window = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(x):
        for axis in (0, 1):
            x = ndimage.correlate1d(x, window, axis=axis)
        return x[5:-5, 5:-5]

    product = 1.0
    for i, weight in enumerate(weights):
        m, n = blurred(a), blurred(b)
        v, w, c = blurred(a * a) - m * m, blurred(b * b) - n * n, blurred(a * b) - m * n
        term = (2 * c + 0.03**2) / (v + w + 0.03**2)
        if i == len(weights) - 1:
            term = term * (2 * m * n + 0.01**2) / (m * m + n * n + 0.01**2)
        product *= max(term.mean(), 0) ** weight
        a, b = (
            x[: x.shape[0] // 2 * 2, : x.shape[1] // 2 * 2]
            .reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2)
            .mean(axis=(1, 3))
            for x in (a, b)
        )
    return product


@pytest.mark.parametrize(('size', 'scales'), [(11, 1), (29, 2), (180, 5)])
def test_ms_ssim(size, scales):
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    smooth = ndimage.gaussian_filter(RANDOM.uniform(size=(3, size, size + 3, 2)), (0, 2, 2, 0))
    a, b = np.clip(smooth * 3 - 1, 0, 1), np.clip(smooth * 2.5 - 0.7 + 0.1 * smooth[::-1], 0, 1)
    expected = [
        np.mean([naive_ms_ssim(x[..., c], y[..., c], weights / weights.sum()) for c in range(2)])
        for x, y in zip(a, b, strict=True)
    ]
    found = metrics.ms_ssim(jnp.float32(2 * a - 1), jnp.float32(2 * b - 1))
    np.testing.assert_allclose(found, expected, rtol=2e-4)
    np.testing.assert_allclose(metrics.ms_ssim(same := jnp.float32(a), same, (0, 1)), 1, rtol=1e-5)
    levels = [np.uint8(255 * x) for x in (a, b)]
    floats = [np.float32(x) for x in levels]
    np.testing.assert_allclose(metrics.ms_ssim(*levels), metrics.ms_ssim(*floats, (0, 255)))


def test_images_that_are_alike():
    varied = RANDOM.integers(0, 256, (40, 16, 16, 1), np.uint8)
    some = metrics.self_similarity(varied, jax.random.key(0), 150)
    assert some.scales == 1
    assert abs(some.value) < 0.2
    alike = np.repeat(varied[:1], 40, axis=0)
    assert metrics.self_similarity(alike, jax.random.key(0), 150).value == pytest.approx(1)
    with pytest.raises(ValueError, match='expected two images and pairs or more, got 1 and 1000'):
        metrics.self_similarity(varied[:1], jax.random.key(0))
    with pytest.raises(ValueError, match=r'expected two arrays \[n, h >= 11, w >= 11, c\]'):
        metrics.self_similarity(varied[:, :9], jax.random.key(0))


def test_the_path_length_of_linear_functions():
    """`E |B A z'|^2 = (pi / 2)^2 |B A|^2`, since z' has the length of a draw times pi / 2."""
    a, b = jnp.float32(RANDOM.standard_normal((3, 8))), RANDOM.standard_normal((8, 5))
    linear = metrics.of_function('linear', lambda x: x.reshape(len(x), -1) @ jnp.float32(b))
    found = metrics.path_length(
        lambda z: (z @ a).reshape(-1, 2, 2, 2), linear, 3, jax.random.key(0), 20_000, 5000
    )
    expected = (np.pi / 2) ** 2 * np.sum((np.asarray(a) @ b) ** 2)
    assert abs(found.value - expected) < 4 * found.standard_error < 0.1 * expected


def test_extraction():
    calls = []

    def apply(x):
        calls.append(x.shape)
        flat = x.reshape(len(x), -1) / 1.0
        return metrics.Activations(flat, flat[:, :2])

    extractor = metrics.of_function('pixels', apply)
    assert extractor.mark == 'pixels'
    images = RANDOM.uniform(-1, 1, (23, 2, 2, 1)).astype(np.float32)
    found = metrics.extract(extractor, images, 10)
    assert calls == [(10, 2, 2, 1)]  # It is compiled once, for batches of one size.
    np.testing.assert_array_equal(found.features, images.reshape(23, -1))
    np.testing.assert_array_equal(found.logits, images.reshape(23, -1)[:, :2])
    parts = metrics.extract(extractor, iter([images[:3], images[3:]]), 10)
    np.testing.assert_array_equal(parts.features, found.features)
    plain = metrics.of_function('plain', lambda x: x / 1.0)
    assert metrics.extract(plain, images, 8).features.shape == (23, 4)
    assert metrics.extract(plain, images, 8).logits is None
    with pytest.raises(ValueError, match='expected one image or more, got none'):
        metrics.extract(extractor, images[:0])
    with pytest.raises(ValueError, match='expected a batch size >= 1, got 0'):
        metrics.extract(extractor, images, 0)


def test_a_fingerprint_tells_weights_apart():
    weights = {'a': np.float32([1, 2]), 'b': np.float32([3])}
    mark = metrics.fingerprint(weights)
    assert len(mark) == 64
    assert metrics.fingerprint(dict(reversed(weights.items()))) == mark
    others = [
        {'a': np.float32([1, 2]), 'c': np.float32([3])},
        {'a': np.float64([1, 2]), 'b': np.float32([3])},
        {'a': np.float32([[1, 2]]), 'b': np.float32([3])},
        {'a': np.float32([1, 2]), 'b': np.float32([4])},
    ]
    assert mark not in [metrics.fingerprint(other) for other in others]


def pixel_values():
    return metrics.of_function('values', lambda x: x.reshape(len(x), -1) / 1.0)


def of_images(x, value_range=None):
    """Each function that takes images, of the same ones."""
    y, few = np.arange(len(x)) % 2, {'width': 4, 'steps': 1, 'batch_size': 2}
    extractor = metrics.of_function('two', lambda x: metrics.Activations(x, x[:, 0, 0, :1] * TWO))
    whole = {'value_range': value_range}
    return {
        'extract': lambda: metrics.extract(pixel_values(), x, **whole).features,
        'parts': lambda: metrics.extract(pixel_values(), iter([x[:4], x[4:]]), **whole).features,
        'pixels': lambda: metrics.fingerprint(metrics.pixels(x, 2, **whole).sha256),
        'default': lambda: metrics.default_extractor(x, **whole).sha256,
        'spectrum': lambda: metrics.spectrum(x, **whole),
        'ms_ssim': lambda: metrics.ms_ssim(x[:4], x[4:], **whole),
        'similarity': lambda: metrics.self_similarity(x, jax.random.key(0), 9, **whole).value,
        'accuracy': lambda: metrics.accuracy(extractor, x, y, **whole).total,
        'stacked': lambda: metrics.name_stacked(extractor, x, **whole),
        'coverage': lambda: metrics.stacked_coverage(extractor, x, **whole).counts,
        'classifier': lambda: metrics.train_classifier(x, y, jax.random.key(0), **few, **whole),
        'judge': lambda: (
            metrics.classification_accuracy(x, y, x, y, jax.random.key(0), **few, **whole).total
        ),
    }


TWO = np.float32([[1, -1]])
LEVELS = np.random.default_rng(5).integers(0, 256, (8, 12, 12, 3), np.uint8)


@pytest.mark.parametrize('name', of_images(LEVELS))
def test_floats_have_one_range_everywhere(name):
    """In [0, 1] or [0, 255] they are refused, or are what uint8 is where the range is said."""
    units, bytes_ = np.float32(LEVELS) / 255, np.float32(LEVELS)
    for x, likely in (units, '1'), (bytes_, '255'):
        with pytest.raises(ValueError, match=rf'look like \[0, {likely}\]: say value_range=\(0, '):
            of_images(x)[name]()
    if name == 'judge':
        return  # Of a classifier's training and its accuracy, which are here by themselves.
    wanted = of_images(np.float32(LEVELS) / 127.5 - 1)[name]()
    found = of_images(bytes_, (0, 255))[name]()
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
    if name not in ('pixels', 'default', 'classifier'):  # Hashes, and a compilation.
        found = of_images(units, (0, 1))[name]()
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)


def test_bright_images_are_known_after_others_or_where_it_is_said():
    dark, bright = np.float32(LEVELS[:4]) / 127.5 - 1, np.full((2, 12, 12, 3), 0.5, np.float32)
    assert metrics.extract(pixel_values(), iter([dark, bright])).features.max() == 1
    found = metrics.extract(pixel_values(), bright, value_range=(-1, 1)).features
    np.testing.assert_array_equal(found, 0.5)
    # Of uint8 the range is known.
    np.testing.assert_array_equal(
        metrics.extract(pixel_values(), LEVELS, value_range=(-1, 1)).features,
        np.float32(LEVELS.reshape(8, -1)),
    )
