"""A GAN of NNX modules, the one with batch norm, the other with dropout."""

import math

import jax.numpy as jnp
from flax import nnx

from genjax import from_nnx, gan, mixed_precision
from genjax.optim import OptimizerLike
from genjax.optim import optimizer as made


class Generator(nnx.Module):
    """Noise to images: two layers with batch norm between them."""

    def __init__(self, image_shape, rngs):
        self.image_shape = image_shape
        self.hidden = nnx.Linear(4, 32, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(32, momentum=0.9, rngs=rngs)
        self.out = nnx.Linear(32, math.prod(image_shape), rngs=rngs)

    def __call__(self, z):
        # Flax's norm gives what its statistics are, float32.
        h = nnx.relu(self.norm(self.hidden(z))).astype(z.dtype)
        return jnp.tanh(self.out(h)).reshape(-1, *self.image_shape)


class Discriminator(nnx.Module):
    """Images to logits and features: two layers with dropout between them."""

    def __init__(self, image_shape, rngs):
        self.hidden = nnx.Linear(math.prod(image_shape), 32, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, rngs=rngs)
        self.out = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, x):
        h = nnx.leaky_relu(self.hidden(x.reshape(len(x), -1)), 0.2)
        return self.out(self.dropout(h))[:, 0], h


def nnx_gan(
    image_shape: tuple[int, int, int], *, optimizer: OptimizerLike = 'adam:b1=0.5'
) -> gan.GAN:
    """Both as one model."""
    return gan.adversarial(
        mixed_precision(from_nnx(lambda rngs: Generator(image_shape, rngs))),
        mixed_precision(gan.critic(from_nnx(lambda rngs: Discriminator(image_shape, rngs)))),
        image_shape=image_shape,
        latent_dim=4,
        objective=gan.non_saturating(),
        optimizers=(made(optimizer, 1e-2), made(optimizer, 1e-2)),
        ema_decay=0.9,
    )
