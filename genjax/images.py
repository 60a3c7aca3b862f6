"""Batches of images: what a training step accepts, and how it scales it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax.core import Batch
from genjax.nn.labels import check_labels


def shape_of_images(image_shape: Sequence[int]) -> tuple[int, int, int]:
    """An image shape that is one.

    Args:
      image_shape: `(height, width, channels)`.

    Raises:
      ValueError: it is not.
    """
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f'expected (height, width, channels) of images, got {image_shape}')
    height, width, channels = image_shape
    return height, width, channels


ValueRange = tuple[float, float]
UNIT: ValueRange = (-1.0, 1.0)
_BRIGHTEST = (1, 255, 65535)  # what images without negative values usually reach to


def check_floats(low: float, high: float, name: str = '', given: ValueRange | None = None) -> None:
    """Refuses float images whose range is not [-1, 1], or not the one that was said.

    Floats without any negative value cannot be told from such in [0, 1]: taken for [-1, 1] they
    are pale. So they are refused where nobody has said what they are.

    Args:
      low: the least value of the images.
      high: the greatest.
      name: where they come from, for the message.
      given: what black and white are, as the user says; None where nothing was said.

    Raises:
      ValueError: NaN, infinity, values outside of the range, no negative value, or `given` that is no range.
    """
    least, most = UNIT if given is None else given
    if not -math.inf < least < most < math.inf:
        raise ValueError(f'expected a value_range (low, high) with low < high, got {given}')
    source = f'{name}: ' if name else ''
    message = f'{source}expected float images in [{least:g}, {most:g}], got '
    if not math.isfinite(low + high):
        raise ValueError(f'{message}NaN or infinity')
    message += f'values in [{low:g}, {high:g}]'
    if given is None and low >= 0:
        likely = next((bound for bound in _BRIGHTEST if high <= bound), f'{high:g}')
        ways = ', or (-1, 1) if they are' if high <= 1 else ''
        raise ValueError(
            f'{message}, which look like [0, {likely}]: say value_range=(0, {likely}){ways}'
        )
    if low < least or high > most:
        way = 'value_range=(low, high)' if given is None else 'another range'
        raise ValueError(f'{message}: clip them, or say {way}')


def to_unit(x: Any, value_range: ValueRange) -> Any:
    """`(x - low) / ((high - low) / 2) - 1`, float32: images in [low, high] as such in [-1, 1].

    Args:
      x: numbers, of NumPy or JAX; as they are where the range is [-1, 1].
      value_range: `(low, high)`, black and white.
    """
    low, high = value_range
    x = x.astype(np.float32)
    return x if (low, high) == UNIT else (x - np.float32(low)) / np.float32((high - low) / 2) - 1


def scale(x: Array, image_shape: tuple[int, int, int]) -> Float[Array, 'b h w c']:
    """Images in [-1, 1]: uint8 is scaled by `x / 127.5 - 1`, floats are passed on as float32.

    Args:
      x: uint8 in [0, 255] or float in [-1, 1], `[b, *image_shape]`. The range is checked where
        data enters, not here: here only shapes and dtypes are known.
      image_shape: `(height, width, channels)`.

    Raises:
      ValueError: another shape or dtype.
    """
    if x.ndim != 4 or x.shape[1:] != tuple(image_shape):
        raise ValueError(f'expected images [b, {", ".join(map(str, image_shape))}], got {x.shape}')
    if x.dtype == jnp.uint8:
        return x.astype(jnp.float32) / 127.5 - 1.0
    if jnp.issubdtype(x.dtype, jnp.floating):
        return x.astype(jnp.float32)
    raise ValueError(f'expected images of uint8 or float in [-1, 1], got {x.dtype}')


def prepare(
    image_shape: tuple[int, int, int], num_classes: int | None = None
) -> Callable[[Batch], Batch]:
    """A function that checks and scales a batch.

    It keeps `x`, and `y` where the model has classes.

    Args:
      image_shape: `(height, width, channels)`.
      num_classes: how many labels the model knows, None for a model without labels.

    Raises:
      ValueError: `num_classes` < 1.
    """
    if num_classes is not None and num_classes < 1:
        raise ValueError(f'expected num_classes >= 1 or None, got {num_classes}')

    def apply(batch):
        if not isinstance(batch, dict) or 'x' not in batch:
            got = sorted(batch) if isinstance(batch, dict) else type(batch).__name__
            raise ValueError(f"expected a batch {{'x': images}}, got {got}")
        x = scale(batch['x'], image_shape)
        if num_classes is None:
            return {'x': x}
        return {'x': x, 'y': check_labels(batch.get('y'), len(x), num_classes)}

    return apply
