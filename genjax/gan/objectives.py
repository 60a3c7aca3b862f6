"""Adversarial objectives: what each player minimizes, as a function of the logits.

Both halves take the logits of real and of fake images, so that relativistic losses fit, and return
a loss per example; the step takes the mean.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax.numpy as jnp
from jax import lax
from jax.nn import relu, softplus
from jax.typing import ArrayLike
from jaxtyping import Array

from genjax.core import check_range
from genjax.parts import SCHEDULE, Kind, ScalarOrSchedule, make

__all__ = [
    'Objective',
    'hinge',
    'least_squares',
    'minimax',
    'non_saturating',
    'relativistic',
    'top_k',
    'wasserstein',
]


class Objective(NamedTuple):
    """`discriminator` and `generator`, each `(real_logits, fake_logits) -> loss`, per example.

    One that moves has `at` as well: of the number of finished steps, the objective there.
    """

    discriminator: Callable[[Array, Array], Array]
    generator: Callable[[Array, Array], Array]
    at: Callable[[Array], 'Objective'] | None = None


OBJECTIVE = Kind('an objective', (__name__,), (Objective,))
ObjectiveLike = Annotated[Objective | Callable[..., Objective] | str, OBJECTIVE]


def _cross_entropy(real: Array, fake: Array, label_smoothing: float) -> Array:
    """`-(1 - s) log sigmoid(r) - s log sigmoid(-r) - log sigmoid(-f)`."""
    return softplus(-real) + label_smoothing * real + softplus(fake)


def minimax(label_smoothing: float = 0.0) -> Objective:
    """The first form of Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661), a zero-sum game.

    `L_D = -log D(x) - log(1 - D(G(z)))`, `L_G = log(1 - D(G(z)))`, where `D = sigmoid(logits)`.
    Where both distributions agree the optimal discriminator's value `-L_D` is `-log 4`.

    Args:
      label_smoothing: `s` makes the target of real images `1 - s` (one-sided; Salimans et al.
        2016, https://arxiv.org/abs/1606.03498).
    """
    return Objective(
        lambda real, fake: _cross_entropy(real, fake, label_smoothing),
        lambda real, fake: -softplus(fake),
    )


def non_saturating(label_smoothing: float = 0.0) -> Objective:
    """The second form of Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661).

    `L_D = -log D(x) - log(1 - D(G(z)))`, `L_G = -log D(G(z))`: the generator's gradient does not
    vanish where the discriminator is sure.

    Args:
      label_smoothing: `s` makes the target of real images `1 - s` (one-sided).
    """
    return Objective(
        lambda real, fake: _cross_entropy(real, fake, label_smoothing),
        lambda real, fake: softplus(-fake),
    )


def least_squares(label_smoothing: float = 0.0) -> Objective:
    """LSGAN, Mao et al. 2017 (https://arxiv.org/abs/1611.04076), with targets 0 and 1.

    `L_D = (D(x) - 1)^2 / 2 + D(G(z))^2 / 2`, `L_G = (D(G(z)) - 1)^2 / 2`, where `D` is the logit.

    Args:
      label_smoothing: `s` makes the target of real images `1 - s` (one-sided).
    """
    return Objective(
        lambda real, fake: (jnp.square(real - (1 - label_smoothing)) + jnp.square(fake)) / 2,
        lambda real, fake: jnp.square(fake - 1) / 2,
    )


def hinge() -> Objective:
    """Lim and Ye 2017 (https://arxiv.org/abs/1705.02894), Miyato et al. 2018.

    `L_D = max(0, 1 - D(x)) + max(0, 1 + D(G(z)))`, `L_G = -D(G(z))`.
    """
    return Objective(
        lambda real, fake: relu(1 - real) + relu(1 + fake),
        lambda real, fake: -fake,
    )


def wasserstein() -> Objective:
    """Arjovsky et al. 2017 (https://arxiv.org/abs/1701.07875); wants a Lipschitz critic.

    `L_D = D(G(z)) - D(x)`, `L_G = -D(G(z))`.
    """
    return Objective(lambda real, fake: fake - real, lambda real, fake: -fake)


def relativistic() -> Objective:
    """Relativistic pairing, Jolicoeur-Martineau 2019 (https://arxiv.org/abs/1807.00734).

    `L_D = -log sigmoid(D(x) - D(G(z)))`, `L_G = -log sigmoid(D(G(z)) - D(x))`; with R1 and R2 it
    is R3GAN's (Huang et al. 2024, https://arxiv.org/abs/2501.05441). A common shift of the logits
    changes nothing.
    """
    return Objective(
        lambda real, fake: softplus(fake - real),
        lambda real, fake: softplus(real - fake),
    )


def top_k(base: ObjectiveLike = 'hinge', share: ScalarOrSchedule = 0.5) -> Objective:
    """The generator learns by the best of its samples only, Sinha et al. 2020
    (https://arxiv.org/abs/2002.06224), who throw the bad ones away.

    `L_D` is that of the base; `L_G = (b / k) L_G'` of those `k = share b` of a batch whose logits
    are greatest, in the mean where an example has several, and 0 of the others. Theirs begins with
    all of the batch and comes down to half or three quarters of it, by a hundredth with each pass.

    Args:
      base: the objective whose losses these are.
      share: of the samples, in [0, 1], or a schedule of it; there is always one.

    Raises:
      ValueError: a share out of its range, or what stands for no objective.
    """
    moves, objective = make(SCHEDULE, share), make(OBJECTIVE, base)
    if not callable(moves):
        check_range(0, 1, share=moves)
        return _top_k(objective, moves)
    # Of an objective alone, without steps: as at the first.
    return _top_k(objective, moves(0))._replace(at=lambda step: _top_k(objective, moves(step)))


def _top_k(base: Objective, share: ArrayLike) -> Objective:
    def generator(real, fake):
        b = len(fake)
        k = jnp.clip(jnp.round(jnp.float32(share) * b), 1, b)
        scores = lax.stop_gradient(jnp.mean(fake.reshape(b, -1), axis=1))
        ranks = jnp.argsort(jnp.argsort(-scores))
        kept = jnp.where(ranks < k, b / k, 0.0).astype(fake.dtype)
        # A product: what is not a number stays so.
        return kept.reshape(b, *(1,) * (fake.ndim - 1)) * base.generator(real, fake)

    return Objective(base.discriminator, generator)
