"""What a VAE of images is trained by in the place of a likelihood: against formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, special

from genjax import latents, vae
from genjax.random import stream
from genjax.vae import bounds, critics, regularizers
from tests.linear_gaussian import X, differ, forward, linear_gaussian, off
from tests.test_metrics_images import naive_ms_ssim

KEY = jax.random.key(53)
RNG = np.random.default_rng(11)
WEIGHTS = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)


def terms(**fields):
    """Terms of which nothing is known but what is given."""
    return vae.Terms(*[None] * 10)._replace(**fields)


def smooth_images(n=2, size=28):
    """Of which two are somewhat alike, in [-1, 1]."""
    noise = ndimage.gaussian_filter(RNG.uniform(size=(n, size, size, 2)), (0, 2, 2, 0))
    a = np.clip(noise * 3 - 1, 0, 1)
    return 2 * a - 1, np.clip(1.6 * a + 0.4 * noise[::-1] - 1, -1, 1)


def dissimilarity(x, decoded):
    """That of the term, and its gradient by the decoded images."""
    term = regularizers.ms_ssim()

    def value(decoded):
        seen = terms(x=jnp.float32(x), z=jnp.zeros((1, len(x), 1)), decode=lambda z: decoded)
        return term.apply((), seen)[0]

    decoded = jnp.float32(decoded)
    return value(decoded), jax.grad(lambda images: jnp.sum(value(images)))(decoded)


def naive(x, decoded):
    """Of images of 28 pixels, by filters of SciPy: two scales."""
    return 1 - np.mean(
        [naive_ms_ssim((x[..., c] + 1) / 2, (decoded[..., c] + 1) / 2, WEIGHTS) for c in range(2)]
    )


def test_structural_similarity_is_that_of_the_naive_filters_and_so_is_its_gradient():
    x, decoded = smooth_images()
    found, slope = dissimilarity(x, decoded)
    np.testing.assert_allclose(
        found, [naive(a, b) for a, b in zip(x, decoded, strict=True)], rtol=1e-4
    )
    assert 0.02 < found.min() < found.max() < 0.9
    for _ in range(3):
        way = RNG.normal(size=x[0].shape)
        step = 1e-4
        numeric = naive(x[0], decoded[0] + step * way) - naive(x[0], decoded[0] - step * way)
        np.testing.assert_allclose(np.sum(slope[0] * way), numeric / (2 * step), rtol=2e-3)


def test_images_with_nothing_in_common_have_a_gradient_too():
    """Where the similarity is negative, it would count as 0."""
    checks = np.float32(np.indices((28, 28)).sum(0) % 2 * 2 - 1)[None, ..., None]
    found, slope = dissimilarity(checks, -0.9 * checks)
    assert 0.9 < found[0] <= 1
    assert np.isfinite(slope).all()
    near, slope = dissimilarity(checks, 0.1 * checks)
    assert np.abs(slope).max() > 1e-4
    assert near[0] < found[0]


def test_images_smaller_than_the_window_are_refused():
    model = vae.msssim_vae((8, 12, 1), hidden=(4,), latent_dim=2)
    state = model.init(stream(KEY, 'small'))
    with pytest.raises(ValueError, match=r'expected images of 11 pixels or more .* got 8x12'):
        model.train_step(state, {'x': np.zeros((2, 8, 12, 1), np.uint8)})


def test_a_divergence_is_minus_the_kl_alone():
    state = off(linear_gaussian().init(stream(KEY, 'init')))
    seen, _ = forward(state, stream(KEY, 'divergence'), {'x': X}, 3, False)
    expected = -0.5 * np.sum(seen.kl, axis=1)
    np.testing.assert_allclose(bounds.divergence(seen, 0.5), expected, rtol=1e-6)
    by_samples = bounds.divergence(seen._replace(kl=None))
    np.testing.assert_allclose(by_samples, np.mean(seen.log_pz - seen.log_qz, axis=0), atol=1e-6)


def judge(state, x):
    """A discriminator that can be written down: logits by the mean, the pixels as features."""
    flat = x.reshape(len(x), -1)
    return 3 * jnp.mean(flat, axis=1) - 0.2, 2 * flat


def test_the_losses_of_a_discriminator():
    part = critics.discriminator(weight=0.7)
    x, weight = RNG.normal(size=(5, 4, 4, 1)), RNG.normal(size=(3, 16))
    z = RNG.normal(size=(2, 5, 3))
    prior = latents.standard_normal(3)
    seen = terms(
        x=jnp.float32(x), z=jnp.float32(z), prior=prior, key=stream(KEY, 'pass'),
        decode=lambda z: (z @ jnp.float32(weight)).reshape(-1, 4, 4, 1),
    )  # fmt: skip
    features, adversarial = part.terms(judge)
    assert adversarial.weight == 0.7
    drawn = np.float64(prior.sample(stream(stream(KEY, 'pass'), 'drawn'), 5))
    made = [z[0] @ weight, drawn @ weight]
    gap = 2 * (x.reshape(5, -1) - made[0])
    np.testing.assert_allclose(features.apply((), seen)[0], np.sum(gap**2, 1) / 2, rtol=1e-4)
    real, *fake = (3 * each.reshape(5, -1).mean(1) - 0.2 for each in (x, *made))
    expected = -sum(np.log(special.expit(logits)) for logits in fake)
    np.testing.assert_allclose(adversarial.apply((), seen)[0], expected, rtol=1e-4)
    expected = -np.log(special.expit(real)) - sum(np.log(special.expit(-f)) for f in fake)
    np.testing.assert_allclose(part.loss(judge, KEY, seen), expected, rtol=1e-4)


def test_a_discriminator_moves_the_decoder_alone_and_its_features_the_encoder_too():
    model = vae.vae_gan((16, 16, 1), width=2, latent_dim=3, critic='discriminator:width=2')
    state = model.init(stream(KEY, 'gan'))
    batch = {'x': RNG.integers(0, 256, (4, 16, 16, 1), np.uint8)}
    players = {'critic/lr_scale': 0.0, 'vae/beta': 0.0}
    for weights, moving in (
        ({'vae/features': 0.0}, {'decoder'}),
        ({'vae/adversarial': 0.0}, {'encoder', 'decoder'}),
    ):
        hypers = {name: jnp.float32(v) for name, v in (players | weights).items()}
        after, metrics = model.train_step(state.replace(hypers=state.hypers | hypers), batch)
        moved = {n for n, net in state.nets.items() if differ(net.params, after.nets[n].params)}
        assert moved == moving
        assert {'vae/features', 'vae/adversarial', 'critic/loss'} <= set(metrics)
