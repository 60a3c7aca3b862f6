"""What all conditional modules do with labels."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from genjax.random import stream


def check_labels(y: Array | None, n: int, num_classes: int | None) -> Array | None:
    """Labels as int32; refuses those a model does not expect, and their absence where it does.

    Args:
      y: integers `[n]`, or None.
      n: the number of examples.
      num_classes: of the module; None if it takes no labels.

    Raises:
      ValueError: labels without classes, classes without labels, another shape or dtype.
    """
    if num_classes is None:
        if y is not None:
            raise ValueError(f'expected no labels without num_classes, got y {np.shape(y)}')
        return None
    if y is None:
        raise ValueError(f'expected labels y [{n}] of {num_classes} classes, got none')
    given = y if hasattr(y, 'dtype') else np.asarray(y)
    if given.shape != (n,) or not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(f'expected integer labels y [{n}], got {given.dtype} {given.shape}')
    return jnp.asarray(given, jnp.int32)


def check_known(y: Array, num_classes: int) -> None:
    """Refuses labels of classes that there are not, where values are at hand: outside of `jit`.

    Args:
      y: integers `[n]`.
      num_classes: of the model.

    Raises:
      ValueError: one is outside of [0, num_classes).
    """
    if isinstance(y, jax.core.Tracer):
        return
    labels = np.asarray(y)
    if others := np.unique(labels[(labels < 0) | (labels >= num_classes)]).tolist():
        raise ValueError(f'expected labels y in [0, {num_classes}), got {others[:3]}')


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
