"""How different the images of a model are from each other, and how smoothly they change."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key, Shaped

from genjax.images import UNIT, ValueRange, checked, scale, shape_of_images
from genjax.metrics.features import Extractor
from genjax.random import stream
from genjax.similarity import WIDTH, scales, similarities


class Similarity(NamedTuple):
    """How much alike images are.

    Attributes:
      value: the mean over pairs, 1 of equal images.
      standard_error: of that mean.
      scales: of the images, 5 where they are large enough.
    """

    value: float
    standard_error: float
    scales: int


def ms_ssim(
    a: Shaped[Array, 'n h w c'],
    b: Shaped[Array, 'n h w c'],
    value_range: ValueRange | None = None,
) -> Float[Array, 'n']:
    """The multi-scale structural similarity of pairs of images, averaged over channels.

    The scales are halvings that leave 11 pixels or more, at most five; of fewer the weights are
    brought to the sum 1, as those of five have it. Negative terms count as 0.

    Wang et al. 2003, https://doi.org/10.1109/ACSSC.2003.1292216.

    Args:
      a: uint8, or float in [-1, 1].
      b: likewise, of the same shape.
      value_range: of both, as `extract` has it.

    Raises:
      ValueError: images smaller than 11 pixels, or of different shapes, or floats of another range.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[1:3]) < WIDTH:
        raise ValueError(
            f'expected two arrays [n, h >= {WIDTH}, w >= {WIDTH}, c], got {a.shape} and {b.shape}'
        )
    shape = shape_of_images(a.shape[1:])
    a, b = (scale(checked(x, value_range), shape) for x in (a, b))
    return _ms_ssim((a + 1) / 2, (b + 1) / 2)


@jax.jit
def _ms_ssim(a, b):
    product = jnp.ones((len(a), a.shape[-1]))
    for weight, term in zip(*similarities(a, b), strict=True):
        product *= jnp.maximum(term, 0) ** weight
    return jnp.mean(product, axis=1)


def self_similarity(
    images: Any,
    key: Key[Array, ''],
    pairs: int = 1000,
    value_range: ValueRange | None = None,
) -> Similarity:
    """The mean MS-SSIM of random pairs of images: how much alike they are.

    It is held against that of real images; what is higher has less variety, say of one class.
    Odena et al. 2017, https://arxiv.org/abs/1610.09585.

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1], n >= 2.
      key: of the pairs, each of two different images.
      pairs: how many.
      value_range: of the images, as `extract` has it.

    Raises:
      ValueError: fewer images or pairs, smaller ones than 11 pixels, or floats of another range.
    """
    images = np.asarray(images)
    if len(images) < 2 or pairs < 2:
        raise ValueError(f'expected two images and pairs or more, got {len(images)} and {pairs}')
    images = scale(checked(images, value_range), images.shape[1:])
    first = jax.random.randint(stream(key, 'first'), (pairs,), 0, len(images))
    apart = jax.random.randint(stream(key, 'apart'), (pairs,), 1, len(images))
    a, b = np.asarray(first), np.asarray((first + apart) % len(images))
    found = np.concatenate([
        np.asarray(ms_ssim(images[a[i : i + 100]], images[b[i : i + 100]], UNIT), np.float64)
        for i in range(0, pairs, 100)
    ])  # fmt: skip
    error = float(found.std(ddof=1) / np.sqrt(pairs))
    return Similarity(float(found.mean()), error, scales(min(images.shape[1:3])))


class PathLength(NamedTuple):
    """How fast images change with the latents.

    Attributes:
      value: the mean squared speed of features.
      standard_error: of that mean.
    """

    value: float
    standard_error: float


def path_length(
    generate: Callable[[Float[Array, 'n latent']], Array],
    extractor: Extractor,
    latent_dim: int,
    key: Key[Array, ''],
    n: int = 1000,
    batch_size: int | None = None,
) -> PathLength:
    """`E |d f(g(z(t))) / dt|^2` on great circles z(t) between draws of N(0, I), t in [0, 1].

    The limit of the perceptual path length for small steps, with features in the place of LPIPS,
    by forward differentiation: there is no step to choose. Karras et al. 2019,
    https://arxiv.org/abs/1812.04948.

    Args:
      generate: latents to images in [-1, 1]; the arrays of a `jax.tree_util.Partial` are arguments
        of the program.
      extractor: that can be differentiated.
      latent_dim: length of z.
      key: of the ways and the places on them.
      n: places; rounded up to whole batches.
      batch_size: places at once; None for 50, or fewer where the extractor takes fewer.

    Raises:
      ValueError: n or batch_size below 1.
    """
    batch_size = min(50, extractor.batch_size) if batch_size is None else batch_size
    if n < 1 or batch_size < 1:
        raise ValueError(f'expected n >= 1 and batch_size >= 1, got {n} and {batch_size}')
    generate = generate if isinstance(generate, Partial) else Partial(generate)
    places = (batch_size, latent_dim)
    keys = jax.random.split(key, -(-n // batch_size))
    with jax.default_matmul_precision('highest'):  # As features are, whatever the device.
        speeds = [_speeds(generate, extractor.program, k, places) for k in keys]
    found = np.concatenate(speeds).astype(np.float64)
    return PathLength(float(found.mean()), float(found.std() / np.sqrt(len(found))))


@partial(jax.jit, static_argnames='shape')
def _speeds(generate, apply, key, shape):
    """The squared speed of features at one place on each of some ways."""
    a, b = (jax.random.normal(stream(key, name), shape) for name in 'ab')
    angle = jax.random.uniform(stream(key, 't'), (shape[0], 1), maxval=jnp.pi / 2)
    # Of orthogonal draws, as all but are: each place on such a circle is a draw of N(0, I).
    z = jnp.cos(angle) * a + jnp.sin(angle) * b
    along = jnp.pi / 2 * (jnp.cos(angle) * b - jnp.sin(angle) * a)
    _, speed = jax.jvp(lambda z: apply(generate(z)).features, (z,), (along,))
    return jnp.sum(speed**2, axis=1)
