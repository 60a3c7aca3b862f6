"""What the JAX contenders share: programs compiled ahead, run with donated state."""

import time
from collections.abc import Callable
from typing import Any

import flax
import flax.linen as nn
import jax
import jaxlib
from jax import lax

from experiments.benchmarks.task import Task


def counted(compiled: Any) -> float | None:
    """FLOPs in a compiled program, where XLA tells; the body of a loop counts once."""
    analysis = compiled.cost_analysis()
    return analysis.get('flops') if isinstance(analysis, dict) else None


def size_of(state: Any) -> int:
    """How many numbers the networks of a state train."""
    params = [net.params for net in state.nets.values()]
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def training(model: Any, batch: Any, times: int, scanned: bool, facts: dict) -> Task:
    """Steps of a genjax model, as one scan or one by one, with donated state.

    Args:
      model: a `GAN` or a `VAE`.
      batch: stacked batches of `times` steps, on the device.
      times: steps in a run.
      scanned: one program of so many steps, else so many calls.
      facts: what is known already.
    """

    def many(state, stacked):
        return lax.scan(model.train_step, state, stacked)

    start = time.perf_counter()
    state = model.init(jax.random.key(0))
    first = jax.tree.map(lambda x: x[0], batch)
    inputs = batch if scanned else first
    jitted = jax.jit(many if scanned else model.train_step, donate_argnums=0)
    step = jitted.lower(state, inputs).compile()
    facts = facts | {'compile_s': time.perf_counter() - start, 'parameters': size_of(state)}
    if (flops := counted(step)) is not None:
        facts['compiled_flops'] = flops
    held = [state]

    def run():
        for _ in range(1 if scanned else times):
            held[0], metrics = step(held[0], inputs)
        jax.block_until_ready((held[0], metrics))

    return Task(run, times, facts)


def swapped(module: Any) -> Callable[[], None]:
    """Puts Flax's own convolutions in the place of genjax's in a module; returns the way back."""

    def transposed(features, kernel_size, strides=1, **options):
        return nn.ConvTranspose(features, kernel_size, (strides, strides), **options)

    ours = module.Conv, module.ConvTranspose
    module.Conv, module.ConvTranspose = nn.Conv, transposed

    def back():
        module.Conv, module.ConvTranspose = ours

    return back


def about() -> dict[str, Any]:
    """Versions, device and allocator of a JAX process."""
    device = jax.devices()[0]
    return {
        'versions': {
            'jax': jax.__version__,
            'jaxlib': jaxlib.__version__,
            'flax': flax.__version__,
        },
        'device': f'{jax.default_backend()}, {device.device_kind}',
    }
