"""Augmentations of image batches: differentiable pure functions of a key.

A GAN applies them to all that its discriminator sees, real and fake, in the loss and in its
penalties, so that they do not leak into the samples (Zhao et al. 2020,
https://arxiv.org/abs/2006.10738); a VAE applies them to its training images.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

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


AugmentLike = Augment | Callable[..., Augment]


def flip(probability: float = 0.5) -> Augment:
    """Mirrors each image left to right with a probability.

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
        padded = jnp.pad(
            x, ((0, 0), *((r, r) for r in reach), (0, 0)), constant_values=jnp.float32(fill)
        )
        highs = 2 * jnp.array(reach) + 1
        starts = jax.random.randint(key, (len(x), 2), 0, highs[None])

        def crop(image, start):
            return jax.lax.dynamic_slice(image, (start[0], start[1], 0), x.shape[1:])

        return jax.vmap(crop)(padded, starts)

    return Augment(apply)


def brightness(strength: float = 0.5) -> Augment:
    """Adds one random number in `[-strength, strength]` to all of an image.

    Args:
      strength: in units of the [-1, 1] scale.
    """

    def apply(memory, key, x):
        shift = jax.random.uniform(key, (len(x), 1, 1, 1), minval=-strength, maxval=strength)
        return x + shift

    return Augment(apply)


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
