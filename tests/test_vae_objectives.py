"""What a VAE is trained by beside the ELBO: against formulas in NumPy, and by brute force."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from genjax import latents, vae
from genjax.random import stream
from genjax.vae import bounds, inference, priors, regularizers
from tests.linear_gaussian import (
    PARTS,
    X,
    forward,
    linear_gaussian,
    log_marginal,
    off,
)

KEY = jax.random.key(47)
RNG = np.random.default_rng(7)


def terms(**fields):
    """Terms of which nothing is known but what is given."""
    return vae.Terms(*[None] * 10)._replace(**fields)


def weights(k=6, b=5):
    """Terms of which the log-weights are known, and these."""
    log_px_z, log_pz, log_qz = RNG.normal(size=(3, k, b)) * 3
    made = terms(**{
        name: jnp.float32(value)
        for name, value in {'log_px_z': log_px_z, 'log_pz': log_pz, 'log_qz': log_qz}.items()
    })  # fmt: skip
    return made, log_px_z + log_pz - log_qz


def test_bounds_of_groups_and_between_bounds():
    made, log_w = weights()
    iwae = special.logsumexp(log_w, axis=0) - np.log(6)
    grouped = special.logsumexp(log_w.reshape(2, 3, 5), axis=1) - np.log(3)
    np.testing.assert_allclose(bounds.miwae(made, groups=2), grouped.mean(0), rtol=1e-5)
    np.testing.assert_allclose(bounds.miwae(made, groups=1), iwae, rtol=1e-5)
    np.testing.assert_allclose(bounds.miwae(made, groups=6), log_w.mean(0), rtol=1e-4)
    expected = 0.3 * log_w.mean(0) + 0.7 * iwae
    np.testing.assert_allclose(bounds.ciwae(made, share=0.3), expected, rtol=1e-5)
    with pytest.raises(ValueError, match='expected groups that divide k=6 samples, got 4'):
        bounds.miwae(made, groups=4)


def encoder_gradients(bound, state, k, n):
    """Of n passes of k samples: the gradient by the encoder's mean."""

    def value(params, key):
        net = state.nets['encoder'].replace(params=params)
        moved = state.replace(nets=state.nets | {'encoder': net})
        return jnp.mean(bound(forward(moved, key, {'x': X}, k, False)[0], 1.0))

    @jax.jit
    def each(keys):
        return jax.lax.map(
            lambda key: jax.grad(value)(state.nets['encoder'].params, key)['gain'],
            keys,
            batch_size=50,
        )

    return np.float64(each(jax.random.split(stream(KEY, 'passes'), n)))


def test_the_doubly_reparameterized_gradient_has_no_bias_and_less_variance():
    """By 4,000 passes of 16 samples, to four standard errors; its signal is 1.5 times as clear."""
    state = off(linear_gaussian().init(stream(KEY, 'init')))
    plain, dreg = (encoder_gradients(b, state, 16, 4000) for b in (bounds.iwae, bounds.dreg))
    error = np.sqrt((plain.var(0) + dreg.var(0)) / 4000)
    assert (np.abs(plain.mean(0) - dreg.mean(0)) < 4 * error).all()
    assert (dreg.var(0) < plain.var(0) / 1.5**2).all()


def test_the_gradient_by_the_path_rests_where_the_posterior_is_exact():
    state = linear_gaussian().init(stream(KEY, 'init'))
    path, plain = (encoder_gradients(b, state, 1, 200) for b in (bounds.stl, bounds.iwae))
    assert np.abs(path).max() < 1e-4
    assert plain.std(0).min() > 1e-2
    far = off(state)
    path, plain = (encoder_gradients(b, far, 1, 4000) for b in (bounds.stl, bounds.iwae))
    error = np.sqrt((path.var(0) + plain.var(0)) / 4000)
    assert (np.abs(path.mean(0) - plain.mean(0)) < 4 * error).all()


def test_values_of_both_are_those_of_iwae():
    state = off(linear_gaussian().init(stream(KEY, 'init')))
    seen, _ = forward(state, stream(KEY, 'value'), {'x': X}, 4, False)
    for bound in (bounds.stl, bounds.dreg):
        np.testing.assert_allclose(bound(seen), bounds.iwae(seen), rtol=1e-5)


