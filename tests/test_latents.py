"""Distributions over latents: against SciPy, integrals and moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from genjax import latents
from genjax.latents import radii
from genjax.latents.gyroplanes import Gyroplanes, gyroplanes
from genjax.latents.hyperbolic import exponential, logarithm, mobius_add
from genjax.latents.relaxed import uniform_categories
from genjax.latents.spheres import _angle, log_area
from genjax.random import stream

KEY = jax.random.key(41)
RNG = np.random.default_rng(5)
ANGLES = np.linspace(0, 2 * np.pi, 50)


def test_a_full_gaussian_is_scipys():
    a = RNG.normal(size=(3, 4, 4))
    covariance = a @ a.swapaxes(1, 2) + np.eye(4)
    mean, z = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3, 4))
    q = latents.FullNormal(jnp.float32(mean), jnp.float32(np.linalg.cholesky(covariance)))
    expected = [
        [stats.multivariate_normal(mean[i], covariance[i]).logpdf(z[k, i]) for i in range(3)]
        for k in range(5)
    ]
    np.testing.assert_allclose(q.log_prob(jnp.float32(z)), expected, rtol=1e-4, atol=1e-4)
    p_mean, p_var = RNG.normal(size=4), RNG.uniform(0.5, 2, 4)
    p = latents.Normal(jnp.float32(p_mean), jnp.float32(np.log(p_var)))
    for i in range(3):
        gap = mean[i] - p_mean
        kl = np.sum((np.diag(covariance[i]) + gap**2) / p_var) - 4 + np.sum(np.log(p_var))
        kl = (kl - np.linalg.slogdet(covariance[i])[1]) / 2
        np.testing.assert_allclose(q.kl_divergence(p)[i, 0], kl, rtol=1e-4)
    drawn = np.asarray(q.sample(stream(KEY, 'draw'), 20_000))[:, 0]
    error = np.abs(np.cov(drawn.T) - covariance[0]).max()
    assert error < 0.05 * covariance[0].max()


def test_a_mixture_is_the_sum_of_its_parts():
    weights = np.array([0.2, 0.5, 0.3])
    mean, log_var, z = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 2)), RNG.normal(size=(4, 5, 2))
    parts = latents.Normal(jnp.float32(mean), jnp.float32(log_var))
    p = latents.Mixture(jnp.log(jnp.float32(weights)), parts)
    density = sum(
        w * np.prod(stats.norm.pdf(z, m, np.exp(v / 2)), axis=-1)
        for w, m, v in zip(weights, mean, log_var, strict=True)
    )
    np.testing.assert_allclose(p.log_prob(jnp.float32(z)), np.log(density), rtol=1e-4, atol=1e-5)
    drawn = np.asarray(p.sample(stream(KEY, 'draw'), 40_000))
    spread = np.sqrt(weights @ (np.exp(log_var) + mean**2) - (weights @ mean) ** 2)
    assert (np.abs(drawn.mean(0) - weights @ mean) < 4 * spread / 200).all()
    np.testing.assert_allclose(drawn.std(0), spread, rtol=0.03)


def angles(d, kappa):
    """The angle's density on a fine grid, in float64, with its logarithmic integral."""
    t = np.linspace(1e-9, np.pi - 1e-9, 400_001)
    log = kappa * (np.cos(t) - 1) + (d - 2) * np.log(np.sin(t))
    total = special.logsumexp(log) + np.log(t[1] - t[0])
    return t, np.exp(log - total), total + log_area(d - 1)


@pytest.mark.parametrize('d', [2, 3, 11, 128])
@pytest.mark.parametrize('kappa', [0.1, 5.0, 200.0, 5000.0])
def test_von_mises_fisher(d, kappa):
    """Density, KL, moments, and the derivative of a mean by kappa, which is a variance."""
    t, f, total = angles(d, kappa)
    step, axis = t[1] - t[0], jnp.eye(d)[:1]
    mean = np.sum(f * np.cos(t)) * step
    spread = np.sqrt(np.sum(f * (np.cos(t) - mean) ** 2) * step)
    q = latents.VonMisesFisher(axis, jnp.full(1, kappa, jnp.float32))
    at = np.zeros((1, d), np.float32)
    at[0, :2] = np.cos(0.3), np.sin(0.3)
    expected = kappa * (np.cos(0.3) - 1) - total
    np.testing.assert_allclose(q.log_prob(jnp.asarray(at))[0], expected, rtol=1e-5, atol=1e-3)
    kl = kappa * (mean - 1) - total + log_area(d)
    got = q.kl_divergence(latents.UniformSphere(d))[0, 0]
    np.testing.assert_allclose(got, kl, rtol=1e-4, atol=2e-5)
    n = 20_000
    z = np.float64(q.sample(stream(KEY, 'vmf'), n))[:, 0]
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)
    assert abs(z[:, 0].mean() - mean) < 4 * spread / np.sqrt(n)
    np.testing.assert_allclose(z[:, 0].std(), spread, rtol=0.03)
    assert np.abs(z[:, 1:].mean(0)).max() < 5 / np.sqrt(n)

    def first(kappa):
        q = latents.VonMisesFisher(axis, kappa)
        return jnp.mean(q.sample(stream(KEY, 'vmf'), n)[:, 0, 0])

    slope = jax.grad(lambda kappa: first(kappa))(jnp.full(1, kappa, jnp.float32))
    np.testing.assert_allclose(slope[0], spread**2, rtol=0.05)


