"""p(z), given or learned."""

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Key

from genjax.core import Net, Network, check_range, held
from genjax.latents import flows
from genjax.latents.distributions import Mixture, normal, standard_normal
from genjax.parts import Kind


class Prior(NamedTuple):
    """A distribution over latents.

    Attributes:
      distribution: `(net, d, encode) -> p(z)`; `net` is that of `network`, or None, and
        `encode(images) -> q(z | x)` the encoder of this pass.
      network: `(image_shape, d) -> Network`, what p has of its own, called `prior` in the state.
      remember: `(net, images) -> net`, what it keeps of the images of a training step.
      is_flat: whether it is one on all of space, and of no posterior elsewhere.
    """

    distribution: Callable[[Net | None, int, Callable], Any]
    network: Callable[[tuple[int, ...], int], Network] | None = None
    remember: Callable[[Net, Array], Net] | None = None
    is_flat: bool = False


PRIOR = Kind('a prior', (__name__,), (Prior,))
PriorLike = Annotated[Prior | Callable[..., Prior] | str, PRIOR]


def standard() -> Prior:
    """N(0, I)."""
    return Prior(lambda net, d, encode: standard_normal(d), is_flat=True)


def mixture(components: int = 10) -> Prior:
    """A mixture of diagonal Gaussians, learned with the rest.

    Args:
      components: of the mixture.
    """
    check_range(1, components=components)

    def network(image_shape, d):
        def init(key):
            mean = jax.random.normal(key, (components, d), jnp.float32)
            logits = jnp.zeros(components, jnp.float32)
            return Net({'logits': logits, 'mean': mean, 'log_var': jnp.zeros_like(mean)}, {})

        return held(init)

    def distribution(net, d, encode):
        p = net.params
        return Mixture(jax.nn.log_softmax(p['logits']), normal(p['mean'], p['log_var']))

    return Prior(distribution, network, is_flat=True)


def vamp(components: int = 500, scale: float = 0.05) -> Prior:
    """VampPrior: the mean of the posteriors of learned pseudo-inputs.

    Tomczak and Welling 2018 (https://arxiv.org/abs/1705.07120).

    Args:
      components: pseudo-inputs.
      scale: their standard deviation at the start, in that of images in [-1, 1].
    """
    check_range(1, components=components)

    def network(image_shape, d):
        def init(key):
            inputs = jax.random.normal(key, (components, *image_shape), jnp.float32)
            return Net({'inputs': scale * inputs}, {})

        return held(init)

    def distribution(net, d, encode):
        return _evenly(encode(jnp.clip(net.params['inputs'], -1.0, 1.0)))

    return Prior(distribution, network)


def exemplar(components: int = 500) -> Prior:
    """Exemplar prior: the mean of the posteriors of training images, the last that were trained on.

    Norouzi et al. 2020 (https://arxiv.org/abs/2004.04795), who draw them anew for each batch and
    leave out the image itself: of the images of the last steps it is none, but where an epoch ends.

    Args:
      components: images.
    """
    check_range(1, components=components)

    def network(image_shape, d):
        def init(key):
            images = jax.random.uniform(key, (components, *image_shape), jnp.float32, -1.0)
            return Net({}, {'images': images})

        return held(init)

    def remember(net, images):
        queue = jnp.concatenate([net.stats['images'], images.astype(jnp.float32)])
        return Net(net.params, {'images': queue[-components:]})

    def distribution(net, d, encode):
        return _evenly(encode(net.stats['images']))

    return Prior(distribution, network, remember)


@jax.tree_util.register_static
class _Foreign:
    """A distribution of another library over latents; one object is one static value."""

    def __init__(self, distribution: Any):
        self.distribution = distribution

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k d']:
        """k samples."""
        return self.distribution.sample(key, (k,)).astype(jnp.float32)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """The density."""
        return self.distribution.log_prob(z).astype(z.dtype)


