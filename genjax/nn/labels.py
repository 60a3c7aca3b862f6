"""What all conditional modules do with labels."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax.random import stream

UNKNOWN = np.iinfo(np.int32).max  # in the place of each label that a model does not have
MISSING = -1  # the label of an image whose class is not known, where a model takes such


def check_labels(
    y: Array | None, n: int, num_classes: int | None, missing: bool = False
) -> Array | None:
    """Labels as int32; refuses those a model does not expect, and their absence where it does.

    Labels out of their range are refused where they are at hand; those of a device, or of a program
    that is traced, become `UNKNOWN`, see `known`.

    Args:
      y: integers `[n]`, or None.
      n: the number of examples.
      num_classes: of the module; None if it takes no labels.
      missing: whether labels may be `MISSING`.

    Raises:
      ValueError: labels without classes, classes without labels, another shape or dtype, or labels
        at hand that are out of their range.
    """
    if num_classes is None:
        if y is not None:
            raise ValueError(f'expected no labels without num_classes, got y {np.shape(y)}')
        return None
    if y is None:
        raise ValueError(f'expected labels y [{n}] of {num_classes} classes, got none')
    check_at_hand(y, num_classes, missing)
    given = y if hasattr(y, 'dtype') else np.asarray(y)
    if given.shape != (n,) or not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(f'expected integer labels y [{n}], got {given.dtype} {given.shape}')
    y = jnp.asarray(given)
    narrow = y.astype(jnp.int32)
    there = (narrow >= _least(missing)) & (narrow < num_classes) & (narrow.astype(y.dtype) == y)
    return jnp.where(there, narrow, UNKNOWN)


def check_known(y: Any, num_classes: int | None) -> None:
    """Refuses labels out of their range outside of `jit`, also if a device is to be waited for.

    Args:
      y: labels.
      num_classes: of the model; None if it takes no labels.

    Raises:
      ValueError: a label that is none of `[0, num_classes)`.
    """
    if not isinstance(y, jax.core.Tracer):
        check_at_hand(np.asarray(y), num_classes)


def _least(missing: bool) -> int:
    return MISSING if missing else 0


def check_at_hand(y: Any, num_classes: int | None, missing: bool = False) -> None:
    """Refuses labels out of their range that lie in host memory; a device is not waited for.

    Args:
      y: labels of NumPy or Python; whatever else is not looked at.
      num_classes: of the model; None if it takes no labels.
      missing: whether labels may be `MISSING`.

    Raises:
      ValueError: a label that is none of `[0, num_classes)`.
    """
    if num_classes is None or any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(y)):
        return
    labels = np.asarray(y)
    if not np.issubdtype(labels.dtype, np.integer) or not labels.size:
        return
    if labels.min() < _least(missing) or labels.max() >= num_classes:
        raise ValueError(
            f'expected labels y in [{_least(missing)}, {num_classes}), got values in '
            f'[{labels.min()}, {labels.max()}]'
        )


def known(x: Float[Array, 'b ...'], y: Array | None) -> Float[Array, 'b ...']:
    """What a network is given beside labels: NaN where the label is `UNKNOWN`.

    So whatever it makes of that is NaN too, and not the picture of some other class.

    Args:
      x: images or latents.
      y: as `check_labels` gives them, or None.
    """
    if y is None:
        return x
    return jnp.where(y.reshape(-1, *(1,) * (x.ndim - 1)) == UNKNOWN, jnp.nan, x)


def draw_labels(key: Array, n: int, num_classes: int | None) -> Array | None:
    """Labels for n samples, each class as likely as the others; None without classes.

    Args:
      key: of the samples; the labels have a stream of it.
      n: how many.
      num_classes: of the model.
    """
    if num_classes is None:
        return None
    return jax.random.randint(stream(key, 'y'), (n,), 0, num_classes, jnp.int32)


def with_labels(
    h: Float[Array, 'b d'], y: Array | None, num_classes: int | None, scale: float = 1.0
) -> Float[Array, 'b e']:
    """Features with one-hot labels beside them, where there are classes.

    Args:
      h: features.
      y: labels, or None.
      num_classes: of the module; None if it takes no labels.
      scale: of the one.

    Raises:
      ValueError: labels do not fit.
    """
    y = check_labels(y, h.shape[0], num_classes)
    if y is None or num_classes is None:
        return h
    return jnp.concatenate([h, scale * jax.nn.one_hot(y, num_classes, dtype=h.dtype)], axis=1)