def test_a_quantile_is_the_inverse_of_the_distribution_function():
    t, f, _ = angles(5, 7.0)
    u = np.linspace(0.001, 0.999, 97)
    expected = np.interp(u, np.cumsum(f) * (t[1] - t[0]), t)
    got = radii.quantile(_angle(5), jnp.float32(u)[:, None], jnp.full(1, 7.0))[:, 0]
    np.testing.assert_allclose(got, expected, atol=2e-5)

    def at(kappa):
        return radii.quantile(_angle(5), jnp.float32(u)[:, None], kappa)[:, 0]

    slope = jax.jacfwd(lambda kappa: at(kappa[None]))(jnp.float32(7.0))
    t2, f2, _ = angles(5, 7.01)
    moved = np.interp(u, np.cumsum(f2) * (t2[1] - t2[0]), t2) - expected
    np.testing.assert_allclose(slope, moved / 0.01, rtol=0.02, atol=1e-4)


@pytest.mark.parametrize('c', [1.0, 0.3])
@pytest.mark.parametrize('wrapped', [True, False])
def test_densities_in_the_ball_integrate_to_one(c, wrapped):
    """By polar coordinates around the origin, of a distribution that is elsewhere."""
    mean = jnp.float32([[0.3, -0.4]])
    q = (
        latents.WrappedNormal(mean, jnp.log(jnp.float32([[0.3, 0.6]])), c)
        if wrapped
        else latents.RiemannianNormal(mean, jnp.full(1, 0.7), c)
    )
    r, angle = np.linspace(1e-4, 9, 1501), np.linspace(0, 2 * np.pi, 181)[:-1]
    v = r[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    z = exponential(jnp.zeros((1, 1, 2)), jnp.float32(v), c).reshape(-1, 1, 2)
    density = np.exp(np.float64(q.log_prob(z))).reshape(len(r), len(angle))
    area = np.sinh(np.sqrt(c) * r) / np.sqrt(c)
    total = integrate.simpson(density.mean(1) * 2 * np.pi * area, x=r)
    np.testing.assert_allclose(total, 1, atol=3e-3)


@pytest.mark.parametrize('c', [1.0, 0.3])
def test_draws_of_the_ball_lie_as_far_as_they_should(c):
    mean = jnp.float32([[0.3, -0.4, 0.2]])
    for scale in (0.3, 1.5):
        q = latents.RiemannianNormal(mean, jnp.full(1, scale), c)
        away = np.linalg.norm(
            logarithm(mean[None], q.sample(stream(KEY, 'draw'), 20_000), c), axis=-1
        )
        r = np.linspace(1e-6, 14, 200_001)
        f = np.exp(-(r**2) / 2 / scale**2) * np.sinh(np.sqrt(c) * r) ** 2
        expected = np.sum(f * r) / np.sum(f)
        np.testing.assert_allclose(away.mean(), expected, rtol=0.02)
        p = latents.WrappedNormal(mean, jnp.full((1, 3), 2 * np.log(scale)), c)
        flat = np.linalg.norm(
            logarithm(mean[None], p.sample(stream(KEY, 'draw'), 20_000), c), axis=-1
        )
        np.testing.assert_allclose(np.sqrt(np.mean(flat**2) / 3), scale, rtol=0.02)


def test_sums_of_moebius_are_those_of_complex_numbers_and_finite_at_all_edges():
    x, y = (RNG.uniform(-1, 1, (2, 60, 2)) / 1.5).astype(np.float32)
    a, b = (np.float64(p) @ [1, 1j] for p in (x, y))
    expected = (a + b) / (1 + a.conj() * b)
    np.testing.assert_allclose(np.asarray(mobius_add(x, y, 1.0)) @ [1, 1j], expected, atol=2e-6)
    edge = np.float32(1 - 1e-6) * np.float32(np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1))

    def both(x, y):
        return jnp.sum(mobius_add(x, y, 1.0))

    for far in (edge, -edge, np.roll(edge, 1, axis=0)):
        for found in (mobius_add(edge, far, 1.0), *jax.grad(both, (0, 1))(edge, far)):
            assert np.isfinite(found).all()


