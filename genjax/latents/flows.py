"""Invertible maps of latents with a known determinant, each the identity at the start.

A flow is `(net, z, context) -> (z', log |det dz' / dz|)`, and its inverse.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen.initializers import lecun_normal, zeros_init
from jaxtyping import Array, Float

from genjax.core import Net, Network, held
from genjax.latents.distributions import bounded, leading
from genjax.nn.linen import from_linen

_UNIT = float(np.log(np.expm1(1.0)))  # softplus of it is 1
# Of the log-scale of a layer: one that scales by more would overflow a stack.
_SCALES = -3.0, 3.0


class Flow(NamedTuple):
    """A map of latents with parameters.

    Attributes:
      network: its parameters.
      forward: `(net, z, context) -> (z', log-determinant [...])`; the context, of the shape of z,
        may be None.
      inverse: `(net, z', context) -> z`.
    """

    network: Network
    forward: Callable[[Net, Array, Array | None], tuple[Array, Array]]
    inverse: Callable[[Net, Array, Array | None], Array]


class _Masked(nn.Module):
    """Dense layers whose output i depends on inputs before i, Germain et al. 2015
    (https://arxiv.org/abs/1502.03509): a shift and a log-scale of each.
    """

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, z: Array, context: Array | None = None) -> tuple[Array, Array]:
        d = z.shape[-1]
        before, h = np.arange(d), z
        for i, size in enumerate(self.hidden):
            degrees = np.arange(size) % max(d - 1, 1)
            h = self._layer(h, before[:, None] <= degrees, lecun_normal(), f'{i}')
            if context is not None:
                h += nn.Dense(size, use_bias=False, name=f'context_{i}')(context)
            before, h = degrees, nn.relu(h)
        mask = np.tile(before[:, None] < np.arange(d), 2)
        shift, log_scale = jnp.split(self._layer(h, mask, zeros_init(), 'last'), 2, axis=-1)
        return shift, bounded(log_scale, *_SCALES)

    def _layer(self, h, mask, start, name):
        kernel = self.param(f'kernel_{name}', start, mask.shape, jnp.float32)
        bias = self.param(f'bias_{name}', zeros_init(), mask.shape[1:], jnp.float32)
        return h @ jnp.where(mask, kernel, 0.0) + leading(bias, h.ndim)


class _Halves(nn.Module):
    """Shift and log-scale of every second latent by the others, Dinh et al. 2017
    (https://arxiv.org/abs/1605.08803)."""

    hidden: Sequence[int]

    @nn.compact
    def __call__(self, z: Array, context: Array | None = None) -> tuple[Array, Array]:
        kept = leading(np.arange(z.shape[-1]) % 2 == 0, z.ndim)
        h = jnp.where(kept, z, 0.0)
        for size in self.hidden:
            h = nn.relu(nn.Dense(size)(h))
        h = nn.Dense(2 * z.shape[-1], kernel_init=zeros_init())(h)
        shift, log_scale = jnp.split(h, 2, axis=-1)
        return jnp.where(kept, 0.0, shift), jnp.where(kept, 0.0, bounded(log_scale, *_SCALES))


def autoregressive(d: int, layers: int, hidden: Sequence[int], context: bool = False) -> Flow:
    """`z'_i = (z_i - m_i(z_<i)) exp(-a_i(z_<i))`, the order reversed after each layer.

    Forward all at once, inverse a latent after the other: as a posterior IAF (Kingma et al. 2016,
    https://arxiv.org/abs/1606.04934), as a density MAF (Papamakarios et al. 2017,
    https://arxiv.org/abs/1705.07057).

    Args:
      d: length of z.
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
      context: whether shifts and scales depend on a context too.
    """
    return _stacked(_Masked(tuple(hidden)), d, layers, context, passes=d)


def coupling(d: int, layers: int, hidden: Sequence[int]) -> Flow:
    """The same with half of the latents by the other half: both ways at once.

    Dinh et al. 2017 (https://arxiv.org/abs/1605.08803).

    Args:
      d: length of z.
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
    """
    return _stacked(_Halves(tuple(hidden)), d, layers, False, passes=1)


def _stacked(module: nn.Module, d: int, layers: int, context: bool, passes: int) -> Flow:
    """Layers of one kind; `passes` of one undo it."""
    z = jax.ShapeDtypeStruct((1, d), jnp.float32)
    layer = from_linen(module, *((z, z) if context else (z,)))

    def init(key):
        nets = [layer.init(jax.random.fold_in(key, i)) for i in range(layers)]
        return Net({str(i): net.params for i, net in enumerate(nets)}, {})

    def moments(net, i, z, context):
        given = (z,) if context is None else (z, jnp.broadcast_to(context, z.shape))
        return layer.apply(Net(net.params[str(i)], {}), *given, train=False)[0]

    def forward(net, z, context):
        log_det = jnp.zeros(z.shape[:-1], z.dtype)
        for i in range(layers):
            shift, log_scale = moments(net, i, z, context)
            z = jnp.flip((z - shift) * jnp.exp(-log_scale), -1)
            log_det -= jnp.sum(log_scale, axis=-1)
        return z, log_det

    def inverse(net, z, context):
        for i in reversed(range(layers)):
            wanted = jnp.flip(z, -1)

            def undo(_, z, i=i, wanted=wanted):
                shift, log_scale = moments(net, i, z, context)
                return wanted * jnp.exp(log_scale) + shift

            # Each pass makes one more latent right.
            z = jax.lax.fori_loop(0, passes, undo, wanted)
        return z

    return Flow(held(init), forward, inverse)


def backwards(flow: Flow) -> Flow:
    """The inverse of a flow: an autoregressive density that draws at once.

    Args:
      flow: to be turned round.
    """

    def forward(net, z, context):
        start = flow.inverse(net, z, context)
        return start, -flow.forward(net, start, context)[1]

    return Flow(flow.network, forward, lambda net, z, context: flow.forward(net, z, context)[0])


def planar(
    z: Float[Array, '... d'], u: Float[Array, 'b d'], w: Float[Array, 'b d'], b: Float[Array, 'b']
) -> tuple[Array, Array]:
    """`z + u tanh(w z + b)`, with u moved so that it can be inverted, and the log-determinant.

    Rezende and Mohamed 2015 (https://arxiv.org/abs/1505.05770).

    Args:
      z: latents.
      u: the direction.
      w: the normal of the plane.
      b: its place.
    """
    wu, ww = jnp.sum(w * u, -1, keepdims=True), jnp.sum(w * w, -1, keepdims=True)
    u = u + (jax.nn.softplus(wu + _UNIT) - 1 - wu) * w / (ww + 1e-6)
    h = jnp.tanh(jnp.sum(z * w, axis=-1) + b)
    slope = (1 - jnp.square(h)) * jnp.sum(u * w, axis=-1)
    return z + u * h[..., None], jnp.log1p(jnp.maximum(slope, -1 + 1e-6))


def radial(
    z: Float[Array, '... d'], centre: Float[Array, 'b d'], a: Float[Array, 'b'],
    b: Float[Array, 'b'],
) -> tuple[Array, Array]:  # fmt: skip
    """`z + beta (z - centre) / (alpha + |z - centre|)`, and the log-determinant.

    `alpha = softplus(a + c)`, `beta = softplus(b + c) - alpha` (with c so that both are as of the
    identity where a = b = 0), which can be inverted. Rezende and Mohamed 2015
    (https://arxiv.org/abs/1505.05770).

    Args:
      z: latents.
      centre: of the map.
      a: of its width.
      b: of its strength.
    """
    alpha = jax.nn.softplus(a + _UNIT)
    beta = jax.nn.softplus(b + _UNIT) - alpha
    gap = z - centre
    r = jnp.sqrt(jnp.sum(jnp.square(gap), axis=-1) + 1e-12)
    h = 1 / (alpha + r)
    log_det = (z.shape[-1] - 1) * jnp.log1p(beta * h) + jnp.log1p(beta * alpha * jnp.square(h))
    return z + (beta * h)[..., None] * gap, log_det
