"""Inference where the labels of some images are not known."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from genjax.core import Batch, Network, State, Term, check_range
from genjax.nn.linen import example_inputs, from_linen
from genjax.nn.mlp import MLPEncoder
from genjax.parts import ScalarOrSchedule
from genjax.random import stream
from genjax.vae.inference import ImageShape, Inference
from genjax.vae.terms import Forward, Parts, Terms, compose


def semi_supervised(weight: ScalarOrSchedule = 0.1, hidden: Sequence[int] = (500,)) -> Inference:
    """M2: a label that is not known is a latent too, with a posterior q(y | x) and p(y) even.

    Of an image with a label it is `log p(x | y, z) + log p(y) + log p(z) - log q(z | x, y)`, of one
    without `E_q(y | x)` of that and the entropy of q(y | x), the mean over all classes; in
    evaluations each sample has one class, drawn of q(y | x). The KL includes that of labels, which
    is `log classes` nats of a known one. `classification` is the cross entropy of q(y | x) where
    labels are known, in nats. Kingma et al. 2014 (https://arxiv.org/abs/1406.5298), whose alpha is
    `weight` times the number of images.

    Args:
      weight: of the classification, or a schedule of it.
      hidden: sizes of the hidden layers of q(y | x).
    """
    check_range(1, **{f'size {i} of a layer': size for i, size in enumerate(hidden)})

    def network(image_shape: ImageShape, d: int, num_classes: int | None) -> Network:
        assert num_classes is not None
        body = MLPEncoder(num_classes, tuple(hidden), nn.softplus, spread=0)
        whole = from_linen(body, *example_inputs(image_shape, d, None)[0])

        def apply(net, x, **options):
            (logits, _), net = whole.apply(net, x, **options)
            return logits, net

        return Network(whole.init, apply)

    term = Term('classification', _classification, weight=weight)
    return Inference(_forward, network, (term,), classifies=True)


def _classification(memory: Any, terms: Terms) -> tuple[Float[Array, ''], Any]:
    """The mean over those that have labels; 0 of none."""
    log_q, y = terms.extra
    known = y >= 0
    right = jnp.take_along_axis(log_q, jnp.maximum(y, 0)[:, None], axis=1)[:, 0]
    count = jnp.maximum(jnp.sum(known.astype(log_q.dtype)), 1.0)
    return -jnp.sum(jnp.where(known, right, 0.0)) / count, memory


def _forward(parts: Parts) -> Forward:
    plain, infer = compose(parts), parts.infer
    assert infer is not None

    def forward(state, key, batch, k, train):
        x, y = batch['x'], batch['y']
        logits, after = infer(state, stream(key, 'classifier'), x, train)
        log_q = jax.nn.log_softmax(logits)
        # What looks at one posterior sees that of the known or the likeliest label.
        likeliest = jnp.where(y >= 0, y, jnp.argmax(log_q, axis=1).astype(y.dtype))
        seen, after = plain(after, stream(key, 'one'), {'x': x, 'y': likeliest}, k, train)
        classes = jnp.arange(log_q.shape[1], dtype=y.dtype)
        every = _copies(x, jnp.repeat(classes[:, None], len(x), axis=1))
        all_of, _ = plain(state, stream(key, 'every'), every, k if train else 1, train)
        found = _mean(all_of, log_q, y)
        if not train:
            found |= _drawn(plain, state, key, x, y, log_q, k)
        return seen._replace(**found, extra=(log_q, y)), after

    return forward


def _copies(x: Float[Array, 'b h w c'], labels: Int[Array, 'n b']) -> Batch:
    """n copies of the images, each with labels of its own, one after the other."""
    return {'x': jnp.tile(x, (len(labels), 1, 1, 1)), 'y': labels.reshape(-1)}


def _mean(terms: Terms, log_q: Float[Array, 'b classes'], y: Int[Array, 'b']) -> dict[str, Any]:
    """Terms of every class of every image as their means by q(y | x), or of a known label."""
    b, classes = log_q.shape
    known, q = y[:, None] >= 0, jnp.exp(log_q)
    share = jnp.where(known, jax.nn.one_hot(y, classes, dtype=q.dtype), q).T
    # -E log q(y | x), which is 0 of a known label, falls short of log classes by the KL.
    surprise = -jnp.sum(jnp.where(known, 0.0, q * log_q), axis=1)

    def mean(each):
        return jnp.sum(each.reshape(-1, classes, b) * share[None], axis=1)

    kl = terms.kl
    if kl is not None:
        groups = jnp.sum(kl.reshape(classes, b, -1) * share[..., None], axis=0)
        kl = jnp.concatenate([groups, (math.log(classes) - surprise)[:, None]], axis=1)
    return {
        'log_px_z': mean(terms.log_px_z),
        'log_pz': mean(terms.log_pz) - math.log(classes),
        'log_qz': mean(terms.log_qz) - surprise[None],
        'kl': kl,
    }


def _drawn(
    plain: Forward,
    state: State,
    key: Array,
    x: Float[Array, 'b h w c'],
    y: Int[Array, 'b'],
    log_q: Float[Array, 'b classes'],
    k: int,
) -> dict[str, Array]:
    """k samples of latents and labels together, of which importance weights are made."""
    b, classes = log_q.shape
    guess = jax.random.categorical(stream(key, 'label'), log_q, shape=(k, b)).astype(y.dtype)
    labels = jnp.where(y[None] >= 0, y[None], guess)
    seen, _ = plain(state, stream(key, 'drawn'), _copies(x, labels), 1, False)
    log_qy = jnp.take_along_axis(log_q[None], labels[..., None], axis=2)[..., 0]
    each = {n: getattr(seen, n).reshape(k, b) for n in ('log_px_z', 'log_pz', 'log_qz')}
    each['log_pz'] -= math.log(classes)
    each['log_qz'] += jnp.where(y[None] >= 0, 0.0, log_qy)
    return each
