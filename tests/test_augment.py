"""Augmentations: each against a naive loop over the images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import augment
from genjax.random import stream

KEY = jax.random.key(3)
X = np.array(jax.random.uniform(KEY, (48, 6, 8, 3), minval=-1.0, maxval=1.0))


def windows(padded):
    return [padded[i : i + 6, j : j + 8] for i in range(len(padded) - 5)
            for j in range(padded.shape[1] - 7)]  # fmt: skip


def pad(image, rows, columns, **how):
    return np.pad(image, ((rows, rows), (columns, columns), (0, 0)), **how)


def holes(image, height, width, fill):
    """An image with a rectangle around each pixel in turn."""
    for row in range(6):
        for column in range(8):
            covered = image.copy()
            for i in range(row - height // 2, row - height // 2 + height):
                for j in range(column - width // 2, column - width // 2 + width):
                    if 0 <= i < 6 and 0 <= j < 8:
                        covered[i, j] = fill
            yield covered


# All that may become of an image.
CHOICES = {
    'flip': (augment.flip(), lambda x: [x, x[:, ::-1]]),
    'translate': (
        augment.translate(0.25),
        lambda x: windows(pad(x, 2, 2, constant_values=-1)),
    ),
    'crop': (augment.crop(3), lambda x: windows(pad(x, 3, 3, mode='reflect'))),
    'crop by nothing': (augment.crop(0), lambda x: [x]),
    'cutout': (augment.cutout(), lambda x: holes(x, 3, 4, 0.0)),
    'cutout, small': (augment.cutout(0.3, fill=-1.0), lambda x: holes(x, 2, 2, -1.0)),
}


def test_flips_of_a_gan_leave_a_trace_of_which_way_round_images_are():
    ramp = jnp.broadcast_to(jnp.linspace(-1.0, 1.0, 8).reshape(1, 1, 8, 1), (20_000, 1, 8, 1))
    mean = np.asarray(augment.flip().apply((), stream(KEY, 'flips'), ramp)).mean(axis=(0, 1, 3))
    np.testing.assert_allclose(mean, 0.5 * np.linspace(-1, 1, 8), atol=5 / np.sqrt(20_000))


@pytest.mark.parametrize(('made', 'choices'), CHOICES.values(), ids=CHOICES)
def test_each_image_becomes_one_of_what_it_may_and_all_of_it_comes(made, choices):
    out = np.asarray(made.apply((), stream(KEY, 'a'), X))
    assert out.shape == X.shape
    assert np.abs(out).max() <= 1
    seen = set()
    for image, before in zip(out, X, strict=True):
        found = [n for n, choice in enumerate(choices(before)) if np.array_equal(choice, image)]
        assert found
        seen.add(found[0])
    number = len(list(choices(X[0])))
    assert len(seen) >= min(number, 12)


# What is added to what, times a random number in a range.
SCALES = {
    'brightness': (augment.brightness(), lambda x: (x, np.ones_like(x)), (-0.5, 0.5)),
    'saturation': (
        augment.saturation(),
        lambda x: (np.repeat(x.sum(axis=2, keepdims=True) / 3, 3, axis=2),) * 2,
        (0.0, 2.0),
    ),
    'contrast': (
        augment.contrast(),
        lambda x: (np.full_like(x, x.sum() / x.size),) * 2,
        (0.5, 1.5),
    ),
}


@pytest.mark.parametrize(('made', 'parts', 'bounds'), SCALES.values(), ids=SCALES)
def test_each_image_gets_a_random_number_of_its_own(made, parts, bounds):
    out = np.asarray(made.apply((), stream(KEY, 'a'), X), np.float64)
    factors = []
    for image, before in zip(out, X.astype(np.float64), strict=True):
        base, direction = parts(before)
        direction = direction if made is SCALES['brightness'][0] else before - base
        factor = float(((image - base) * direction).sum() / (direction**2).sum())
        np.testing.assert_allclose(image, base + factor * direction, atol=2e-6)
        factors.append(factor)
    low, high = bounds
    assert low <= min(factors) < low + 0.15 * (high - low)
    assert high - 0.15 * (high - low) < max(factors) <= high


def test_colour_is_brightness_saturation_and_contrast():
    parts = augment.brightness(0.25), augment.saturation(0.5), augment.contrast(0.25)
    found, expected, nothing = (
        made.apply(((), (), ()), jax.random.key(4), X)
        for made in (augment.colour(0.5), augment.chain(*parts), augment.colour(0.0))
    )
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(nothing, X, atol=1e-6)


@pytest.mark.parametrize(
    'made', [augment.flip(), augment.translate(), augment.crop(2), augment.cutout(),
             augment.colour()], ids=['flip', 'translate', 'crop', 'cutout', 'colour']
)  # fmt: skip
def test_derivatives_are_those_of_an_affine_map(made):
    """With one key, all of them are affine in the images: differences are exact derivatives."""
    memory = made.init(jax.random.key(4))

    def apply(x):
        return made.apply(memory, jax.random.key(4), x)

    step = jnp.asarray(X[::-1] / 2)
    _, tangent = jax.jvp(apply, (jnp.asarray(X),), (step,))
    np.testing.assert_allclose(apply(X + step) - apply(X), tangent, atol=2e-6)
    weights = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.vdot(weights, apply(x)))(jnp.asarray(X))
    np.testing.assert_allclose(jnp.vdot(gradient, step), jnp.vdot(weights, tangent), rtol=1e-4)
    assert np.abs(tangent).max() > 0


def test_impossible_augmentations_are_refused():
    with pytest.raises(ValueError, match=r'expected a ratio in \[0, 1\], got 1.5'):
        augment.cutout(1.5)
    for padding in (-1, 6):
        with pytest.raises(ValueError, match=rf'expected a padding in \[0, 6\), got {padding}'):
            augment.crop(padding).apply((), KEY, X)
