"""A run: a function of its seed alone, however it is cut up, and one row of a vmap over many."""

import jax
import jax.numpy as jnp
import numpy as np

from genjax.core import State
from tests.contracts.subject import assert_same_update, different, plain


def kernels(tree):
    return {name for name in plain(tree) if '.nets' in name and "'kernel'" in name}


def test_a_seed_is_a_run(subject):
    one = subject.run(subject.init(4), [6])
    assert different(one, subject.run(subject.init(4), [6])) == []
    assert kernels(one) <= set(different(one, subject.run(subject.init(5), [6])))
    assert len(kernels(one)) > 3


def test_the_key_of_a_state_decides_what_its_steps_draw(subject):
    """From the same parameters, and not only by what `init` drew."""
    one = subject.run(subject.init(4), [1])
    other = subject.run(subject.init(4).replace(key=jax.random.key(5)), [1])
    assert kernels(one) <= set(different(one, other))


def test_a_run_in_pieces_is_the_whole_run(subject):
    """Bit for bit: a run that goes on from a checkpoint is the run that was never ended."""
    whole, metrics = subject.run(subject.init(), [6])
    parts, pieces = subject.run(subject.init(), subject.row.cuts)
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)
    assert different([whole, metrics[0]], [parts, joined]) == []


def row(states, i):
    """One of many states, as arrays of its own."""
    step, key = jnp.broadcast_to(states.step, (i + 1,)), jax.random.clone(states.key)
    return jax.tree.map(lambda leaf: leaf[i], states.replace(step=step, key=key))


def test_a_vmap_over_seeds_and_hypers_equals_one_run_each(subject):
    starts = [subject.init(seed) for seed in range(4, 8)]
    hypers = [
        {name: value * jnp.float32(scale) for name, value in starts[0].hypers.items()}
        for scale in (0.5, 1.0, 1.5, 2.0)
    ]
    starts = [state.replace(hypers=own) for state, own in zip(starts, hypers, strict=True)]
    # The number of the step is that of all runs: a lazy term stays lazy.
    axes = State(step=None, key=0, nets=0, ema=0, opt=0, memory=0, hypers=0, skipped=0)

    @jax.jit
    def together(rows, batches):
        def scan(state):
            return jax.lax.scan(subject.model.train_step, state, batches)[0]

        return jax.vmap(scan, (axes,), axes)(rows)

    rows = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts).replace(step=starts[0].step)
    # Step by step from where all are: a rounding at the kink of one unit is seen in the next step.
    for step in range(2):
        ends = together(rows.replace(key=jax.random.clone(rows.key)), subject.stacked(step, 1))
        for i in range(len(starts)):
            start, end = (row(state, i) for state in (rows, ends))
            before = plain(start)
            alone, _ = subject.run(start, [1])
            assert_same_update(before, plain(end), plain(alone))
        rows = ends
