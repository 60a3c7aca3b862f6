"""The two-player update: what it computes, what it draws, and what it refuses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import from_linen, gan
from genjax.augment import Augment, chain, flip, translate
from genjax.core import Term
from genjax.gan.round import apply_labelled, play
from genjax.nn.norm import BatchNorm
from genjax.random import step_key, stream

KEY = jax.random.key(5)
IMAGES = jnp.uint8(255 * jax.random.uniform(stream(KEY, 'images'), (8, 28, 28, 1)))
SHAPE = (28, 28, 1)


def flops(function, *args):
    return jax.jit(function).lower(*args).compile().cost_analysis()['flops']


def test_no_work_is_done_twice_or_for_nothing():
    """FLOPs of the step = those of both halves, where the discriminator's half is handed its fakes
    and the generator's half has the discriminator's parameters as constants."""
    generator, discriminator = gan.networks.dcgan(SHAPE, 100, None, width=16)
    model = gan.dcgan(width=16, ema_decay=None)
    state, x = model.init(jax.random.key(0)), jnp.zeros((16, *SHAPE))
    z = jnp.zeros((16, 100))
    nets = state.nets['generator'], state.nets['discriminator']
    objective = gan.non_saturating()

    def discriminate(net, params, x):
        out, net = discriminator.apply(net.replace(params=params), x)
        return out.logits, net

    def discriminator_half(net, fake):
        def loss(params):
            real_logits, after = discriminate(net, params, x)
            fake_logits, _ = discriminate(after, params, fake)
            return jnp.mean(objective.discriminator(real_logits, fake_logits))

        return jax.grad(loss)(net.params)

    def generator_half(generator_net, net):
        def loss(params):
            fake, _ = generator.apply(generator_net.replace(params=params), z)
            return jnp.mean(objective.generator(None, discriminate(net, net.params, fake)[0]))

        return jax.grad(loss)(generator_net.params)

    halves = flops(discriminator_half, nets[1], x) + flops(generator_half, *nets)
    forward = flops(lambda net, z: generator.apply(net, z)[0], nets[0], z)
    weights = flops(
        lambda net: jax.grad(lambda p: jnp.sum(discriminate(net, p, x)[0]))(net.params), nets[1]
    ) - flops(lambda net: discriminate(net, net.params, x)[0], nets[1])
    # In a scan, as the loop has it: there the compiler merges less.
    step = flops(lambda *a: jax.lax.scan(model.train_step, *a), state, {'x': jnp.stack([x] * 3)})
    optimizers = 40 * sum(p.size for n in nets for p in jax.tree.leaves(n.params))
    slack = 0.02 * halves + optimizers
    assert step < halves + slack
    assert slack < min(forward, weights / 2), 'the bound must be able to tell'


def test_real_and_fake_batches_have_statistics_of_their_own():
    """The running statistics after a step are two updates, with real images first."""
    model = gan.dcgan(width=4, ema_decay=None)
    generator, discriminator = gan.networks.dcgan(SHAPE, 100, None, width=4)
    state = model.init(jax.random.key(1))
    after, _ = model.train_step(state, {'x': IMAGES})
    key = step_key(state.key, 0)
    z = jax.random.normal(stream(key, 'z'), (8, 100))
    fake, _ = generator.apply(state.nets['generator'], z)
    net = state.nets['discriminator']
    for images in (IMAGES / 127.5 - 1, fake):
        _, net = discriminator.apply(net, images)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        after.nets['discriminator'].stats,
        net.stats,
    )


def test_a_round_has_the_noise_of_its_batch_and_the_critics_it_should():
    generator, discriminator = gan.networks.dcgan(SHAPE, 10, 3, width=4, norm='none')
    model = gan.dcgan(width=4, latent_dim=10, norm='none', num_classes=3)
    state = model.init(jax.random.key(2))
    y = jnp.arange(8) % 3
    batch = {'x': IMAGES / 127.5 - 1, 'y': y, 'z': jax.random.normal(KEY, (8, 10))}
    seen, _ = play(generator, discriminator, chain(), state, step_key(KEY, 0), batch)
    assert jnp.array_equal(seen.z, batch['z'])
    np.testing.assert_allclose(seen.critic_real(seen.real).logits, seen.real_out.logits, rtol=1e-5)
    np.testing.assert_allclose(seen.critic_fake(seen.fake).logits, seen.fake_out.logits, rtol=1e-5)
    np.testing.assert_allclose(seen.generate(seen.latent), seen.fake, rtol=1e-5, atol=1e-6)
    expected = apply_labelled(discriminator, state.nets['discriminator'], seen.fake, y)[0]
    np.testing.assert_allclose(seen.fake_out.logits, expected.logits, rtol=1e-5, atol=1e-7)


def test_augmentation_reaches_real_fake_and_penalties_alike():
    """With an augmentation that blanks every image, the discriminator can tell nothing apart."""
    blank = Augment(lambda memory, key, x: 0 * x)
    model = gan.dcgan(width=4, norm='none', augment=[blank], penalties=[gan.r1])
    _, metrics = model.train_step(model.init(jax.random.key(0)), {'x': IMAGES})
    assert metrics['discriminator/real_logits'] == metrics['discriminator/fake_logits']
    assert metrics['discriminator/r1'] == 0


def test_an_augmentation_with_memory_is_updated_once_a_step_by_the_discriminator():
    def update(memory, round):
        return memory + jnp.mean(jnp.sign(round.real_out.logits))

    counting = Augment(lambda memory, key, x: x + memory, lambda key: jnp.float32(0), update)
    model = gan.dcgan(width=4, augment=[counting, flip])
    state = model.init(jax.random.key(0))
    for _ in range(3):
        state, _ = model.train_step(state, {'x': IMAGES})
    memory = state.memory['discriminator/augment'][0]
    assert memory != 0
    assert abs(memory) <= 3


def test_augmentations_do_what_they_say():
    x = jax.random.normal(stream(KEY, 'x'), (64, 8, 8, 1))
    flipped = flip().apply((), stream(KEY, 'flip'), x)
    same = jnp.all(flipped == x, axis=(1, 2, 3))
    mirrored = jnp.all(flipped == x[:, :, ::-1], axis=(1, 2, 3))
    assert jnp.all(same ^ mirrored)
    assert 10 < same.sum() < 54
    moved = translate(0.25).apply((), stream(KEY, 'move'), x)
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1)
    shifts = set()
    for image, frame in zip(moved, padded, strict=True):
        found = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if np.array_equal(image, frame[i : i + 8, j : j + 8])
        ]
        assert len(found) == 1
        shifts.update(found)
    assert len(shifts) > 15


def test_labels_steer_samples_and_are_drawn_where_not_given():
    model = gan.dcgan(width=4, num_classes=3, ema_decay=None)
    state = model.init(jax.random.key(0))
    tables = state.nets['generator'].params['BatchNorm_1']
    apart = jax.random.normal(stream(KEY, 'table'), tables['scale'].shape)
    params = state.nets['generator'].params | {'BatchNorm_1': {**tables, 'bias': apart}}
    nets = state.nets | {'generator': state.nets['generator'].replace(params=params)}
    state = state.replace(nets=nets)
    key = stream(KEY, 'sample')
    one, two = (model.sample(state, key, 6, jnp.full(6, i)) for i in (0, 1))
    assert jnp.abs(one - two).max() > 1e-3
    drawn = model.sample(state, key, 6)
    assert drawn.shape == (6, *SHAPE)
    assert drawn.dtype == jnp.float32
    z = jax.random.normal(stream(key, 'z'), (6, 100))
    np.testing.assert_allclose(model.generate(state, z, jnp.zeros(6, int)), one, atol=1e-6)


def test_samples_come_from_the_averaged_generator():
    model = gan.dcgan(width=4, ema_decay=0.9)
    state = model.init(jax.random.key(0))
    for _ in range(2):
        state, _ = model.train_step(state, {'x': IMAGES})
    images = model.sample(state, stream(KEY, 'a'), 2)
    swapped = state.replace(ema={'generator': state.nets['generator']})
    assert not jnp.array_equal(images, model.sample(swapped, stream(KEY, 'a'), 2))


def test_the_averaged_generator_has_statistics_of_its_own_weights():
    """One training pass of it moves them by a tenth from where they were."""
    model = gan.dcgan(width=4, ema_decay=0.9)
    generator, _ = gan.networks.dcgan(SHAPE, 100, None, width=4)
    before = model.init(jax.random.key(0))
    after, _ = model.train_step(before, {'x': IMAGES})
    mean = after.ema['generator'].replace(stats=before.ema['generator'].stats)
    z = jax.random.normal(stream(step_key(before.key, before.step), 'z'), (len(IMAGES), 100))
    _, passed = generator.apply(mean, z, key=KEY)
    close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    jax.tree.map(close, after.ema['generator'].stats, passed.stats)
    with pytest.raises(AssertionError):
        jax.tree.map(close, after.nets['generator'].stats, passed.stats)


def test_weight_clip_bounds_the_discriminator_alone():
    model = gan.dcgan(width=4, weight_clip=0.01, objective=gan.wasserstein)
    state, _ = model.train_step(model.init(jax.random.key(0)), {'x': IMAGES})

    def largest(name):
        return max(float(jnp.abs(p).max()) for p in jax.tree.leaves(state.nets[name].params))

    assert largest('discriminator') <= 0.01 * (1 + 1e-5)
    assert largest('generator') > 0.5


def test_a_term_with_memory_needs_no_change_to_the_core():
    """LeCam regularization (Tseng et al. 2021, https://arxiv.org/abs/2104.03310): averages of the
    logits on real and fake images are anchors for those on the other."""

    def apply(anchors, round):
        real, fake = round.real_out.logits, round.fake_out.logits
        new = [0.9 * a + 0.1 * jnp.mean(x) for a, x in zip(anchors, (real, fake), strict=True)]
        return jnp.square(real - new[1]) + jnp.square(fake - new[0]), tuple(new)

    lecam = Term('lecam', apply, lambda key: (jnp.float32(0), jnp.float32(0)), weight=0.1)
    model = gan.dcgan(width=4, penalties=[lecam])
    state, anchors = model.init(jax.random.key(0)), np.zeros(2)
    for _ in range(3):
        state, metrics = model.train_step(state, {'x': IMAGES})
        logits = [metrics[f'discriminator/{name}_logits'] for name in ('real', 'fake')]
        anchors = 0.9 * anchors + 0.1 * np.array(logits)
        np.testing.assert_allclose(state.memory['discriminator/lecam'], anchors, rtol=1e-4)
        total = metrics['discriminator/adversarial'] + 0.1 * metrics['discriminator/lecam']
        np.testing.assert_allclose(metrics['discriminator/loss'], total, rtol=1e-5)


class Affine(nn.Module):
    """A batch norm of an affine map of z: the moments that it standing has are those of z."""

    @nn.compact
    def __call__(self, z, y=None, train=True):
        return BatchNorm()(nn.Dense(3)(z), train=train).reshape(len(z), 1, 1, 3)


def test_standing_statistics_are_those_of_samples():
    _, judge = gan.networks.mlp((1, 1, 3), 5, None, hidden=(2,))
    pair = gan.Pair(from_linen(Affine(), jnp.zeros((1, 5))), judge)
    model = gan.gan((1, 1, 3), networks=pair, latent_dim=5)
    state = model.init(KEY)
    shifted = state.ema['generator'].params | {}
    shifted['Dense_0'] = {**shifted['Dense_0'], 'bias': jnp.float32([1, -2, 3])}
    net = state.ema['generator'].replace(params=shifted)
    state = state.replace(ema={'generator': net})
    after = model.standing(state, KEY, 200, 4096)
    found = after.ema['generator'].stats['batch_stats']['BatchNorm_0']
    np.testing.assert_allclose(found['mean'], [1, -2, 3], atol=0.02)
    kernel = shifted['Dense_0']['kernel']
    np.testing.assert_allclose(found['var'], np.square(kernel).sum(0), rtol=0.02)
    left = after.replace(ema=state.ema, key=0)
    jax.tree.map(np.testing.assert_array_equal, left, state.replace(key=0))
    assert not np.allclose(model.sample(after, KEY, 8), model.sample(state, KEY, 8), atol=0.1)


@pytest.mark.parametrize(
    ('batch', 'message'),
    [
        ({'x': IMAGES[0]}, r'expected images \[b, 28, 28, 1\], got \(28, 28, 1\)'),
        ({'x': IMAGES[..., [0, 0, 0]]}, r'got \(8, 28, 28, 3\)'),
        ({'x': jnp.int32(IMAGES)}, 'expected images of uint8 or float'),
        ({'images': IMAGES}, r"expected a batch \{'x': images\}, got \['images'\]"),
        ({'x': IMAGES}, r'expected labels y \[8\] of 3 classes, got none'),
        ({'x': IMAGES, 'y': jnp.zeros(7, int)}, r'expected integer labels y \[8\]'),
    ],
)
def test_batches_that_do_not_fit_are_refused(batch, message):
    model = gan.dcgan(width=4, num_classes=3)
    with pytest.raises(ValueError, match=message):
        model.train_step(model.init(jax.random.key(0)), batch)


def test_schedules_and_separate_learning_rates():
    model = gan.dcgan(
        width=4,
        generator_learning_rate=optax.constant_schedule(0.0),
        discriminator_learning_rate=1e-2,
    )
    state = model.init(jax.random.key(0))
    after, _ = model.train_step(state, {'x': IMAGES})

    def moved(name):
        pairs = zip(*(jax.tree.leaves(s.nets[name].params) for s in (state, after)), strict=True)
        return max(float(jnp.abs(a - b).max()) for a, b in pairs)

    assert moved('generator') == 0
    assert moved('discriminator') > 5e-3
