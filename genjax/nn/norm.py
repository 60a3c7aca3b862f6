"""Normalization layers."""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal, ones_init, zeros_init
from jax import lax
from jaxtyping import Array, Float, Int

from genjax.nn.labels import check_labels

_NORMS = ('batch', 'layer', 'none')


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
      affine: whether it has scale and bias.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    num_classes: int | None = None
    scale_init: Callable = ones_init()
    affine: bool = True

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
        ones = (1,) * (x.ndim - 2)
        root = lax.rsqrt(v + self.epsilon).reshape(1, *ones, c)
        centred = wide - m.reshape(1, *ones, c)
        if not self.affine:
            return (centred * root).astype(x.dtype)
        table = () if self.num_classes is None else (self.num_classes,)
        scale = self.param('scale', self.scale_init, (*table, c), jnp.float32)
        bias = self.param('bias', zeros_init(), (*table, c), jnp.float32)
        rows = (x.shape[0], *ones, c) if table else (1, *ones, c)
        scale, bias = (
            (leaf[y] if table else leaf).reshape(rows).astype(jnp.float32) for leaf in (scale, bias)
        )
        out = centred * (root * scale) + bias
        return out.astype(x.dtype)


class ConditionalBatchNorm(nn.Module):
    """Batch norm whose scale and bias follow an embedding, `(1 + A e) x' + B e`.

    Brock et al. 2019 (https://arxiv.org/abs/1809.11096), for embeddings that several norms share.

    Attributes:
      momentum: share of the old running statistics that is kept.
      epsilon: added to the variance.
      kernel_init: of A and B.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    kernel_init: Callable = normal(0.02)

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b ... c'], embedding: Float[Array, 'b d'], train: bool = True
    ) -> Float[Array, 'b ... c']:
        rows = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
        scale, bias = (
            nn.Dense(rows[-1], use_bias=False, kernel_init=self.kernel_init, name=name)(embedding)
            for name in ('scale', 'bias')
        )
        h = BatchNorm(self.momentum, self.epsilon, affine=False, name='norm')(x, train=train)
        return (1 + scale.reshape(rows)) * h + bias.reshape(rows)


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


def normalize(
    h: Float[Array, 'b ... c'], norm: str, train: bool, scale_init: Callable = ones_init()
) -> Float[Array, 'b ... c']:
    """A map through a norm of that name, a layer of the module that is running.

    Args:
      h: any map.
      norm: 'batch', 'layer' (of each image, for gradient penalties) or 'none'.
      train: whether batch norm takes its statistics of the batch.
      scale_init: of batch norm's scale.

    Raises:
      ValueError: another norm.
    """
    if norm not in _NORMS:
        raise ValueError(f'expected a norm among {_NORMS}, got {norm!r}')
    if norm == 'batch':
        return BatchNorm(scale_init=scale_init)(h, train=train)
    return LayerNorm()(h) if norm == 'layer' else h


class BatchStddev(nn.Module):
    """A map with one more channel: how much the images of its group differ.

    The standard deviation over the group of each value, its mean over all values (Karras et al.
    2018, https://arxiv.org/abs/1710.10196). Image i is in the group of those i, i + b/group, ...

    Attributes:
      group: images in a group, 2 or more; fewer where the batch is smaller. In evaluation the last
        group is filled up with the first images.

    Raises:
      ValueError: in training, a batch that is not made of whole groups, such as one image.
    """

    group: int = 4

    @nn.compact
    def __call__(self, h: Float[Array, 'b h w c'], train: bool = True) -> Float[Array, 'b h w c+1']:
        b, n = len(h), max(min(self.group, len(h)), 2)
        if self.is_initializing():  # Networks begin with one image.
            return jnp.concatenate([h, jnp.zeros_like(h[..., :1])], axis=3)
        if b % n and train:
            raise ValueError(
                f'expected images in groups of {n} for their standard deviation, got {b}: give a '
                f'number that {n} divides'
            )
        whole = h if b % n == 0 else h[jnp.arange(b + -b % n) % b]
        groups = whole.astype(jnp.float32).reshape(n, -1, *h.shape[1:])
        deviation = jnp.sqrt(jnp.var(groups, axis=0) + 1e-8)
        deviation = deviation.reshape(len(deviation), -1).mean(axis=1)
        plane = jnp.tile(deviation, n)[:b].astype(h.dtype).reshape(b, 1, 1, 1)
        return jnp.concatenate([h, jnp.broadcast_to(plane, (*h.shape[:3], 1))], axis=3)