# As a text the annotation keeps it from the command, which cannot name an object.
def of_distribution(distribution: Any) -> 'Prior':
    """A distribution over latents of another library, say of NumPyro:
    `vae(prior=dist.StudentT(5.0).expand([20]).to_event(1))` is one.

    The KL is by samples. The command knows no such prior, nor do the folders of runs.

    Args:
      distribution: has `sample(key, shape) -> [*shape, d]` and `log_prob(z [..., d]) -> [...]`, in
        nats, over vectors of latents: where it tells an `event_shape`, that is `(d,)`.

    Raises:
      ValueError: it has no such functions, or events of another shape.
    """
    lacking = [n for n in ('sample', 'log_prob') if not callable(getattr(distribution, n, None))]
    if lacking:
        name = type(distribution).__name__
        raise ValueError(f'expected a distribution with sample and log_prob, got {name}')
    foreign = _Foreign(distribution)

    def prior(net: Net | None, d: int, encode: Callable) -> _Foreign:
        shapes = [tuple(getattr(distribution, f'{n}_shape', s)) for n, s in _whole(d).items()]
        if shapes != [*_whole(d).values()]:
            raise ValueError(
                f'expected a distribution of batch shape () and event shape ({d},), got '
                f'{shapes[0]} and {shapes[1]}: in NumPyro .to_event(1)'
            )
        return foreign

    return Prior(prior, is_flat=True)


def brought(prior: Any) -> Any:
    """A distribution of another library as the prior that it makes; all else as it is.

    Args:
      prior: what the option of that name takes.
    """
    return of_distribution(prior) if hasattr(prior, 'log_prob') else prior


def _whole(d: int) -> dict[str, tuple[int, ...]]:
    return {'batch': (), 'event': (d,)}


def _evenly(components: Any) -> Mixture:
    n = len(jax.tree.leaves(components)[0])
    return Mixture(jnp.full(n, -math.log(n), jnp.float32), components)


@struct.dataclass
class FlowDensity:
    """N(0, I) seen through a flow, `log p(z) = log N(f(z); 0, I) + log |det df / dz|`.

    Attributes:
      net: the flow's.
      d: length of z.
      flow: that f is.
    """

    net: Net
    d: int = struct.field(pytree_node=False)
    flow: flows.Flow = struct.field(pytree_node=False)

    def sample(self, key: Key[Array, ''], k: int) -> Float[Array, 'k d']:
        """k samples, by the inverse."""
        start = jax.random.normal(key, (k, self.d), jnp.float32)
        return self.flow.inverse(self.net, start, None)

    def log_prob(self, z: Float[Array, '... d']) -> Float[Array, '...']:
        """The density, by the flow."""
        start, log_det = self.flow.forward(self.net, z, None)
        return standard_normal(self.d).log_prob(start) + log_det


def maf(layers: int = 2, hidden: Sequence[int] = (128,)) -> Prior:
    """A masked autoregressive flow, Papamakarios et al. 2017 (https://arxiv.org/abs/1705.07057).

    Args:
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
    """
    return _of_flow(lambda d: flows.autoregressive(d, layers, hidden), layers)


def coupling(layers: int = 4, hidden: Sequence[int] = (128,)) -> Prior:
    """Affine coupling layers, Dinh et al. 2017 (https://arxiv.org/abs/1605.08803).

    Args:
      layers: of the flow.
      hidden: sizes of the hidden layers of each.
    """
    return _of_flow(lambda d: flows.coupling(d, layers, hidden), layers)


def _of_flow(make: Callable[[int], flows.Flow], layers: int) -> Prior:
    check_range(1, layers=layers)
    made = cache(make)

    def distribution(net: Net | None, d: int, encode: Callable) -> FlowDensity:
        assert net is not None
        return FlowDensity(net, d, made(d))

    return Prior(distribution, lambda image_shape, d: made(d).network, is_flat=True)
