#!/usr/bin/env bash
# Question: a training loop fills one NumPy array with each batch, calls a jitted step with it, and fills
#   it again while the step still runs. Does a step see the batch that it was called with? On a CPU.
# Versions: jax 0.10.2 (Python 3.11) and jax 0.12.0.1 (Python 3.12 and later), numpy 2.4.6.
# Expected: yes, an argument is copied when the call is made; or no, never.
# Behaviour: it depends on the version, and in the newer one on the address. With jax 0.10.2 a call may read
#   the array after it has returned, wherever it lies. With jax 0.12.0.1 it does so where the array begins at
#   a multiple of 64 bytes; at any other address it is copied first. NumPy gives addresses of both kinds, by
#   size and allocator, so that an upgrade mends a loop, until another batch size breaks it again: the step
#   trains on the next batch, and nothing says so. `device_put` does the same; `jax.numpy.array(x)` copies.
# Output seen (of 20 calls each, the results that are of another batch than was given; what is not 0
#   differs from run to run), jax 0.10.2 and jax 0.12.0.1:
#   jit, at a multiple of 64 bytes: 17, 18
#   device_put, at a multiple of 64 bytes: 17, 14
#   jit, at a multiple of 16 bytes: 5, 0
#   device_put, at a multiple of 16 bytes: 8, 0
#   jit, at a multiple of 4 bytes: 13, 0
#   array, at a multiple of 64 bytes: 0, 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
new='import sys; sys.exit(sys.version_info < (3, 12))'
if "$work/venv/bin/python" -c "$new"; then jax=0.12.0.1; else jax=0.10.2; fi
"$work/venv/bin/pip" install --quiet "jax==$jax" "jaxlib==$jax" numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu venv/bin/python - <<'END'
import sys

import jax
import jax.numpy as jnp
import numpy as np

SIDE = 512
N = SIDE * SIDE


def batch(beyond):
    """An array that begins so many bytes beyond a multiple of 64."""
    memory = np.empty(4 * N + 256, np.uint8)
    start = -memory.ctypes.data % 64 + beyond
    return memory[start : start + 4 * N].view(np.float32)


@jax.jit
def step(x):
    y = x.reshape(SIDE, SIDE)
    for _ in range(4):
        y = jnp.tanh(y @ y / SIDE)
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
    'jit, at a multiple of 16 bytes': others(lambda x: x, 16),
    'device_put, at a multiple of 16 bytes': others(jax.device_put, 16),
    'jit, at a multiple of 4 bytes': others(lambda x: x, 4),
    'array, at a multiple of 64 bytes': others(jnp.array, 0),
}
for name, count in tried.items():
    print(f'{name}: {count}')
older = jax.__version__ == '0.10.2'
same = [count > 0 for count in tried.values()] == [True, True, older, older, older, False]
sys.exit(0 if same else 'the behaviour has changed')
END
