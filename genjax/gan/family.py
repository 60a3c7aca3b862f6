"""GANs: how the parts of one meet, and every option that all methods have."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import optax

from genjax.augment import AUGMENT, AugmentLike, chain
from genjax.core import Network, check_range
from genjax.gan.adversarial import GAN, adversarial
from genjax.gan.conditioning import CONDITIONING, Conditioning, ConditioningLike, with_codes
from genjax.gan.networks import NETWORKS, NetworksLike, Norm
from genjax.gan.objectives import OBJECTIVE, ObjectiveLike
from genjax.gan.packing import packed
from genjax.gan.penalties import PENALTY, TermLike
from genjax.gan.regularizers import GENERATOR_TERM, GeneratorTermLike
from genjax.images import shape_of_images
from genjax.nn.spectral import orthogonal_start
from genjax.nn.spectral import spectral_norm as spectral_norm_of
from genjax.optim import OptimizerLike, clip_weights
from genjax.optim import optimizer as guarded
from genjax.parts import SCHEDULE, OptionOf, ScalarOrSchedule, make, make_all, maybe
from genjax.precision import Precision, mixed_precision

SpectralNorm = Literal['none', 'discriminator', 'both']


def gan(
    image_shape: tuple[int, int, int] = (28, 28, 1),
    *,
    networks: NetworksLike = 'mlp',
    latent_dim: int = 100,
    num_classes: int | None = None,
    objective: ObjectiveLike = 'non_saturating',
    penalties: Sequence[TermLike] = (),
    generator_terms: Sequence[GeneratorTermLike] = (),
    conditioning: ConditioningLike | None = None,
    packing: int = 1,
    spectral_norm: SpectralNorm = 'none',
    orthogonal: bool = False,
    optimizer: OptimizerLike = 'adam:b1=0.5',
    generator_learning_rate: ScalarOrSchedule = 2e-4,
    discriminator_learning_rate: ScalarOrSchedule = 2e-4,
    n_critic: int = 1,
    ema_decay: ScalarOrSchedule | None = 0.999,
    augment: Sequence[AugmentLike] = (),
    l1: float = 0.0,
    l2: float = 0.0,
    clip_norm: float | None = None,
    weight_clip: float | None = None,
    microbatches: int = 1,
    precision: Precision = 'auto',
    width: Annotated[int | None, OptionOf('networks')] = None,
    hidden: Annotated[Sequence[int] | None, OptionOf('networks')] = None,
    norm: Annotated[Norm | None, OptionOf('networks')] = None,
    dropout: Annotated[float | None, OptionOf('networks')] = None,
    b1: Annotated[ScalarOrSchedule | None, OptionOf('optimizer')] = None,
    b2: Annotated[ScalarOrSchedule | None, OptionOf('optimizer')] = None,
) -> GAN:
    """GAN, Goodfellow et al. 2014 (https://arxiv.org/abs/1406.2661): fully connected, or of parts
    of your own choice.

    Reached: Frechet distance 695 +- 117 on the digits, `python -m experiments.methods`.

    Args:
      image_shape: `(height, width, channels)`.
      networks: generator and discriminator.
      latent_dim: length of z.
      num_classes: number of labels; None trains without labels.
      objective: what the players minimize.
      penalties: terms added to the discriminator's loss.
      generator_terms: terms added to the generator's loss.
      conditioning: how labels are used, or codes that are found without; None leaves that to the
        networks.
      packing: images that the discriminator judges at once; divides the batch.
      spectral_norm: of which networks all kernels have a spectral norm of 1 (Miyato et al. 2018,
        https://arxiv.org/abs/1802.05957).
      orthogonal: whether the kernels of both networks begin orthogonal (Saxe et al. 2014,
        https://arxiv.org/abs/1312.6120).
      optimizer: of both players, one of optax or optax.contrib; schedules in it count the updates
        of each.
      generator_learning_rate: a number or a schedule.
      discriminator_learning_rate: a number or a schedule.
      n_critic: discriminator updates in a step; a step takes so many batches.
      ema_decay: of the averaged generator that samples are drawn from, or a schedule of it; None
        for no average.
      augment: of what the discriminator sees, real and fake.
      l1: decoupled L1 decay of the kernels of both networks.
      l2: decoupled L2 decay of the kernels of both networks.
      clip_norm: greatest global norm of the gradients of each player.
      weight_clip: bound on every weight of the discriminator, as the first WGAN has it.
      microbatches: pieces in which each batch is taken, to save memory.
      precision: of training passes; auto is bfloat16 where the machine is made for it.
      width: option of the networks: channels of the layer next to the image.
      hidden: option of the networks: sizes of fully connected layers.
      norm: option of the networks: of the discriminator.
      dropout: option of the networks: rate in the discriminator.
      b1: option of the optimizer: decay of the first moment.
      b2: option of the optimizer: decay of the second moment.

    Raises:
      ValueError: a number out of its range, or what stands for no part.
    """
    check_range(1, latent_dim=latent_dim)
    shape = shape_of_images(image_shape)
    how = _conditioned(conditioning, num_classes)
    chosen: dict[str, Any] = {'width': width, 'hidden': hidden, 'norm': norm, 'dropout': dropout}
    chosen['labels'] = how.labels
    pair = _pair(networks, chosen, (shape, latent_dim, num_classes), packing)
    pair = [orthogonal_start(network) for network in pair] if orthogonal else pair
    pair = _normalized([mixed_precision(network, precision) for network in pair], spectral_norm)
    decays = {'b1': maybe(SCHEDULE, b1), 'b2': maybe(SCHEDULE, b2)}
    players = [
        guarded(optimizer, rate, l1=l1, l2=l2, clip_norm=clip_norm, **decays)
        for rate in (generator_learning_rate, discriminator_learning_rate)
    ]
    if weight_clip is not None:
        players[1] = optax.chain(players[1], clip_weights(weight_clip))
    return adversarial(
        with_codes(pair[0], how.codes),
        pair[1],
        image_shape=shape,
        latent_dim=latent_dim,
        objective=make(OBJECTIVE, objective),
        optimizers=(players[0], players[1]),
        discriminator_terms=[*make_all(PENALTY, penalties), *how.discriminator],
        generator_terms=[*make_all(GENERATOR_TERM, generator_terms), *how.generator],
        augment=chain(*make_all(AUGMENT, augment)),
        num_classes=num_classes,
        n_critic=n_critic,
        ema_decay=ema_decay,
        microbatches=microbatches,
    )


def _conditioned(part: ConditioningLike | None, num_classes: int | None) -> Conditioning:
    """A conditioning that suits the classes; one that leaves all to the networks for none."""
    if part is None:
        return Conditioning(None)
    how = make(CONDITIONING, part)
    if how.unlabelled != (num_classes is None):
        wanted = 'no num_classes' if how.unlabelled else 'num_classes'
        raise ValueError(f'expected {wanted} for this conditioning, got num_classes={num_classes}')
    return how


def _pair(
    networks: NetworksLike, options: dict[str, Any], given: tuple, packing: int
) -> Sequence[Network]:
    """Generator and discriminator; that of packed images is made for as many more channels."""
    check_range(1, packing=packing)
    pair = make(NETWORKS, networks, *given, **options)
    if packing == 1:
        return pair
    (height, width, channels), latent_dim, num_classes = given
    if num_classes is not None:
        raise ValueError(
            f'expected packing of images without labels, got packing={packing} and '
            f'num_classes={num_classes}'
        )
    given = (height, width, packing * channels), latent_dim, None
    return pair[0], packed(make(NETWORKS, networks, *given, **options)[1], packing)


def _normalized(pair: Sequence[Network], which: SpectralNorm) -> Sequence[Network]:
    if which not in get_args(SpectralNorm):
        raise ValueError(f'expected spectral_norm in {get_args(SpectralNorm)}, got {which!r}')
    generator, discriminator = pair
    generator = spectral_norm_of(generator) if which == 'both' else generator
    return generator, discriminator if which == 'none' else spectral_norm_of(discriminator)
