"""How labels and codes are used, and images judged several at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from genjax import gan
from genjax.core import Net, Network
from genjax.gan import Critique, conditioning
from genjax.gan.conditioning import coded
from genjax.gan.packing import packed
from genjax.random import stream

KEY = jax.random.key(0)
SHAPE = (4, 4, 1)
X = np.uint8(np.random.default_rng(0).integers(0, 256, (8, *SHAPE)))
Y = np.int32(np.arange(8) % 3)
TINY = {'hidden': (8,), 'latent_dim': 16}
WAYS = ['projection', 'concat', 'auxiliary']


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('objective', ['hinge', 'relativistic'])
def test_any_conditioning_trains_by_any_objective(way, objective):
    model = gan.gan(SHAPE, num_classes=3, conditioning=way, objective=objective, **TINY)
    state, metrics = model.train_step(model.init(stream(KEY, way + objective)), {'x': X, 'y': Y})
    assert all(np.isfinite(leaf) for leaf in metrics.values())
    assert int(sum(state.skipped.values())) == 0
    z = jax.random.normal(stream(KEY, f'z {way} {objective}'), (8, 16))
    one, two = (model.generate(state, z, np.full(8, label, np.int32)) for label in (0, 1))
    assert not np.allclose(one, two)
    judged = [model.score(state, X, np.full(8, label, np.int32)) for label in (0, 1)]
    assert np.allclose(*judged) == (way == 'auxiliary')


@pytest.mark.parametrize('networks', ['dcgan:width=2', 'sncnn:width=2', 'r3gan:width=4'])
@pytest.mark.parametrize('way', WAYS)
def test_any_networks_take_it(networks, way):
    """Traced only: what each head says has its shape."""
    model = gan.gan((16, 16, 3), networks=networks, num_classes=3, conditioning=way)
    batch = {'x': jax.ShapeDtypeStruct((4, 16, 16, 3), jnp.uint8),
             'y': jax.ShapeDtypeStruct((4,), jnp.int32)}  # fmt: skip
    state = jax.eval_shape(model.init, jax.random.key(0))
    after, metrics = jax.eval_shape(model.train_step, state, batch)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert ('generator/auxiliary' in metrics) == (way == 'auxiliary')


def test_the_auxiliary_terms_are_cross_entropies_of_the_classes():
    part = conditioning.auxiliary()
    said = [jax.random.normal(stream(KEY, name), (8, 3)) for name in ('real', 'fake')]
    outs = [Critique(jnp.zeros(8), None, {'classes': logits}) for logits in said]

    class Round:
        real_out, fake_out, real_y, fake_y = *outs, Y, np.roll(Y, 1)

    def entropy(logits, y):
        p = np.exp(np.float64(logits))
        return -np.log(p[np.arange(8), y] / p.sum(axis=1))

    fake = entropy(said[1], Round.fake_y)
    (of_d,), (of_g,) = part.discriminator, part.generator
    np.testing.assert_allclose(of_d.apply((), Round)[0], entropy(said[0], Y) + fake, rtol=1e-5)
    np.testing.assert_allclose(of_g.apply((), Round)[0], fake, rtol=1e-5)


def test_codes_are_categories_as_likely_as_each_other_and_uniform_numbers():
    z = jax.random.normal(stream(KEY, 'many'), (20_000, 8))
    codes = np.float64(coded(z, 4, 2))
    assert set(np.unique(codes[:, :4])) == {0.0, 1.0}
    np.testing.assert_array_equal(codes[:, :4].sum(axis=1), 1)
    assert stats.chisquare(codes[:, :4].sum(axis=0)).pvalue > 1e-3
    for i in (4, 5):
        assert stats.kstest(codes[:, i], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(codes[:, 6:], np.float64(z)[:, 6:])
    with pytest.raises(ValueError, match='expected a latent_dim of 9 or more for the codes, got 8'):
        coded(z, 4, 5)


def test_information_is_the_log_density_of_the_codes():
    (term,) = conditioning.information(3, 2, continuous_weight=0.5).generator
    z, said = (
        jax.random.normal(stream(KEY, 'nine'), (8, 9)),
        jax.random.normal(stream(KEY, 's'), (8, 5)),
    )

    class Round:
        fake_out = Critique(jnp.zeros(8), None, {'codes': said})

    Round.z = z
    codes = np.float64(coded(z, 3, 2))
    p = np.exp(np.float64(said)[:, :3])
    category = np.log((p / p.sum(axis=1, keepdims=True))[codes[:, :3] == 1])
    normal = stats.norm(np.float64(said)[:, 3:]).logpdf(codes[:, 3:5]) + np.log(2 * np.pi) / 2
    expected = -category - 0.5 * normal.sum(axis=1)
    np.testing.assert_allclose(term.apply((), Round)[0], expected, rtol=1e-4)


def test_the_information_of_codes_is_learnt():
    """Within sixty steps the codes can be read off the images better than by chance."""
    model = gan.gan(
        SHAPE, conditioning='information:categories=4,continuous=1', hidden=(32,), latent_dim=8,
        generator_learning_rate=3e-3, discriminator_learning_rate=3e-3,
    )  # fmt: skip
    state = model.init(stream(KEY, 'codes'))
    for _ in range(60):
        state, metrics = model.train_step(state, {'x': X})
    assert metrics['generator/information'] < 0.5 * np.log(4)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'conditioning': 'projection'}, 'expected num_classes for this conditioning, got'),
        ({'conditioning': 'information', 'num_classes': 3}, 'expected no num_classes for this'),
        ({'conditioning': 'information:categories=1'}, 'expected codes: 2 categories or more'),
        ({'packing': 2, 'num_classes': 3}, 'expected packing of images without labels, got'),
        ({'packing': 0}, 'expected packing >= 1, got 0'),
        ({'spectral_norm': 'all'}, r"expected spectral_norm in \('none', "),
        ({'conditioning': 'labels'}, 'labels'),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gan.gan(SHAPE, **TINY, **options)


def summed():
    """A discriminator whose logit is the weighted sum of its channels."""

    def apply(net, x, key=None, train=True):
        out = jnp.sum(x * net.params.reshape(1, 1, 1, -1), axis=(1, 2, 3))
        return Critique(out, x.reshape(len(x), -1)), net

    return Network(lambda key: Net(jnp.arange(1.0, 4.0), {}), apply)


def test_packs_are_images_laid_on_each_other():
    network, x = packed(summed(), 3), np.float32(X[:6])
    net = network.init(None)
    out, _ = network.apply(net, x)
    sums = x.sum(axis=(1, 2, 3)).reshape(2, 3)
    np.testing.assert_allclose(out.logits, sums @ [1, 2, 3], rtol=1e-6)
    with pytest.raises(ValueError, match='expected batches that packing=3 divides, got 5 images'):
        network.apply(net, x[:5])
    judged, _ = network.apply(net, x[:5], train=False)
    again = np.concatenate([x[:5], x[:1]]).sum(axis=(1, 2, 3)).reshape(2, 3) @ [1, 2, 3]
    np.testing.assert_allclose(judged.logits, again[[0, 0, 0, 1, 1]], rtol=1e-6)


def test_a_packed_gan_trains_and_scores_any_number_of_images():
    model = gan.gan(SHAPE, packing=2, penalties='r1', **TINY)
    state, metrics = model.train_step(model.init(stream(KEY, 'pack')), {'x': X})
    assert all(np.isfinite(leaf) for leaf in metrics.values())
    assert model.score(state, X[:3]).shape == (3,)
    with pytest.raises(ValueError, match='expected batches that packing=2 divides, got 7 images'):
        model.train_step(state, {'x': X[:7]})
