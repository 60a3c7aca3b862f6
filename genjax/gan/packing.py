"""Several images in one look of the discriminator."""

import jax
import jax.numpy as jnp

from genjax.core import Network


def packed(discriminator: Network, m: int) -> Network:
    """A discriminator that judges m images at once, laid on each other as channels.

    PacGAN, Lin et al. 2018 (https://arxiv.org/abs/1712.04086): of images that are alike, m show
    that they are. A training pass gives a critique for each m of the batch; an evaluation gives
    each image that of its m, the last filled up with the first.

    Args:
      discriminator: `x [b / m, h, w, m c] -> Critique`.
      m: images in a look.

    Raises:
      ValueError: in a training pass, of a batch that m does not divide.
    """

    def apply(net, x, *, key=None, train=True):
        b = len(x)
        if train and b % m:
            raise ValueError(f'expected batches that packing={m} divides, got {b} images')
        rows = jnp.arange(b + -b % m) % b
        packs = (x if b % m == 0 else x[rows]).reshape(-1, m, *x.shape[1:])
        laid = jnp.moveaxis(packs, 1, -2).reshape(len(packs), *x.shape[1:-1], -1)
        out, net = discriminator.apply(net, laid, key=key, train=train)
        if not train:
            out = jax.tree.map(lambda leaf: jnp.repeat(leaf, m, axis=0)[:b], out)
        return out, net

    return Network(discriminator.init, apply)
