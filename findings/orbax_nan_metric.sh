#!/usr/bin/env bash
# Question: a CheckpointManager keeps the 3 checkpoints of the lowest FID. One evaluation gives NaN.
#   Which checkpoints are there at the end?
# Versions: orbax-checkpoint 0.12.8 with jax 0.10.2 (Python 3.11) and jax 0.12.0.1 (Python 3.13), CPU.
# Expected: the NaN ranks worst, or best; at most its own checkpoint is one too many or missing.
# Behaviour: checkpoints are ranked by `sorted` with the metric as its key. NaN compares false with
#   everything, so it is a wall that no better figure passes: of a run whose FID falls to 20 before the
#   NaN and stays above 50 after it, the three good checkpoints are deleted, the NaN too, and the
#   three worst are kept. `best_step` then names one of them, and nothing is left that says so.
# Output seen:
#   without the NaN: kept [40, 30, 20], best 20
#   with it:         kept [60, 55, 50], best 50
#   the best of 3 figures is lost in 6 of 24 orders of them and one NaN, where 2 are kept
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet \
  orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 tensorstore==0.1.86
cd "$work"
JAX_PLATFORMS=cpu venv/bin/python - <<'END'
import itertools
import logging
import os
import sys
import tempfile

import jax.numpy as jnp
import orbax.checkpoint as ocp

logging.disable(logging.CRITICAL)
NAN = float('nan')


def run(figures, keep):
    """The figures whose checkpoints are kept, and that of the best."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        best_fn=lambda metrics: metrics['fid'],
        best_mode='min',
        enable_async_checkpointing=False,
    )
    with ocp.CheckpointManager(tempfile.mkdtemp(dir=os.getcwd()), options=options) as manager:
        for step, fid in enumerate(figures):
            state = ocp.args.StandardSave({'w': jnp.ones(2)})
            manager.save(step, args=state, metrics={'fid': fid})
        return [figures[step] for step in manager.all_steps()], figures[manager.best_step()]


healthy = run([40, 30, 20, 60, 55, 50], keep=3)
hurt = run([40, 30, 20, NAN, 60, 55, 50], keep=3)
lost = sum(10 not in run(each, keep=2)[0] for each in itertools.permutations((10, 20, 30, NAN)))
print('without the NaN: kept {}, best {}'.format(*healthy))
print('with it:         kept {}, best {}'.format(*hurt))
print(f'the best of 3 figures is lost in {lost} of 24 orders of them and one NaN, where 2 are kept')
same = healthy == ([40, 30, 20], 20) and hurt == ([60, 55, 50], 50) and lost == 6
sys.exit(0 if same else 'the behaviour has changed')
END
