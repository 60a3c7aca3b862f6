"""Structural similarity of images at several scales, for metrics and for losses."""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Wang et al. 2003: weights of the scales, the finest first.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WIDTH, _SIGMA = 11, 1.5  # of the Gaussian window
_C1, _C2 = 0.01**2, 0.03**2


def scales(size: int) -> int:
    """How many halvings leave a window's width or more, the image itself counted; at most five.

    Args:
      size: of the shorter side, in pixels.
    """
    return min(len(_WEIGHTS), (size // WIDTH).bit_length())


def similarities(
    a: Float[Array, 'n h w c'], b: Float[Array, 'n h w c']
) -> tuple[list[float], list[Float[Array, 'n c']]]:
    """The weights of the scales, and of each the mean similarity of contrasts and structures.

    `m_j = mean (2 cov + C2) / (var_a + var_b + C2)` under a Gaussian window; that of the coarsest
    scale times `(2 a b + C1) / (a^2 + b^2 + C1)` of the means. MS-SSIM is `prod_j m_j^w_j`. Where
    an image has fewer than five scales the weights are brought to the sum 1, as those of five have
    it. Wang et al. 2003, https://doi.org/10.1109/ACSSC.2003.1292216.

    Args:
      a: images in [0, 1].
      b: the others, of the same shape.

    Raises:
      ValueError: images smaller than the window.
    """
    height, width = a.shape[1:3]
    if not (count := scales(min(height, width))):
        raise ValueError(
            f'expected images of {WIDTH} pixels or more a side for their structural similarity, '
            f'got {height}x{width}'
        )
    found = []
    for scale in range(count):
        if scale:
            a, b = _halved(a), _halved(b)
        luminance, structure = _ssim(a, b)
        term = structure if scale < count - 1 else luminance * structure
        found.append(jnp.mean(term, axis=(1, 2)))
    return [w / sum(_WEIGHTS[:count]) for w in _WEIGHTS[:count]], found


def _ssim(a: Array, b: Array) -> tuple[Array, Array]:
    """Luminance, and contrast times structure, at each place."""
    m, n = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - m * m, _blurred(b * b) - n * n
    covariance = _blurred(a * b) - m * n
    luminance = (2 * m * n + _C1) / (m * m + n * n + _C1)
    return luminance, (2 * covariance + _C2) / (var_a + var_b + _C2)


def _blurred(x: Array) -> Array:
    """Each channel under the window, where that lies within the image."""
    window = np.exp(-((np.arange(WIDTH) - WIDTH // 2) ** 2) / (2 * _SIGMA**2))
    window /= window.sum()
    rows, columns = (
        sum(w * np.eye(size - WIDTH + 1, size, k) for k, w in enumerate(window))
        for size in x.shape[1:3]
    )
    precise = partial(jnp.einsum, precision='highest')
    x = precise('ph,nhwc->npwc', np.float32(rows), x)
    return precise('qw,npwc->npqc', np.float32(columns), x)


def _halved(x: Array) -> Array:
    n, h, w, c = x.shape
    x = x[:, : h // 2 * 2, : w // 2 * 2]
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
