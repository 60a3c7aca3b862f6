#!/usr/bin/env bash
# Question: one key is split for the latents of a GAN and also given to `flax.nnx.Rngs`, which derives
#   its keys by `fold_in`. Are the latents independent of the weights, and does JAX's checker of
#   reused keys (`jax_debug_key_reuse`) tell?
# Versions: flax 0.12.8 with jax 0.10.2 (Python 3.11), flax 0.12.12 with jax 0.12.0.1 (Python 3.13), CPU.
# Expected: a fold and a split are different functions of the key, so nothing is drawn twice; were it
#   otherwise, the checker is made to tell.
# Behaviour: with JAX's partitionable Threefry, its way of drawing since 0.5, `fold_in(key, i)` is
#   `split(key, n)[i]`, and `nnx.Rngs(key)` folds in 0, 1, 2, ...: it hands out the split, in order.
#   Draws of one key are prefixes of each other too, so latents of the first key are the first
#   kernel, row after row, but for the kernel's truncation. The checker lets a key be folded as often
#   as one likes, before and after it was split, and says nothing; it does tell of a second split.
# Output seen:
#   keys of Rngs(key) that are keys of split(key, 3): 3 of 3
#   correlation of the latents with the first kernel: 0.9956, with the second: -0.01
#   the checker: silent here, KeyReuseError for a second split
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
import numpy as np
from flax import nnx

jax.config.update('jax_debug_key_reuse', True)


class Generator(nnx.Module):
    def __init__(self, *, rngs):
        self.first = nnx.Linear(64, 256, rngs=rngs)
        self.second = nnx.Linear(256, 256, rngs=rngs)


def correlation(z, layer):
    kernel = np.asarray(layer.kernel[...]).ravel()[: z.size]
    return np.corrcoef(z.ravel(), kernel)[0, 1]


key = jax.random.key(7)
generator = Generator(rngs=nnx.Rngs(key))
latent_key, _ = jax.random.split(key)
z = np.asarray(jax.random.normal(latent_key, (128, 64)))
first, second = (correlation(z, layer) for layer in (generator.first, generator.second))
try:
    jax.random.split(key)
    second_split = 'silence'
except jax.errors.KeyReuseError:
    second_split = 'KeyReuseError'

key = jax.random.key(8)
rngs = nnx.Rngs(key)
handed = [jax.random.key_data(rngs()) for _ in range(3)]
equal = sum(map(np.array_equal, handed, jax.random.key_data(jax.random.split(key, 3))))
print(f'keys of Rngs(key) that are keys of split(key, 3): {equal} of 3')
print(f'correlation of the latents with the first kernel: {first:.4f}, with the second: {second:.2f}')
print(f'the checker: silent here, {second_split} for a second split')
same = equal == 3 and first > 0.99 and abs(second) < 0.05 and second_split == 'KeyReuseError'
sys.exit(0 if same else 'the behaviour has changed')
END
