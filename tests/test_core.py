"""The one update: against a loop written out, and its promises at the edges."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.core import Player, Term, model, weighted_sum, with_hypers
from genjax.nn.linen import from_linen
from genjax.random import step_key, stream
from tests.toys import Linear, Regressor, pairs, regression

KEY = jax.random.key(3)


def leaves_equal(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool(jnp.array_equal(x, y)), a, b))


def test_a_step_is_what_the_formula_says():
    built = regression(optax.sgd(0.1))
    state, batch = built.init(KEY), pairs()
    after, metrics = built.train_step(state, batch)
    module, params = Regressor(), state.nets['net'].params

    def loss(params):
        out, new = module.apply(
            {'params': params, **state.nets['net'].stats}, batch['x'], mutable=['batch_stats']
        )
        return jnp.mean((out - batch['y']) ** 2), new

    (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(params)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, params, grads)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
                 after.nets['net'].params, expected)  # fmt: skip
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
                 after.nets['net'].stats, dict(stats))  # fmt: skip
    np.testing.assert_allclose(metrics['fit/loss'], value, rtol=1e-6)
    np.testing.assert_allclose(metrics['fit/grad_norm'], optax.tree.norm(grads), rtol=1e-4)
    assert after.step == 1


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_a_non_finite_update_is_left_out_whole_and_counted(bad):
    count = Term('count', lambda memory, out: (jnp.mean(out), memory + 1), lambda k: jnp.int32(0))
    built = regression(terms=(count,))
    state, _ = built.train_step(built.init(KEY), pairs())
    spoilt = pairs()
    spoilt['x'] = spoilt['x'].at[0, 0].set(bad)
    after, metrics = built.train_step(state, spoilt)
    for part in ('nets', 'opt', 'memory'):
        assert leaves_equal(getattr(after, part), getattr(state, part))
    assert after.skipped['fit'] == metrics['fit/skipped'] == 1
    assert after.step == 2
    again, _ = built.train_step(after, pairs())
    assert not leaves_equal(again.nets, after.nets)
    assert again.skipped['fit'] == 1


@pytest.mark.parametrize('rate', [np.nan, np.inf])
def test_a_learning_rate_that_is_not_finite_is_left_out_and_counted(rate):
    built = regression(optax.scale_by_learning_rate(lambda step: rate))
    state = built.init(KEY)
    after, metrics = built.train_step(state, pairs())
    assert jnp.isfinite(metrics['fit/grad_norm'])
    assert leaves_equal(after.nets, state.nets)
    assert metrics['fit/skipped'] == 1


def test_elements_of_an_update_that_overflow_are_left_out():
    built = regression(optax.scale(-3e38))
    state = built.init(KEY)
    after, _ = built.train_step(state, jax.tree.map(lambda x: 10 * x, pairs()))
    old, new = (jax.tree.leaves(s.nets['net'].params) for s in (state, after))
    assert all(np.isfinite(leaf).all() for leaf in new)
    assert any((a == b).any() for a, b in zip(old, new, strict=True))
    assert not leaves_equal(old, new)


def test_skipped_updates_of_a_step_with_repeats_are_counted():
    built = regression(repeats=3)
    spoilt = jax.tree.map(lambda x: x * jnp.nan, pairs(12))
    state, metrics = built.train_step(built.init(KEY), spoilt)
    assert state.skipped['fit'] == metrics['fit/skipped'] == 3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'terms': [Term('a', None), Term('a', None)]}, r"different names .* twice \['a'\]"),
        ({'terms': [Term('lr_scale', None)]}, r"twice \['lr_scale'\]"),
        ({'terms': [Term('a', None, every=0)]}, r'expected every of fit/a >= 1, got 0'),
        ({'repeats': 0}, r'expected fit repeats >= 1, got 0'),
        ({'ema': {'net': 1.5}}, r'expected ema of net in \[0, 1\], got 1.5'),
    ],
)
def test_players_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        regression(**options)


def test_microbatches_average_the_gradient():
    """With a loss that is a mean over examples, pieces give the gradient of the whole."""
    network = from_linen(Linear(), jnp.zeros((1, 2)))

    def loss(state, key, batch):
        out, _ = network.apply(state.nets['net'], batch['x'])
        return jnp.mean((out[:, 0] - batch['y'][:, 0]) ** 2), state, {}

    results = []
    for microbatches in (1, 4):
        player = Player(('net',), loss, optax.sgd(0.1), microbatches=microbatches)
        built = model({'net': network}, {'fit': player})
        results.append(built.train_step(built.init(KEY), pairs())[0].nets['net'].params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), *results)


def test_repeats_are_updates_on_parts_of_the_batch_one_after_the_other():
    once, thrice = regression(optax.sgd(0.1)), regression(optax.sgd(0.1), repeats=3)
    batch = pairs(12)
    got, _ = thrice.train_step(thrice.init(KEY), batch)
    state = once.init(KEY)
    for r in range(3):
        state, _ = once.train_step(state, {k: v[r::3] for k, v in batch.items()})
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), got.nets, state.nets
    )
    with pytest.raises(ValueError, match=r"multiple of 3 examples in batch\['x'\], got 8"):
        thrice.train_step(thrice.init(KEY), pairs(8))


def test_keys_are_folded_by_step_and_repeat():
    seen = []

    def loss(state, key, batch):
        jax.debug.callback(lambda k: seen.append(k.tolist()), jax.random.key_data(key))
        return jnp.sum(state.nets['net'].params['Dense_0']['bias'] ** 2), state, {}

    network = from_linen(Linear(), jnp.zeros((1, 2)))
    built = model({'net': network}, {'fit': Player(('net',), loss, optax.sgd(0.1), repeats=2)})
    state, _ = built.train_step(built.init(KEY), pairs())
    built.train_step(state, pairs())
    jax.effects_barrier()
    expected = [step_key(KEY, t, r) for t in (0, 1) for r in (0, 1)]
    assert seen == [jax.random.key_data(k).tolist() for k in expected]
    assert len(set(map(tuple, seen))) == 4


def test_lazy_terms_are_as_strong_and_idle_between():
    seen = Term(
        'seen', lambda memory, out: (jnp.mean(out**2), memory + 1), lambda k: jnp.int32(0), 0.5, 3
    )
    built = regression(terms=(seen,))
    state = built.init(KEY)
    values = []
    for _ in range(7):
        state, metrics = built.train_step(state, pairs())
        values.append(float(metrics['fit/seen']))
    assert np.isfinite(values).tolist() == [True, False, False] * 2 + [True]
    assert state.memory['fit/seen'] == 3
    zero = built.init(KEY)
    total, _, _ = jax.jit(lambda s: weighted_sum('fit', (seen,), s, jnp.full(4, 2.0)))(zero)
    np.testing.assert_allclose(total, 0.5 * 3 * 4.0)


def test_hypers_weigh_terms_and_scale_updates():
    term = Term('size', lambda memory, out: (jnp.mean(out**2), memory), weight=2.0)
    built = regression(optax.sgd(0.1), terms=(term,))
    state = built.init(KEY)
    assert {k: float(v) for k, v in state.hypers.items()} == {'fit/size': 2.0, 'fit/lr_scale': 1.0}
    _, metrics = built.train_step(state, pairs())
    lighter = with_hypers(state, {'fit/size': 0.5})
    assert not lighter.hypers['fit/size'].weak_type
    with pytest.raises(ValueError, match=r"among \['fit/lr_scale', 'fit/size'\], got \['size'\]"):
        with_hypers(state, {'size': 0.5})
    _, light = built.train_step(lighter, pairs())
    np.testing.assert_allclose(
        metrics['fit/loss'] - light['fit/loss'], 1.5 * metrics['fit/size'], rtol=1e-4
    )
    still = with_hypers(state, {'fit/lr_scale': 0})
    after, _ = built.train_step(still, pairs())
    assert leaves_equal(after.nets['net'].params, state.nets['net'].params)


def test_ema_follows_its_recursion_and_copies_statistics():
    built = regression(ema={'net': 0.5})
    state = built.init(KEY)
    mean = state.nets['net'].params
    for t in range(12):
        state, _ = built.train_step(state, pairs())
        d = min(0.5, (1 + t) / (10 + t))
        mean = jax.tree.map(lambda m, p, d=d: d * m + (1 - d) * p, mean, state.nets['net'].params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        state.ema['net'].params,
        mean,
    )
    assert leaves_equal(state.ema['net'].stats, state.nets['net'].stats)


def test_unknown_networks_are_named():
    with pytest.raises(ValueError, match=r"expected networks among \['net'\], got \['other'\]"):
        regression(ema={'other': 0.9})


def test_streams_differ_by_name():
    names = ['z', 'y', 'dropout', 'augment']
    data = {tuple(jax.random.key_data(stream(KEY, n)).tolist()) for n in names}
    assert len(data) == len(names)


def test_dropout_draws_anew_each_step_and_rests_in_evaluation():
    network = from_linen(Regressor(dropout=0.5), jnp.zeros((1, 2)))
    net, x = network.init(KEY), pairs()['x']
    outs = [network.apply(net, x, key=step_key(KEY, t))[0] for t in (0, 0, 1)]
    assert jnp.array_equal(outs[0], outs[1])
    assert not jnp.array_equal(outs[0], outs[2])
    still = [network.apply(net, x, train=False)[0] for _ in range(2)]
    assert jnp.array_equal(*still)
