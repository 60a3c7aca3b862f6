"""Single layers in genjax, and as XLA's own convolutions."""

from unittest import mock

import jax
import jax.numpy as jnp
from jax import lax

from experiments.benchmarks.flops import Layer
from experiments.benchmarks.jax_common import counted
from experiments.benchmarks.task import Task
from genjax.nn import bilinear, conv

_NATIVE = {
    'conv': lambda x, k: lax.conv_general_dilated(
        x, k, (2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    ),
    'transposed': lambda x, k: lax.conv_transpose(x, k, (2, 2), 'SAME'),
}
_OURS = {
    'conv': lambda x, k: conv.conv(x, k, 2),
    'transposed': lambda x, k: conv.conv_transpose(x, k, 2),
}


def layer(
    kind: str,
    size: int,
    c: int,
    features: int,
    batch: int = 64,
    times: int = 4,
    native: bool = False,
    dtype: str = 'float32',
) -> Task:
    """Forward and both gradients of a 4x4 stride-2 convolution, or a transposed one.

    Args:
      kind: `'conv'` or `'transposed'`.
      size: pixels of the input.
      c: channels of the input.
      features: channels of the output.
      batch: images.
      times: in a run.
      native: XLA's convolution.
      dtype: of all arrays.
    """
    function = (_NATIVE if native else _OURS)[kind]
    out = size // 2 if kind == 'conv' else size * 2
    shapes = (batch, size, size, c), (4, 4, c, features), (batch, out, out, features)
    nominal = 3 * batch * Layer(kind, size, c, features).forward
    return _both(function, shapes, times, dtype, {'nominal_flops': nominal})


def form(
    size: int, c: int, features: int, kernel: int, stride: int, tile: int | None, times: int = 4
) -> Task:
    """Forward and both gradients of a convolution of 64 images in one of its forms on a CPU.

    Args:
      size: pixels of the input.
      c: channels of the input.
      features: channels of the output.
      kernel: taps on either axis.
      stride: on either axis.
      tile: outputs of a tile; 0 for XLA's own convolution, None for what the rule picks.
      times: in a run.
    """
    out = -(-size // stride)
    shapes = (64, size, size, c), (kernel, kernel, c, features), (64, out, out, features)
    picked = bilinear.best_tile
    chosen = picked if tile is None else lambda *args: tile or None
    with mock.patch.object(bilinear, 'best_tile', chosen):
        return _both(lambda x, k: conv.conv(x, k, stride), shapes, times, 'float32', {})


def _both(function, shapes, times, dtype, facts):
    arrays = [jax.random.normal(jax.random.key(i), s, dtype) for i, s in enumerate(shapes)]

    @jax.jit
    def both(x, kernel, gradient):
        y, pull = jax.vjp(function, x, kernel)
        return y, *pull(gradient)

    compiled = both.lower(*arrays).compile()

    def run():
        for _ in range(times):
            out = compiled(*arrays)
        jax.block_until_ready(out)

    return Task(run, times, facts | {'compiled_flops': counted(compiled)})


def matmul(n: int = 2048, times: int = 8, dtype: str = 'float32') -> Task:
    """Products of square matrices, bfloat16 with sums in float32 as genjax has them."""
    x, y = (jax.random.normal(jax.random.key(i), (n, n), dtype) for i in range(2))

    @jax.jit
    def product(x, y):
        return jnp.matmul(x, y, preferred_element_type=jnp.float32)

    product(x, y).block_until_ready()

    def run():
        for _ in range(times):
            out = product(x, y)
        out.block_until_ready()

    return Task(run, times, {'nominal_flops': 2 * n**3})
