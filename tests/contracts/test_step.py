"""A step as a program: what it returns, when it is compiled, and what a state is made of."""

import jax
import numpy as np
import pytest

import genjax.gan.methods
import genjax.vae.methods
from tests.contracts.subject import (
    as_floats,
    assert_same_update,
    compilations,
    different,
    plain,
    without_key,
)
from tests.contracts.table import ROWS


def types(state):
    """Structure, shapes and dtypes, weak ones with a tilde; fails for what is not a jax array."""
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    return jax.tree.map(lambda leaf: str(jax.typeof(leaf)), state)


def test_every_public_recipe_has_a_row():
    public = {
        getattr(module, name)
        for module in (genjax.gan.methods, genjax.vae.methods)
        for name in module.__all__
    }
    assert public <= {row.recipe for row in ROWS}
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_the_jitted_step_equals_the_eager_one(subject):
    """Of the row with most in it: eager, each operation of a step is compiled by itself."""
    if subject.row.name != 'dcgan_with_all':
        pytest.skip('all rows share the update, and this one has every kind of term')
    state, batch = subject.trained, subject.float_batch
    jitted, metrics = subject.model.train_step(state, batch)
    with jax.disable_jit():
        eager, eager_metrics = subject.model.train_step(state, batch)
    assert metrics.keys() == eager_metrics.keys()
    for name, value in metrics.items():
        np.testing.assert_allclose(value, eager_metrics[name], rtol=1e-3, atol=1e-5, err_msg=name)
    assert_same_update(plain(state), plain(jitted), plain(eager))


def test_a_step_is_compiled_once_for_new_trained_and_restored_states(subject, tmp_path):
    with compilations() as seen:
        jax.jit(lambda x: x + 1)(np.float32(0))
    assert len(seen) == 1
    restored = subject.restored(tmp_path)
    for state in (subject.start, subject.trained, restored):
        subject.step(state)
    for state in (subject.init(), restored):
        subject.run(state, [1, 1])
    assert set(subject.compiled) >= {'step', 'scan of 1'}
    assert set(subject.compiled.values()) == {1}, subject.compiled


def test_a_state_survives_a_checkpoint_bit_for_bit(subject, tmp_path):
    restored = subject.restored(tmp_path)
    assert different(subject.trained, restored) == []
    assert types(restored) == types(subject.trained)
    assert jax.random.key_impl(restored.key) == jax.random.key_impl(subject.trained.key)
    assert len(different(subject.trained, subject.start)) > 3


def test_a_step_keeps_structure_shapes_dtypes_and_strong_types(subject):
    start, trained = subject.start, subject.trained
    expected = types(start)
    assert not any(text.startswith('~') for text in jax.tree.leaves(expected))
    assert types(trained) == expected
    assert different([start.key, start.hypers], [trained.key, trained.hypers]) == []
    assert types(subject.run(subject.init(), [1])[0]) == expected


def test_no_leaf_aliases_another_or_the_callers_key(subject):
    key = jax.random.key(3)
    state = subject.model.init(key)
    leaves = jax.tree.leaves([state, key])
    assert len({without_key(leaf).unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)
    after, _ = subject.run(state, [1])
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state))
    assert different(after.key, key) == []
    assert different(subject.model.init(key).key, key) == []


def test_bytes_and_floats_give_the_same_step(subject):
    grey = subject.row.batch | {'x': 7 + subject.row.batch['x'] // 3}
    after_bytes, _ = subject.scan(subject.init(), {k: leaf[None] for k, leaf in grey.items()})
    after_floats = subject.step(subject.start, as_floats(grey))
    assert_same_update(plain(subject.start), plain(after_bytes), plain(after_floats))
