"""Self-attention of SAGAN (Zhang et al. 2019, https://arxiv.org/abs/1805.08318)."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import glorot_uniform, zeros_init
from jaxtyping import Array, Float

from genjax.nn.conv import Conv


class SelfAttention(nn.Module):
    """`x + gamma conv(softmax(query key^T) value)` over the positions of a map.

    Queries and keys have an eighth of the channels, values half; keys and values are of the
    greatest of each 2x2 positions, as in the authors' code. gamma begins at 0.
    """

    @nn.compact
    def __call__(self, x: Float[Array, 'b h w c']) -> Float[Array, 'b h w c']:
        b, h, w, c = x.shape

        def conv(features, name):
            layer = Conv(features, (1, 1), use_bias=False, kernel_init=glorot_uniform(), name=name)
            return layer

        few, half = max(c // 8, 1), max(c // 2, 1)
        query = conv(few, 'query')(x).reshape(b, h * w, few)
        key, value = (
            nn.max_pool(conv(n, name)(x), (2, 2), (2, 2)).reshape(b, -1, n)
            for name, n in (('key', few), ('value', half))
        )
        logits = jnp.einsum('bqc,bkc->bqk', query, key, preferred_element_type=jnp.float32)
        mixed = jax.nn.softmax(logits).astype(x.dtype) @ value
        gamma = self.param('gamma', zeros_init(), (), jnp.float32)
        return x + gamma.astype(x.dtype) * conv(c, 'out')(mixed.reshape(b, h, w, half))
