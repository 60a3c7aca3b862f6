#!/usr/bin/env bash
# Question: a function draws by its key in one branch of `lax.cond` alone. With JAX's checks for keys that are
#   used twice (`jax_debug_key_reuse`), may it be mapped over many predicates and keys?
# Versions: jax 0.10.2 (Python 3.11) and jax 0.12.0.1 (Python 3.12 and later), numpy 2.4.6.
# Expected: yes: each key is drawn by once at most, whatever the predicate is.
# Behaviour: no. Alone, and mapped over keys with one predicate for all, it passes. Mapped over predicates it
#   is refused, `KeyReuseError: In select_n, argument ... is already consumed`, also where the branch only folds
#   a number into the key, where it clones it, and where the other branch does not look at it: the mapped form
#   runs both branches on operands that it selects from themselves, which counts as a use for each branch. What
#   passes is the numbers of the key, given to the branches by `key_data` and made a key again there.
# Output seen, jax 0.10.2 and jax 0.12.0.1:
#   draw by it: alone passes, keys mapped passes, both mapped is refused
#   fold and draw: alone passes, keys mapped passes, both mapped is refused
#   clone it: alone passes, keys mapped passes, both mapped is refused
#   numbers of it: alone passes, keys mapped passes, both mapped passes
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
from jax import lax, random

jax.config.update('jax_debug_key_reuse', True)


def drawn(p, key):
    return lax.cond(p, lambda: random.normal(key), lambda: 0.0)


def folded(p, key):
    return lax.cond(p, lambda: random.normal(random.fold_in(key, 1)), lambda: 0.0)


def cloned(p, key):
    return lax.cond(p, lambda: random.normal(random.clone(key)), lambda: 0.0)


def numbers(p, key):
    data = random.key_data(key)
    return lax.cond(p, lambda: random.normal(random.wrap_key_data(data)), lambda: 0.0)


def passes(function, p, key):
    try:
        jax.jit(function)(p, key)
    except jax.errors.KeyReuseError:
        return False
    return True


both = jnp.array([True, False])
tried = {'draw by it': drawn, 'fold and draw': folded, 'clone it': cloned, 'numbers of it': numbers}
found = []
for name, function in tried.items():
    ways = (
        passes(function, jnp.array(True), random.key(0)),
        passes(jax.vmap(function, (None, 0)), jnp.array(True), random.split(random.key(1))),
        passes(jax.vmap(function), both, random.split(random.key(2))),
    )
    words = ['passes' if way else 'is refused' for way in ways]
    print(f'{name}: alone {words[0]}, keys mapped {words[1]}, both mapped {words[2]}')
    found.append(ways)
same = found == [(True, True, False)] * 3 + [(True, True, True)]
sys.exit(0 if same else 'the behaviour has changed')
END
