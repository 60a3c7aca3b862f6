"""Terms of the generator's loss."""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.core import Term
from genjax.gan.round import Critique
from genjax.parts import Kind, ScalarOrSchedule
from genjax.random import stream

GENERATOR_TERM = Kind('a term of the generator', (__name__,), (Term,))
GeneratorTermLike = Annotated[Term | Callable[..., Term] | str, GENERATOR_TERM]


def feature_matching(weight: ScalarOrSchedule = 1.0) -> Term:
    """`|mean f(x) - mean f(G(z))|^2`, f the features of the discriminator's last layer.

    Salimans et al. 2016 (https://arxiv.org/abs/1606.03498).

    Args:
      weight: of the term, or a schedule of it.
    """

    def apply(memory, round):
        real, fake = (jnp.mean(_features(out), axis=0) for out in (round.real_out, round.fake_out))
        return jnp.sum(jnp.square(real - fake)), memory

    return Term('feature_matching', apply, weight=weight)


def mode_seeking(weight: ScalarOrSchedule = 1.0, epsilon: float = 1e-5) -> Term:
    """`1 / (|G(z) - G(z')|_1 / |z - z'|_1 + epsilon)`, means over pixels and over entries of z, of
    the batch's noise and of as much more, for the same labels.

    Mao et al. 2019 (https://arxiv.org/abs/1903.05628), of each pair as in the paper; their code
    takes both distances' means over the batch first.

    Args:
      weight: of the term, or a schedule of it.
      epsilon: bounds it.
    """

    def apply(memory, round):
        other = jax.random.normal(stream(round.key, 'mode_seeking'), round.z.shape, round.z.dtype)
        images, apart = _mean_abs(round.generate(other) - round.fake), _mean_abs(other - round.z)
        return 1 / (images / apart + epsilon), memory

    return Term('mode_seeking', apply, weight=weight)


def latent_distance(weight: ScalarOrSchedule = 0.5, scale: float = 0.03) -> Term:
    """`-|G(z) - G(z + d)|^2`, `d ~ N(0, scale^2 I)`, mean over pixels: the generator's half of zCR.

    Zhao et al. 2021 (https://arxiv.org/abs/2002.04724); its other half is `latent_consistency`.

    Args:
      weight: of the term, or a schedule of it.
      scale: of the change of z.
    """

    def apply(memory, round):
        return -_mean(jnp.square(round.generate(moved(round, scale)) - round.fake)), memory

    return Term('latent_distance', apply, weight=weight)


def transport(weight: ScalarOrSchedule = 0.2) -> Term:
    """`|G(z) - z|^2`, mean over pixels, of noise that is as large as an image: the optimal
    transport of adversarial flow models.

    Lin et al. 2025 (https://arxiv.org/abs/2511.22475), where the weight falls from 0.2 to 0.01
    along a cosine, beside an adversarial gradient that is brought to unit size.

    Args:
      weight: of the term, or a schedule of it.

    Raises:
      ValueError: in a step, of a latent_dim that is not an image's number of values.
    """

    def apply(memory, round):
        size = round.fake[0].size
        if round.z.shape[1] != size:
            raise ValueError(
                f'expected latent_dim={size}, the values of an image, for transport, got '
                f'{round.z.shape[1]}'
            )
        return _mean(jnp.square(round.fake - round.z.reshape(round.fake.shape))), memory

    return Term('transport', apply, weight=weight)


def orthogonal(weight: ScalarOrSchedule = 1e-4) -> Term:
    """`sum |W^T W * (1 - I)|^2` over the generator's kernels, an output a column.

    Brock et al. 2019 (https://arxiv.org/abs/1809.11096).

    Args:
      weight: the paper's beta, or a schedule of it.
    """

    def apply(memory, round):
        return off_diagonal(round.state.nets['generator'].params), memory

    return Term('orthogonal', apply, weight=weight)


def off_diagonal(params: dict) -> Float[Array, '']:
    """`sum |W^T W * (1 - I)|^2` over all kernels.

    Args:
      params: of a network.
    """
    total = jnp.float32(0)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if leaf.ndim >= 2 and getattr(path[-1], 'key', '') == 'kernel':
            w = leaf.reshape(-1, leaf.shape[-1]).astype(jnp.float32)
            gram = w.T @ w
            total += jnp.sum(jnp.square(gram - jnp.diag(jnp.diag(gram))))
    return total


def moved(round, scale: float) -> Array:
    """The noise of a round, a little aside.

    Args:
      round: of the game.
      scale: of the change.
    """
    noise = jax.random.normal(stream(round.key, 'latent_consistency'), round.z.shape)
    return round.z + scale * noise.astype(round.z.dtype)


def _features(critique: Critique) -> Array:
    if critique.features is None:
        raise ValueError('expected a discriminator that gives features, for feature_matching')
    return critique.features


def _mean(x: Array) -> Float[Array, 'b']:
    return jnp.mean(x.reshape(len(x), -1), axis=1)


def _mean_abs(x: Array) -> Float[Array, 'b']:
    return _mean(jnp.abs(x))
