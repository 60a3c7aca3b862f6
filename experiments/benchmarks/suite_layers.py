"""Single layers and matrix products. Imports no framework."""

from experiments.benchmarks.task import LAST, LOW, Benchmark, Contender

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

# Pixels, channels, features, kernel, stride: what the rule of `genjax.nn.bilinear` is tried on.
FORMS = [
    (28, 1, 64, 4, 2),
    (14, 64, 128, 4, 2),
    (32, 8, 16, 4, 2),
    (64, 16, 32, 4, 2),
    (32, 64, 128, 4, 2),
    (8, 256, 512, 4, 2),
    (32, 3, 64, 3, 1),
    (32, 16, 16, 3, 1),
    (16, 128, 128, 3, 1),
    (32, 64, 64, 3, 2),
    (32, 64, 64, 1, 1),
]


def convs(batch: int = 64, layers: list[tuple[str, int, int, int]] = LAYERS) -> list[Benchmark]:
    """Single layers, forward and both gradients."""

    def one(kind, size, c, features):
        common = {'kind': kind, 'size': size, 'c': c, 'features': features, 'batch': batch}
        return Benchmark(
            f'convs/{kind} {size}x{size}x{c} -> {features}',
            f'A 4x4 stride-2 layer, forward and both gradients, batch {batch}.',
            'layer',
            (
                Contender('genjax, float32', 'jax_layers:layer', common, ours=True),
                Contender(
                    'genjax, bfloat16',
                    'jax_layers:layer',
                    common | {'dtype': 'bfloat16'},
                    ours=True,
                ),
                Contender('PyTorch, channels_last', 'torch_layers:layer', common | LAST),
                Contender('the same, bfloat16', 'torch_layers:layer', common | LAST | LOW),
                Contender(
                    'XLA', 'jax_layers:layer', common | {'native': True, 'times': 1}, rounds=2
                ),
            ),
        )

    return [one(*layer) for layer in layers]


def forms(shapes: list[tuple[int, int, int, int, int]] = FORMS) -> list[Benchmark]:
    """The forms of a convolution on a CPU, and what the rule picks."""
    names = ('size', 'c', 'features', 'kernel', 'stride')
    tiles = {'tiles of one': 1, 'tiles of two': 2, 'XLA': 0}

    def one(shape):
        size, c, features, kernel, stride = shape
        options = dict(zip(names, shape, strict=True))
        able = {name: t for name, t in tiles.items() if t != 2 or 1 < -(-kernel // stride) < 4}
        return Benchmark(
            f'forms/{kernel}x{kernel}/{stride} {size}x{size}x{c} -> {features}',
            'Forward and both gradients, batch 64, in each form.',
            'layer',
            (
                Contender('the rule', 'jax_layers:form', options | {'tile': None}, ours=True),
                *(
                    Contender(name, 'jax_layers:form', options | {'tile': tile})
                    for name, tile in able.items()
                ),
            ),
        )

    return [one(shape) for shape in shapes]


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
