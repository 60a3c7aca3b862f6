"""Augmentations of image batches: differentiable pure functions of a key.

A GAN applies them to all that its discriminator sees, real and fake, in the loss and in its
penalties, so that they do not leak into the samples (Zhao et al. 2020,
https://arxiv.org/abs/2006.10738); a VAE applies them to its training images.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from genjax.parts import Kind
from genjax.random import stream


class Augment(NamedTuple):
    """`apply(memory, key, x) -> x`; most have no memory.

    Attributes:
      apply: `(memory, key, x) -> x`, differentiable in `x`.
      init: `key -> memory`.
      update: `(memory, context) -> memory`, after each update of the player who owns it.
    """

    apply: Callable[[PyTree, Array, Array], Array]
    init: Callable[[Array], PyTree] = lambda key: ()
    update: Callable[[PyTree, Any], PyTree] = lambda memory, context: memory


AUGMENT = Kind('an augmentation', (__name__,), (Augment,))
AugmentLike = Annotated[Augment | Callable[..., Augment] | str, AUGMENT]


def flip(probability: float = 0.25) -> Augment:
    """Mirrors each image left to right with a probability.

    Well below 1/2 for a GAN: of halves that are mirrored nothing tells which way round they were,
    and a generator whose images all have the light on one side looks right (Karras et al. 2020,
    https://arxiv.org/abs/2006.06676, appendix C); near 1/2 little does.

    Args:
      probability: in [0, 1].
    """

    def apply(memory, key, x):
        flipped = jax.random.bernoulli(key, probability, (len(x), 1, 1, 1))
        return jnp.where(flipped, x[:, :, ::-1], x)

    return Augment(apply)


def translate(ratio: float = 0.125, fill: float = -1.0) -> Augment:
    """Shifts each image by up to `ratio` of its size along each axis.

    Args:
      ratio: the greatest shift as a share of height and width, in [0, 1].
      fill: what fills the rim; -1 is black.
    """

    def apply(memory, key, x):
        reach = [round(ratio * size) for size in x.shape[1:3]]
        padded = jnp.pad(x, _rim(*reach), constant_values=jnp.float32(fill))
        return _windows(key, padded, x.shape)

    return Augment(apply)


def crop(padding: int = 4) -> Augment:
    """Pads each image by reflection, and crops it back at a random place.

    Args:
      padding: pixels on each side, >= 0 and less than height and width.
    """

    def apply(memory, key, x):
        if not 0 <= padding < min(x.shape[1:3]):
            raise ValueError(f'expected a padding in [0, {min(x.shape[1:3])}), got {padding}')
        return _windows(key, jnp.pad(x, _rim(padding, padding), mode='reflect'), x.shape)

    return Augment(apply)


def _rim(rows: int, columns: int) -> tuple[tuple[int, int], ...]:
    return ((0, 0), (rows, rows), (columns, columns), (0, 0))


def _windows(key: Array, x: Array, shape: tuple[int, ...]) -> Array:
    """A window `shape[1:]` of each image, at a random place."""
    places = jnp.array(x.shape[1:3]) - jnp.array(shape[1:3]) + 1
    starts = jax.random.randint(key, (len(x), 2), 0, places[None])

    def window(image, start):
        return jax.lax.dynamic_slice(image, (start[0], start[1], 0), shape[1:])

    return jax.vmap(window)(x, starts)


def cutout(ratio: float = 0.5, fill: float = 0.0) -> Augment:
    """Covers a rectangle of each image, around a random pixel (DeVries and Taylor 2017,
    https://arxiv.org/abs/1708.04552); near the rim a part of it lies outside.

    Args:
      ratio: the rectangle's share of height and width, in [0, 1].
      fill: what covers it; 0 is grey.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f'expected a ratio in [0, 1], got {ratio}')

    def apply(memory, key, x):
        sizes = jnp.array([round(ratio * size) for size in x.shape[1:3]])
        places = jnp.array(x.shape[1:3])
        firsts = jax.random.randint(key, (len(x), 2), 0, places[None]) - sizes[None] // 2

        def covered(axis):
            offsets = jnp.arange(x.shape[1 + axis])[None] - firsts[:, axis, None]
            return (offsets >= 0) & (offsets < sizes[axis])

        hole = covered(0)[:, :, None, None] & covered(1)[:, None, :, None]
        return jnp.where(hole, jnp.asarray(fill, x.dtype), x)

    return Augment(apply)


def brightness(strength: float = 0.5) -> Augment:
    """Adds one random number in `[-strength, strength]` to all of an image.

    Args:
      strength: in units of the [-1, 1] scale.
    """

    def apply(memory, key, x):
        shift = jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, -strength, strength)
        return x + shift

    return Augment(apply)


def saturation(strength: float = 1.0) -> Augment:
    """Scales an image's colours about the grey of each pixel by a random factor.

    Args:
      strength: the factor is in `[1 - strength, 1 + strength]`.
    """

    def apply(memory, key, x):
        grey = x.mean(axis=3, keepdims=True)
        return grey + _factors(key, x, strength) * (x - grey)

    return Augment(apply)


def contrast(strength: float = 0.5) -> Augment:
    """Scales an image about its mean by a random factor.

    Args:
      strength: the factor is in `[1 - strength, 1 + strength]`.
    """

    def apply(memory, key, x):
        mean = x.mean(axis=(1, 2, 3), keepdims=True)
        return mean + _factors(key, x, strength) * (x - mean)

    return Augment(apply)


def _factors(key: Array, x: Array, strength: float) -> Array:
    return jax.random.uniform(key, (len(x), 1, 1, 1), x.dtype, 1 - strength, 1 + strength)


def colour(strength: float = 1.0) -> Augment:
    """Brightness, saturation and contrast, in that order, of Zhao et al. 2020.

    Args:
      strength: 1 is that of the paper.
    """
    return chain(brightness(0.5 * strength), saturation(strength), contrast(0.5 * strength))


def clip() -> Augment:
    """Bounds images to [-1, 1], which others may leave; for likelihoods that need the range."""
    return Augment(lambda memory, key, x: jnp.clip(x, -1.0, 1.0))


def chain(*augments: Augment) -> Augment:
    """One after the other, each with a stream and a memory of its own.

    Args:
      *augments: in the order in which they are applied.
    """
    names = [f'augment{i}' for i in range(len(augments))]

    def apply(memory, key, x):
        for name, augment, own in zip(names, augments, memory, strict=True):
            x = augment.apply(own, stream(key, name), x)
        return x

    def init(key):
        return tuple(a.init(stream(key, name)) for name, a in zip(names, augments, strict=True))

    def update(memory, context):
        return tuple(a.update(own, context) for a, own in zip(augments, memory, strict=True))

    return Augment(apply, init, update)
