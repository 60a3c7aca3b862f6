"""Which checkpoints are kept, and which of them is the best."""

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

from genjax import data
from genjax.train import load, train, view
from genjax.train.measures import measured
from genjax.train.pace import MOST, ROOM, Preservation, bests, ranking

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 1), np.uint8)


class One(NamedTuple):
    step: int
    metrics: Any


def evaluated(step, value=None, figure='heldout/elbo', size=10, since=0):
    told = {'monitor': value, 'figure': figure, 'bytes': size, 'since': since}
    return One(step, told)


def kept(checkpoints, every=0):
    stay = Preservation(every).should_preserve(checkpoints)
    return [one.step for one, stays in zip(checkpoints, stay, strict=True) if stays]


def test_all_that_were_evaluated_are_kept_while_they_are_small():
    few = [evaluated(step) for step in range(10, 90, 10)]
    assert kept(few) == [one.step for one in few]
    assert kept([One(5, {'monitor': None}), *few]) == [one.step for one in few]
    many = [evaluated(step) for step in range(MOST + 5)]
    assert kept(many) == list(range(5, MOST + 5))
    large = [evaluated(step, size=ROOM // 3) for step in range(6)]
    assert kept(large) == [3, 4, 5]
    huge = [evaluated(step, -float(step), size=2 * ROOM) for step in range(6)]
    assert kept(huge) == [0, 4, 5]


def test_one_in_so_many_steps_is_kept_beside_the_last_two_and_the_best():
    steps = [evaluated(step, -abs(step - 20.0)) for step in range(10, 110, 10)]
    assert kept(steps, every=25) == [20, 30, 50, 80, 90, 100]
    assert kept(steps, every=1000) == [20, 90, 100]
    # What was removed before changes nothing.
    rest = [one for one in steps if one.step in (20, 30, 50, 80, 90, 100)]
    assert kept(rest, every=25) == [20, 30, 50, 80, 90, 100]


def test_the_best_is_that_by_the_newest_figure():
    bound = [evaluated(1, -5.0), evaluated(2, -4.0)]
    distance = [evaluated(step, -9.0 + step % 2, 'heldout/frechet/a') for step in (3, 4, 5)]
    assert bests(bound) == [2]
    assert bests([*bound, *distance]) == [2, 5]
    assert bests([*distance, evaluated(6, -7.0)])[-1] == 6
    assert kept([*bound, *distance], every=1000) == [2, 4, 5]
    since = [evaluated(1, 3.0), evaluated(2, 1.0, since=1), evaluated(3, 0.0, since=1)]
    assert bests(since) == [1, 2]


@pytest.mark.parametrize(
    'metrics', [None, {}, {'monitor': None}, {'monitor': 'x'}, {'monitor': math.nan}]
)
def test_what_has_no_figure_is_not_ranked(metrics):
    assert ranking(metrics).figure is None
    assert bests([One(1, metrics)]) == []


def test_what_an_older_genjax_ranked_goes_with_the_bound():
    assert bests([One(1, {'monitor': -4.0}), evaluated(2, -5.0)]) == [1]


def test_a_monitor_decides_about_the_best_and_about_patience(tmp_path):
    """Whatever the bound does, and whatever was ranked before by that."""
    options = {'hidden': (4,), 'latent_dim': 2, 'batch_size': 4, 'dispatch': 2, 'eval_every': 2}
    options |= {'run': tmp_path, 'held_out': 0.4}
    train('vae', IMAGES, steps=2, **options)
    run = train('vae', IMAGES, steps=4, metrics=('coverage',), monitor='coverage', **options)
    assert load(tmp_path, 'best').state.step == 4

    parts = data.split(data.from_arrays(IMAGES), 0.4)
    seen = view(run.model, *parts, 0)
    seen = measured(seen, run.model, *parts, 0, ('coverage', 'frechet_distance'), 'coverage')
    name = seen.monitor.name
    assert name.startswith('heldout/coverage/')
    assert json.loads((tmp_path / 'checkpoints/4/metrics/metrics').read_text())['figure'] == name
    up, down = (0.1, 0.2, 0.3), (0.3, 0.2, 0.1)
    for ours, bound, stops in ((up, down, False), (down, up, True)):
        records = [{'heldout/elbo': b, name: c} for b, c in zip(bound, ours, strict=True)]
        assert seen.stop(records, 1) is stops
