#!/usr/bin/env bash
# Question: gradients are bfloat16, 512 leaves each of norm 1. By how much does `optax.global_norm`
#   differ from 22.6, and how large are gradients that `clip_by_global_norm(1)` lets through?
# Versions: optax 0.2.8 with jax 0.10.2 (Python 3.11) and jax 0.12.0.1 (Python 3.13), CPU.
# Expected: by one rounding, 0.4 percent at most: JAX sums bfloat16 in float32.
# Behaviour: JAX does so within a leaf, and rounds the leaf's sum to bfloat16; Optax adds the leaves in
#   bfloat16, one after the other. Near 256 its spacing is 2, so a leaf of norm 1 no longer counts:
#   the norm stays at 16 however many follow. Clipping lets 1.4 times the norm through, and more
#   with more leaves. Nothing overflows, a jitted program gives the same, and the order of the leaves
#   counts: a large one hides the others if it comes first.
# Output seen:
#   leaves, their norm, Optax's: 128 11.31 11.31, 256 16.00 16.00, 512 22.63 16.00
#   the norm of what was clipped to 1: 1.41
#   a leaf of norm 16 before 511 others: 16.00, after them: 22.62, really: 27.69
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet optax==0.2.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cd "$work"
JAX_PLATFORMS=cpu venv/bin/python - <<'END'
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax


def leaf(norm):
    """64 equal numbers."""
    return jnp.full((64,), norm / 8, jnp.bfloat16)


def true_norm(tree):
    return np.sqrt(sum(np.square(np.asarray(x, np.float64)).sum() for x in tree))


def optax_norm(tree):
    return float(optax.global_norm(tree))


ones = {n: [leaf(1)] * n for n in (128, 256, 512)}
norms = {n: (float(true_norm(tree)), optax_norm(tree)) for n, tree in ones.items()}
jitted = float(jax.jit(optax.global_norm)(ones[512][:300]))
clip = optax.clip_by_global_norm(1.0)
clipped = float(true_norm(clip.update(ones[512], clip.init(ones[512]))[0]))
first, last = [leaf(16), *ones[512][1:]], [*ones[512][1:], leaf(16)]
order = optax_norm(first), optax_norm(last), float(true_norm(first))
pairs = ', '.join(f'{n} {true:.2f} {got:.2f}' for n, (true, got) in norms.items())
print("leaves, their norm, Optax's:", pairs)
print(f'the norm of what was clipped to 1: {clipped:.2f}')
print('a leaf of norm 16 before 511 others: {:.2f}, after them: {:.2f}, really: {:.2f}'.format(*order))
stuck = norms[256] == (16, 16) and norms[512][1] == jitted == 16
same = stuck and clipped > 1.4 and order[0] == 16 and order[1] > 22
sys.exit(0 if same else 'the behaviour has changed')
END