@pytest.mark.parametrize('c', [0.3, 1.0])
def test_gyroplanes_are_distances_to_the_nearest_point_of_geodesics(c):
    """In the disk, with complex numbers: a line through the origin, moved along its normal."""
    normals, offsets = RNG.normal(size=(3, 2)), np.array([0.0, 0.7, -0.4])
    z = RNG.uniform(-0.6, 0.6, (5, 2)) / np.sqrt(c)
    length = np.linalg.norm(normals, axis=1)
    unit, point = (normals[:, 0] + 1j * normals[:, 1]) / length, np.sqrt(c) * (z @ [1, 1j])
    p = np.tanh(np.sqrt(c) * offsets / 2) * unit
    line = 1j * unit * np.linspace(-1, 1, 200_001)[1:-1, None]
    line = (p + line) / (1 + p.conj() * line)
    gaps = np.abs(point[:, None, None] - line) ** 2
    gaps = gaps / ((1 - np.abs(point[:, None, None]) ** 2) * (1 - np.abs(line) ** 2))
    distance = np.arccosh(1 + 2 * gaps.min(axis=1)) / np.sqrt(c)
    side = np.sign(((point[:, None] - p) / (1 - p.conj() * point[:, None]) * unit.conj()).real)
    got = gyroplanes(*(jnp.float32(a) for a in (z, normals, offsets)), c)
    np.testing.assert_allclose(got, side * length * distance, atol=2e-4)


def test_gyroplanes_of_a_flat_ball_are_a_dense_layer():
    v, layer = jnp.float32(RNG.normal(size=(4, 3))), Gyroplanes(6, c=1e-5)
    params = layer.init(KEY, v)['params']
    params = params | {'bias': jnp.linspace(-1.0, 1.0, 6)}
    z = exponential(jnp.zeros_like(v), v, 1e-5)
    kernel = np.asarray(params['kernel'])
    flat = np.asarray(v) @ kernel - np.linalg.norm(kernel, axis=0) * np.linspace(-1, 1, 6)
    np.testing.assert_allclose(layer.apply({'params': params}, z), flat, atol=1e-3)


def test_a_riemannian_scale_has_a_gradient():
    """Of the mean distance, against a difference of the integrals."""
    r = np.linspace(1e-6, 14, 200_001)

    def mean(scale):
        f = np.exp(-(r**2) / 2 / scale**2) * np.sinh(r) ** 2
        return np.sum(f * r) / np.sum(f)

    def drawn(scale):
        q = latents.RiemannianNormal(jnp.zeros((1, 3)), scale, 1.0)
        return jnp.mean(
            jnp.linalg.norm(
                logarithm(jnp.zeros((1, 1, 3)), q.sample(stream(KEY, 'draw'), 20_000), 1.0), axis=-1
            )
        )

    slope = jax.grad(lambda s: drawn(s))(jnp.full(1, 0.8))
    np.testing.assert_allclose(slope[0], (mean(0.801) - mean(0.799)) / 0.002, rtol=0.03)


def test_choices_are_drawn_by_their_probabilities():
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    q = latents.Concrete(jnp.log(jnp.float32(p))[None], 0.5)
    z = np.asarray(q.sample(stream(KEY, 'draw'), 20_000)).reshape(-1, 2, 3)
    np.testing.assert_allclose(z.sum(-1), 1, rtol=1e-5)
    chosen = np.stack([(z.argmax(-1) == i).mean(0) for i in range(3)], -1)
    np.testing.assert_allclose(chosen, p, atol=0.015)
    kl = np.sum(p * np.log(p * 3), axis=1)
    np.testing.assert_allclose(
        q.kl_divergence(uniform_categories(6, 3, 0.5, False))[0], kl, rtol=1e-5
    )


def test_the_density_of_relaxed_choices_integrates_to_one():
    """Of two categories, where one number decides."""
    q = latents.Concrete(jnp.log(jnp.float32([[[0.3, 0.7]]])), 0.6)
    # Evenly in the logit, since the density rises at both ends.
    logit = np.linspace(-40, 40, 20_001)
    z = 1 / (1 + np.exp(-logit))
    density = np.exp(
        np.float64(q.log_prob(jnp.float32(np.stack([z, 1 / (1 + np.exp(logit))], -1))[:, None]))
    )
    total = integrate.simpson(density[:, 0] * z * (1 - z), x=logit)
    np.testing.assert_allclose(total, 1, atol=1e-3)


def test_hard_choices_are_one_hot_with_a_gradient():
    def first(logits, hard):
        z = latents.Concrete(jax.nn.log_softmax(logits), 0.5, hard).sample(stream(KEY, 'draw'), 500)
        return jnp.sum(z[..., 0]), z

    logits = jnp.float32([[[0.2, -0.3, 0.5]]])
    (_, hard), slope = jax.value_and_grad(first, has_aux=True)(logits, True)
    soft = jax.grad(lambda a: first(a, False)[0])(logits)
    np.testing.assert_allclose(np.sort(hard, axis=-1)[..., -1], 1, atol=1e-6)
    np.testing.assert_allclose(slope, soft, rtol=1e-4)