def moved_by(**settings):
    """What a step of SGD moves, by network."""
    model = linear_gaussian(settings={'k': 4, **settings})
    state = off(model.init(stream(KEY, 'init')))
    after, metrics = model.train_step(state, {'x': X})
    return jax.tree.map(
        np.subtract, *({n: s.nets[n].params for n in s.nets} for s in (after, state))
    ), metrics


def test_an_encoder_may_follow_a_bound_of_its_own():
    two, metrics = moved_by(bound=bounds.iwae, encoder_bound=bounds.sampled_elbo)
    decoders, plain = moved_by(bound=bounds.iwae)
    encoders, _ = moved_by(bound=bounds.sampled_elbo)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7),
        two, {'encoder': encoders['encoder'], 'decoder': decoders['decoder']},
    )  # fmt: skip
    assert np.abs(two['encoder']['gain'] - decoders['encoder']['gain']).max() > 1e-4
    np.testing.assert_allclose(metrics['vae/loss'], plain['vae/loss'], rtol=1e-5)


def hamiltonian(d=2):
    """The linear-Gaussian model with leapfrog steps, and parameters of these."""
    way = inference.hamiltonian(steps=3, size=0.2, temperature=0.6)
    net = way.network((2, 2, 1), d, None).init(stream(KEY, 'leapfrog'))
    return jax.jit(way.forward(PARTS), static_argnums=(3, 4)), net


def test_leapfrog_steps_keep_the_volume():
    _, net = hamiltonian()

    def both(zs):
        z, noise = jnp.split(zs, 2)
        end = inference.leapfrog(lambda z: -jnp.sum(z**4 + jnp.cos(z), -1), z, noise, net.params, 3)
        return jnp.concatenate(end)

    at = jax.random.normal(stream(KEY, 'volume'), (4,))
    jacobian = jax.jacfwd(both)(at)
    np.testing.assert_allclose(np.linalg.det(np.float64(jacobian)), 1, rtol=1e-4)
    assert np.abs(jacobian - np.eye(4)).max() > 0.1


def test_the_weights_of_hamiltonian_samples_have_the_mean_p_of_x():
    """To four standard errors, from a posterior that is off."""
    passes, net = hamiltonian()
    state = off(linear_gaussian().init(stream(KEY, 'init')))
    state = state.replace(nets=state.nets | {'inference': net})
    seen, _ = passes(state, stream(KEY, 'many'), {'x': X}, 20_000, False)
    log_p = log_marginal(X)
    ratios = np.exp(np.float64(bounds.log_weights(seen)) - log_p)
    error = ratios.std(0) / np.sqrt(len(ratios))
    assert (np.abs(ratios.mean(0) - 1) < 4 * error).all()
    assert (np.mean(np.log(ratios), axis=0) < -0.01).all()


def test_a_capacity_grows():
    model = linear_gaussian()
    state = off(model.init(stream(KEY, 'init')))
    seen, _ = forward(state, stream(KEY, 'capacity'), {'x': X}, 2, False)
    kl, log_px_z = np.sum(seen.kl, axis=1).mean(), np.mean(seen.log_px_z, axis=0)
    for step, allowed in ((0, 0.0), (50, 2.0), (100, 4.0), (1000, 4.0)):
        at = seen._replace(state=state.replace(step=jnp.int32(step)))
        got = bounds.capacity(at, 3.0, nats=4.0, steps=100)
        np.testing.assert_allclose(got, log_px_z - 3 * abs(kl - allowed), rtol=1e-5)


def gaussian_terms(b=6, d=3):
    """Terms of a diagonal Gaussian posterior and one sample of it."""
    mean, log_var = RNG.normal(size=(2, b, d))
    z = mean + np.exp(log_var / 2) * RNG.normal(size=(b, d))
    q = latents.Normal(jnp.float32(mean), jnp.float32(log_var))
    z = jnp.float32(z)[None]
    p = latents.standard_normal(d)
    made = terms(
        z=z, posterior=q, prior=p, log_px_z=jnp.float32(RNG.normal(size=(1, b))),
        log_qz=q.log_prob(z), log_pz=p.log_prob(z), key=stream(KEY, 'terms'),
    )  # fmt: skip
    return made, mean, log_var


