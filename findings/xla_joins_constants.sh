#!/usr/bin/env bash
# Question: XLA's CPU compiler is not told to take floats for real numbers (no fast-math flag). Does a jitted
#   float32 expression with two constants round after each operation, as NumPy and JAX without jit do?
# Versions: jax and jaxlib 0.10.2 (Python 3.11), jax and jaxlib 0.12.0.1 (Python 3.12 and later), numpy 2.4.6.
# Expected: yes; sums and products of floats are not reordered without fast-math.
# Behaviour: it depends on the version. XLA of 0.10.2 joins constants across an operation: `(1 - d) + c` is
#   compiled as `(1 + c) - d`, and `(x + a) - a` as x. What was small enough to be lost in the larger constant is
#   lost: the decay of a long average whose rounding is added back, `(1 - decay) + rest`, has no rest under jit.
#   And rounding to a grid by a large constant, or an overflow that a guard waits for, does not happen. Without jit
#   each operation rounds. With 0.12.0.1 both agree. Arguments in the place of constants are not joined.
# Output seen (NumPy, without jit, under jit; with jax 0.10.2, then with 0.12.0.1):
#   (1 - d) + c: 2.3141858e-07 2.3141858e-07 2.3841858e-07, and 2.3141858e-07 three times
#   (x + 1e8) - 1e8: 0 0 1.5, and 0 three times
#   (x * 1e30) * 1e-30: inf inf 1e+10, and inf three times
#   (1 - d) + c, c an argument: 2.3141858e-07 three times, with both
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
import numpy as np

F = np.float32
D, C = F(1 - 2.4e-7), F(-7e-9)
np.seterr(over='ignore')
tried = {
    '(1 - d) + c': (lambda d: (F(1) - d) + C, (D,)),
    '(x + 1e8) - 1e8': (lambda x: (x + F(1e8)) - F(1e8), (F(1.5),)),
    '(x * 1e30) * 1e-30': (lambda x: (x * F(1e30)) * F(1e-30), (F(1e10),)),
    '(1 - d) + c, c an argument': (lambda d, c: (F(1) - d) + c, (D, C)),
}
agree = []
for name, (f, x) in tried.items():
    plain, eager, jitted = f(*x), f(*map(jax.numpy.asarray, x)), jax.jit(f)(*x)
    print(f'{name}: {plain:.8g} {eager:.8g} {jitted:.8g}')
    agree.append(bool(plain == eager == jitted))
joins = jax.__version__ == '0.10.2'
sys.exit(0 if agree == [not joins] * 3 + [True] else 'the behaviour has changed')
END
