"""Single layers in PyTorch."""

import torch
from torch import nn

from experiments.benchmarks.task import Task
from experiments.benchmarks.torch_common import DEVICE, Tuning, check_bfloat16, finished


def layer(
    kind: str, size: int, c: int, features: int, batch: int = 64, times: int = 4, **tuning: bool
) -> Task:
    """Forward and both gradients of a 4x4 stride-2 convolution, or a transposed one.

    Args:
      kind: `'conv'` or `'transposed'`.
      size: pixels of the input.
      c: channels of the input.
      features: channels of the output.
      batch: images.
      times: in a run.
      **tuning: of `Tuning`.
    """
    tuned = Tuning(**tuning)
    make = nn.Conv2d if kind == 'conv' else nn.ConvTranspose2d
    net = tuned.network(make(c, features, 4, 2, 1, bias=False))
    x = tuned.images(torch.randn(batch, c, size, size)).requires_grad_()
    with tuned.precision():
        out = net(x)
    gradient = torch.randn_like(out)

    def run():
        for _ in range(times):
            with tuned.precision():
                out = net(x)
            torch.autograd.grad(out, (x, *net.parameters()), gradient)
        finished()

    return Task(run, times, {})


def matmul(n: int = 2048, times: int = 8, dtype: str = 'float32') -> Task:
    """Products of square matrices."""
    if dtype == 'bfloat16':
        check_bfloat16()
    x, y = (torch.randn(n, n, device=DEVICE).to(getattr(torch, dtype)) for _ in range(2))

    def run():
        for _ in range(times):
            torch.matmul(x, y)
        finished()

    return Task(run, times, {'nominal_flops': 2 * n**3})
