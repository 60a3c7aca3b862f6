"""Terms of both players beside penalties, each against its formula in NumPy."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.augment import Augment
from genjax.core import Net, with_hypers
from genjax.gan import Critique, consistency, gan, penalties, regularizers
from genjax.random import stream

KEY = jax.random.key(0)
REAL, FAKE = (jax.random.normal(stream(KEY, name), (6, 4, 4, 1)) for name in ('real', 'fake'))
Z = jax.random.normal(stream(KEY, 'z'), (6, 3))
MATRIX = jax.random.normal(stream(KEY, 'matrix'), (3, 16))
WEIGHTS = jax.random.normal(stream(KEY, 'weights'), (16, 2))


def critic(x):
    features = jnp.tanh(x.reshape(len(x), -1) @ WEIGHTS)
    return Critique(jnp.sum(features, axis=1), features)


def generate(z):
    return jnp.sin(z @ MATRIX).reshape(-1, 4, 4, 1)


def context(**changes):
    fields = {
        'key': KEY, 'z': Z, 'real': REAL, 'fake': generate(Z), 'generate': generate,
        'critic_real': critic, 'critic_fake': lambda x: Critique(3 * critic(x).logits),
    } | changes  # fmt: skip
    fields['real_out'] = fields['critic_real'](fields['real'])
    fields['fake_out'] = critic(fields['fake'])._replace(
        logits=fields['critic_fake'](fields['fake']).logits
    )
    return SimpleNamespace(**fields)


def value(term, round=None, memory=None):
    memory = term.init(KEY) if memory is None else memory
    return term.apply(memory, round or context())


def logits(x):
    """The critic's, in float64."""
    return np.tanh(np.float64(x).reshape(len(x), -1) @ np.float64(WEIGHTS)).sum(axis=1)


def test_consistency_is_the_squared_difference_of_the_logits():
    shift = Augment(lambda memory, key, x: x + 0.5)
    expected = (logits(REAL) - logits(REAL + 0.5)) ** 2
    got, _ = value(consistency.consistency(augment=(shift,)))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)
    fake = np.float64(generate(Z))
    both = expected + 2 * 9 * (logits(fake) - logits(fake + 0.5)) ** 2
    got, _ = value(consistency.balanced_consistency(fake_weight=2.0, augment=(shift,)))
    np.testing.assert_allclose(got, both, rtol=1e-4, atol=1e-6)


def test_images_are_moved_as_the_papers_move_them():
    """By the same draw the same way, and by another draw another one."""
    one, again, other = (
        value(consistency.consistency(), context(key=jax.random.key(seed)))[0] for seed in (0, 0, 1)
    )
    assert (one == again).all()
    assert (one > 0).any()
    assert (one != other).any()


def test_a_moving_augmentation_keeps_its_memory():
    def update(memory, round):
        return memory + 1

    counting = Augment(lambda memory, key, x: x + memory, lambda key: jnp.float32(0), update)
    term = consistency.consistency(augment=(counting,))
    first, memory = value(term)
    np.testing.assert_allclose(first, np.zeros(6), atol=1e-6)
    assert (value(term, memory=memory)[0] > 1e-3).any()


