"""SNGAN's and R3GAN's networks and steps in PyTorch, as their own code has them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks.task import Task
from experiments.benchmarks.torch_common import DEVICE, Tuning, parameters, repeated

SLOPE = 0.2


class UpBlock(nn.Module):
    """SNGAN's, of a generator."""

    def __init__(self, c: int, out: int):
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(c), nn.BatchNorm2d(out)])
        self.convs = nn.ModuleList(
            [nn.Conv2d(c, out, 3, padding=1, bias=False), nn.Conv2d(out, out, 3, padding=1)]
        )
        self.way = nn.Conv2d(c, out, 1)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inner = self.convs[0](F.interpolate(F.relu(self.norms[0](h)), scale_factor=2))
        inner = self.convs[1](F.relu(self.norms[1](inner)))
        return inner + self.way(F.interpolate(h, scale_factor=2))


class DownBlock(nn.Module):
    """SNGAN's, of a discriminator."""

    def __init__(self, c: int, out: int, first: bool, down: bool):
        super().__init__()
        self.first, self.down = first, down
        between = out if first else c
        sizes = (nn.Conv2d(c, between, 3, padding=1), nn.Conv2d(between, out, 3, padding=1))
        self.convs = nn.ModuleList(map(normed, sizes))
        self.way = normed(nn.Conv2d(c, out, 1)) if down else nn.Identity()

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inner = self.convs[0](h if self.first else F.relu(h))
        inner = self.convs[1](F.relu(inner))
        if not self.down:
            return h + inner
        return F.avg_pool2d(inner, 2) + self.way(F.avg_pool2d(h, 2))


def normed(layer: nn.Module) -> nn.Module:
    """A layer under spectral norm."""
    return nn.utils.parametrizations.spectral_norm(layer)


class SNGANGenerator(nn.Module):
    """`z -> images` of 32x32."""

    def __init__(self, width: int, channels: int = 3, latent_dim: int = 128):
        super().__init__()
        self.first = nn.Linear(latent_dim, 16 * width)
        self.blocks = nn.Sequential(*(UpBlock(width, width) for _ in range(3)))
        self.norm = nn.BatchNorm2d(width)
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        h = self.first(z).view(len(z), -1, 4, 4)
        return torch.tanh(self.last(F.relu(self.norm(self.blocks(h)))))


class SNGANDiscriminator(nn.Module):
    """Images of 32x32 to logits [b]."""

    def __init__(self, width: int, channels: int = 3):
        super().__init__()
        sizes = [(channels, True, True), (width, False, True), *[(width, False, False)] * 2]
        self.blocks = nn.Sequential(*(DownBlock(c, width, *how) for c, *how in sizes))
        self.last = normed(nn.Linear(width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(F.relu(self.blocks(x)).sum((2, 3)))[:, 0]


class Inverted(nn.Module):
    """R3GAN's block: to more channels, a grouped convolution, and back."""

    def __init__(self, c: int, groups: int, expansion: int = 2):
        super().__init__()
        inner = c * expansion
        self.wider = nn.Conv2d(c, inner, 1, bias=False)
        self.biases = nn.ParameterList([torch.zeros(1, inner, 1, 1) for _ in range(2)])
        self.grouped = nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False)
        self.back = nn.Conv2d(inner, c, 1, bias=False)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        inner = F.leaky_relu(self.wider(h) + self.biases[0], SLOPE)
        inner = F.leaky_relu(self.grouped(inner) + self.biases[1], SLOPE)
        return h + self.back(inner)


class Resampled(nn.Module):
    """[1, 3, 3, 1] along both axes, for each channel by itself."""

    def __init__(self, up: bool):
        super().__init__()
        self.up = up
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / (4 if up else 8)
        self.register_buffer('kernel', torch.outer(line, line)[None, None])

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        c = h.shape[1]
        kernel = self.kernel.expand(c, 1, 4, 4)
        resample = F.conv_transpose2d if self.up else F.conv2d
        return resample(h, kernel, stride=2, padding=1, groups=c)


class R3GANGenerator(nn.Module):
    """`z -> images` of 32x32; the channels double with each halving."""

    def __init__(self, width: int, cardinality: int, channels: int = 3, latent_dim: int = 64):
        super().__init__()
        c = 8 * width
        self.first = nn.Linear(latent_dim, c, bias=False)
        self.base = nn.Parameter(torch.empty(1, c, 4, 4))
        layers: list[nn.Module] = [Inverted(c, 8 * cardinality)]
        for times in (4, 2, 1):
            layers += [nn.Conv2d(2 * times * width, times * width, 1, bias=False), Resampled(True)]
            layers.append(Inverted(times * width, times * cardinality))
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 1, bias=False))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.layers(self.base * self.first(z)[:, :, None, None])