def test_the_three_parts_of_a_kl():
    """One example after the other; with equal weights they are the KL of the samples."""
    made, mean, log_var = gaussian_terms()
    got = bounds.beta_tc(made, 5.0, alpha=2.0, gamma=0.5)
    z = np.float64(made.z[0])
    for i in range(6):
        each = stats.norm.logpdf(z[i], mean, np.exp(log_var / 2))
        log_q = special.logsumexp(each.sum(1)) - np.log(6)
        alone = np.sum(special.logsumexp(each, axis=0) - np.log(6))
        information = each[i].sum() - log_q
        kl = 2 * information + 5 * (log_q - alone) + 0.5 * (alone - stats.norm.logpdf(z[i]).sum())
        np.testing.assert_allclose(got[i], made.log_px_z[0, i] - kl, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(bounds.beta_tc(made), bounds.sampled_elbo(made), rtol=1e-4)


def test_the_total_correlation_of_gaussians_is_found():
    """Of points that two latents agree on: -log(1 - rho^2) / 2 for many of them."""
    rho, n = 0.9, 1500
    e = RNG.normal(size=(n, 2))
    mean = np.stack([e[:, 0], rho * e[:, 0] + np.sqrt(1 - rho**2) * e[:, 1]], 1)
    log_var = np.full((n, 2), np.log(0.01))
    z = mean + 0.1 * RNG.normal(size=(n, 2))
    q = latents.Normal(jnp.float32(mean), jnp.float32(log_var))
    zeros = jnp.zeros((1, n))
    made = terms(z=jnp.float32(z)[None], posterior=q, log_px_z=zeros, log_qz=zeros, log_pz=zeros)
    found = -np.mean(bounds.beta_tc(made, 1.0, alpha=0.0, gamma=0.0))
    covariance = np.array([[1, rho], [rho, 1]]) + 0.01 * np.eye(2)
    expected = -np.log(np.linalg.det(covariance) / np.prod(np.diag(covariance))) / 2
    np.testing.assert_allclose(found, expected, atol=0.06)


@pytest.mark.parametrize('kind', ['i', 'ii'])
def test_dip(kind):
    made, mean, log_var = gaussian_terms()
    c = np.cov(mean.T, bias=True) + (np.diag(np.exp(log_var).mean(0)) if kind == 'ii' else 0)
    off_diagonal = np.sum((c - np.diag(np.diag(c))) ** 2)
    expected = off_diagonal + 3 * np.sum((np.diag(c) - 1) ** 2)
    got, _ = regularizers.dip(diagonal=3.0, kind=kind).apply((), made)
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize('kernel', ['imq', 'rbf'])
def test_mmd(kernel):
    """Against loops over pairs; 0 in the mean where both are alike, and larger elsewhere."""
    made, *_ = gaussian_terms()
    got, _ = regularizers.mmd(kernel=kernel).apply((), made)
    z, other = (
        np.float64(made.z[0]),
        np.float64(made.prior.sample(stream(stream(KEY, 'terms'), 'mmd'), 6)),
    )

    def k(a, b):
        gap = np.sum((a - b) ** 2)
        if kernel == 'rbf':
            return np.exp(-gap / 3)
        return sum(6 * s / (6 * s + gap) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10))

    pairs = [(i, j) for i in range(6) for j in range(6)]
    expected = sum(k(a[i], a[j]) for a in (z, other) for i, j in pairs if i != j) / 30
    expected -= 2 * np.mean([k(z[i], other[j]) for i, j in pairs])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

    def mean(shift):
        def one(key):
            z = jax.random.normal(stream(key, 'z'), (1, 64, 3)) + shift
            return regularizers.mmd(kernel=kernel).apply((), made._replace(z=z, key=key))[0]

        found = np.float64(jax.vmap(one)(jax.random.split(stream(KEY, f'mean {shift}'), 200)))
        return found.mean(), found.std() / np.sqrt(200)

    alike, error = mean(0.0)
    assert abs(alike) < 4 * error
    assert mean(0.5)[0] > 20 * error


