"""A VAE all of whose integrals are known: p(z) = N(0, I) and p(x | z) = N(W z + b, s^2 I).

The columns of W are orthogonal, hence the exact posterior has a diagonal covariance. Models start
at it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

from genjax import vae
from genjax.core import Net, Network

SHAPE, SCALE = (2, 2, 1), 0.4
W = np.array([[0.3, 0.6], [0.3, -0.6], [0.3, 0.6], [0.3, -0.6]])
B = np.array([0.1, -0.2, 0.0, 0.3])
VAR = 1 / (1 + np.sum(W**2, axis=0) / SCALE**2)
X = np.float32(np.random.default_rng(0).uniform(-0.9, 0.9, (6, *SHAPE)))


def _network(apply, **params):
    params = {name: jnp.float32(value) for name, value in params.items()}

    def run(net, x, key=None, train=True):
        return apply(x.reshape(len(x), -1), **net.params), net

    return Network(lambda key: Net(params, {}), run)


def _gaussian(x, gain, shift, log_var):
    mean = x @ gain + shift[None]
    return mean, jnp.broadcast_to(log_var[None], mean.shape)


def _image(z, weight, bias):
    return (z @ weight.T + bias[None]).reshape(-1, *SHAPE)


GAIN = W * VAR[None] / SCALE**2
NETWORKS = {
    'encoder': _network(_gaussian, gain=GAIN, shift=-B @ GAIN, log_var=np.log(VAR)),
    'decoder': _network(_image, weight=W, bias=B),
}


def _encode(state, key, x, y, train):
    out, _ = NETWORKS['encoder'].apply(state.nets['encoder'], x)
    return vae.Normal(*out), state


def _decode(state, key, z, y, train):
    out, _ = NETWORKS['decoder'].apply(state.nets['decoder'], z)
    return vae.gaussian(SCALE).distribution(out), state


PARTS = vae.Parts(_encode, lambda state: vae.standard_normal(2), _decode)
forward = jax.jit(vae.compose(PARTS), static_argnums=(3, 4))


def linear_gaussian(forward=forward, settings=None, **options):
    """The VAE, trained by SGD of 0.01, with settings and options of `variational`."""
    made = vae.Settings(SHAPE, 2, **{'likelihood': vae.gaussian(SCALE), **(settings or {})})
    return vae.variational(NETWORKS, PARTS, forward, made, optimizer=optax.sgd(0.01), **options)


def with_encoder(state, **params):
    """The state with other parameters of its encoder."""
    net = state.nets['encoder']
    new = net.params | {name: jnp.float32(value) for name, value in params.items()}
    return state.replace(nets=state.nets | {'encoder': net.replace(params=new)})


def off(state):
    """The state with a posterior that is shifted and too wide."""
    return with_encoder(state, shift=-B @ GAIN + 0.2, log_var=np.log(VAR) + 0.6)


def log_marginal(x):
    """log N(x; b, W W' + s^2 I), in float64."""
    covariance = W @ W.T + SCALE**2 * np.eye(4)
    return stats.multivariate_normal(B, covariance).logpdf(np.float64(x).reshape(-1, 4))


def exact_elbo(state, x):
    """`log p(x) - KL(q(z | x) || p(z | x))` in closed form, in float64."""
    params = {k: np.float64(v) for k, v in state.nets['encoder'].params.items()}
    x = np.float64(x).reshape(-1, 4)
    gap = x @ params['gain'] + params['shift'] - (x - B) @ GAIN
    ratio = params['log_var'] - np.log(VAR)
    kl = 0.5 * np.sum(np.exp(ratio) + gap**2 / VAR - 1 - ratio, axis=1)
    return log_marginal(x) - kl


def close(a, b, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), a, b)


def differ(a, b):
    return not jax.tree.all(jax.tree.map(lambda a, b: bool(np.allclose(a, b, rtol=1e-4)), a, b))
