"""Numbers keep their types: whatever the flags, and nothing is promoted unasked."""

import jax
import numpy as np

from tests.contracts.table import EIGHT, IMAGE_SHAPE


def shapes(row, **options):
    """Of a state, of it after a step with its metrics, and of whatever else a model makes."""
    model, batch = row.recipe(IMAGE_SHAPE, **{**row.options, **options}), row.batch
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(model.init, key)
    used = [jax.eval_shape(lambda state, key: model.sample(state, key, EIGHT), state, key)]
    if getattr(model, 'has_density', False):
        z = np.ones((3, EIGHT, model.latent_dim), np.float32)
        used += [
            jax.eval_shape(model.evaluate, state, key, batch),
            jax.eval_shape(lambda *args: model.log_likelihood(*args, 6, 2), state, key, batch),
            jax.eval_shape(model.log_joint, state, key, batch, z),
        ]
    return state, *jax.eval_shape(model.train_step, state, batch), used


def test_states_are_float32_whatever_the_flag(subject):
    usual = shapes(subject.row)
    with jax.enable_x64(True):
        wide = shapes(subject.row)
    assert wide == usual
    assert {'float64', 'int64'}.isdisjoint(str(leaf.dtype) for leaf in jax.tree.leaves(wide))


def test_nothing_is_promoted_unasked(subject):
    with jax.numpy_dtype_promotion('strict'):
        # Optax's Adam does.
        state, after, *_ = shapes(subject.row, optimizer='sgd')
    assert state == after
