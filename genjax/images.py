"""Batches of images: what a training step accepts, and how it scales it."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
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
