#!/usr/bin/env bash
# Question: `flax.nnx.bridge.to_linen` makes a Linen module of an NNX layer that draws noise from a
#   stream `noise`. What does `apply` draw without a key, or with a key of another name?
# Versions: flax 0.12.8 with jax 0.10.2 (Python 3.11), flax 0.12.12 with jax 0.12.0.1 (Python 3.13), CPU.
# Expected: an error, as of every Linen module that lacks a key (`InvalidRngError`), and as of this one
#   in `init` ("No RngStream named 'noise'").
# Behaviour: `apply` quietly takes the seed 0 for all streams that it is not given. Each call draws the
#   same noise, for each set of weights and whatever key `init` had: a VAE trained so has one epsilon
#   for ever, a dropout one mask, and a key under the wrong name changes nothing.
# Output seen:
#   a Linen module without its key: InvalidRngError
#   init without it: AttributeError
#   apply without a key, 3 times, weights of 2 seeds: 1 different noise
#   apply with 3 keys named dropout: 1 different noise, that of no key
#   apply with 3 keys named noise: 3 different noises
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
  flax==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 optax==0.2.8 orbax-checkpoint==0.12.8
cd "$work"
JAX_PLATFORMS=cpu venv/bin/python - <<'END'
import sys

import jax
import jax.numpy as jnp
from flax import linen, nnx

X = jnp.zeros((2, 4))


class Noise(nnx.Module):
    """What a VAE does between encoder and decoder."""

    def __init__(self, *, rngs):
        self.scale = nnx.Param(jnp.ones(4))
        self.rngs = rngs

    def __call__(self, x):
        return x + self.scale * jax.random.normal(self.rngs.noise(), x.shape)


class LinenNoise(linen.Module):
    """The same of Linen."""

    @linen.compact
    def __call__(self, x):
        return x + jax.random.normal(self.make_rng('noise'), x.shape)


def error(call, *args):
    try:
        call(*args)
    except Exception as raised:
        return type(raised).__name__


def noises(*rngs):
    """The different noises of one call for each of these."""
    return {tuple(module.apply(each, X, rngs=keys).ravel().tolist()) for each, keys in rngs}


module = nnx.bridge.to_linen(Noise)
one, other = (
    module.init({'params': jax.random.key(i), 'noise': jax.random.key(i + 9)}, X) for i in (0, 1)
)
keys = [jax.random.key(i) for i in range(3)]
linen_error = error(LinenNoise().apply, {}, X)
init_error = error(module.init, {'params': keys[0]}, X)
none = noises((one, {}), (one, {}), (other, {}))
wrong = noises(*((one, {'dropout': key}) for key in keys))
right = noises(*((one, {'noise': key}) for key in keys))
print('a Linen module without its key:', linen_error)
print('init without it:', init_error)
print('apply without a key, 3 times, weights of 2 seeds:', len(none), 'different noise')
print('apply with 3 keys named dropout:', len(wrong), 'different noise, that of no key')
print('apply with 3 keys named noise:', len(right), 'different noises')
raised = linen_error == 'InvalidRngError' and init_error is not None
same = raised and len(none) == 1 and wrong == none and len(right) == 3
sys.exit(0 if same else 'the behaviour has changed')
END