def test_the_gradient_of_a_decoder():
    """Of one that is linear, whose Jacobian is known; by the mean of many projections."""
    model = linear_gaussian()
    state = model.init(stream(KEY, 'init'))
    seen, _ = forward(state, stream(KEY, 'decoder'), {'x': X}, 1, False)
    term = regularizers.decoder_gradient()

    def one(key):
        return jnp.mean(term.apply((), seen._replace(key=key))[0])

    found = np.float64(jax.vmap(one)(jax.random.split(stream(KEY, 'projections'), 500)))
    jacobian = jax.vmap(jax.jacfwd(lambda z: seen.decode(z[None])[0]))(seen.z[0])
    expected = np.sum(np.square(jacobian)) / len(X)
    assert expected > 0.1
    assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(500)


def test_priors_of_posteriors():
    """The mean of the posteriors of pseudo-inputs, and of the images that were seen last."""

    def encode(x):
        flat = x.reshape(len(x), -1)[:, :2]
        return latents.Normal(flat, jnp.full_like(flat, -1.0))

    z = RNG.normal(size=(5, 2))
    for prior, name in ((priors.vamp(3), 'params'), (priors.exemplar(3), 'stats')):
        net = prior.network((2, 2, 1), 2).init(stream(KEY, name))
        (images,) = getattr(net, name).values()
        at = np.clip(np.float64(images), -1, 1).reshape(3, 4)[:, :2]
        density = stats.norm.pdf(z[:, None], at, np.exp(-0.5)).prod(-1).mean(1)
        got = prior.distribution(net, 2, encode).log_prob(jnp.float32(z))
        np.testing.assert_allclose(got, np.log(density), rtol=1e-4)
    seen = np.float32(np.arange(8).reshape(2, 2, 2, 1))
    queue = prior.remember(net, seen).stats['images']
    np.testing.assert_array_equal(queue, np.concatenate([net.stats['images'][2:], seen]))


class Laplace:
    """As NumPyro has it, `dist.Laplace().expand([d]).to_event(1)`."""

    def __init__(self, d):
        self.batch_shape, self.event_shape = (), (d,)

    def sample(self, key, sample_shape=()):
        return jax.random.laplace(key, (*sample_shape, *self.event_shape), jnp.float32)

    def log_prob(self, z):
        return jnp.sum(-jnp.abs(z) - np.float32(np.log(2)), axis=-1)


def test_a_distribution_of_another_library_is_a_prior():
    model = vae.vae((2, 2, 1), hidden=(4,), latent_dim=3, prior=vae.of_distribution(Laplace(3)))
    state, batch = model.init(stream(KEY, 'foreign')), {'x': np.zeros((4, 2, 2, 1), np.uint8)}
    z = RNG.normal(size=(2, 4, 3))
    joint = model.log_joint(state, KEY, batch, np.float32(z))
    plain = vae.vae((2, 2, 1), hidden=(4,), latent_dim=3)
    gap = joint - plain.log_joint(state, KEY, batch, np.float32(z))
    expected = np.sum(stats.laplace.logpdf(z) - stats.norm.logpdf(z), axis=-1)
    np.testing.assert_allclose(gap, expected, rtol=1e-4, atol=1e-4)
    state, metrics = model.train_step(state, batch)
    assert np.isfinite(metrics['vae/elbo'])
    drawn = model.latents(state, jax.random.split(stream(KEY, 'many'), 4000))
    assert stats.kstest(np.ravel(drawn), stats.laplace.cdf).pvalue > 1e-3
    assert model.sample(state, KEY, 2).shape == (2, 2, 2, 1)
    other = vae.vae((2, 2, 1), hidden=(4,), latent_dim=2, prior=Laplace(3))
    with pytest.raises(ValueError, match=re.escape('batch shape () and event shape (2,), got ()')):
        other.train_step(other.init(KEY), batch)
    with pytest.raises(ValueError, match='expected a distribution with sample and log_prob, got'):
        vae.of_distribution(3.0)
    with pytest.raises(ValueError, match="unknown name 'of_distribution'"):
        vae.vae((2, 2, 1), prior='of_distribution')


