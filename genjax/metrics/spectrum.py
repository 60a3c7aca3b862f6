"""The power of images by spatial frequency."""

from typing import Any

import numpy as np
from jaxtyping import Float

from genjax.images import ValueRange, checked

_PIECE = 256  # images at once, in float64


def spectrum(
    images: Any, value_range: ValueRange | None = None
) -> Float[np.ndarray, 'frequencies']:
    """The mean power of each frequency, in decibels, over images, channels and directions.

    `10 log10 E |F(x)|^2`, of rings one cycle wide about 0. Upsampling layers leave too much or too
    little in the high frequencies (Durall et al. 2020, https://arxiv.org/abs/2003.01826).

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].
      value_range: of the images, as `extract` has it.

    Returns:
      Of 0, 1, ... cycles an image, up to half of its shorter side.

    Raises:
      ValueError: no images, or floats of another range.
    """
    x = np.asarray(images)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f'expected images [n, h, w, c], got {list(x.shape)}')
    x = checked(x, value_range)
    parts = (x[start : start + _PIECE] for start in range(0, len(x), _PIECE))
    power = np.sum([_power(part) for part in parts], axis=0) / (len(x) * x.shape[3])
    height, width = power.shape
    rows, columns = np.fft.fftfreq(height, 1 / height), np.fft.fftfreq(width, 1 / width)
    ring = np.rint(np.hypot(rows[:, None], columns[None])).astype(int)
    last = min(height, width) // 2
    inside = ring <= last
    total = np.bincount(ring[inside], power[inside], minlength=last + 1)
    mean = total / np.bincount(ring[inside], minlength=last + 1)
    return 10 * np.log10(np.maximum(mean, np.finfo(np.float64).tiny))


def _power(x: np.ndarray) -> np.ndarray:
    """Of each frequency, summed over images and channels."""
    x = x / 127.5 - 1 if x.dtype == np.uint8 else x.astype(np.float64)
    return np.sum(np.abs(np.fft.fft2(x, axes=(1, 2), norm='ortho')) ** 2, axis=(0, 3))
