"""Averages over many steps against their recursion in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.core import Hyper, Net
from genjax.core.averages import averaging, begun, slot_of
from tests.toys import regression

KEY = jax.random.key(0)
STEPS, HALF_LIFE = 200_000, 3e6
DECAY = 0.5 ** (1 / HALF_LIFE)
OLD = 10**8  # steps, after which an average no longer forgets the start
STEP = 4.0


def moving(t):
    """Parameters about 4 that go round, as those of a trained network do."""
    xp = jnp if isinstance(t, jax.Array) else np
    return STEP + 0.5 * xp.sin(t / 1000.0)


@pytest.mark.usual_compiler
@pytest.mark.parametrize('kept', [True, False])
def test_an_average_over_millions_of_steps_moves_as_it_should(kept):
    """By a step of 1e-6 or less: float32 alone errs by what it rounds, at each of them."""
    decay = Hyper(DECAY)
    state = regression(ema={'net': decay}).init(KEY)
    net = Net({'w': jnp.float32(1.0)}, {})
    memory = begun(decay if kept else Hyper(0.5), net) | {'steps': jnp.int32(OLD)}
    state = state.replace(
        nets={'net': net}, ema={'net': net}, memory={**state.memory, slot_of('net'): memory}
    )

    def step(state, t):
        params = {'w': moving(t.astype(jnp.float32))}
        return averaging({'net': decay}, state.replace(nets={'net': Net(params, {})}), {})[0], None

    state, _ = jax.jit(lambda s: jax.lax.scan(step, s, jnp.arange(STEPS)))(state)
    mean = 1.0
    for p in moving(np.arange(STEPS, dtype=np.float64)):
        mean += (1 - DECAY) * (p - mean)
    way = float(state.ema['net'].params['w']) - 1
    if kept:
        np.testing.assert_allclose(way, mean - 1, rtol=1e-3)
    else:
        assert abs(way / (mean - 1) - 1) > 0.02
    assert int(state.memory[slot_of('net')]['steps']) == OLD + STEPS


def test_statistics_of_an_average_move_at_first_and_then_at_times():
    """By a pass with the averaged parameters of the step; those without a pass are copied."""

    def through(net, key):
        return net.replace(stats={'passes': net.stats['passes'] + 1, 'of': net.params['w']})

    def net(w, passes):
        return Net({'w': jnp.float32(w)}, {'passes': jnp.int32(passes), 'of': jnp.float32(0)})

    def step(state, w, passes):
        return averaging({'net': Hyper(0.5)}, state.replace(nets={'net': net(w, -1)}), passes)[0]

    state = regression(ema={'net': 0.5}).init(KEY).replace(ema={'net': net(1, 0)})
    state = state.replace(memory={slot_of('net'): begun(Hyper(0.5), net(1, 0))})
    assert step(state, 0.0, {}).ema['net'].stats['passes'] == -1
    moved, due = jax.jit(lambda s, w: step(s, w, {'net': through})), []
    for t in range(50):
        before, state = state, moved(state, float(t))
        mean = state.ema['net']
        due += [t] if mean.stats['passes'] > before.ema['net'].stats['passes'] else []
        assert due[-1] != t or mean.stats['of'] == mean.params['w']
    assert due == [*range(40), 40, 44, 48]


def test_what_rounding_loses_is_kept_of_long_averages_only():
    def lost(decay):
        return jax.tree.leaves(begun(decay, Net({'w': jnp.ones(3)}, {}))['lost'])

    assert not lost(Hyper(0.999))
    assert len(lost(Hyper(0.99999))) == len(lost(Hyper(1.0, lambda step: 0.9))) == 1
