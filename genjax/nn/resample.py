"""Maps of twice and half the size, of slices and sums."""

import jax.numpy as jnp
from jaxtyping import Array, Float

Map = Float[Array, 'b h w c']


def nearest_up(x: Map) -> Float[Array, 'b 2*h 2*w c']:
    """Each value four times.

    Args:
      x: any map.
    """
    b, h, w, c = x.shape
    wide = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c))
    return wide.reshape(b, 2 * h, 2 * w, c)


def mean_down(x: Map) -> Float[Array, 'b h2 w2 c']:
    """The means of 2x2 values; an odd side is made even by its last value once more.

    Args:
      x: any map.
    """
    odd = [(0, 0), *((0, size % 2) for size in x.shape[1:3]), (0, 0)]
    x = jnp.pad(x, odd, mode='edge') if any(size % 2 for size in x.shape[1:3]) else x
    b, h, w, c = x.shape
    return jnp.mean(x.reshape(b, h // 2, 2, w // 2, 2, c), axis=(2, 4), dtype=x.dtype)


def bilinear_up(x: Map) -> Float[Array, 'b 2*h 2*w c']:
    """Twice as many values along each axis: those that were, and the means of neighbours, zero
    beyond the last; four times the adjoint of `bilinear_down`.

    Args:
      x: any map.
    """
    for axis in (1, 2):
        after = jnp.roll(x, -1, axis).at[(slice(None),) * axis + (-1,)].set(0)
        pairs = jnp.stack([x, (x + after) / 2], axis + 1)
        x = pairs.reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
    return x


def bilinear_down(x: Map) -> Float[Array, 'b h2 w2 c']:
    """Every second value of `(x[i - 1] + 2 x[i] + x[i + 1]) / 4` along each axis, zero outside.

    Args:
      x: any map.
    """
    for axis in (1, 2):
        pad = [(0, 0)] * 4
        pad[axis] = (1, 1 + x.shape[axis] % 2)
        y = jnp.pad(x, pad)
        before, at, after = (_every_second(y, axis, start, x.shape[axis]) for start in range(3))
        x = (before + 2 * at + after) / 4
    return x


def _every_second(y: Array, axis: int, start: int, size: int) -> Array:
    return y[(slice(None),) * axis + (slice(start, start + size + size % 2, 2),)]
