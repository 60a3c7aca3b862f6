"""The loop's own parts: dispatches, what they add up to, and signals."""

import math
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.train import scan_steps
from genjax.train.loop import listening
from genjax.train.pace import Pace, periods, spans
from genjax.train.recorder import summarize
from tests.toys import pairs, regression


@pytest.mark.parametrize(
    ('start', 'steps', 'expected'),
    [
        (0, 10, [(0, 4), (4, 4), (8, 2)]),
        (4, 8, [(4, 4)]),
        (6, 13, [(6, 2), (8, 4), (12, 1)]),
        (10, 10, []),
        (11, 10, []),
    ],
)
def test_dispatches_end_at_multiples_wherever_they_start(start, steps, expected):
    assert spans(start, Pace(steps, dispatch=4)) == expected


def test_pictures_and_evaluations_fall_between_dispatches():
    assert periods(Pace(10_000, dispatch=50)) == (500, 1000)
    assert periods(Pace(100, dispatch=50)) == (50, 50)
    assert periods(Pace(1000, dispatch=50, sample_every=120, eval_every=10)) == (100, 50)


@pytest.mark.parametrize('steps', [1, 3])
def test_a_dispatch_takes_its_steps_one_after_the_other(steps):
    model = regression()
    batches = [pairs(seed=seed) for seed in range(steps)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    state, metrics = scan_steps(model.train_step)(model.init(jax.random.key(0)), stacked)
    expected = model.init(jax.random.key(0))
    losses = []
    for batch in batches:
        expected, one = model.train_step(expected, batch)
        losses.append(one['fit/loss'])
    assert state.step == steps
    np.testing.assert_allclose(metrics['fit/loss'], losses, rtol=1e-5)


def test_one_step_is_compiled_as_a_loop_as_two_are():
    """XLA takes a loop that it knows to end after one step apart, and may then round otherwise."""
    model = regression()

    def loops(steps):
        stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * steps), pairs())
        program = scan_steps(model.train_step).lower(model.init(jax.random.key(0)), stacked)
        return program.compile().as_text().count(' while(')

    assert loops(1) == loops(2) > 0


def test_metrics_are_means_of_what_was_seen_and_counts_are_the_last():
    record = summarize({
        'a/loss': np.array([1.0, 3.0]),
        'a/lazy': np.array([np.nan, 4.0]),
        'a/never': np.array([np.nan, np.nan]),
        'a/skipped': np.array([1.0, 2.0]),
        'a/spoilt': np.array([1.0, np.inf]),
    })  # fmt: skip
    assert math.isnan(record.pop('a/never'))
    assert record == {'a/loss': 2, 'a/lazy': 4, 'a/skipped': 2, 'a/spoilt': math.inf}


def test_the_first_signal_is_noted_and_the_second_has_its_usual_effect():
    before = signal.getsignal(signal.SIGINT)
    with listening() as heard:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert heard == [signal.SIGTERM, signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
