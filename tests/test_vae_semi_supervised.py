"""M2: bounds and likelihoods where labels are missing, by brute force; who takes such labels."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from genjax import data, vae
from genjax.evaluation.evidence import Images, _labels
from genjax.evaluation.inference import classified
from genjax.random import stream
from genjax.train import RunError, prepare
from genjax.vae.semi_supervised import semi_supervised
from tests.linear_gaussian import GAIN, SCALE, SHAPE, VAR, B, W, X

KEY = jax.random.key(59)
CLASSES = 3
# Where the images of each class lie, in that of the linear-Gaussian model.
SHIFT = np.array([0.0, 0.3, -0.2])
Y = np.int32([-1, 0, 2, -1, 1, -1])


def _of_class(y):
    return jnp.float32(SHIFT)[y][:, None]


def parts(sure=1.0):
    """The exact posteriors of each class, and a classifier that is not exact."""

    def encode(state, key, x, y, train):
        flat = x.reshape(len(x), -1) - jnp.float32(B)[None] - _of_class(y)
        mean = flat @ jnp.float32(GAIN)
        return vae.Normal(mean, jnp.broadcast_to(jnp.float32(np.log(VAR))[None], mean.shape)), state

    def decode(state, key, z, y, train):
        flat = z @ jnp.float32(W.T) + jnp.float32(B)[None] + _of_class(y)
        return vae.gaussian(SCALE).distribution(flat.reshape(-1, *SHAPE)), state

    def infer(state, key, x, train):
        return sure * jnp.float32(logits(x)), state

    return vae.Parts(encode, lambda state: vae.standard_normal(2), decode, infer=infer)


def logits(x):
    flat = jnp.asarray(x).reshape(len(x), -1)
    return jnp.stack([flat[:, 0], flat[:, 1], jnp.zeros(len(flat))], axis=1)


def of_class(label, x=X):
    """log N(x; b + shift, W W' + s^2 I), in float64."""
    covariance = W @ W.T + SCALE**2 * np.eye(4)
    at = stats.multivariate_normal(B + SHIFT[label], covariance)
    return at.logpdf(np.float64(x).reshape(-1, 4))


def log_p():
    """log p(x, y) of images with labels, log p(x) of others."""
    joint = np.stack([of_class(i) for i in range(CLASSES)]) - np.log(CLASSES)
    return np.where(Y < 0, special.logsumexp(joint, axis=0), joint[Y, np.arange(len(Y))])


def passes(k, train, **options):
    forward = jax.jit(semi_supervised().forward(parts(**options)), static_argnums=(3, 4))
    batch = {'x': jnp.asarray(X), 'y': jnp.asarray(Y)}
    return forward(None, stream(KEY, 'pass'), batch, k, train)[0]


def expected_elbo():
    """`sum_y q(y | x) (log p(x | y) - log q(y | x) - log 3)`, as q(z | x, y) is exact."""
    log_q = special.log_softmax(np.float64(logits(X)), axis=1)
    each = np.stack([of_class(i) for i in range(CLASSES)], axis=1) - np.log(CLASSES)
    free = np.sum(np.exp(log_q) * (each - log_q), axis=1)
    return np.where(Y < 0, free, each[np.arange(len(Y)), Y])


@pytest.mark.parametrize('train', [True, False])
def test_bounds_are_the_means_over_all_classes(train):
    """To four standard errors of 400 samples; in training each sample is of all classes."""
    seen = passes(400, train)
    for bound in (vae.elbo, vae.sampled_elbo):
        got = np.float64(bound(seen))
        each = np.float64(vae.log_weights(seen))
        error = np.float64(np.std(seen.log_px_z, axis=0)) / np.sqrt(400) + 1e-4
        assert (np.abs(got - expected_elbo()) < 4 * error).all(), bound
        assert each.shape == (400, len(X))
    # All of an exact posterior of a known label are the same weight.
    spread = np.std(each[:, Y >= 0], axis=0)
    assert spread.max() < 1e-3
    assert (expected_elbo() <= log_p() + 1e-9).all()


def test_samples_of_labels_have_weights_whose_mean_is_p_of_x():
    weights = np.exp(np.float64(vae.log_weights(passes(4000, False, sure=2.0))) - log_p())
    error = weights.std(0) / np.sqrt(len(weights)) + 1e-4
    assert (np.abs(weights.mean(0) - 1) < 4 * error).all()


def test_the_classification_is_the_cross_entropy_of_known_labels():
    (term,) = semi_supervised(weight=0.3).terms
    assert term.weight == 0.3
    log_q = special.log_softmax(np.float64(logits(X)), axis=1)
    found, _ = term.apply((), vae.Terms(*[None] * 10)._replace(extra=(jnp.float32(log_q), Y)))
    known = np.flatnonzero(Y >= 0)
    np.testing.assert_allclose(found, -np.mean(log_q[known, Y[known]]), rtol=1e-5)
    none = vae.Terms(*[None] * 10)._replace(extra=(jnp.float32(log_q), 0 * Y - 1))
    assert term.apply((), none)[0] == 0


@pytest.fixture(scope='module')
def model():
    return vae.m2(SHAPE, hidden=(4,), latent_dim=2, num_classes=3, likelihood='gaussian')


def test_labels_may_be_missing_where_they_are_not_needed(model):
    state, batch = model.init(stream(KEY, 'init')), {'x': X, 'y': Y}
    state, metrics = model.train_step(state, batch)
    assert np.isfinite(list(metrics.values())).all()
    assert np.isfinite(model.evaluate(state, KEY, batch)['elbo']).all()
    assert np.isfinite(model.log_likelihood(state, KEY, batch, k=3)).all()
    np.testing.assert_allclose(special.logsumexp(model.classify(state, X), axis=1), 0, atol=1e-6)
    refused = 'expected labels y in \\[0, 3\\), got values in \\[-1, 2\\]'
    for use in (
        lambda: model.encode(state, X, Y),
        lambda: model.decode(state, np.zeros((6, 2), np.float32), Y),
        lambda: model.sample(state, KEY, 6, Y),
        lambda: model.log_joint(state, KEY, batch, np.zeros((1, 6, 2), np.float32)),
    ):
        with pytest.raises(ValueError, match=refused):
            use()
    with pytest.raises(ValueError, match='expected labels y in \\[-1, 3\\), got values in'):
        model.train_step(state, {'x': X, 'y': Y - 1})
    other = vae.cvae(SHAPE, hidden=(4,), latent_dim=2, num_classes=3)
    assert other.classify is None
    with pytest.raises(ValueError, match=refused):
        other.train_step(other.init(stream(KEY, 'cvae')), batch)
    with pytest.raises(ValueError, match='expected num_classes, the number of labels, for this'):
        vae.m2(SHAPE, num_classes=None)


def test_data_whose_labels_are_missing(model):
    x = np.zeros((4, 8, 8, 1), np.uint8)
    found = data.from_arrays(x, [7, -1, 5, -1])
    np.testing.assert_array_equal(found.y, [1, -1, 0, -1])
    assert found.classes == ('5', '7')
    assert found.num_classes == 2
    assert 'array: 2 of 4 images have no label, -1' in found.notes
    np.testing.assert_array_equal(data.labelled(found).y, [1, 0])
    other = data.from_arrays(x, [-1, 7, 7, 7])
    np.testing.assert_array_equal(prepare.like(found, other).y, [-1, 1, 1, 1])
    assert prepare.measurable(found, model).size == 2
    assert prepare.measurable(found, model._replace(num_classes=None)).size == 4
    with pytest.raises(RunError, match='expected held-out images with labels in array, got -1 of'):
        prepare.measurable(found._replace(y=np.full(4, -1, np.int32)), model)
    two = model._replace(num_classes=2)
    prepare.check_labels(found, found, two)
    with pytest.raises(RunError, match='expected labels of all images in array, got -1 of some'):
        prepare.check_labels(found, found, two._replace(classify=None))


def test_how_often_the_classifier_is_right_and_what_it_says_of_missing_labels():
    said = np.float32(np.eye(3)[[0, 1, 2, 2]])
    model = vae.m2(SHAPE, num_classes=3)._replace(classify=lambda state, x: said[: len(x)])
    run = SimpleNamespace(model=model, state=None)
    x, y = np.zeros((4, *SHAPE), np.uint8), np.int32([0, 1, 1, 2])
    right = classified(run, SimpleNamespace(held_out=Images(x, y, None)))
    np.testing.assert_array_equal(right, [True, True, False, True])
    dataset = data.Dataset(x, np.int32([1, -1, -1, 0]), 'some')
    np.testing.assert_array_equal(_labels(run, dataset), [1, 1, 2, 0])
    plain = SimpleNamespace(model=model._replace(classify=None), state=None)
    assert classified(plain, None) is None
