"""What a model learns: its statistics move, its players keep to themselves, and it overfits."""

import functools

import jax
import numpy as np
import pytest

from tests.contracts.subject import different, plain
from tests.contracts.table import EIGHT, IMAGE_SHAPE, eight_images

STEPS = 240
pytestmark = pytest.mark.every_method


def blown_up(state):
    """All parameters thirty times as large, so that only a bounded output stays in its range."""

    def grow(nets):
        return {
            name: net.replace(params=jax.tree.map(lambda p: 30 * np.asarray(p), net.params))
            for name, net in nets.items()
        }

    return state.replace(nets=grow(state.nets), ema=grow(state.ema))


def labels(subject, state):
    """As they are known, or as the model finds them."""
    y = subject.row.batch.get('y')
    if y is not None and y.min() < 0:
        found = np.argmax(subject.model.classify(state, eight_images()), axis=1)
        y = np.where(y < 0, found, y)
    return [] if y is None else [y]


def distance(subject, state):
    """Mean squared error of reconstructions, or of samples to the nearest of the eight images."""
    model, images = subject.model, eight_images() / 127.5 - 1
    if hasattr(model, 'encode'):
        y = labels(subject, state)
        z = model.encode(state, np.float32(images), *y).mean
        return np.mean(np.square(model.decode(state, z, *y) - images))
    samples = np.concatenate([model.sample(state, jax.random.key(i), EIGHT) for i in range(8)])
    gaps = np.square(samples[:, None] - images[None]).mean(axis=(2, 3, 4))
    return gaps.min(axis=1).mean()


def test_all_statistics_move(subject):
    normed = {name for name, net in subject.start.nets.items() if jax.tree.leaves(net.stats)}
    assert normed == set(subject.row.normed)
    for name in normed:
        before, after = (state.nets[name].stats for state in (subject.start, subject.trained))
        # The direction of a single output is always the same.
        moving = [n for n, leaf in plain(before).items() if leaf.size > 1 or not n.endswith('.u')]
        assert different(before, after) == moving


def test_players_change_their_own_networks_only(subject):
    start, players = subject.start, subject.row.players
    assert set(start.opt) == set(players)
    assert {name for own in players.values() for name in own} == set(start.nets)
    for player in (*players, 'nobody'):
        frozen = {f'{other}/lr_scale': np.float32(0) for other in players if other != player}
        state = start.replace(hypers=start.hypers | frozen)
        after = subject.step(state)
        for name in start.nets:
            moved = different(start.nets[name].params, after.nets[name].params)
            trained = name in players.get(player, ()) and bool(start.nets[name].params)
            assert bool(moved) == trained, (player, name)


def test_samples_are_images_that_depend_on_the_key_alone(subject):
    def sample(state, seed):
        return subject.model.sample(state, jax.random.key(seed), EIGHT)

    images = sample(subject.trained, 0)
    assert images.shape == (EIGHT, *IMAGE_SHAPE)
    assert images.dtype == np.float32
    assert np.array_equal(images, sample(subject.trained, 0))
    apart = np.abs(images - sample(subject.trained, 1)).max(axis=(1, 2, 3))
    assert apart.min() > 1e-5
    extreme = np.abs(sample(blown_up(subject.trained), 0)).max()
    assert 0.99 < extreme <= 1


def test_it_overfits_eight_images(subject):
    """All distances are in units of grey's, which is 1 from each of the images; black is as far."""
    enough = 0.05 if hasattr(subject.model, 'encode') else 0.6
    assert distance(subject, subject.start) > 0.9
    if subject.row.full:
        state, _ = subject.run(subject.init(), [6] * (STEPS // 6))
    else:  # By the program that is there: one of six steps would be for this alone.
        state = functools.reduce(lambda state, _: subject.step(state), range(STEPS), subject.init())
    assert distance(subject, state) < enough
