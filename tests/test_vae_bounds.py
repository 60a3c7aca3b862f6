"""Bounds and the usual forward pass: against loops written out, and where log p(x) is known."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from scipy import stats

from genjax import vae
from genjax.random import stream
from tests.linear_gaussian import (
    PARTS,
    SCALE,
    B,
    W,
    X,
    exact_elbo,
    forward,
    linear_gaussian,
    log_marginal,
    off,
)

KEY = jax.random.key(17)


@pytest.fixture(scope='module')
def model():
    return linear_gaussian()


@pytest.fixture(scope='module')
def exact(model):
    return model.init(stream(KEY, 'init'))


@pytest.fixture(scope='module')
def many(exact):
    """Terms of many samples of a posterior that is off, and its state."""
    state = off(exact)
    seen, _ = forward(state, stream(KEY, 'many'), {'x': X}, 28_000, False)
    return terms(*(np.array(leaf) for leaf in seen[:3]), kl=seen.kl), state


def terms(log_px_z, log_pz, log_qz, kl=None):
    return vae.Terms(log_px_z, log_pz, log_qz, *[None] * 7)._replace(kl=kl)


def naive(state, z, x, beta):
    """ELBO by closed-form KL, ELBO by samples, and IWAE of one example, one sample at a time."""
    q = {k: np.float64(v) for k, v in state.nets['encoder'].params.items()}
    mean, var = x @ q['gain'] + q['shift'], np.exp(q['log_var'])
    log_px_z, log_w, kl = [], [], 0.0
    for sample in np.float64(z):
        log_px_z.append(stats.norm.logpdf(x, W @ sample + B, SCALE).sum())
        prior = stats.norm.logpdf(sample).sum()
        posterior = stats.norm.logpdf(sample, mean, np.sqrt(var)).sum()
        log_w.append(log_px_z[-1] + beta * (prior - posterior))
    for m, v in zip(mean, var, strict=True):
        kl += (m**2 + v - 1 - np.log(v)) / 2
    return {
        vae.elbo: np.mean(log_px_z) - beta * kl,
        vae.sampled_elbo: np.mean(log_w),
        vae.bounds.iwae: np.log(np.mean(np.exp(log_w))),
    }


@pytest.mark.parametrize('beta', [1.0, 0.0, 2.5])
@pytest.mark.parametrize('bound', [vae.elbo, vae.sampled_elbo, vae.bounds.iwae])
def test_a_bound_is_what_a_loop_over_examples_and_samples_gives(exact, bound, beta):
    state = off(exact)
    seen, _ = forward(state, stream(KEY, 'loop'), {'x': X}, 3, False)
    got = bound(seen, beta)
    assert got.shape == (6,)
    for i, x in enumerate(np.float64(X).reshape(6, 4)):
        np.testing.assert_allclose(got[i], naive(state, seen.z[:, i], x, beta)[bound], rtol=1e-4)
    if beta == 1:
        np.testing.assert_array_equal(bound(seen), got)


def test_log_weights_temper_prior_and_posterior_but_not_the_likelihood():
    log_px_z, log_pz, log_qz = jnp.array([[-5.0]]), jnp.array([[-2.0]]), jnp.array([[1.0]])
    seen = terms(log_px_z, log_pz, log_qz)
    assert [float(vae.log_weights(seen, beta)[0, 0]) for beta in (0.0, 1.0, 4.0)] == [-5, -8, -17]


def test_both_elbos_converge_to_the_closed_form(many):
    seen, state = many
    expected = exact_elbo(state, X)
    samples = {vae.elbo: seen.log_px_z, vae.sampled_elbo: vae.log_weights(seen)}
    for bound, values in samples.items():
        error = 5 * np.std(values, axis=0) / np.sqrt(len(values))
        assert (error < 0.1).all()
        assert (np.abs(bound(seen) - expected) < error).all()


def test_iwae_of_one_sample_is_the_sampled_elbo(many):
    seen = terms(*(leaf[:1] for leaf in many[0][:3]))
    np.testing.assert_array_equal(vae.bounds.iwae(seen), vae.sampled_elbo(seen))


def test_iwae_rises_with_k_towards_the_marginal_likelihood(many):
    """From independent draws for each k, to five standard errors; the gap at 64 is small."""
    seen, state = many
    ks, starts = (1, 2, 8, 64), np.array([0, 4000, 8000, 12_000, 28_000])

    @jax.jit
    def draws(leaves):
        """Of every k, its bound on disjoint samples, the mean over the images."""
        cut = [[leaf[a:b] for leaf in leaves] for a, b in pairwise(starts)]
        parts = [[leaf.reshape(-1, k, 6) for leaf in rows] for k, rows in zip(ks, cut, strict=True)]
        return [
            jnp.mean(jax.vmap(lambda *p: vae.bounds.iwae(terms(*p)))(*rows), axis=1)
            for rows in parts
        ]

    values = draws(seen[:3])
    means = np.array([np.mean(v) for v in values])
    errors = np.array([np.std(v) / np.sqrt(len(v)) for v in values])
    slack = 5 * np.hypot(errors[1:], errors[:-1])
    assert (np.diff(means) > -slack).all()
    assert means[-1] - means[0] > 5 * np.hypot(errors[0], errors[-1])
    truth = log_marginal(X).mean()
    assert abs(means[0] - exact_elbo(state, X).mean()) < 5 * errors[0]
    assert (means < truth + 5 * errors).all()
    assert truth - means[-1] < 0.03 < (truth - means[0]) / 5


def test_free_bits_are_a_floor_for_the_batch_mean_of_each_group():
    kl = jnp.array([[0.1, 2.0], [0.3, 0.0]])
    log_px_z = jnp.array([[-4.0, -6.0], [-2.0, -8.0]])

    def bound(kl, **options):
        return vae.elbo(terms(log_px_z, None, None, kl), **options)

    np.testing.assert_allclose(bound(kl), [-3 - 2.1, -7 - 0.3], rtol=1e-6)
    np.testing.assert_allclose(bound(kl, free_bits=0.5), [-3 - 1.5, -7 - 1.5], rtol=1e-6)
    np.testing.assert_allclose(bound(kl, free_bits=0.5, beta=2.0), [-6, -10], rtol=1e-6)
    np.testing.assert_allclose(bound(kl, free_bits=0.1), [-3 - 1.2, -7 - 1.2], rtol=1e-6)
    slope = jax.grad(lambda kl: jnp.mean(bound(kl, free_bits=0.5)))(kl)
    np.testing.assert_allclose(slope, [[0, -0.5], [0, -0.5]])


@struct.dataclass
class Mixture:
    """An even mixture of two Gaussians as a prior: its KL has no closed form."""

    left: vae.Normal
    right: vae.Normal

    def log_prob(self, z):
        return jnp.logaddexp(self.left.log_prob(z), self.right.log_prob(z)) - jnp.log(2.0)


def test_a_prior_without_closed_form_leaves_the_bounds_by_samples(exact):
    state = off(exact)
    left, right = vae.Normal(jnp.array([-1.0, 0.0]), jnp.zeros(2)), vae.standard_normal(2)
    parts = PARTS._replace(prior=lambda state: Mixture(left, right))
    mixed = jax.jit(vae.compose(parts), static_argnums=(3, 4))
    seen, _ = mixed(state, stream(KEY, 'mixture'), {'x': X}, 2, False)
    assert seen.kl is None
    z = np.float64(seen.z)
    density = sum(np.exp(stats.norm.logpdf(z, m).sum(-1)) / 2 for m in ([-1, 0], [0, 0]))
    np.testing.assert_allclose(seen.log_pz, np.log(density), rtol=1e-5)
    log_w = np.float64(seen.log_px_z) + np.log(density) - np.float64(seen.log_qz)
    np.testing.assert_allclose(vae.sampled_elbo(seen), log_w.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(vae.elbo(seen), vae.sampled_elbo(seen))
    with pytest.raises(ValueError, match='closed form for free_bits, got Normal and Mixture'):
        vae.elbo(seen, free_bits=0.5)


def test_compose_puts_each_sample_beside_its_image_and_label():
    """With images of `label + z`, where every image has a label of its own."""
    y, trains = jnp.array([0, 10, 20, 30, 40, 50]), []

    def encode(state, key, x, y, train):
        trains.append(train)
        return vae.Normal(jnp.mean(x, axis=(1, 2)), -jnp.ones((6, 1))), [*state, key, y]

    def decode(state, key, z, y, train):
        trains.append(train)
        out = jnp.broadcast_to((y[:, None] + z).reshape(-1, 1, 1, 1), (18, 2, 2, 1))
        return vae.gaussian().distribution(out), [*state, key, y]

    parts = vae.Parts(encode, lambda state: vae.standard_normal(1), decode)
    composed = jax.jit(vae.compose(parts), static_argnums=(3, 4))
    for train in (True, False):
        seen, after = composed([], KEY, {'x': X, 'y': y}, 3, train)
    assert trains == [True, True, False, False]
    z = np.float64(seen.z)
    mean = (np.float64(y) + z[..., 0])[..., None, None, None]
    expected = stats.norm.logpdf(X, mean).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(seen.log_px_z, expected, rtol=1e-4)
    assert seen.state == []
    np.testing.assert_array_equal(after[1], y)
    np.testing.assert_array_equal(after[3], np.concatenate([y, y, y]))
    e = jax.random.normal(stream(KEY, 'z'), (3, 6, 1))
    np.testing.assert_allclose(z, X.mean(axis=(1, 2)) + np.exp(-0.5) * np.array(e), rtol=1e-4)
    data = [jax.random.key_data(key).tolist() for key in (after[0], after[2], seen.key)]
    names = stream(KEY, 'encoder'), stream(KEY, 'decoder'), KEY
    assert data == [jax.random.key_data(key).tolist() for key in names]


def test_compose_draws_samples_that_differ_and_passes_no_labels_where_there_are_none(exact):
    seen, after = forward(exact, stream(KEY, 'draws'), {'x': X}, 4, True)
    assert len(np.unique(seen.z)) == 4 * 6 * 2
    assert seen.kl.shape == (6, 2)
    jax.tree.map(np.testing.assert_array_equal, after.nets, exact.nets)


def test_the_elbo_is_below_the_marginal_likelihood_by_the_kl_to_the_posterior(model, exact):
    """On every example; a tolerance of six standard errors, a gap of 0.49 nats."""
    state, truth = off(exact), log_marginal(X)
    got = model.evaluate(state, stream(KEY, 'gap'), {'x': X}, k=24_000)
    np.testing.assert_allclose(got['elbo'], exact_elbo(state, X), atol=0.08)
    assert (truth - got['elbo'] > 0.4).all()


@pytest.mark.parametrize('chunk', [20_000, 600])
def test_importance_samples_meet_the_marginal_likelihood(model, exact, chunk):
    """To 0.02 nats, in one chunk or in many, where the ELBO is off by 0.49."""
    key = stream(KEY, f'chunks of {chunk}')
    got = model.log_likelihood(off(exact), key, {'x': X}, k=20_000, chunk=chunk)
    np.testing.assert_allclose(got, log_marginal(X), atol=0.02)


def test_with_the_exact_posterior_all_weights_are_the_marginal_likelihood(model, exact):
    seen, _ = forward(exact, stream(KEY, 'exact'), {'x': X}, 50, False)
    expected = np.broadcast_to(log_marginal(X), (50, 6))
    np.testing.assert_allclose(vae.log_weights(seen), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(exact_elbo(exact, X), log_marginal(X), rtol=1e-6)
    for bound in (vae.sampled_elbo, vae.bounds.iwae):
        np.testing.assert_allclose(bound(seen), log_marginal(X), rtol=1e-5, atol=1e-5)
    elbo = model.evaluate(exact, stream(KEY, 'exact'), {'x': X}, k=24_000)['elbo']
    np.testing.assert_allclose(elbo, log_marginal(X), atol=0.03)
