"""How the two networks of a GAN use labels: where they go in, and what the discriminator says."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.initializers import normal
from jaxtyping import Array, Float

from genjax.nn.labels import check_labels, with_labels

Said = tuple[Float[Array, 'b'], dict[str, Any]]
Head = Callable[[Array, Array, Array | None, int | None], Said]
Judged = tuple[Float[Array, 'b'], Float[Array, 'b d'], dict[str, Any]]


class Labels(NamedTuple):
    """How the networks of a pair use labels; of a pair without classes only the head counts.

    Attributes:
      head: `(logits [b], features [b, d], y, num_classes) -> (logits [b], what else is said)`,
        called while the discriminator's module runs: layers that it makes are of that module.
      norms: the generator's batch norms are class-conditional, where it has any.
      beside: labels stand one-hot beside z.
      planes: labels stand one-hot beside the pixels of what the discriminator sees.
    """

    head: Head
    norms: bool = False
    beside: bool = True
    planes: bool = False

    def taken(
        self, z: Array, y: Array | None, num_classes: int | None
    ) -> tuple[Float[Array, 'b e'], tuple[int | None, Array | None]]:
        """What a generator begins with, and the classes and labels of its batch norms.

        Args:
          z: noise `[b, d]`.
          y: labels, or None.
          num_classes: number of labels; None for none.

        Raises:
          ValueError: noise of another rank, or labels that do not fit.
        """
        if z.ndim != 2:
            raise ValueError(f'expected noise z [b, d], got {z.shape}')
        y = check_labels(y, z.shape[0], num_classes)
        # As loud as z itself, or it takes long until the classes part.
        h = with_labels(z, y, num_classes, math.sqrt(z.shape[1])) if self.beside else z
        return h, (num_classes, y) if self.norms else (None, None)

    def seen(
        self, x: Array, y: Array | None, num_classes: int | None
    ) -> tuple[Float[Array, 'b h w e'], Array | None]:
        """What a discriminator begins with, and the labels as its head takes them: where planes
        are asked for, images with one for each class, of ones where the image is of that class
        (Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784).

        Args:
          x: images.
          y: labels, or None.
          num_classes: number of labels; None for none.

        Raises:
          ValueError: labels do not fit.
        """
        y = check_labels(y, x.shape[0], num_classes)
        if y is None or num_classes is None or not self.planes:
            return x, y
        hot = nn.one_hot(y, num_classes, dtype=x.dtype)[:, None, None]
        return jnp.concatenate([x, jnp.broadcast_to(hot, (*x.shape[:-1], num_classes))], axis=-1), y

    def judged(
        self, logits: Array, features: Array, y: Array | None, num_classes: int | None
    ) -> Judged:
        """What a discriminator returns: the logits by the head, the features, what else it says.

        Args:
          logits: one an example.
          features: of the last layer.
          y: labels, as `seen` gives them.
          num_classes: number of labels; None for none.
        """
        logits, said = self.head(logits, features, y, num_classes)
        return logits, features, said


def plain(logits: Array, features: Array, y: Array | None, num_classes: int | None) -> Said:
    """The logits as they are.

    Args:
      logits: one an example.
      features: of the last layer.
      y: labels, or None.
      num_classes: number of labels; None for none.
    """
    return logits, {}


def projection(logits: Array, features: Array, y: Array | None, num_classes: int | None) -> Said:
    """`logits + <embed(y), features>`, Miyato and Koyama 2018 (https://arxiv.org/abs/1802.05637).

    Args:
      logits: one an example.
      features: of the last layer.
      y: labels, or None.
      num_classes: number of labels; None for none.
    """
    if y is None or num_classes is None:
        return logits, {}
    embed = nn.Embed(num_classes, features.shape[1], embedding_init=normal(0.02))
    return logits + jnp.sum(embed(y) * features, axis=1), {}


# Norms alone part the classes slowly.
PROJECTION = Labels(projection, norms=True, beside=True)
