"""DCGAN in PyTorch, as the dcgan of pytorch/examples has it."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from experiments.benchmarks.task import Task
from experiments.benchmarks.torch_common import DEVICE, Tuning, finished, parameters, repeated

# Pixels -> stages of stride 2 between an image and its map of 4 x 4.
STAGES = {32: 3, 64: 4, 128: 5}


def _init(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def generator(size: int, width: int = 64, channels: int = 3, latent_dim: int = 100) -> nn.Module:
    """`z [b, latent_dim, 1, 1] -> images`. The last layer has a bias, as genjax's has."""
    n = STAGES[size]
    c = width * 2 ** (n - 1)
    layers = [nn.ConvTranspose2d(latent_dim, c, 4, 1, 0, bias=False)]
    for _ in range(n - 1):
        layers += [nn.BatchNorm2d(c), nn.ReLU(True)]
        layers.append(nn.ConvTranspose2d(c, c // 2, 4, 2, 1, bias=False))
        c //= 2
    layers += [nn.BatchNorm2d(c), nn.ReLU(True)]
    net = nn.Sequential(*layers, nn.ConvTranspose2d(c, channels, 4, 2, 1), nn.Tanh())
    return net.apply(_init)


def discriminator(size: int, width: int = 64, channels: int = 3) -> nn.Module:
    """`images -> logits` [b]. The first and the last layer have a bias, as genjax's have."""
    layers = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    c = width
    for _ in range(STAGES[size] - 1):
        layers += [nn.Conv2d(c, 2 * c, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * c)]
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        c *= 2
    return nn.Sequential(*layers, nn.Conv2d(c, 1, 4, 1, 0), nn.Flatten(0)).apply(_init)


class Step:
    """One update of the discriminator, then one of the generator.

    Args:
      nets: generator and discriminator.
      tuning: beyond the example; any of it also leaves out the example's sigmoid, its reports of
        every step, and the discriminator's gradients in the generator's update.
    """

    def __init__(self, nets: tuple[nn.Module, nn.Module], tuning: Tuning, lr: float = 2e-4):
        self.tuning, self.example = tuning, tuning == Tuning()
        self.g, self.d = map(tuning.network, nets)
        self.optimizers = [tuning.adam(net, lr, 0.5) for net in nets]

    def loss(self, logits: torch.Tensor, target: float) -> torch.Tensor:
        """Cross entropy with one target."""
        label = torch.full_like(logits, target)
        if self.example:
            return nn.functional.binary_cross_entropy(torch.sigmoid(logits), label)
        return binary_cross_entropy_with_logits(logits.float(), label.float())

    def __call__(self, real: torch.Tensor, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Trains on images `[b, c, h, w]` with noise `[b, d, 1, 1]`; the losses of both players."""
        of_g, of_d = self.optimizers
        of_d.zero_grad()
        with self.tuning.precision():
            loss_real = self.loss(self.d(real), 1.0)
        loss_real.backward()
        with self.tuning.precision():
            fake = self.g(z)
            loss_fake = self.loss(self.d(fake.detach()), 0.0)
        loss_fake.backward()
        of_d.step()
        of_g.zero_grad()
        if not self.example:
            self.d.requires_grad_(False)
        with self.tuning.precision():
            loss_g = self.loss(self.d(fake), 1.0)
        loss_g.backward()
        if not self.example:
            self.d.requires_grad_(True)
        of_g.step()
        losses = loss_real + loss_fake, loss_g
        if self.example:
            [loss.item() for loss in losses]
        return losses


def steps(
    size: int, width: int = 64, batch: int = 64, times: int = 2, channels: int = 3, **tuning: bool
) -> Task:
    """A few steps on a batch of noise that lies on the device."""
    nets = generator(size, width, channels), discriminator(size, width, channels)
    step = Step(nets, Tuning(**tuning))
    real = step.tuning.images(torch.rand(batch, channels, size, size) * 2 - 1)

    def one():
        step(real, torch.randn(batch, 100, 1, 1, device=DEVICE))

    return Task(repeated(one, times), times, {'parameters': parameters(*nets)})


def samples(size: int, width: int = 64, n: int = 64, times: int = 4, **tuning: bool) -> Task:
    """Images of a generator in evaluation."""
    tuned = Tuning(**tuning)
    net = tuned.network(generator(size, width)).eval()

    @torch.inference_mode()
    def run():
        for _ in range(times):
            with tuned.precision():
                net(torch.randn(n, 100, 1, 1, device=DEVICE))
        finished()

    return Task(run, n * times, {'parameters': parameters(net)})
