"""How a GAN uses labels, or codes of its own: a part, any with any networks and objective."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float

from genjax.core import Network, Term, check_range
from genjax.nn import heads
from genjax.nn.heads import Labels, Said
from genjax.parts import Kind, ScalarOrSchedule

__all__ = ['Conditioning', 'auxiliary', 'concat', 'information', 'projection']


class Conditioning(NamedTuple):
    """What the networks do with labels, and what both players learn by it.

    Attributes:
      labels: where labels go in, and what the discriminator's head says; None leaves both to the
        networks.
      discriminator: terms that are added to the discriminator's loss.
      generator: terms that are added to the generator's loss.
      codes: `z -> z`, what the generator is given in the place of the noise.
      unlabelled: it is of models without classes, which have nothing to say otherwise.
    """

    labels: Labels | None
    discriminator: Sequence[Term] = ()
    generator: Sequence[Term] = ()
    codes: Callable[[Array], Array] = lambda z: z
    unlabelled: bool = False


CONDITIONING = Kind('a conditioning', (__name__,), (Conditioning,))
ConditioningLike = Annotated[Conditioning | Callable[..., Conditioning] | str, CONDITIONING]


def projection() -> Conditioning:
    """`D(x, y) = D(x) + <embed(y), features(x)>`, and class-conditional batch norm.

    Miyato and Koyama 2018 (https://arxiv.org/abs/1802.05637). Labels stand beside z too, without
    which classes part slowly.
    """
    return Conditioning(heads.PROJECTION)


def concat() -> Conditioning:
    """Labels beside z and beside the pixels.

    Mirza and Osindero 2014 (https://arxiv.org/abs/1411.1784).
    """
    return Conditioning(Labels(heads.plain, norms=False, beside=True, planes=True))


def auxiliary(weight: ScalarOrSchedule = 1.0) -> Conditioning:
    """AC-GAN, Odena et al. 2017 (https://arxiv.org/abs/1610.09585): the discriminator also names
    the class, and both players want it to be right, on real images and on fake ones.

    `L_D + weight (CE(real) + CE(fake))`, `L_G + weight CE(fake)`, CE in nats.

    Args:
      weight: of the cross entropy, or a schedule of it.
    """

    def on(*which):
        def apply(memory, round):
            parts = {
                'real': (round.real_out, round.real_y),
                'fake': (round.fake_out, round.fake_y),
            }
            return sum(_cross_entropy(*parts[name]) for name in which), memory

        return [Term('auxiliary', apply, weight=weight)]

    labels = Labels(_classifier, norms=True, beside=True)
    return Conditioning(labels, on('real', 'fake'), on('fake'))


def information(
    categories: int = 10,
    continuous: int = 2,
    weight: ScalarOrSchedule = 1.0,
    continuous_weight: float = 0.1,
) -> Conditioning:
    """InfoGAN, Chen et al. 2016 (https://arxiv.org/abs/1606.03657): codes that can be read off the
    images, found without labels.

    The first entries of z become a one-hot category and numbers uniform in [-1, 1], and both
    players maximize `E log Q(c | G(z))`, a bound of the codes' information: Q is a head of the
    discriminator, categorical and normal with a variance of 1, as in their code.

    Args:
      categories: of the one categorical code, >= 2, or 0 for none.
      continuous: number of uniform codes.
      weight: of the bound, or a schedule of it.
      continuous_weight: of the uniform codes' part, beside the category's of 1.
    """
    check_range(0, categories=categories, continuous=continuous)
    if categories == 1 or not categories + continuous:
        raise ValueError(
            f'expected codes: 2 categories or more, or continuous ones, got '
            f'categories={categories} and continuous={continuous}'
        )

    def apply(memory, round):
        said = round.fake_out.said['codes']
        codes = coded(round.z, categories, continuous)[:, : said.shape[1]]
        error = jnp.square(said[:, categories:] - codes[:, categories:])
        loss = continuous_weight * jnp.sum(error, axis=1) / 2
        if categories:
            loss += optax.softmax_cross_entropy(said[:, :categories], codes[:, :categories])
        return loss, memory

    term = [Term('information', apply, weight=weight)]
    labels = Labels(partial(_posterior, size=categories + continuous))
    codes = partial(coded, categories=categories, continuous=continuous)
    return Conditioning(labels, term, term, codes, unlabelled=True)


def coded(z: Float[Array, 'b d'], categories: int, continuous: int) -> Float[Array, 'b d']:
    """Noise whose first entries are codes: the greatest's place, one-hot, and `erf(z / sqrt 2)`.

    Of standard normal noise each category is as likely as the others, and the numbers are uniform
    in [-1, 1].

    Args:
      z: standard normal noise.
      categories: of the categorical code.
      continuous: number of uniform codes.

    Raises:
      ValueError: z is shorter.
    """
    if z.shape[1] < categories + continuous:
        raise ValueError(
            f'expected a latent_dim of {categories + continuous} or more for the codes, got '
            f'{z.shape[1]}'
        )
    raw, numbers, rest = jnp.split(z, (categories, categories + continuous), axis=1)
    parts = [jax.lax.erf(numbers / jnp.sqrt(2.0).astype(z.dtype)), rest]
    if categories:
        parts.insert(0, nn.one_hot(jnp.argmax(raw, axis=1), categories, dtype=z.dtype))
    return jnp.concatenate(parts, axis=1)


def with_codes(generator: Network, codes: Callable[[Array], Array]) -> Network:
    """A generator of codes as one of noise.

    Args:
      generator: `(z, ...) -> images`.
      codes: `z -> z`.
    """

    def apply(net, z, *inputs, **options):
        return generator.apply(net, codes(z), *inputs, **options)

    return Network(generator.init, apply)


def _cross_entropy(critique, y):
    return optax.softmax_cross_entropy_with_integer_labels(critique.said['classes'], y)


def _classifier(logits: Array, features: Array, y: Array | None, num_classes: int | None) -> Said:
    if num_classes is None:
        return logits, {}
    return logits, {'classes': nn.Dense(num_classes)(features)}


def _posterior(
    logits: Array, features: Array, y: Array | None, num_classes: int | None, size: int
) -> Said:
    hidden = nn.leaky_relu(nn.Dense(128)(features), 0.1)
    return logits, {'codes': nn.Dense(size)(hidden)}
