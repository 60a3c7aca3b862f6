"""VAEs in PyTorch, as the vae of pytorch/examples has its own, and its way to the data."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from experiments.benchmarks.task import Task
from experiments.benchmarks.torch_common import (
    CUDA,
    DEVICE,
    Tuning,
    finished,
    parameters,
    repeated,
)


class VAE(nn.Module):
    """Encoder and decoder with a Gaussian between them; `x -> (logits, mean, log_var)`."""

    def __init__(self, encoder: nn.Module, features: int, latent_dim: int, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.mean = nn.Linear(features, latent_dim)
        self.log_var = nn.Linear(features, latent_dim)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        h = self.encoder(x)
        mean, log_var = self.mean(h), self.log_var(h)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_var)
        return self.decoder(z), mean, log_var


def dense(hidden: int = 400, latent_dim: int = 20, pixels: int = 784) -> VAE:
    """784-400-20-400-784, as the example has it."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(pixels, hidden), nn.ReLU())
    decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.ReLU(), nn.Linear(hidden, pixels))
    return VAE(encoder, hidden, latent_dim, decoder)


class Centre(nn.Module):
    """Images in [0, 1] as images in [-1, 1], which genjax's convolutions take."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x - 1


def convolutional(width: int = 32, latent_dim: int = 32) -> VAE:
    """`genjax.vae.conv_vae` of 28x28x1."""
    flat = 49 * 2 * width
    encoder = nn.Sequential(
        *(Centre(), nn.Conv2d(1, width, 4, 2, 1), nn.ReLU()),
        *(
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(flat, 8 * width),
            nn.ReLU(),
        ),
    )
    decoder = nn.Sequential(
        *(nn.Linear(latent_dim, 8 * width), nn.ReLU(), nn.Linear(8 * width, flat), nn.ReLU()),
        *(nn.Unflatten(1, (2 * width, 7, 7)), nn.ConvTranspose2d(2 * width, width, 4, 2, 1)),
        *(nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1)),
    )
    return VAE(encoder, 8 * width, latent_dim, decoder)


class Step:
    """One update on images in [0, 1]; the example also reads the loss of every step."""

    def __init__(self, net: VAE, tuning: Tuning):
        self.tuning, self.example = tuning, tuning == Tuning()
        self.net, self.optimizer = tuning.network(net), tuning.adam(net, 1e-3)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Trains on a batch [b, 1, 28, 28]; the loss, summed over the batch."""
        self.optimizer.zero_grad()
        with self.tuning.precision():
            logits, mean, log_var = (out.float() for out in self.net(x))
        logits, x = logits.flatten(1), x.flatten(1)
        if self.example:
            entropy = F.binary_cross_entropy(torch.sigmoid(logits), x, reduction='sum')
        else:
            entropy = F.binary_cross_entropy_with_logits(logits, x, reduction='sum')
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        loss = entropy + kl
        loss.backward()
        if self.example:
            loss.item()
        self.optimizer.step()
        return loss.detach()


def steps(
    network: str = 'dense', batch: int = 128, times: int = 100, sizes: dict | None = None, **tuning
) -> Task:
    """Steps on a batch that lies on the device.

    Args:
      network: `'dense'` or `'convolutional'`.
      batch: images.
      times: steps in a run.
      sizes: keywords of the network.
      **tuning: of `Tuning`.
    """
    net = {'dense': dense, 'convolutional': convolutional}[network](**(sizes or {}))
    step = Step(net, Tuning(**tuning))
    x = step.tuning.images(torch.rand(batch, 1, 28, 28))
    return Task(repeated(lambda: step(x), times), times, {'parameters': parameters(net)})


class Pictures(Dataset):
    """Images one by one by way of PIL, as torchvision's MNIST with its transform to a tensor."""

    def __init__(self, file: str):
        self.x = torch.from_numpy(np.load(file))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.x[i].numpy())
        x = torch.from_numpy(np.array(picture, copy=True)).view(28, 28, 1)
        return x.permute(2, 0, 1).contiguous().to(torch.float32).div(255), 0


def loader(file: str, batch: int) -> DataLoader:
    """As the example makes it."""
    options = {'num_workers': 1, 'pin_memory': True} if CUDA else {}
    return DataLoader(Pictures(file), batch_size=batch, shuffle=True, **options)


def in_memory(file: str, batch: int):
    """A function to the batches of an epoch, cut from one tensor on the device."""
    x = torch.from_numpy(np.load(file)).to(DEVICE)

    def batches():
        for rows in torch.randperm(len(x), device=DEVICE).split(batch):
            yield x[rows].unsqueeze(1).float().div(255)

    return batches


def epoch(file: str, batch: int = 128, loads: bool = True, **tuning: bool) -> Task:
    """One epoch of the dense VAE.

    Args:
      file: uint8 images [n, 28, 28], npy.
      batch: images.
      loads: by the example's loader, else from one tensor in memory.
      **tuning: of `Tuning`.
    """
    step = Step(net := dense(), Tuning(**tuning))
    pictures = loader(file, batch) if loads else None
    batches = in_memory(file, batch) if pictures is None else lambda: (x for x, _ in pictures)

    def run():
        for x in batches():
            step(x.to(DEVICE))
        finished()

    return Task(run, 1, {'parameters': parameters(net)})


def reading(file: str, batch: int = 128) -> Task:
    """The example's loader alone."""
    pictures = loader(file, batch)

    def run():
        for x, _ in pictures:
            x.to(DEVICE)
        finished()

    return Task(run, len(pictures.dataset), {})
