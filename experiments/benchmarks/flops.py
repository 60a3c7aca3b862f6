"""Nominal FLOPs: what the layers cost as direct convolutions, counted from the architecture."""

from typing import NamedTuple


class Layer(NamedTuple):
    """A 4x4 stride-2 convolution, a transposed one, or a dense layer.

    Attributes:
      kind: `'conv'`, `'transposed'` or `'dense'`.
      size: pixels of the input; 1 for a dense layer.
      c: channels of the input.
      features: channels of the output.
    """

    kind: str
    size: int
    c: int
    features: int

    @property
    def forward(self) -> int:
        """FLOPs of one example; either gradient costs the same."""
        if self.kind == 'dense':
            return 2 * self.c * self.features
        small = self.size // 2 if self.kind == 'conv' else self.size
        return 2 * small**2 * 16 * self.c * self.features


def _base(size: int) -> tuple[int, int]:
    n, base = 0, size
    while base % 2 == 0 and base > 4:
        n, base = n + 1, base // 2
    return base, n


def discriminator(size: int, width: int, channels: int) -> list[Layer]:
    """Of DCGAN, from the image on."""
    base, n = _base(size)
    sizes = [channels, *(width * 2**i for i in range(n))]
    convs = [Layer('conv', size >> i, sizes[i], sizes[i + 1]) for i in range(n)]
    return [*convs, Layer('dense', 1, base * base * sizes[-1], 1)]


def generator(size: int, width: int, channels: int, latent_dim: int = 100) -> list[Layer]:
    """Of DCGAN, from z on."""
    base, n = _base(size)
    sizes = [*(width * 2**i for i in reversed(range(n))), channels]
    convs = [Layer('transposed', base << i, sizes[i], sizes[i + 1]) for i in range(n)]
    return [Layer('dense', 1, latent_dim, base * base * sizes[0]), *convs]


def training(layers: list[Layer]) -> int:
    """Forward, gradients of all parameters, and of all inputs but the first layer's."""
    return sum(3 * layer.forward for layer in layers) - layers[0].forward


def gan_step(size: int, width: int = 64, channels: int = 3, batch: int = 64) -> int:
    """One step of DCGAN as the example does it, less what no gradient needs.

    The generator's forward pass once; the discriminator's on real, fake, and fake again after its
    update; the discriminator's gradients by its parameters for the first two, by its input for the
    third; the generator's by its parameters.
    """
    g, d = generator(size, width, channels), discriminator(size, width, channels)
    third = 2 * sum(layer.forward for layer in d)
    return batch * (training(g) + 2 * training(d) + third)


def vae_step(hidden: int, latent_dim: int = 20, pixels: int = 784, batch: int = 128) -> int:
    """One step of a VAE with one hidden layer on each side."""
    sizes = [(pixels, hidden), (hidden, 2 * latent_dim), (latent_dim, hidden), (hidden, pixels)]
    return batch * training([Layer('dense', 1, *pair) for pair in sizes])


def conv_vae_step(width: int = 32, latent_dim: int = 32, batch: int = 128) -> int:
    """One step of genjax's convolutional VAE of 28 x 28 x 1."""
    base, n = _base(28)
    flat = base * base * width * 2 ** (n - 1)
    convs = discriminator(28, width, 1)[:-1]
    dense = [(flat, 8 * width), (8 * width, 2 * latent_dim)]
    dense += [(latent_dim, 8 * width), (8 * width, flat)]
    ups = generator(28, width, 1)[1:]
    return batch * training([*convs, *(Layer('dense', 1, *pair) for pair in dense), *ups])
