"""Optimizers of a player: Adam with the guards against overfitting, and weight clipping."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from genjax.core import check_range

ScalarOrSchedule = float | Callable


def is_kernel(params: PyTree) -> PyTree:
    """A mask that leaves out biases and the scales of norms: what weight decay should not touch."""

    def kernel(path, leaf):
        return jnp.ndim(leaf) > 1 and getattr(path[-1], 'key', None) not in ('bias', 'scale')

    return jax.tree_util.tree_map_with_path(kernel, params)


def add_decayed_signs(
    weight: float, mask: PyTree | Callable[[PyTree], PyTree] | None = None
) -> optax.GradientTransformation:
    """Decoupled L1: adds `weight * sign(params)` to the updates, as `optax.add_decayed_weights`
    adds `weight * params`.

    Args:
      weight: strength of the decay, before the learning rate.
      mask: which parameters decay, a tree of bools or a function that makes one.
    """

    def update(updates, state, params=None):
        return jax.tree.map(lambda u, p: u + weight * jnp.sign(p), updates, params), state

    decay = optax.GradientTransformation(lambda params: optax.EmptyState(), update)
    return decay if mask is None else optax.masked(decay, mask)


def adam(
    learning_rate: ScalarOrSchedule,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
) -> optax.GradientTransformation:
    """Adam with decoupled L1 and L2 decay of kernels; biases and norms are left out.

    The update of a kernel is `-lr (adam(g) + l1 sign(w) + l2 w)`: L2 is AdamW's (Loshchilov and
    Hutter 2019, https://arxiv.org/abs/1711.05101).

    Args:
      learning_rate: a number or an optax schedule of the player's updates.
      b1: decay of the first moment.
      b2: decay of the second moment.
      eps: added to the root of the second moment.
      l1: strength of the L1 decay.
      l2: strength of the L2 decay.
      clip_norm: gradients of a greater global norm are scaled down to it first.

    Raises:
      ValueError: a number out of its range.
    """
    numbers = {} if callable(learning_rate) else {'learning_rate': learning_rate}
    check_range(0, **numbers, eps=eps, l1=l1, l2=l2, clip_norm=clip_norm or 0)
    check_range(0, 1, b1=b1, b2=b2)
    parts = [optax.clip_by_global_norm(clip_norm)] if clip_norm is not None else []
    parts.append(optax.scale_by_adam(b1, b2, eps))
    if l1:
        parts.append(add_decayed_signs(l1, is_kernel))
    if l2:
        parts.append(optax.add_decayed_weights(l2, is_kernel))
    return optax.chain(*parts, optax.scale_by_learning_rate(learning_rate))


def clip_weights(bound: float) -> optax.GradientTransformationExtraArgs:
    """Keeps every parameter in `[-bound, bound]`, as the critic of Arjovsky et al. 2017
    (https://arxiv.org/abs/1701.07875); to be the last of a chain.

    Args:
      bound: the greatest absolute value, > 0.

    Raises:
      ValueError: `bound` is not positive.
    """
    if bound <= 0:
        raise ValueError(f'expected a bound > 0, got {bound}')

    def update(updates, state, params=None, *, lr_scale=1.0, **extra):
        # The updates will be multiplied by lr_scale, so the box is theirs after that.
        def clip(u, p):
            clipped = (jnp.clip(p + lr_scale * u, -bound, bound) - p) / lr_scale
            return jnp.where(lr_scale == 0, u, clipped)

        return jax.tree.map(clip, updates, params), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
