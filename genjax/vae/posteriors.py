"""How an encoder's outputs become q(z | x)."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.core import Net, Network, check_range
from genjax.latents import flows
from genjax.latents.distributions import (
    FullNormal,
    Normal,
    Point,
    bounded,
    leading,
    normal,
    standard_normal,
)
from genjax.latents.hyperbolic import RiemannianNormal, WrappedNormal, exponential
from genjax.latents.relaxed import Concrete, uniform_categories
from genjax.latents.spheres import UniformSphere, VonMisesFisher
from genjax.parts import Kind


class Posterior(NamedTuple):
    """A family of distributions over latents.

    Attributes:
      distribution: `(net, first [b, d], second [b, spread]) -> q(z | x)` of the encoder's two
        outputs; `net` is that of `network`, or None.
      prior: `d -> p(z)` where no prior is chosen.
      spread: `d -> ` length of the second output.
      network: `d -> Network`, what q has of its own, called `posterior` in the state.
      has_density: whether q has one, without which there is no bound.
      is_flat: whether latents fill all of space; others need a prior where they are.
    """

    distribution: Callable[[Net | None, Array, Array], Any]
    prior: Callable[[int], Any] = standard_normal
    spread: Callable[[int], int] = lambda d: d
    network: Callable[[int], Network] | None = None
    has_density: bool = True
    is_flat: bool = True


_FARTHEST = 8.0  # from the origin of a ball of curvature -1

POSTERIOR = Kind('a posterior', (__name__,), (Posterior,))
PosteriorLike = Annotated[Posterior | Callable[..., Posterior] | str, POSTERIOR]


def gaussian() -> Posterior:
    """A Gaussian with diagonal covariance, Kingma and Welling 2014
    (https://arxiv.org/abs/1312.6114)."""
    return Posterior(lambda net, mean, log_var: normal(mean, log_var))


def full_gaussian() -> Posterior:
    """A Gaussian with any covariance, by its Cholesky factor; the logarithms of its diagonal and
    what is below it are the second output, Kingma and Welling 2019
    (https://arxiv.org/abs/1906.02691), section 2.5.1.
    """

    def distribution(net, mean, second):
        d = mean.shape[-1]
        rows, columns = jnp.tril_indices(d, -1)
        below = jnp.zeros((*mean.shape, d), mean.dtype).at[..., rows, columns].set(second[..., d:])
        scale = jnp.exp(bounded(second[..., :d], -10.0, 10.0))
        diagonal = scale[..., None] * leading(jnp.eye(d, dtype=mean.dtype), mean.ndim + 1)
        return FullNormal(mean, below + diagonal)

    return Posterior(distribution, spread=lambda d: d * (d + 1) // 2)


def point() -> Posterior:
    """One code for an image, as an autoencoder has it."""
    return Posterior(lambda net, mean, _: Point(mean), spread=lambda d: 0, has_density=False)


def von_mises_fisher() -> Posterior:
    """von Mises-Fisher on the unit sphere in d dimensions, d >= 2, of concentration 1 or more.

    Davidson et al. 2018 (https://arxiv.org/abs/1804.00891). The prior is uniform.
    """

    def distribution(net, first, second):
        norm = jnp.sqrt(jnp.sum(jnp.square(first), axis=-1, keepdims=True) + 1e-12)
        kappa = 1 + jax.nn.softplus(bounded(second[..., 0], -20.0, 1e4))
        return VonMisesFisher(first / norm, kappa)

    def spread(d):
        if d < 2:
            raise ValueError(f'expected latent_dim >= 2 for a sphere, got {d}')
        return 1

    return Posterior(distribution, UniformSphere, spread, is_flat=False)


def poincare(c: float = 1.0, kind: Literal['wrapped', 'riemannian'] = 'wrapped') -> Posterior:
    """A normal distribution of the Poincare ball, with one like it around the origin as the prior.

    Mathieu et al. 2019 (https://arxiv.org/abs/1901.06033).

    Args:
      c: minus the curvature, > 0.
      kind: which of the two that they give.

    Raises:
      ValueError: a number out of its range, or another kind.
    """
    if c <= 0:
        raise ValueError(f'expected c > 0, got {c}')
    if kind not in ('wrapped', 'riemannian'):
        raise ValueError(f"expected kind 'wrapped' or 'riemannian', got {kind!r}")
    wrapped = kind == 'wrapped'

    def distribution(net, first, second):
        # Farther out all is at the edge of what float32 knows.
        length = jnp.sqrt(c * jnp.sum(jnp.square(first), axis=-1, keepdims=True) + 1e-12)
        near = first * (bounded(length, -_FARTHEST, _FARTHEST) / length)
        mean = exponential(jnp.zeros_like(first), near, c)
        log_var = bounded(second, -20.0, 2.0)
        if wrapped:
            return WrappedNormal(mean, log_var, c)
        return RiemannianNormal(mean, jnp.exp(log_var[..., 0] / 2), c)

    def prior(d):
        if wrapped:
            return WrappedNormal(jnp.zeros(d, jnp.float32), jnp.zeros(d, jnp.float32), c)
        return RiemannianNormal(jnp.zeros(d, jnp.float32), jnp.ones((), jnp.float32), c)

    spread = (lambda d: d) if wrapped else (lambda d: 1)
    return Posterior(distribution, prior, spread, is_flat=False)


def categorical(
    categories: int = 10, temperature: float = 0.5, straight_through: bool = False
) -> Posterior:
    """Groups of so many latents, of each of which one is chosen: Gumbel-softmax.

    Jang et al. 2017 (https://arxiv.org/abs/1611.01144). z holds the groups one after the other, and
    the prior is uniform. The KL is that of the choices.

    Args:
      categories: latents of a group; they divide the length of z.
      temperature: of the relaxation, > 0.
      straight_through: decode the choice itself, with the gradient of the relaxation.

    Raises:
      ValueError: a number out of its range.
    """
    check_range(2, categories=categories)
    if temperature <= 0:
        raise ValueError(f'expected a temperature > 0, got {temperature}')

    def distribution(net, first, _):
        logits = first.reshape(*first.shape[:-1], -1, categories)
        return Concrete(jax.nn.log_softmax(logits), temperature, straight_through)

    def prior(d):
        return uniform_categories(d, categories, temperature, straight_through)

    def spread(d):
        if d % categories:
            raise ValueError(f'expected a latent_dim that {categories} categories divide, got {d}')
        return 0

    return Posterior(distribution, prior, spread, is_flat=False)


@struct.dataclass
class Flowed:
    """A Gaussian after a flow.

    Attributes:
      base: the Gaussian.
      given: what the flow takes beside latents, arrays.
      forward: `(z, given) -> (z', log-determinant)`.
      inverse: `(z', given) -> z`, or None.
    """

    base: Normal
    given: Any
    forward: Callable = struct.field(pytree_node=False)
    inverse: Callable | None = struct.field(pytree_node=False, default=None)

    @property
    def mean(self) -> Float[Array, '... d']:
        """Where the mean of the Gaussian comes to lie."""
        return self.forward(self.base.mean, self.given)[0]

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k ... d']:
        """k samples by reparameterization."""
        return self.sample_and_log_prob(key, k)[0]

    def sample_and_log_prob(
        self, key: Key[Array, ''], k: int
    ) -> tuple[Float[Array, 'k ... d'], Float[Array, 'k ...']]:
        """k samples, and the densities there, which a sample alone would not tell of any flow."""
        start = self.base.sample(key, k)
        z, log_det = self.forward(start, self.given)
        return z, self.base.log_prob(start) - log_det

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """By the inverse.

        Raises:
          ValueError: of a flow that has none.
        """
        if self.inverse is None:
            raise ValueError('expected a flow with an inverse: planar and radial ones have none')
        start = self.inverse(z, self.given)
        return self.base.log_prob(start) - self.forward(start, self.given)[1]

    def kl_divergence(self, other: Any) -> None:
        """Not known in closed form."""
        return None


def iaf(layers: int = 2, hidden: Sequence[int] = (320,)) -> Posterior:
    """Inverse autoregressive flows of a Gaussian, with a context from the encoder.

    Kingma et al. 2016 (https://arxiv.org/abs/1606.04934).

    Args:
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
    """
    check_range(1, layers=layers)

    @cache
    def made(d):
        flow = flows.autoregressive(d, layers, hidden, context=True)

        def both(z, given):
            return flow.forward(given[0], z, given[1])

        return flow.network, both, lambda z, given: flow.inverse(given[0], z, given[1])

    def distribution(net, mean, second):
        log_var, context = jnp.split(second, 2, axis=-1)
        _, *ways = made(mean.shape[-1])
        return Flowed(normal(mean, log_var), (net, context), *ways)

    return Posterior(distribution, spread=lambda d: 2 * d, network=lambda d: made(d)[0])


def planar(layers: int = 4) -> Posterior:
    """Planar flows of a Gaussian, whose parameters are outputs of the encoder.

    Rezende and Mohamed 2015 (https://arxiv.org/abs/1505.05770).

    Args:
      layers: of the flow.
    """
    return _amortized(flows.planar, layers, vectors=2, scalars=1)


def radial(layers: int = 4) -> Posterior:
    """Radial flows of a Gaussian, whose parameters are outputs of the encoder.

    Rezende and Mohamed 2015 (https://arxiv.org/abs/1505.05770).

    Args:
      layers: of the flow.
    """
    return _amortized(flows.radial, layers, vectors=1, scalars=2)


def _amortized(step: Callable, layers: int, vectors: int, scalars: int) -> Posterior:
    """Maps one after another, each of so many vectors [b, d] and then numbers [b]."""
    check_range(1, layers=layers)

    def forward(z, given):
        total = jnp.zeros(z.shape[:-1], z.dtype)
        for own in (leading(p, z.ndim) for p in given):
            long, short = jnp.split(own, [vectors * z.shape[-1]], axis=-1)
            numbers = jnp.moveaxis(short, -1, 0)
            z, log_det = step(z, *jnp.split(long, vectors, axis=-1), *numbers)
            total += log_det
        return z, total

    def distribution(net, mean, second):
        d = mean.shape[-1]
        # Small at the start, so that the flow is near the identity.
        given = [0.1 * p for p in jnp.split(second[..., d:], layers, axis=-1)]
        return Flowed(normal(mean, second[..., :d]), given, forward)

    return Posterior(distribution, spread=lambda d: d + layers * (vectors * d + scalars))
