"""Gradient penalties: plain mathematics on a critic, and the same as terms of a discriminator.

Norms are taken per example, over all axes but the first; of a critic that judges several images at
once, of each image by itself. The critic must not mix the examples of a batch otherwise: with batch
norm in it these are not the gradients that the papers mean.
"""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from genjax.core import Term, check_range
from genjax.gan.round import Critique
from genjax.parts import Kind, ScalarOrSchedule
from genjax.random import stream

Critic = Callable[[Array], Critique]
PENALTY = Kind('a penalty', (__name__, 'genjax.gan.consistency'), (Term,))
TermLike = Annotated[Term | Callable[..., Term] | str, PENALTY]


def _gradients(critic: Critic, x: Array) -> Float[Array, 'b n']:
    """The gradient of each example's logit with respect to that example, flattened."""
    gradients = jax.grad(lambda x: jnp.sum(critic(x).logits))(x)
    return gradients.reshape(len(x), -1)


def zero_centered(critic: Critic, x: Float[Array, 'b ...']) -> Float[Array, 'b']:
    """`|grad D(x)|^2 / 2`, R1 on real and R2 on fake images.

    Args:
      critic: `x -> Critique`.
      x: where the gradient is taken.
    """
    return jnp.sum(jnp.square(_gradients(critic, x)), axis=1) / 2


def one_centered(critic: Critic, x: Float[Array, 'b ...']) -> Float[Array, 'b']:
    """`(|grad D(x)| - 1)^2`.

    Args:
      critic: `x -> Critique`.
      x: where the gradient is taken.
    """
    # The norm's own gradient at zero is NaN; safe_norm's is zero.
    return jnp.square(optax.safe_norm(_gradients(critic, x), 1e-12, axis=1) - 1)


def approximate(
    critic: Critic, x: Float[Array, 'b ...'], key: Key[Array, ''], step: float
) -> Float[Array, 'c']:
    """`(D(x + s n) - D(x))^2 / (2 s^2)`, `n ~ N(0, I)`: `|grad D(x)|^2 / 2` on average over n, to
    first order in s, without a second derivative.

    Lin et al. 2025 (https://arxiv.org/abs/2501.08316), who leave the division to the weight. One
    number a critique, whose mean is that of the images where a critique is of several. It looks
    along one direction an image, and so is noisy. The rounding of a new DCGAN in bfloat16 adds a
    fifth at a step of 0.01, and nothing at 0.03.

    Args:
      critic: `x -> Critique`, with one draw of whatever is random in it.
      x: where the gradient is taken.
      key: of the noise.
      step: s, in units of the images' values.
    """
    check_range(1e-6, step=step)
    noise = jax.random.normal(key, x.shape, x.dtype)
    change = critic(x + step * noise).logits - critic(x).logits
    # All logits of an example together, as a gradient takes them.
    change = jnp.sum(change.reshape(len(change), -1), axis=1)
    return jnp.square(change) * len(change) / (2 * step**2 * len(x))


def default_gamma(image_shape: tuple[int, int, int], batch_size: int) -> float:
    """A weight of R1 to begin with: `0.0002 h w / b`.

    Karras et al. 2020 (https://arxiv.org/abs/2006.06676), for StyleGAN2's networks; others want up
    to a thousand times as much.

    Args:
      image_shape: `(height, width, channels)`.
      batch_size: images in an update.
    """
    return 0.0002 * image_shape[0] * image_shape[1] / batch_size


def interpolate(
    key: Key[Array, ''], real: Float[Array, 'b ...'], fake: Float[Array, 'b ...']
) -> Float[Array, 'b ...']:
    """A random point between each pair, `e x + (1 - e) G(z)` with one `e ~ U(0, 1)` an example.

    Args:
      key: of the draw.
      real: real images.
      fake: as many fake ones.
    """
    e = jax.random.uniform(key, (len(real),) + (1,) * (real.ndim - 1), real.dtype)
    return e * real + (1 - e) * fake


def wgan_gp(weight: ScalarOrSchedule = 10.0, every: int = 1) -> Term:
    """`(|grad D(x)| - 1)^2` between real and fake images.

    Gulrajani et al. 2017 (https://arxiv.org/abs/1704.00028).

    Args:
      weight: the paper's lambda, or a schedule of it.
      every: compute it at every so manieth step, so many times as strong.
    """

    def apply(memory, round):
        x = interpolate(stream(round.key, 'wgan_gp'), round.real, round.fake)
        return one_centered(round.critic_real, x), memory

    return Term('wgan_gp', apply, weight=weight, every=every)


def dragan(weight: ScalarOrSchedule = 10.0, scale: float = 0.5, every: int = 1) -> Term:
    """`(|grad D(x + d)| - 1)^2` around real images, `d ~ N(0, (scale std(x))^2 I)`.

    Kodali et al. 2017 (https://arxiv.org/abs/1705.07215).

    Args:
      weight: the paper's lambda, or a schedule of it.
      scale: of the noise, in units of the batch's standard deviation.
      every: compute it at every so manieth step, so many times as strong.
    """

    def apply(memory, round):
        noise = jax.random.normal(stream(round.key, 'dragan'), round.real.shape, round.real.dtype)
        x = round.real + scale * jnp.std(round.real) * noise
        return one_centered(round.critic_real, x), memory

    return Term('dragan', apply, weight=weight, every=every)


def max_gp(weight: ScalarOrSchedule = 1.0, every: int = 1) -> Term:
    """`max |grad D(x)|^2` over a batch of points between real and fake images.

    Zhou et al. 2019 (https://arxiv.org/abs/1902.05687).

    Args:
      weight: the paper's lambda, or a schedule of it.
      every: compute it at every so manieth step, so many times as strong.
    """

    def apply(memory, round):
        x = interpolate(stream(round.key, 'max_gp'), round.real, round.fake)
        return 2 * jnp.max(zero_centered(round.critic_real, x)), memory

    return Term('max_gp', apply, weight=weight, every=every)


def r1(weight: ScalarOrSchedule = 10.0, every: int = 1, step: float | None = None) -> Term:
    """`|grad D(x)|^2 / 2` on real images.

    Mescheder et al. 2018 (https://arxiv.org/abs/1801.04406).

    Args:
      weight: the paper's gamma, or a schedule of it.
      every: compute it at every so manieth step, so many times as strong.
      step: of finite differences in place of gradients, as `approximate` has them; 0.01 is usual.
    """

    def apply(memory, round):
        return _zero_centered('r1', round, 'real', step), memory

    return Term('r1', apply, weight=weight, every=every)


def r2(weight: ScalarOrSchedule = 10.0, every: int = 1, step: float | None = None) -> Term:
    """`|grad D(G(z))|^2 / 2` on fake images.

    Mescheder et al. 2018 (https://arxiv.org/abs/1801.04406).

    Args:
      weight: the paper's gamma, or a schedule of it.
      every: compute it at every so manieth step, so many times as strong.
      step: of finite differences in place of gradients, as `approximate` has them; 0.01 is usual.
    """

    def apply(memory, round):
        return _zero_centered('r2', round, 'fake', step), memory

    return Term('r2', apply, weight=weight, every=every)


def _zero_centered(name: str, round, which: str, step: float | None) -> Array:
    critic, x = getattr(round, f'critic_{which}'), getattr(round, which)
    if step is None:
        return zero_centered(critic, x)
    return approximate(critic, x, stream(round.key, name), step)
