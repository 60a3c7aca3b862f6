"""One round of the game: what both players see."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int

from genjax.augment import Augment
from genjax.core import Batch, Net, Network, State
from genjax.nn.labels import known
from genjax.random import stream

MEMORY = 'discriminator/augment'  # where the state keeps what an augmentation remembers


class Critique(NamedTuple):
    """What a discriminator returns; objectives see only the logits.

    Attributes:
      logits: `[b, ...]`.
      features: of its last layer, `[b, d]`, or None.
      said: what else its head says, by name.
    """

    logits: Array
    features: Array | None = None
    said: Mapping[str, Any] = {}


class Round(NamedTuple):
    """The context of a GAN's terms.

    Attributes:
      state: the state at the start of the update.
      key: the key of this update.
      z: noise [b, d].
      latent: what the generator makes images from; z itself where there is no mapping network.
      real: real images in [-1, 1], not augmented.
      fake: generated images in [-1, 1], not augmented.
      real_y: labels of the real images, or None.
      fake_y: labels the fake images were made for, or None.
      real_out: the discriminator's critique of the real images.
      fake_out: the discriminator's critique of the fake images.
      critic_real: `x -> Critique` with the parameters, labels and augmentation of the real batch.
      critic_fake: the same of the fake batch.
      generate: `latent -> x`, for the labels `fake_y`.
    """

    state: State
    key: Array
    z: Float[Array, 'b d']
    latent: Array
    real: Float[Array, 'b h w c']
    fake: Float[Array, 'b h w c']
    real_y: Int[Array, 'b'] | None
    fake_y: Int[Array, 'b'] | None
    real_out: Critique
    fake_out: Critique
    critic_real: Callable[[Array], Critique]
    critic_fake: Callable[[Array], Critique]
    generate: Callable[[Array], Array]


def apply_labelled(network: Network, net: Net, x: Array, y: Array | None, **options):
    """`network.apply`, with labels only where there are any; NaN of labels that there are not."""
    x = known(x, y)
    return network.apply(net, x, **options) if y is None else network.apply(net, x, y, **options)


def play(
    generator: Network,
    discriminator: Network,
    augment: Augment,
    state: State,
    key: Array,
    batch: Batch,
) -> tuple[Round, State]:
    """Makes images of the batch's noise z and has the discriminator look at both batches.

    Real and fake batches go through the discriminator one after the other, each with batch
    statistics of its own. The labels of fake images are those of the real batch, hence drawn from
    the data's distribution of labels (Miyato and Koyama 2018, https://arxiv.org/abs/1802.05637).

    Returns:
      The round, and the state with the statistics of both networks as the passes left them.
    """
    real, z, y = batch['x'], batch['z'], batch.get('y')
    nets, memory = state.nets, state.memory[MEMORY]

    def generate(latent):
        options = {'key': stream(key, 'generator')}
        return apply_labelled(generator, nets['generator'], latent, y, **options)

    def critique(name, net, x):
        x = augment.apply(memory, stream(key, f'augment_{name}'), x)
        options = {'key': stream(key, f'discriminator_{name}')}
        return apply_labelled(discriminator, net, x, y, **options)

    fake, generator_net = generate(z)
    real_out, discriminator_net = critique('real', nets['discriminator'], real)
    fake_out, discriminator_net = critique('fake', discriminator_net, fake)
    played = Round(
        state=state,
        key=key,
        z=z,
        latent=z,
        real=real,
        fake=fake,
        real_y=y,
        fake_y=y,
        real_out=real_out,
        fake_out=fake_out,
        critic_real=lambda x: critique('real', nets['discriminator'], x)[0],
        critic_fake=lambda x: critique('fake', nets['discriminator'], x)[0],
        generate=lambda latent: generate(latent)[0],
    )
    after = {**nets, 'generator': generator_net, 'discriminator': discriminator_net}
    return played, state.replace(nets=after)
