"""Normalization layers."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import ones_init, zeros_init
from jax import lax
from jaxtyping import Array, Float, Int

from genjax.nn.labels import check_labels


class BatchNorm(nn.Module):
    """Batch norm (Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167), by class if wanted.

    `y = (x - mean) / sqrt(var + epsilon) * scale + bias`, with statistics over all axes but the
    last, in float32. Values, parameters and statistics are those of `flax.linen.BatchNorm`. The
    reciprocal root is taken of a `[c]` vector, which lets XLA merge two equal passes in a program.

    Attributes:
      momentum: share of the old running statistics that is kept.
      epsilon: added to the variance.
      num_classes: with it scale and bias are tables `[num_classes, c]` (de Vries et al. 2017,
        https://arxiv.org/abs/1707.00683).
      scale_init: of the scale.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    num_classes: int | None = None
    scale_init: Callable = ones_init()

    @nn.compact
    def __call__(
        self, x: Float[Array, '... c'], y: Int[Array, 'b'] | None = None, train: bool = True
    ) -> Float[Array, '... c']:
        c, wide = x.shape[-1], x.astype(jnp.float32)
        mean = self.variable('batch_stats', 'mean', jnp.zeros, (c,), jnp.float32)
        var = self.variable('batch_stats', 'var', jnp.ones, (c,), jnp.float32)
        if train:
            axes = tuple(range(x.ndim - 1))
            m = jnp.mean(wide, axes)
            v = jnp.maximum(jnp.mean(lax.square(wide), axes) - lax.square(m), 0.0)
            if not self.is_initializing():
                mean.value = self.momentum * mean.value + (1 - self.momentum) * m
                var.value = self.momentum * var.value + (1 - self.momentum) * v
        else:
            m, v = mean.value, var.value
        y = check_labels(y, x.shape[0], self.num_classes)
        table = () if self.num_classes is None else (self.num_classes,)
        scale = self.param('scale', self.scale_init, (*table, c), jnp.float32)
        bias = self.param('bias', zeros_init(), (*table, c), jnp.float32)
        ones = (1,) * (x.ndim - 2)
        rows = (x.shape[0], *ones, c) if table else (1, *ones, c)
        scale, bias = (
            (leaf[y] if table else leaf).reshape(rows).astype(jnp.float32) for leaf in (scale, bias)
        )
        root = lax.rsqrt(v + self.epsilon).reshape(1, *ones, c)
        out = (wide - m.reshape(1, *ones, c)) * (root * scale) + bias
        return out.astype(x.dtype)


class LayerNorm(nn.Module):
    """Layer norm of images: statistics of each example over all its axes, scale and bias a channel.

    Ba et al. 2016 (https://arxiv.org/abs/1607.06450), as critics with a gradient penalty have it.

    Attributes:
      epsilon: added to the variance.
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Float[Array, 'b ... c']) -> Float[Array, 'b ... c']:
        axes = tuple(range(1, x.ndim))
        norm = nn.LayerNorm(
            self.epsilon, reduction_axes=axes, feature_axes=-1, dtype=x.dtype, name='norm'
        )
        return norm(x)
