"""Mixed precision as a policy around a network."""

import os
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from genjax.core import Net, Network
from genjax.machine import cpu_flags

Precision = Literal['auto', 'float32', 'bfloat16']


def best_precision() -> Precision:
    """bfloat16 on accelerators and on CPUs with matrix units for it (AMX), else float32; or what
    `GENJAX_PRECISION` in the environment says.

    Raises:
      ValueError: the environment says something else than these two.
    """
    wanted = os.environ.get('GENJAX_PRECISION', 'auto')
    said: dict[str, Precision] = {'float32': 'float32', 'bfloat16': 'bfloat16'}
    if wanted in said:
        return said[wanted]
    if wanted != 'auto':
        raise ValueError(f'expected GENJAX_PRECISION float32, bfloat16 or auto, got {wanted!r}')
    units = jax.default_backend() != 'cpu' or 'amx_bf16' in cpu_flags()
    return 'bfloat16' if units else 'float32'


def mixed_precision(network: Network, precision: Precision = 'auto') -> Network:
    """A network that trains in a lower precision; all that it keeps and returns is float32.

    With bfloat16, parameters and float inputs are cast before a training pass and outputs after
    it, so that gradients arrive in the float32 of the parameters (Micikevicius et al. 2018,
    https://arxiv.org/abs/1710.03740; bfloat16 has float32's range, so no loss is scaled). Matrix
    products sum in float32, and norms take their statistics in it. Passes with `train=False`
    are in float32 throughout: figures and samples do not depend on the policy.

    Args:
      network: any.
      precision: 'float32', 'bfloat16', or 'auto' for `best_precision()` of the machine that
        compiles the pass.

    Raises:
      ValueError: another precision.
    """
    if precision not in get_args(Precision):
        raise ValueError(f'expected a precision among {get_args(Precision)}, got {precision!r}')
    if precision == 'float32':
        return network

    def apply(net, *inputs, key=None, train=True):
        chosen = best_precision() if precision == 'auto' else precision
        if not train or chosen == 'float32':
            return network.apply(net, *inputs, key=key, train=train)
        low = Net(_cast(net.params, jnp.bfloat16), net.stats)
        out, after = network.apply(low, *_cast(inputs, jnp.bfloat16), key=key, train=train)
        kept = jax.tree.map(lambda new, old: new.astype(old.dtype), after.stats, net.stats)
        return _cast(out, jnp.float32), Net(net.params, kept)

    return Network(network.init, apply)


def _cast(tree: PyTree, dtype: jnp.dtype) -> PyTree:
    """The tree with its floats of another size; whatever else is in it stays."""

    def cast(leaf):
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, dtype) if floating else leaf

    return jax.tree.map(cast, tree)
