"""VAEs: how the parts of one meet, and every option that all methods have."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import jax
import jax.numpy as jnp

from genjax.augment import AUGMENT, AugmentLike, chain, clip
from genjax.core import Hyper, HyperLike, Network, hyper
from genjax.images import shape_of_images
from genjax.latents.distributions import standard_normal
from genjax.optim import OptimizerLike
from genjax.optim import optimizer as guarded
from genjax.parts import OptionOf, ScalarOrSchedule, make, make_all, maybe
from genjax.precision import Precision, mixed_precision
from genjax.vae.bounds import BOUND, BoundLike
from genjax.vae.critics import CRITIC, CriticLike, judged
from genjax.vae.inference import INFERENCE, ImageShape, Inference, InferenceLike
from genjax.vae.likelihoods import LIKELIHOOD, LikelihoodLike
from genjax.vae.networks import NETWORKS, Activation, NetworksLike
from genjax.vae.posteriors import POSTERIOR, Posterior, PosteriorLike, gaussian
from genjax.vae.priors import PRIOR, Prior, PriorLike, brought
from genjax.vae.regularizers import REGULARIZER, RegularizerLike
from genjax.vae.terms import Parts
from genjax.vae.uses import seen_by
from genjax.vae.variational import VAE, Settings, variational


def parts_of(
    networks: Mapping[str, Network],
    settings: Settings,
    posterior: Posterior | None = None,
    prior: Prior | None = None,
) -> Parts:
    """The distributions of a VAE by networks: by default a Gaussian posterior, its standard prior.

    Args:
      networks: `encoder`, `x -> (mean, log_var)`, and `decoder`, `z -> outputs`; `posterior` and
        `prior` where these have networks of their own.
      settings: has the likelihood and the length of z.
      posterior: how the encoder's outputs are meant.
      prior: p(z), that of the posterior by default.
    """
    posterior, d = posterior or gaussian(), settings.latent_dim

    def run(name, state, key, x, y, train):
        labels = () if y is None else (y,)
        out, net = networks[name].apply(state.nets[name], x, *labels, key=key, train=train)
        return out, state.replace(nets={**state.nets, name: net})

    def encode(state, key, x, y, train):
        out, state = run('encoder', state, key, x, y, train)
        return posterior.distribution(state.nets.get('posterior'), *out), state

    def decode(state, key, z, y, train):
        out, state = run('decoder', state, key, z, y, train)
        return settings.likelihood.distribution(out), state

    def prior_of(state):
        if prior is None:
            return posterior.prior(d)

        def encoded(x):
            classes = settings.num_classes
            y = None if classes is None else jnp.arange(len(x)) % classes
            return encode(state, jax.random.key(0), x, y, False)[0]

        return prior.distribution(state.nets.get('prior'), d, encoded)

    def remember(state, x):
        net = prior.remember(state.nets['prior'], x)
        return state.replace(nets={**state.nets, 'prior': net})

    def infer(state, key, x, train):
        return run('inference', state, key, x, None, train)

    made = Parts(encode, prior_of, decode, infer=infer)
    return made._replace(remember=remember) if prior and prior.remember else made


def warmed_up(beta: HyperLike, steps: int) -> Hyper:
    """A weight that grows from 0 to itself, `beta(t) min(1, t / steps)`.

    Args:
      beta: a number or a schedule.
      steps: in which it grows; 0 leaves it as it is.

    Raises:
      ValueError: `steps` < 0.
    """
    if steps < 0:
        raise ValueError(f'expected warmup >= 0, got {steps}')
    value, schedule = hyper(beta)
    if not steps:
        return Hyper(value, schedule)

    def grown(step):
        share = jnp.minimum(1.0, step / steps)
        return share if schedule is None else share * schedule(step)

    return Hyper(value, grown)


def vae(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    networks: NetworksLike = 'mlp',
    latent_dim: int = 20,
    likelihood: LikelihoodLike = 'bernoulli',
    posterior: PosteriorLike = 'gaussian',
    prior: PriorLike | None = None,
    inference: InferenceLike = 'reparameterized',
    bound: BoundLike = 'elbo',
    encoder_bound: BoundLike | None = None,
    regularizers: Sequence[RegularizerLike] = (),
    critic: CriticLike | None = None,
    k: int = 1,
    beta: ScalarOrSchedule = 1.0,
    warmup: int = 0,
    num_classes: int | None = None,
    optimizer: OptimizerLike = 'adam',
    learning_rate: ScalarOrSchedule = 1e-3,
    ema_decay: ScalarOrSchedule | None = None,
    augment: Sequence[AugmentLike] = (),
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    microbatches: int = 1,
    precision: Precision = 'auto',
    hidden: Annotated[Sequence[int] | None, OptionOf('networks')] = None,
    activation: Annotated[Activation | None, OptionOf('networks')] = None,
    width: Annotated[int | None, OptionOf('networks')] = None,
    dropout: Annotated[float | None, OptionOf('networks')] = None,
    free_bits: Annotated[float | None, OptionOf('bound')] = None,
) -> VAE:
    """VAE, Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114): codes and likelihoods.

    Reached: test loss 105.5 +- 0.1 on MNIST, `python -m experiments.vae_mnist`.

    Args:
      image_shape: `(height, width, channels)`.
      networks: encoder and decoder.
      latent_dim: length of z.
      likelihood: of images.
      posterior: what the encoder's outputs mean.
      prior: of latents; None for the posterior's own, N(0, I) of a Gaussian.
      inference: how latents are found.
      bound: what is maximized.
      encoder_bound: what the encoder follows where it is another bound.
      regularizers: added to the loss.
      critic: a player who tells latents, or images, from others.
      k: samples of the posterior for each image.
      beta: weight of the KL, or a schedule of it.
      warmup: steps in which the KL's weight grows from 0 to beta.
      num_classes: number of labels; None trains without labels.
      optimizer: of both networks, one of optax or optax.contrib; schedules in it count its updates.
      learning_rate: a number or a schedule.
      ema_decay: of the averaged networks that everything but training uses, or a schedule of it;
        None for no average.
      augment: of the training images.
      l1: decoupled L1 decay of the kernels.
      l2: decoupled L2 decay of the kernels.
      clip_norm: greatest global norm of the gradients.
      microbatches: pieces in which each batch is taken, to save memory.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
      hidden: option of the networks: sizes of the encoder's fully connected layers.
      activation: option of the networks: of their hidden layers.
      width: option of the networks: channels of the layer next to the image.
      dropout: option of the networks: rate after each hidden layer.
      free_bits: option of the bound: nats of each latent that cost nothing more.

    Raises:
      ValueError: a number out of its range, what stands for no part, or parts that do not fit.
    """
    image_shape = shape_of_images(image_shape)
    pixels, way = make(LIKELIHOOD, likelihood), make(INFERENCE, inference)
    q, p = make(POSTERIOR, posterior), maybe(PRIOR, brought(prior))
    own = _own(q, p, way, (image_shape, latent_dim, num_classes), precision)
    settings = Settings(
        image_shape,
        latent_dim,
        pixels,
        make(BOUND, bound, free_bits=free_bits),
        k,
        warmed_up(beta, warmup),
        num_classes,
        # Within the range that likelihoods are made for.
        chain(*made, clip()) if (made := make_all(AUGMENT, augment)) else chain(),
        maybe(BOUND, encoder_bound),
        q.has_density,
        p is None and q.prior is standard_normal,
        way.classifies,
    )
    outputs = (*image_shape[:2], image_shape[2] * pixels.outputs)
    given = image_shape, latent_dim, num_classes, outputs, q.spread(latent_dim)
    chosen = {'hidden': hidden, 'activation': activation, 'width': width, 'dropout': dropout}
    pair = make(NETWORKS, networks, *given, **chosen)
    trained = {n: mixed_precision(net, precision) for n, net in pair._asdict().items()} | own
    parts = parts_of(trained, settings, q, p)
    forward = way.forward(parts)
    seen = seen_by(forward, settings)
    judge = judged(maybe(CRITIC, critic), image_shape, latent_dim, seen, precision)
    return variational(
        {**trained, **judge.networks},
        parts,
        forward,
        settings,
        optimizer=guarded(optimizer, learning_rate, l1=l1, l2=l2, clip_norm=clip_norm),
        trains=tuple(trained),
        terms=(*way.terms, *make_all(REGULARIZER, regularizers), *judge.terms),
        players=judge.players,
        ema_decay=ema_decay,
        microbatches=microbatches,
    )


def _own(
    posterior: Posterior,
    prior: Prior | None,
    way: Inference,
    given: tuple[ImageShape, int, int | None],
    precision: Precision,
) -> dict[str, Network]:
    """What posterior, prior and inference have of networks, if they fit."""
    shape, d, num_classes = given
    if prior and prior.is_flat and not posterior.is_flat:
        raise ValueError(
            'expected a prior where the latents of this posterior are: its own, vamp or exemplar, '
            'got one on all of space'
        )
    if way.is_flat and not posterior.is_flat:
        raise ValueError('expected a posterior on all of space for leapfrog steps, got another')
    if way.classifies and num_classes is None:
        raise ValueError('expected num_classes, the number of labels, for this inference, got None')
    own = {'posterior': posterior.network(d)} if posterior.network else {}
    if way.network:
        own['inference'] = mixed_precision(way.network(*given), precision)
    if prior and prior.network:
        own['prior'] = prior.network(shape, d)
    return own
