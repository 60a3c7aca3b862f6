"""Who competes in what. Imports no framework: targets are named, and called in workers."""

from collections.abc import Callable
from typing import Any

from experiments.benchmarks.task import Benchmark, Contender

# Tunings of PyTorch, by what its users call them; the first is the code of its examples.
EXAMPLE: dict[str, bool] = {}
LAST = {'channels_last': True, 'fused': True}
COMPILED = LAST | {'compiled': True}
LOW = {'bfloat16': True}
# What follows another: name, options, and whether the allocator is tuned.
TUNINGS = [
    ('as its example', EXAMPLE, False),
    ('channels_last, fused Adam', LAST, True),
    ('the same, torch.compile', COMPILED, True),
    ('the same, bfloat16', LAST | LOW, True),
    ('the same, bfloat16, torch.compile', COMPILED | LOW, True),
]
# The eight layers of DCGAN-64.
LAYERS = [
    ('conv', 32, 64, 128),
    ('conv', 16, 128, 256),
    ('conv', 8, 256, 512),
    ('transposed', 4, 512, 256),
    ('transposed', 8, 256, 128),
    ('transposed', 16, 128, 64),
    ('conv', 64, 3, 64),
    ('transposed', 32, 64, 3),
]


def peers(target: str, common: dict[str, Any], **options: Any) -> list[Contender]:
    """PyTorch in each of its tunings."""
    return [
        Contender(f'PyTorch, {name}', target, common | tuning, tuned=tuned, **options)
        for name, tuning, tuned in TUNINGS
    ]


def dcgan(size: int, width: int = 64, batch: int = 64, times: int = 2) -> Benchmark:
    """The training step of DCGAN."""
    common = {'size': size, 'width': width, 'batch': batch}
    scan = common | {'times': times}
    flax = common | {'flax': True, 'times': 1}
    return Benchmark(
        f'dcgan{size}',
        f'DCGAN {size}x{size}x3, width {width}, batch {batch}: '
        'one update of the discriminator and one of the generator.',
        'step',
        (
            Contender('genjax, float32', 'jax_gan:steps', scan, ours=True),
            Contender(
                'genjax, bfloat16', 'jax_gan:steps', scan | {'precision': 'bfloat16'}, ours=True
            ),
            *peers('torch_gan:steps', scan),
            Contender(
                "Flax's convolutions, bare", 'jax_gan:steps', flax | {'scanned': False}, rounds=2
            ),
            Contender("Flax's convolutions, scanned", 'jax_gan:steps', flax, rounds=1),
        ),
    )


def convs(batch: int = 64, layers: list[tuple[str, int, int, int]] = LAYERS) -> list[Benchmark]:
    """Single layers, forward and both gradients."""

    def one(kind, size, c, features):
        common = {'kind': kind, 'size': size, 'c': c, 'features': features, 'batch': batch}
        return Benchmark(
            f'convs/{kind} {size}x{size}x{c} -> {features}',
            f'A 4x4 stride-2 layer, forward and both gradients, batch {batch}.',
            'layer',
            (
                Contender('genjax', 'jax_layers:layer', common, ours=True),
                Contender('PyTorch, channels_last', 'torch_layers:layer', common | LAST),
                Contender(
                    'XLA', 'jax_layers:layer', common | {'native': True, 'times': 1}, rounds=2
                ),
            ),
        )

    return [one(*layer) for layer in layers]


def sampling(size: int = 64, width: int = 64, n: int = 64) -> Benchmark:
    """Images of DCGAN's generator."""
    common = {'size': size, 'width': width, 'n': n}
    tunings = [(name, t, tuned) for name, t, tuned in TUNINGS if 'bfloat16' not in name]
    return Benchmark(
        'sampling',
        f'Sampling of DCGAN {size}x{size}x3, {n} images at a time, float32.',
        'images',
        (
            Contender('genjax', 'jax_gan:samples', common, ours=True),
            *(
                Contender(f'PyTorch, {name}', 'torch_gan:samples', common | t, tuned=tuned)
                for name, t, tuned in tunings
            ),
        ),
        rate=True,
    )


def matmul(n: int = 2048) -> list[Benchmark]:
    """The rate of matrix products, in the precision that each framework multiplies in."""

    def one(dtype):
        options = {'n': n, 'dtype': dtype}
        return Benchmark(
            f'matmul/{dtype}',
            f'Products of {n}x{n} matrices of {dtype}.',
            'product',
            (
                Contender('JAX', 'jax_layers:matmul', options, ours=True),
                Contender('PyTorch', 'torch_layers:matmul', options),
            ),
        )

    return [one('float32'), one('bfloat16')]


SUITE: dict[str, Callable[[], Benchmark | list[Benchmark]]] = {
    'matmul': matmul,
    'convs': convs,
    'dcgan32': lambda: dcgan(32, times=8),
    'dcgan64': lambda: dcgan(64),
    'sampling': sampling,
}


def benchmarks(name: str) -> list[Benchmark]:
    """All benchmarks of a name."""
    made = SUITE[name]()
    return [made] if isinstance(made, Benchmark) else made