POSTERIORS = (
    'full_gaussian',
    'radial',
    'poincare:kind=riemannian',
    'categorical:categories=2',
    'categorical:categories=2,straight_through=True',
)


@pytest.mark.parametrize('posterior', POSTERIORS)
def test_a_vae_of_any_posterior_trains_and_its_bound_is_below_its_likelihood(posterior):
    model = vae.vae((2, 2, 1), hidden=(8,), latent_dim=2, posterior=posterior, learning_rate=0.01)
    state, batch = model.init(stream(KEY, posterior)), {'x': np.uint8([[[[0], [255]]] * 2] * 4)}
    before = model.evaluate(state, stream(KEY, 'before'), batch, 64)
    for _ in range(20):
        state, metrics = model.train_step(state, batch)
        assert np.isfinite(list(metrics.values())).all()
    after = model.evaluate(state, stream(KEY, 'after'), batch, 64)
    assert after['elbo'].mean() > before['elbo'].mean() + 0.1
    assert after['kl'].mean() > -0.2
    whole = model.log_likelihood(state, stream(KEY, 'whole'), batch, k=500)
    assert whole.mean() > after['elbo'].mean() - 0.1
    assert model.sample(state, stream(KEY, 'sample'), 3).shape == (3, 2, 2, 1)


def test_samples_are_decoded_draws_of_a_learned_prior():
    model = vae.vae((4, 4, 1), hidden=(4,), latent_dim=2, prior='vamp:components=3')
    state = model.init(stream(KEY, 'learned'))
    keys = jax.random.split(stream(stream(KEY, 'draw'), 'z'), 5)
    z = model.latents(state, keys)
    assert len(np.unique(z)) == 10
    images = model.sample(state, stream(KEY, 'draw'), 5)
    np.testing.assert_allclose(images, model.decode(state, z), atol=1e-6)
    assert vae.vae((4, 4, 1)).latents is None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'posterior': 'von_mises_fisher', 'latent_dim': 1}, 'expected latent_dim >= 2 for a sph'),
        ({'posterior': 'categorical', 'latent_dim': 15}, 'a latent_dim that 10 categories divide'),
        ({'posterior': 'poincare:c=0.0'}, 'expected c > 0, got 0.0'),
        ({'networks': 'gyroplane:hidden=()'}, "glu and c > 0, got (), 'relu' and 1.0"),
        ({'networks': 'gyroplane:activation=glu'}, 'other than glu and c > 0, got (600,)'),
        ({'posterior': 'iaf:layers=0'}, 'expected layers >= 1, got 0'),
        ({'posterior': 'poincare', 'prior': 'maf'}, 'expected a prior where the latents of this'),
        ({'posterior': 'categorical', 'prior': 'mixture'}, 'its own, vamp or exemplar, got one on'),
        ({'posterior': 'poincare', 'inference': 'hamiltonian'}, 'a posterior on all of space for'),
        ({'inference': 'hamiltonian:size=1.0'}, 'expected size in (0, 1), got 1.0'),
        ({'bound': 'dreg', 'k': 4}, 'expected dreg as encoder_bound'),
        ({'prior': 'vamp:components=0'}, 'expected components >= 1, got 0'),
        ({'regularizers': 'mmd:kernel=box'}, "expected a kernel among ['imq', 'rbf'], got 'box'"),
        ({'regularizers': 'dip:kind=iii'}, "expected kind 'i' or 'ii', got 'iii'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        vae.vae((4, 4, 1), **options)


def test_what_a_loss_cannot_do_with_a_posterior_is_refused():
    for options in ({'bound': 'beta_tc'}, {'regularizers': 'dip'}):
        model = vae.vae((4, 4, 1), hidden=(4,), latent_dim=2, posterior='point', **options)
        state = model.init(stream(KEY, 'refused'))
        with pytest.raises(
            ValueError, match="expected posterior 'gaussian' for this loss, got Point"
        ):
            model.train_step(state, {'x': np.zeros((4, 4, 4, 1), np.uint8)})
    with pytest.raises(ValueError, match='expected a posterior with a density, got an autoencoder'):
        model.log_likelihood(state, stream(KEY, 'k'), {'x': np.zeros((4, 4, 4, 1), np.uint8)}, k=2)
