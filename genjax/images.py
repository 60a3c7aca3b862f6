"""Batches of images: what a training step accepts, and how it scales it."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax.core import Batch
from genjax.nn.labels import check_at_hand, check_labels


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
_SAY = ('say value_range=(0, {})', 'or (-1, 1) if they are')
_MAP = ('use genjax.images.to_unit(x, (0, {}))', 'or jax.numpy.asarray(x) if they are in [-1, 1]')


def check_floats(
    low: float,
    high: float,
    name: str = '',
    given: ValueRange | None = None,
    ways: tuple[str, str] = _SAY,
) -> None:
    """Refuses float images whose range is not [-1, 1], or not the one that was said.

    Floats without any negative value cannot be told from such in [0, 1]: taken for [-1, 1] they
    are pale. So they are refused where nobody has said what they are.

    Args:
      low: the least value of the images.
      high: the greatest.
      name: where they come from, for the message.
      given: what black and white are, as the user says; None where nothing was said.
      ways: how a range `[0, {}]` is said, and that it is [-1, 1], for the message.

    Raises:
      ValueError: NaN, infinity, values outside of the range or none below 0, or `given` that is no
        range.
    """
    least, most = UNIT if given is None else given
    if not -math.inf < least < most < math.inf:
        raise ValueError(f'expected a value_range (low, high) with low < high, got {given}')
    source, kind = f'{name}: ' if name else '', 'images' if given else 'float images'
    message = f'{source}expected {kind} in [{least:g}, {most:g}], got '
    if not math.isfinite(low + high):
        raise ValueError(f'{message}NaN or infinity')
    message += f'values in [{low:g}, {high:g}]'
    if given is None and low >= 0:
        likely = next((bound for bound in _BRIGHTEST if high <= bound), f'{high:g}')
        told = [ways[0].format(likely), *(ways[1:] if high <= 1 else ())]
        raise ValueError(f'{message}, which look like [0, {likely}]: {", ".join(told)}')
    if low < least or high > most:
        raise ValueError(f'{message}: clip them, or say their range')


def to_unit(x: Any, value_range: ValueRange) -> Any:
    """`(x - low) / ((high - low) / 2) - 1`, float32: images in [low, high] as such in [-1, 1].

    Args:
      x: numbers, of NumPy or JAX; as they are where the range is [-1, 1].
      value_range: `(low, high)`, black and white.
    """
    low, high = value_range
    x = x.astype(np.float32)
    return x if (low, high) == UNIT else (x - np.float32(low)) / np.float32((high - low) / 2) - 1


def checked(x: Any, value_range: ValueRange | None = None) -> Any:
    """Images at hand whose range is known: uint8 as they are, else in [-1, 1].

    Args:
      x: uint8, of which 255 is white whatever the range; or numbers, by `check_floats`. What is
        traced is not looked at.
      value_range: black and white of what is not uint8; None of floats in [-1, 1].

    Raises:
      ValueError: floats of another range.
    """
    x = x if hasattr(x, 'dtype') else np.asarray(x)
    if x.dtype == np.uint8 or isinstance(x, jax.core.Tracer):
        return x
    if 0 not in x.shape and (value_range or jnp.issubdtype(x.dtype, jnp.floating)):
        check_floats(float(x.min()), float(x.max()), given=value_range)
    return to_unit(x, value_range) if value_range else x


def check_batch(batch: Any, num_classes: int | None, missing: bool = False) -> None:
    """Refuses labels and float images of a wrong range in host memory; a device is not waited for.

    Images that are not finite are for the update to leave out.

    Args:
      batch: `'x'` and `'y'`, or neither.
      num_classes: of the model; None if it takes no labels.
      missing: whether labels may be -1, not known.

    Raises:
      ValueError: they are refused.
    """
    check_at_hand(batch.get('y'), num_classes, missing)
    x = batch.get('x')
    if isinstance(x, np.ndarray) and x.size and jnp.issubdtype(x.dtype, jnp.floating):
        low, high = float(x.min()), float(x.max())
        if math.isfinite(low + high):
            check_floats(low, high, ways=_MAP)


def looked_at(
    functions: Mapping[str, Callable], num_classes: int | None, missing: bool = False
) -> dict[str, Callable]:
    """The functions of a model, which check what they are given in host memory before all else.

    Args:
      functions: by name; their arguments are called `x` and `y`, or have these in a `batch`.
      num_classes: of the model; None if it takes no labels.
      missing: whether labels may be -1, not known.
    """
    return {name: _looking(function, num_classes, missing) for name, function in functions.items()}


def _looking(function: Callable, num_classes: int | None, missing: bool) -> Callable:
    names = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def run(*args, **kwargs):
        given = dict(zip(names, args, strict=False)) | kwargs
        batch = given.get('batch', given)
        if isinstance(batch, dict):
            check_batch(batch, num_classes, missing)
        return function(*args, **kwargs)

    # What a jitted function can do beside being called.
    ways = {name: getattr(function, name, None) for name in ('lower', 'trace', 'eval_shape')}
    run.__dict__.update({name: way for name, way in ways.items() if way})
    return run


def scale(x: Array, image_shape: tuple[int, int, int]) -> Float[Array, 'b h w c']:
    """Images in [-1, 1]: uint8 is scaled by `x / 127.5 - 1`, floats are passed on as float32.

    Args:
      x: uint8 in [0, 255] or float in [-1, 1], `[b, *image_shape]`. The range is checked where
        data enters (`check_floats`), not here: here only shapes and dtypes are known.
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
    image_shape: tuple[int, int, int], num_classes: int | None = None, missing: bool = False
) -> Callable[[Batch], Batch]:
    """A function that checks and scales a batch.

    It keeps `x`, and `y` where the model has classes.

    Args:
      image_shape: `(height, width, channels)`.
      num_classes: how many labels the model knows, None for a model without labels.
      missing: whether labels may be -1, not known.

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
        return {'x': x, 'y': check_labels(batch.get('y'), len(x), num_classes, missing)}

    return apply
