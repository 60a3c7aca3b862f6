"""Small models that several tests train."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from genjax.core import Player, model, weighted_sum
from genjax.nn.linen import from_linen
from genjax.optim import adam


class Regressor(nn.Module):
    """Dense, batch norm and dropout: parameters, statistics and a stream."""

    dropout: float = 0.0

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.BatchNorm(use_running_average=not train)(nn.Dense(3)(x))
        return nn.Dropout(self.dropout, deterministic=not train)(x)


class Linear(nn.Module):
    """One affine map; takes no `train`."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(x)


def regression(optimizer=None, terms=(), dropout=0.0, **options):
    """Fits `x -> y` by squared error, with terms on the outputs."""
    network = from_linen(Regressor(dropout), jax.ShapeDtypeStruct((1, 2), jnp.float32))

    def loss(state, key, batch):
        out, net = network.apply(state.nets['net'], batch['x'], key=key)
        total, state, metrics = weighted_sum('fit', terms, state, out)
        error = jnp.mean(jnp.square(out - batch['y']))
        return total + error, state.replace(nets={**state.nets, 'net': net}), metrics

    player_options = {k: options.pop(k) for k in ('repeats', 'microbatches') if k in options}
    player = Player(('net',), loss, optimizer or adam(0.01), terms=terms, **player_options)
    return model({'net': network}, {'fit': player}, **options)


def pairs(n=8, seed=0):
    key = jax.random.key(seed)
    x = jax.random.normal(key, (n, 2))
    return {'x': x, 'y': jnp.stack([x[:, 0], x[:, 1], x[:, 0] * x[:, 1]], axis=1)}
