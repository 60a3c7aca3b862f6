#!/usr/bin/env bash
# Question: a training loop fills one NumPy array with each batch, calls a jitted step with it, and fills
#   it again while the step still runs. Does a step see the batch that it was called with? On a CPU.
# Versions: jax 0.10.2 (Python 3.11) and jax 0.12.0.1 (Python 3.13), numpy 2.4.6.
# Expected: yes, an argument is copied when the call is made; or no, never.
# Behaviour: it depends on the address. An array that begins at a multiple of 64 bytes is not copied by
#   a call of a jitted function, nor by `device_put`, and is read whenever the program comes to it:
#   the step then trains on the next batch. At any other address it is copied. `numpy.empty` gives
#   addresses of both kinds, by size and allocator, so that a loop can be right for years, and wrong
#   with another batch size. `jax.numpy.array(x)` always copies.
# Output seen (of 20 calls each, the results that are of another batch than was given; the first two
#   numbers differ from run to run):
#   jit, at a multiple of 64 bytes: 20
#   device_put, at a multiple of 64 bytes: 20
#   jit, 16 bytes beyond: 0
#   device_put, 16 bytes beyond: 0
#   array, at a multiple of 64 bytes: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' && jax=0.12.0.1 || jax=0.10.2
"$work/venv/bin/pip" install --quiet "jax==$jax" "jaxlib==$jax" numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu venv/bin/python - <<'END'
import sys

import jax
import jax.numpy as jnp
import numpy as np

N = 1_000_000


def batch(beyond):
    """An array that begins so many bytes beyond a multiple of 64."""
    memory = np.empty(4 * N + 256, np.uint8)
    start = -memory.ctypes.data % 64 + beyond
    return memory[start : start + 4 * N].view(np.float32)


@jax.jit
def step(x):
    y = x.reshape(1000, 1000)
    for _ in range(4):
        y = jnp.tanh(y @ y / 1000)
    return x.sum() + 0 * y.sum()


def others(give, beyond):
    found = 0
    for _ in range(20):
        x = batch(beyond)
        x[:] = 1
        result = step(give(x))
        x[:] = 2
        found += float(result) != N
    return found


tried = {
    'jit, at a multiple of 64 bytes': others(lambda x: x, 0),
    'device_put, at a multiple of 64 bytes': others(jax.device_put, 0),
    'jit, 16 bytes beyond': others(lambda x: x, 16),
    'device_put, 16 bytes beyond': others(jax.device_put, 16),
    'array, at a multiple of 64 bytes': others(jnp.array, 0),
}
for name, count in tried.items():
    print(f'{name}: {count}')
first, second, *rest = tried.values()
sys.exit(0 if first and second and not any(rest) else 'it has changed')
END