def test_latent_terms_look_a_little_aside():
    near = Z + 0.03 * jax.random.normal(stream(KEY, 'latent_consistency'), Z.shape)
    images = np.float64(generate(Z)), np.float64(generate(near))
    expected = 9 * (logits(images[0]) - logits(images[1])) ** 2
    got, _ = value(consistency.latent_consistency())
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=1e-5)
    apart = -((images[0] - images[1]) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(value(regularizers.latent_distance())[0], apart, rtol=1e-3)


def test_lecam_is_its_authors_formula_and_remembers_the_logits():
    term = consistency.lecam(decay=0.9)
    memory, past = term.init(KEY), {'real': [], 'fake': []}
    for shift in (0.0, 0.5, -1.0):
        round = context(real=REAL + shift)
        logits = {name: np.float64(getattr(round, f'{name}_out').logits) for name in past}
        anchors = {}
        for name, seen in logits.items():
            past[name].append(seen.mean())
            weights = 0.9 ** np.arange(len(past[name]))[::-1]
            anchors[name] = np.average(past[name], weights=weights)
        got, memory = value(term, round, memory)
        expected = (np.maximum(logits['real'] - anchors['fake'], 0) ** 2).mean()
        expected += (np.maximum(anchors['real'] - logits['fake'], 0) ** 2).mean()
        np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert {type(leaf.item()) for leaf in jax.tree.leaves(memory)} == {float}


def test_anchors_stand_still_while_the_logits_are_pulled_towards_them():
    term, round = consistency.lecam(decay=0.9), context()

    def loss(logits):
        round.real_out = Critique(logits)
        return term.apply(term.init(KEY), round)[0]

    real, anchor = np.float64(round.real_out.logits), np.float64(round.fake_out.logits).mean()
    got = jax.grad(loss)(jnp.float32(real))
    np.testing.assert_allclose(got, 2 * np.maximum(real - anchor, 0) / 6, rtol=1e-4, atol=1e-7)
    with pytest.raises(ValueError, match='expected decay in'):
        consistency.lecam(decay=1.0)


def test_feature_matching_is_the_distance_of_means():
    features = [np.tanh(np.float64(x).reshape(6, -1) @ np.float64(WEIGHTS)).mean(0)
                for x in (REAL, generate(Z))]  # fmt: skip
    expected = ((features[0] - features[1]) ** 2).sum()
    np.testing.assert_allclose(value(regularizers.feature_matching())[0], expected, rtol=1e-4)
    silent = context()
    silent.real_out = silent.fake_out = Critique(jnp.zeros(6))
    with pytest.raises(ValueError, match='expected a discriminator that gives features'):
        value(regularizers.feature_matching(), silent)


def test_mode_seeking_is_the_share_of_distances():
    other = jax.random.normal(stream(KEY, 'mode_seeking'), Z.shape)
    images = np.abs(np.float64(generate(Z)) - np.float64(generate(other))).mean(axis=(1, 2, 3))
    expected = 1 / (images / np.abs(np.float64(Z) - np.float64(other)).mean(axis=1) + 1e-5)
    np.testing.assert_allclose(value(regularizers.mode_seeking())[0], expected, rtol=1e-4)


def test_transport_is_the_distance_from_the_noise():
    z = jax.random.normal(stream(KEY, 'large'), (6, 16))
    got, _ = value(regularizers.transport(), context(z=z, fake=FAKE))
    expected = ((np.float64(FAKE) - np.float64(z).reshape(FAKE.shape)) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    with pytest.raises(ValueError, match='expected latent_dim=16, the values of an image'):
        value(regularizers.transport())


@pytest.mark.parametrize(
    ('term', 'name'),
    [(regularizers.orthogonal(), 'generator'), (consistency.orthogonal(), 'discriminator')],
)
def test_orthogonal_regularization_is_what_columns_have_in_common(term, name):
    kernel = jax.random.normal(stream(KEY, 'kernel'), (3, 3, 2, 4))
    params = {'Conv_0': {'kernel': kernel, 'bias': jnp.ones(4)}, 'BatchNorm_0': {'scale': kernel}}
    state = SimpleNamespace(nets={name: Net(params, {})})
    got, _ = value(term, context(state=state))
    w = np.float64(kernel).reshape(-1, 4)
    expected = sum((w[:, i] @ w[:, j]) ** 2 for i in range(4) for j in range(4) if i != j)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    square = {'Dense_0': {'kernel': jnp.float32(np.linalg.qr(np.float64(w))[0])}}
    got, _ = value(term, context(state=SimpleNamespace(nets={name: Net(square, {})})))
    np.testing.assert_allclose(got, 0, atol=1e-10)


PENALTIES = [
    consistency.consistency(), consistency.balanced_consistency(), consistency.latent_consistency(),
    consistency.lecam(), consistency.orthogonal(), penalties.max_gp(), penalties.r1(step=0.03),
    penalties.r2(step=0.03, every=2),
]  # fmt: skip
GENERATOR_TERMS = [
    regularizers.feature_matching(), regularizers.mode_seeking(), regularizers.latent_distance(),
    regularizers.transport(), regularizers.orthogonal(),
]  # fmt: skip


def test_each_term_teaches_its_own_player_and_orthogonal_the_kernels():
    """In one model with labels and bfloat16, by weights that leave one term of all."""
    model = gan(
        (4, 4, 1), latent_dim=16, num_classes=2, hidden=(6,), precision='bfloat16', optimizer='sgd',
        objective='top_k', penalties=PENALTIES, generator_terms=GENERATOR_TERMS,
        generator_learning_rate=0.01, discriminator_learning_rate=0.01,
    )  # fmt: skip
    weights = {f'discriminator/{term.name}': 0.0 for term in PENALTIES}
    weights |= {f'generator/{term.name}': 0.0 for term in GENERATOR_TERMS}
    state = with_hypers(model.init(jax.random.key(3)), weights)
    batch = {'x': jnp.tanh(REAL), 'y': jnp.arange(6) % 2}
    plain, metrics = model.train_step(state, batch)
    assert np.isfinite(list(metrics.values())).all()

    def moved(state, name):
        pairs = zip(*(jax.tree.leaves(s.nets[name].params) for s in (state, plain)), strict=True)
        return max(float(jnp.abs(a - b).max()) for a, b in pairs)

    for slot in weights:
        player, _, term = slot.partition('/')
        after, _ = model.train_step(with_hypers(state, {slot: 1.0}), batch)
        assert moved(after, player) > 0, slot
        if term == 'orthogonal':
            slope = jax.grad(regularizers.off_diagonal)(state.nets[player].params)
            expected = jax.tree.map(lambda p, g: p - 0.01 * g, plain.nets[player].params, slope)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
                after.nets[player].params,
                expected,
            )
        if player == 'generator':
            assert moved(after, 'discriminator') == 0, slot