class R3GANDiscriminator(nn.Module):
    """Images of 32x32 to logits [b]."""

    def __init__(self, width: int, cardinality: int, channels: int = 3):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 1, bias=False)]
        layers.append(Inverted(width, cardinality))
        for times in (2, 4, 8):
            layers += [
                Resampled(False),
                nn.Conv2d(times * width // 2, times * width, 1, bias=False),
            ]
            layers.append(Inverted(times * width, times * cardinality))
        self.layers = nn.Sequential(*layers)
        self.kernel = nn.Parameter(torch.empty(1, 8 * width, 4, 4))
        self.last = nn.Linear(8 * width, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last((self.layers(x) * self.kernel).sum((2, 3)))[:, 0]


class Losses(NamedTuple):
    """Of both players, functions of real and fake logits; one of real ones looks at both."""

    discriminator: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    generator: Callable[[torch.Tensor | None, torch.Tensor], torch.Tensor]
    paired: bool


HINGE = Losses(
    lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
    lambda real, fake: -fake.mean(),
    paired=False,
)
RELATIVISTIC = Losses(
    lambda real, fake: F.softplus(fake - real).mean(),
    lambda real, fake: F.softplus(real - fake).mean(),
    paired=True,
)


class Step:
    """One update of the discriminator, then one of the generator, of the same noise.

    Args:
      nets: generator and discriminator.
      losses: of real and fake logits.
      gamma: weight of R1 and of R2.
      tuning: beyond the papers' code.
      betas: of Adam.
    """

    def __init__(
        self,
        nets: tuple[nn.Module, nn.Module],
        losses: Losses,
        gamma: float,
        tuning: Tuning,
        betas: tuple[float, float],
    ):
        self.g, self.d = map(tuning.network, nets)
        self.losses, self.gamma, self.tuning = losses, gamma, tuning
        self.optimizers = [tuning.adam(net, 2e-4, *betas) for net in nets]

    def penalty(self, logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`gamma |grad D|^2 / 2`, in the mean."""
        (slopes,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        return self.gamma / 2 * slopes.square().sum((1, 2, 3)).mean()

    def __call__(self, real: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Trains on images `[b, c, h, w]` with noise `[b, d]`; the losses of both players."""
        of_g, of_d = self.optimizers
        of_d.zero_grad()
        with self.tuning.precision():
            fake = self.g(z)
            pair = [x.detach().requires_grad_(self.gamma > 0) for x in (real, fake)]
            logits = [self.d(x) for x in pair]
            loss_d = self.losses.discriminator(*logits)
        for out, x in zip(logits, pair, strict=True) if self.gamma else ():
            loss_d = loss_d + self.penalty(out, x)
        loss_d.backward()
        of_d.step()
        of_g.zero_grad()
        self.d.requires_grad_(False)
        with self.tuning.precision():
            with torch.no_grad():
                seen = self.d(real) if self.losses.paired else None
            loss_g = self.losses.generator(seen, self.d(fake))
        loss_g.backward()
        self.d.requires_grad_(True)
        of_g.step()
        return loss_d, loss_g


def sngan(width: int, tuning: Tuning) -> Step:
    """SNGAN of 32x32x3, the discriminator half as wide as the generator."""
    nets = SNGANGenerator(width), SNGANDiscriminator(width // 2)
    return Step(nets, HINGE, 0.0, tuning, (0.0, 0.9))


def r3gan(width: int, tuning: Tuning, cardinality: int = 4) -> Step:
    """R3GAN of 32x32x3."""
    nets = R3GANGenerator(width, cardinality), R3GANDiscriminator(width, cardinality)
    return Step(nets, RELATIVISTIC, 0.05, tuning, (0.0, 0.99))


METHODS = {'sngan': (sngan, 128), 'r3gan': (r3gan, 64)}


def steps(method: str, width: int, batch: int = 64, times: int = 2, **tuning: bool) -> Task:
    """A few steps on a batch of noise that lies on the device."""
    make, latent_dim = METHODS[method]
    step = make(width, Tuning(**tuning))
    for net in (step.g, step.d):
        for leaf in net.parameters():
            nn.init.normal_(leaf, 0.0, 0.05)
    real = step.tuning.images(torch.rand(batch, 3, 32, 32) * 2 - 1)

    def one():
        step(real, torch.randn(batch, latent_dim, device=DEVICE))

    return Task(repeated(one, times), times, {'parameters': parameters(step.g, step.d)})
