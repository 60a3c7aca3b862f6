"""Raw pixels as features, by their principal components."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from genjax.images import ValueRange, checked, scale
from genjax.metrics.features import Activations, Extractor, fingerprint


def pixels(
    images: Shaped[np.ndarray, 'n h w c'], d: int = 64, value_range: ValueRange | None = None
) -> Extractor:
    """The first principal components of raw pixels, `V (x - mean)` for x in [-1, 1].

    They are fitted in float64 on the host, and V's rows turned so that the greatest element of each
    is positive. They keep as much of the variance as d numbers can, and know nothing of what an
    image shows: a figure of these features tells brightness, strokes and layout, not meaning.

    Args:
      images: to fit them on, the training images; uint8 or float in [-1, 1].
      d: how many.
      value_range: of the images that it is fitted on, as `extract` has it.

    Raises:
      ValueError: no images, floats of another range, or more components than they have.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f'expected images [n, h, w, c], got {images.shape}')
    images, shape = checked(images, value_range), images.shape[1:]
    rows = np.asarray(scale(jnp.asarray(images), shape), np.float64).reshape(len(images), -1)
    most = min(rows.shape[0] - 1, rows.shape[1])
    if not 1 <= d <= most:
        raise ValueError(f'expected d in [1, {most}] of images {images.shape}, got {d}')
    mean, components = _fit(rows, d)

    def apply(images):
        centred = scale(images, shape).reshape(len(images), -1) - mean[None]
        return Activations(jnp.matmul(centred, components.T, precision=jax.lax.Precision.HIGHEST))

    mark = fingerprint({'mean': mean, 'components': components})
    return Extractor(f'pixels-pca{d}', mark, apply)


def _fit(rows: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the first d right singular vectors, in float32."""
    mean = rows.mean(axis=0)
    # R has the singular values and right vectors of all rows, and no more rows than columns.
    triangle = np.linalg.qr(rows - mean, mode='r')
    components = np.linalg.svd(triangle, full_matrices=False)[2][:d]
    greatest = np.abs(components).argmax(axis=1)[:, None]
    components = components * np.sign(np.take_along_axis(components, greatest, axis=1))
    return mean.astype(np.float32), components.astype(np.float32)
