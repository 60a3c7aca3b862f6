"""The ways in which users of PyTorch make a step fast."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

CUDA = torch.cuda.is_available()
DEVICE = torch.device('cuda' if CUDA else 'cpu')
if CUDA:
    # Products of float32 in TF32, which is JAX's default there, and convolutions by trial.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


class Tuning(NamedTuple):
    """What is done beyond an example's code.

    Attributes:
      channels_last: images and weights lie as [b, h, w, c].
      fused: one kernel for all of Adam.
      compiled: networks go through torch.compile.
      bfloat16: forward passes run under autocast.
    """

    channels_last: bool = False
    fused: bool = False
    compiled: bool = False
    bfloat16: bool = False

    @property
    def format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def network(self, net: nn.Module) -> nn.Module:
        """The network on the device, laid out and compiled.

        Raises:
          RuntimeError: this processor has no bfloat16.
        """
        if self.bfloat16:
            check_bfloat16()
        net = net.to(DEVICE).to(memory_format=self.format)
        return torch.compile(net) if self.compiled else net

    def images(self, x: torch.Tensor) -> torch.Tensor:
        """Images [b, c, h, w] on the device, laid out."""
        return x.to(DEVICE).contiguous(memory_format=self.format)

    def adam(
        self, net: nn.Module, lr: float, b1: float = 0.9, b2: float = 0.999
    ) -> torch.optim.Optimizer:
        """Adam as the example has it, or fused."""
        options = {'fused': True} if self.fused else {}
        return torch.optim.Adam(net.parameters(), lr=lr, betas=(b1, b2), **options)

    def precision(self) -> contextlib.AbstractContextManager:
        """The context of a forward pass."""
        if not self.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(DEVICE.type, torch.bfloat16)


def check_bfloat16() -> None:
    """Refuses what PyTorch only emulates here, a hundred times slower than float32.

    Raises:
      RuntimeError: this processor has no bfloat16.
    """
    if not CUDA and torch.backends.cpu.get_cpu_capability() == 'AVX2':
        raise RuntimeError('PyTorch emulates bfloat16 on a CPU without AVX-512')


def finished() -> None:
    """Waits for the device."""
    if CUDA:
        torch.cuda.synchronize()


def parameters(*nets: nn.Module) -> int:
    """How many numbers the networks train."""
    return sum(p.numel() for net in nets for p in net.parameters())


def repeated(step: Callable[[], object], times: int) -> Callable[[], None]:
    """A run of so many steps."""

    def run():
        for _ in range(times):
            step()
        finished()

    return run


def about() -> dict[str, object]:
    """Version, device and threads of a PyTorch process."""
    return {
        'versions': {'torch': torch.__version__},
        'device': torch.cuda.get_device_name() if CUDA else 'cpu',
        'threads': torch.get_num_threads(),
    }
