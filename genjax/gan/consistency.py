"""Terms of the discriminator's loss that ask it to agree with itself, and with its own past."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from genjax.augment import AUGMENT, AugmentLike, chain
from genjax.core import Term, check_range
from genjax.gan.regularizers import moved, off_diagonal
from genjax.parts import ScalarOrSchedule, make_all
from genjax.random import stream

Moves = Sequence[AugmentLike]
# As theirs: what the discriminator is trained to tell apart is not mirrored.
_FLIP = 'flip:probability=0.5'


def consistency(weight: ScalarOrSchedule = 10.0, augment: Moves = (_FLIP, 'translate')) -> Term:
    """CR: `(D(x) - D(T(x)))^2` on real images, Zhang et al. 2020 (https://arxiv.org/abs/1910.12027).

    Args:
      weight: the paper's lambda, or a schedule of it.
      augment: T, by default a flip and a shift as theirs.
    """
    return _agreement('consistency', weight, augment, lambda difference: difference('real'))


def balanced_consistency(
    weight: ScalarOrSchedule = 10.0,
    fake_weight: float = 1.0,
    augment: Moves = (_FLIP, 'translate'),
) -> Term:
    """bCR: the same of real and of fake images, Zhao et al. 2021 (https://arxiv.org/abs/2002.04724).

    Args:
      weight: of all of it, or a schedule of it.
      fake_weight: of the fake images beside the real ones' of 1.
      augment: T, by default a flip and a shift.
    """

    def loss(difference):
        return difference('real') + fake_weight * difference('fake')

    return _agreement('balanced_consistency', weight, augment, loss)


def latent_consistency(weight: ScalarOrSchedule = 5.0, scale: float = 0.03) -> Term:
    """zCR: `(D(G(z)) - D(G(z + d)))^2`, `d ~ N(0, scale^2 I)`, Zhao et al. 2021
    (https://arxiv.org/abs/2002.04724); the generator's half is `latent_distance`.

    Args:
      weight: of the term, or a schedule of it.
      scale: of the change of z.
    """

    def apply(memory, round):
        near = round.critic_fake(round.generate(moved(round, scale))).logits
        return jnp.square(round.fake_out.logits - near), memory

    return Term('latent_consistency', apply, weight=weight)


def lecam(weight: ScalarOrSchedule = 0.1, decay: float = 0.99) -> Term:
    """`max(0, D(x) - a_F)^2 + max(0, a_R - D(G(z)))^2`, a_R and a_F averages of the logits of all
    updates so far.

    Tseng et al. 2021 (https://arxiv.org/abs/2104.03310), as their code for StyleGAN2 has it: the
    paper's formula has no maximum. Their code for BigGAN leaves it out for 1,000 steps, which a
    schedule of the weight does too.

    Args:
      weight: the paper's lambda, or a schedule of it.
      decay: of the averages, below 1.

    Raises:
      ValueError: a decay out of its range.
    """
    check_range(0, 1 - 1e-6, decay=decay)

    def apply(memory, round):
        real, fake = round.real_out.logits, round.fake_out.logits
        seen = {'real': jnp.mean(real), 'fake': jnp.mean(fake), 'weights': 1.0}
        new = {n: decay * memory[n] + (1 - decay) * lax.stop_gradient(x) for n, x in seen.items()}
        # Divided by the sum of their weights, averages do not remember that they began at 0.
        anchors = {name: new[name] / new['weights'] for name in ('real', 'fake')}
        loss = jnp.mean(jnp.square(jnp.maximum(real - anchors['fake'], 0)))
        return loss + jnp.mean(jnp.square(jnp.maximum(anchors['real'] - fake, 0))), new

    def init(key):
        return {name: jnp.float32(0) for name in ('real', 'fake', 'weights')}

    return Term('lecam', apply, init, weight)


def orthogonal(weight: ScalarOrSchedule = 1e-4) -> Term:
    """`sum |W^T W * (1 - I)|^2` over the discriminator's kernels, an output a column.

    Brock et al. 2019 (https://arxiv.org/abs/1809.11096).

    Args:
      weight: the paper's beta, or a schedule of it.
    """

    def apply(memory, round):
        return off_diagonal(round.state.nets['discriminator'].params), memory

    return Term('orthogonal', apply, weight=weight)


def _agreement(
    name: str, weight: ScalarOrSchedule, moves: Moves, loss: Callable[[Callable], Array]
) -> Term:
    """A term of differences between images and moved ones, whose augmentation may remember."""
    change = chain(*make_all(AUGMENT, moves))

    def apply(memory, round):
        def difference(which):
            x, critic = getattr(round, which), getattr(round, f'critic_{which}')
            other = change.apply(memory, stream(round.key, f'{name}_{which}'), x)
            return jnp.square(getattr(round, f'{which}_out').logits - critic(other).logits)

        return loss(difference), change.update(memory, round)

    return Term(name, apply, change.init, weight)
