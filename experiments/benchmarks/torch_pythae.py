"""VAEs of Pythae (Chadebec et al. 2022, https://arxiv.org/abs/2206.08309) in PyTorch: its models
and what its trainer does in a step, with networks of genjax's sizes."""

from collections.abc import Callable

import torch
from pythae.models import IWAE, SVAE, VAMP, IWAEConfig, SVAEConfig, VAMPConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from torch import nn

from experiments.benchmarks.task import Task
from experiments.benchmarks.torch_common import Tuning, parameters, repeated

PIXELS = 784


class Gated(nn.Module):
    """The product of an affine map and the sigmoid of another."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.both = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.glu(self.both(x))


def dense(activation: Callable[[], nn.Module]) -> Callable[[int, int], nn.Module]:
    """A way to make layers.

    Args:
      activation: of them.
    """
    return lambda inputs, outputs: nn.Sequential(nn.Linear(inputs, outputs), activation())


def layers(layer: Callable[[int, int], nn.Module], *sizes: int) -> nn.Sequential:
    """Layers one after another, of these sizes."""
    return nn.Sequential(*map(layer, sizes[:-1], sizes[1:]))


class Encoder(BaseEncoder):
    """Two outputs, the second of which the model calls as it likes."""

    def __init__(self, body: nn.Module, features: int, latent_dim: int, spread: int, name: str):
        super().__init__()
        self.body, self.name = body, name
        self.first = nn.Linear(features, latent_dim)
        self.second = nn.Linear(features, spread)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        h = self.body(x.flatten(1))
        return ModelOutput(embedding=self.first(h), **{self.name: self.second(h)})


class Decoder(BaseDecoder):
    """Probabilities of pixels."""

    def __init__(self, body: nn.Module, features: int):
        super().__init__()
        self.body = nn.Sequential(body, nn.Linear(features, PIXELS), nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.body(z).reshape(-1, 1, 28, 28))


# The model, its config, options of that, a way to make layers, hidden sizes.
METHODS = {
    'vamp_vae': (
        VAMP, VAMPConfig, {'latent_dim': 40, 'number_components': 500}, Gated, (300, 300),
    ),
    'iwae': (
        IWAE, IWAEConfig, {'latent_dim': 50, 'number_samples': 50}, dense(nn.Tanh), (200, 200),
    ),
    'hyperspherical_vae': (SVAE, SVAEConfig, {'latent_dim': 11}, dense(nn.ReLU), (256, 128)),
}  # fmt: skip


def model(method: str) -> nn.Module:
    """A model of Pythae by genjax's name of the method."""
    kind, config, options, layer, hidden = METHODS[method]
    d, sphere = options['latent_dim'], method == 'hyperspherical_vae'
    second = ('log_concentration', 1) if sphere else ('log_covariance', d)
    return kind(
        config(input_dim=(1, 28, 28), reconstruction_loss='bce', **options),
        encoder=Encoder(layers(layer, PIXELS, *hidden), hidden[-1], d, second[1], second[0]),
        decoder=Decoder(layers(layer, d, *hidden[::-1]), hidden[0]),
    )


def steps(method: str, batch: int = 128, times: int = 20, **tuning: bool) -> Task:
    """Steps on a batch that lies on the device.

    Args:
      method: of `METHODS`.
      batch: images.
      times: steps in a run.
      **tuning: of `Tuning`.
    """
    own = Tuning(**tuning)
    bare = model(method)
    net, optimizer = own.network(bare), own.adam(bare, 1e-3)
    inputs = {'data': own.images(torch.rand(batch, 1, 28, 28))}

    def step():
        with own.precision():
            out = net(inputs, epoch=1, dataset_size=60_000)
        optimizer.zero_grad()
        out.loss.backward()
        optimizer.step()

    return Task(repeated(step, times), times, {'parameters': parameters(bare)})
