"""Objectives against scipy, closed forms and their properties."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit, log_expit

from genjax import gan
from genjax.gan import objectives
from genjax.parts import describe, make, parse
from genjax.random import step_key, stream

RNG = np.random.default_rng(0)
REAL = RNG.normal(size=50) * 3
FAKE = RNG.normal(size=50) * 3


def cross_entropy(logits, target):
    return -target * log_expit(logits) - (1 - target) * log_expit(-logits)


def relu(x):
    return np.maximum(x, 0)


def best(logits, count):
    """Whether each is among the greatest, by a loop."""
    chosen = sorted(range(len(logits)), key=lambda i: -logits[i])[:count]
    return np.array([i in chosen for i in range(len(logits))])


# One row a loss: the maker, its options, and both halves written with scipy.
TABLE = {
    'minimax': (
        objectives.minimax(),
        lambda r, f: -np.log(expit(r)) - np.log(1 - expit(f)),
        lambda r, f: np.log(1 - expit(f)),
    ),
    'minimax smoothed': (
        objectives.minimax(label_smoothing=0.1),
        lambda r, f: cross_entropy(r, 0.9) + cross_entropy(f, 0.0),
        lambda r, f: -cross_entropy(f, 0.0),
    ),
    'non_saturating': (
        objectives.non_saturating(),
        lambda r, f: cross_entropy(r, 1.0) + cross_entropy(f, 0.0),
        lambda r, f: cross_entropy(f, 1.0),
    ),
    'non_saturating smoothed': (
        objectives.non_saturating(label_smoothing=0.1),
        lambda r, f: cross_entropy(r, 0.9) + cross_entropy(f, 0.0),
        lambda r, f: cross_entropy(f, 1.0),
    ),
    'least_squares': (
        objectives.least_squares(),
        lambda r, f: ((r - 1) ** 2 + f**2) / 2,
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    'least_squares smoothed': (
        objectives.least_squares(label_smoothing=0.2),
        lambda r, f: ((r - 0.8) ** 2 + f**2) / 2,
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    'hinge': (
        objectives.hinge(),
        lambda r, f: relu(1 - r) + relu(1 + f),
        lambda r, f: -f,
    ),
    'wasserstein': (objectives.wasserstein(), lambda r, f: f - r, lambda r, f: -f),
    'relativistic': (
        objectives.relativistic(),
        lambda r, f: cross_entropy(r - f, 1.0),
        lambda r, f: cross_entropy(f - r, 1.0),
    ),
    'top_k': (
        objectives.top_k(),
        lambda r, f: relu(1 - r) + relu(1 + f),
        lambda r, f: -2 * f * best(f, 25),
    ),
    'top_k of pairs': (
        objectives.top_k(base='relativistic', share=0.2),
        lambda r, f: cross_entropy(r - f, 1.0),
        lambda r, f: 5 * cross_entropy(f - r, 1.0) * best(f, 10),
    ),
}


@pytest.mark.parametrize('name', TABLE)
def test_objective_equals_its_definition(name):
    objective, discriminator, generator = TABLE[name]
    real, fake = jnp.float32(REAL), jnp.float32(FAKE)
    close = {'rtol': 1e-5, 'atol': 1e-6}
    got = objective.discriminator(real, fake)
    np.testing.assert_allclose(got, discriminator(REAL, FAKE), **close)
    np.testing.assert_allclose(objective.generator(real, fake), generator(REAL, FAKE), **close)
    assert got.shape == real.shape


def test_every_objective_has_a_row():
    makers = {
        name
        for name, value in vars(objectives).items()
        if getattr(value, '__annotations__', {}).get('return') is objectives.Objective
        and not name.startswith('_')
    }
    assert makers == {name.split()[0] for name in TABLE}


@pytest.mark.parametrize('name', TABLE)
@pytest.mark.parametrize('size', [1e3, -1e3, 1e4])
def test_extreme_logits_stay_finite(name, size):
    objective, real = TABLE[name][0], jnp.full(2, size, jnp.float32)
    for half in objective[:2]:
        value, grads = jax.value_and_grad(lambda *x, half=half: half(*x).sum(), (0, 1))(real, -real)
        assert np.isfinite([value, *np.ravel(grads)]).all()


@pytest.mark.parametrize('name', TABLE)
def test_only_relativistic_losses_ignore_a_common_shift(name):
    objective = TABLE[name][0]
    real, fake = jnp.float32(REAL), jnp.float32(FAKE)
    for half in objective[:2]:
        moved = np.abs(half(real + 2.0, fake + 2.0) - half(real, fake)).max()
        pairs = name in ('relativistic', 'top_k of pairs')
        if pairs or (name == 'wasserstein' and half is objective.discriminator):
            assert moved < 1e-5
        else:
            assert moved > 0.1


@pytest.mark.parametrize('maker', [objectives.minimax, objectives.non_saturating])
def test_optimal_discriminator_reaches_minus_log_4_where_distributions_agree(maker):
    """On equal histograms p = q the best logit is log p/q = 0, and its value is -log 4."""
    p = jnp.array([0.1, 0.2, 0.3, 0.4])

    def value(logits):
        return -jnp.sum(p * maker().discriminator(logits, logits))

    optimum = jnp.zeros(4)
    np.testing.assert_allclose(value(optimum), -np.log(4), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(value)(optimum), np.zeros(4), atol=1e-7)
    assert value(optimum + 0.5) < value(optimum) > value(optimum - 0.5)


def test_minimax_value_is_twice_the_jensen_shannon_divergence_minus_log_4():
    """V(D*) = 2 JSD(p, q) - log 4 for any p and q (Goodfellow et al. 2014, theorem 1)."""
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    m = (p + q) / 2
    jsd = (np.sum(p * np.log(p / m)) + np.sum(q * np.log(q / m))) / 2
    best = jnp.float32(np.log(p / q))
    objective, zero = objectives.minimax(), jnp.zeros(3)
    on_real = objective.discriminator(best, zero) - jnp.log(2.0)
    on_fake = objective.discriminator(zero, best) - jnp.log(2.0)
    value = -jnp.sum(p * on_real) - jnp.sum(q * on_fake)
    np.testing.assert_allclose(value, 2 * jsd - np.log(4), rtol=1e-5)


def test_top_k_of_all_is_its_base_and_there_is_always_one():
    real, fake = jnp.float32(REAL), jnp.float32(FAKE)
    whole = objectives.top_k(base=objectives.least_squares, share=1.0)
    expected = objectives.least_squares().generator(real, fake)
    np.testing.assert_allclose(whole.generator(real, fake), expected, rtol=1e-6)
    one = objectives.top_k(share=0.0).generator(real, fake)
    assert np.flatnonzero(one).tolist() == [FAKE.argmax()]
    np.testing.assert_allclose(one.mean(), -FAKE.max(), rtol=1e-6)


def test_top_k_keeps_as_many_of_equal_logits():
    got = objectives.top_k(share=0.5).generator(None, jnp.ones(8))
    assert np.sort(got).tolist() == [-2] * 4 + [0] * 4


def test_top_k_ranks_examples_of_several_logits_by_their_means():
    fake = np.array([[3.0, -9.0], [1.0, 1.0], [-1.0, -1.0], [0.0, 5.0]])
    got = objectives.top_k(share=0.5).generator(None, jnp.float32(fake)[..., None])
    expected = -2 * fake * np.array([[0], [1], [0], [1]])
    np.testing.assert_allclose(got[..., 0], expected, rtol=1e-6)


def test_top_k_teaches_by_the_best_alone_and_hides_no_nan():
    half = objectives.top_k(base='non_saturating', share=0.5).generator
    fake = jnp.float32([2.0, -1.0, 0.5, -3.0])
    slopes = jax.grad(lambda fake: half(None, fake).mean())(fake)
    expected = -expit(-np.float64(fake)) * [1, 0, 1, 0] / 2
    np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-8)
    assert np.isnan(half(None, fake.at[3].set(jnp.nan)).mean())


def test_top_k_of_each_seed():
    fake = jnp.float32(RNG.normal(size=(3, 8)))
    half = objectives.top_k(share=0.25).generator
    got = jax.jit(jax.vmap(lambda fake: half(None, fake)))(fake)
    np.testing.assert_allclose(got, [-4 * f * best(f, 2) for f in fake], rtol=1e-6, atol=1e-7)


def test_top_k_is_written_down_with_its_base():
    text = 'top_k:base=wasserstein,share=0.75'
    assert describe(objectives.OBJECTIVE, parse(objectives.OBJECTIVE, text)) == text
    generator = make(objectives.OBJECTIVE, text).generator
    got = generator(None, jnp.arange(4.0))
    np.testing.assert_allclose(got, -np.arange(4) * [0, 1, 1, 1] * 4 / 3, rtol=1e-6)
    smoothed = make(objectives.OBJECTIVE, "top_k:base='minimax:label_smoothing=0.1'")
    real, fake = jnp.float32(REAL), jnp.float32(FAKE)
    expected = objectives.minimax(0.1).discriminator(real, fake)
    np.testing.assert_allclose(smoothed.discriminator(real, fake), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'share': 1.5}, r'expected share in \[0, 1\], got 1.5'),
        ({'share': float('nan')}, 'got nan'),
        ({'base': 'hinged'}, "unknown name 'hinged'; did you mean 'hinge'?"),
    ],
)
def test_top_k_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        objectives.top_k(**options)


def test_top_k_comes_down_along_a_schedule():
    """In a training step too, where the generator's loss is of the k best at that step."""
    objective = objectives.top_k('wasserstein', optax.linear_schedule(1.0, 0.25, 3))
    fake = jnp.arange(8.0)
    kept = [
        int(np.count_nonzero(objective.at(step).generator(None, 1 + fake))) for step in range(5)
    ]
    assert kept == [8, 6, 4, 2, 2]
    model = gan.gan((2, 2, 1), hidden=(3,), objective=objective, ema_decay=None)
    schedule = 'linear_schedule(init_value=1,end_value=0.25,transition_steps=3)'
    text = f'top_k:base=wasserstein,share={schedule}'
    other = gan.gan((2, 2, 1), hidden=(3,), objective=text, ema_decay=None)
    state = model.init(jax.random.key(0))
    batch = {'x': jnp.linspace(-1, 1, 32).reshape(8, 2, 2, 1)}
    for step in range(3):
        before, (state, metrics) = state, model.train_step(state, batch)
        z = jax.random.normal(stream(step_key(before.key, step), 'z'), (8, 100))
        trained = before.replace(nets={**before.nets, 'discriminator': state.nets['discriminator']})
        logits = np.sort(model.score(trained, model.generate(trained, z)))
        best = logits[-kept[step] :]
        np.testing.assert_allclose(metrics['generator/loss'], -best.mean(), rtol=1e-4)
        after, _ = other.train_step(before, batch)
        jax.tree.map(np.testing.assert_array_equal, after.nets, state.nets)
