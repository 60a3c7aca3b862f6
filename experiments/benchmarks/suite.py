"""Who competes in what. Imports no framework: targets are named, and called in workers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.benchmarks.suite_layers import convs, forms, matmul
from experiments.benchmarks.task import LAST, LOW, Benchmark, Contender

# Tunings of PyTorch, by what its users call them; the first is the code of its examples.
EXAMPLE: dict[str, bool] = {}
COMPILED = LAST | {'compiled': True}
JPEGS = 'jpegs'  # a folder beside the file of images
# What follows another: name, options, and whether the allocator is tuned.
TUNINGS = [
    ('as its example', EXAMPLE, False),
    ('channels_last, fused Adam', LAST, True),
    ('the same, torch.compile', COMPILED, True),
    ('the same, bfloat16', LAST | LOW, True),
    ('the same, bfloat16, torch.compile', COMPILED | LOW, True),
]


def peers(target: str, common: dict[str, Any], **options: Any) -> list[Contender]:
    """PyTorch in each of its tunings."""
    return [
        Contender(f'PyTorch, {name}', target, common | tuning, tuned=tuned, **options)
        for name, tuning, tuned in TUNINGS
    ]


def ours(target: str, common: dict[str, Any]) -> list[Contender]:
    """genjax in either precision."""
    return [
        Contender(f'genjax, {name}', target, common | options, ours=True)
        for name, options in (('float32', {}), ('bfloat16', {'precision': 'bfloat16'}))
    ]


def flax(target: str, common: dict[str, Any], bare: int, scanned: int) -> list[Contender]:
    """genjax with Flax's convolutions, which are slow: in so many rounds each."""
    name, options = "Flax's convolutions", common | {'flax': True}
    return [
        Contender(f'{name}, bare', target, options | {'scanned': False}, rounds=bare),
        Contender(f'{name}, scanned', target, options, rounds=scanned),
    ]


def dcgan(size: int, width: int = 64, batch: int = 64, times: int = 2) -> Benchmark:
    """The training step of DCGAN."""
    common = {'size': size, 'width': width, 'batch': batch}
    scan = common | {'times': times}
    return Benchmark(
        f'dcgan{size}',
        f'DCGAN {size}x{size}x3, width {width}, batch {batch}: '
        'one update of the discriminator and one of the generator.',
        'step',
        (
            *ours('jax_gan:steps', scan),
            *peers('torch_gan:steps', scan),
            *flax('jax_gan:steps', common | {'times': 1}, bare=2, scanned=1),
        ),
    )


def residual(method: str, width: int, what: str) -> Benchmark:
    """The training step of SNGAN or of R3GAN."""
    common = {'method': method, 'width': width, 'batch': 64, 'times': 2}
    return Benchmark(
        method,
        f'{what} of 32x32x3, width {width}, batch 64: one update of each player.',
        'step',
        (*ours('jax_gan:residual', common), *peers('torch_residual:steps', common)),
    )


def sampling(size: int = 64, width: int = 64, n: int = 64) -> Benchmark:
    """Images of DCGAN's generator."""
    common = {'size': size, 'width': width, 'n': n}
    last = common | {'channels_last': True}
    return Benchmark(
        'sampling',
        f'Sampling of DCGAN {size}x{size}x3, {n} images at a time, float32.',
        'images',
        (
            Contender('genjax', 'jax_gan:samples', common, ours=True),
            Contender('PyTorch, as its example', 'torch_gan:samples', common, tuned=False),
            Contender('PyTorch, channels_last', 'torch_gan:samples', last),
            Contender(
                'PyTorch, channels_last, torch.compile',
                'torch_gan:samples',
                last | {'compiled': True},
            ),
        ),
        rate=True,
    )


def vae(file: str, batch: int = 128, times: int = 100) -> list[Benchmark]:
    """The VAE of pytorch/examples: its step, and an epoch with the data."""
    common = {'batch': batch, 'times': times}
    data = {'file': file, 'batch': batch}
    memory = {'fused': True, 'loads': False}
    return [
        Benchmark(
            'vae/step',
            f'The VAE of pytorch/examples, 784-400-20-400-784, batch {batch}.',
            'step',
            (
                *ours('jax_vae:steps', common),
                *peers('torch_vae:steps', common),
            ),
        ),
        Benchmark(
            'vae/epoch',
            'An epoch of it, with its data: 60,000 images of 28x28.',
            'epoch',
            (
                *ours('jax_vae:epoch', data),
                Contender('PyTorch, as its example', 'torch_vae:epoch', data, tuned=False),
                Contender('PyTorch, fused Adam', 'torch_vae:epoch', data | {'fused': True}),
                Contender('PyTorch, data in memory', 'torch_vae:epoch', data | memory),
                Contender(
                    'the same, torch.compile', 'torch_vae:epoch', data | memory | {'compiled': True}
                ),
            ),
            rounds=3,
        ),
    ]


def conv_vae(width: int = 32, batch: int = 128, times: int = 10) -> Benchmark:
    """genjax's convolutional VAE."""
    sizes = {'width': width, 'latent_dim': 32}
    common = {'network': 'convolutional', 'batch': batch, 'times': times, 'sizes': sizes}
    return Benchmark(
        'conv_vae',
        f'A VAE of four convolutional layers, 28x28x1, width {width}, batch {batch}.',
        'step',
        (
            *ours('jax_vae:steps', common),
            *peers('torch_vae:steps', common),
            *flax('jax_vae:steps', common, bare=3, scanned=2),
        ),
    )


def pythae(batch: int = 128, times: int = 20) -> list[Benchmark]:
    """Methods that Pythae has too, which is to be installed where PyTorch is."""
    common = {'batch': batch, 'times': times}
    return [
        Benchmark(
            f'pythae/{method}',
            f'{what}, 28x28x1, batch {batch}, beside that of Pythae.',
            'step',
            (
                *ours('jax_vae:steps', common | {'network': method}),
                *peers('torch_pythae:steps', common | {'method': method}),
            ),
        )
        for method, what in {
            'vamp_vae': 'VampPrior of 500 pseudo-inputs, gated layers 300-300',
            'iwae': 'IWAE of 50 samples, 200-200',
            'hyperspherical_vae': 'Hyperspherical VAE, 256-128, latents in 11 dimensions',
        }.items()
    ]


def flax_vae(batch: int = 128, times: int = 100) -> Benchmark:
    """The VAE of Flax's examples."""
    common = {'batch': batch, 'times': times}
    return Benchmark(
        'flax_vae',
        f"The VAE of Flax's examples, 784-500-20-500-784, batch {batch}.",
        'step',
        (
            *ours('jax_vae:steps', common | {'sizes': {'hidden': (500,)}}),
            Contender('Flax, as its example', 'jax_flax:steps', common, tuned=False),
            Contender('Flax, scanned', 'jax_flax:steps', common | {'scanned': True}),
        ),
    )


def memory(size: int = 64, width: int = 64) -> Benchmark:
    """Peak memory of a process that trains DCGAN, compilation included."""
    common = {'size': size, 'width': width, 'times': 2}
    last = common | LAST
    return Benchmark(
        'memory',
        f'Peak memory of a process that takes a few steps of DCGAN {size}x{size}x3.',
        'step',
        (
            Contender('genjax', 'jax_gan:steps', common, ours=True, alone=True),
            Contender(
                'genjax, allocator untouched',
                'jax_gan:steps', common, ours=True, alone=True, tuned=False,
            ),
            Contender('PyTorch', 'torch_gan:steps', last, alone=True),
            Contender(
                'PyTorch, allocator untouched', 'torch_gan:steps', last, alone=True, tuned=False
            ),
        ),
        rounds=2,
    )  # fmt: skip


def data(file: str, batch: int = 128) -> Benchmark:
    """The rate of data alone, beside what a step takes."""
    common = {'file': file, 'batch': batch}
    return Benchmark(
        'data',
        'Images of 28x28 in batches on the device, beside what the step of `vae` consumes.',
        'images',
        (
            Contender('genjax, on the device', 'jax_vae:reading', common, ours=True),
            Contender('genjax, streamed', 'jax_vae:reading', common | {'streamed': True}),
            Contender("PyTorch's example", 'torch_vae:reading', common, rounds=3),
            Contender("genjax's step", 'jax_vae:consumption', {'batch': batch}),
        ),
        rate=True,
    )


def folder(jpegs: str) -> Benchmark:
    """Image files into the cache, beside reading them alone."""
    common = {'folder': jpegs}
    return Benchmark(
        'folder',
        'A folder of JPEG files converted into the cache, and Pillow decoding them alone; the '
        'target is 0.8 of its rate.',
        'images',
        (
            Contender('genjax', 'jax_folder:converting', common, ours=True),
            Contender('Pillow alone, in threads', 'jax_folder:decoding', common),
            Contender(
                'Pillow alone, in processes', 'jax_folder:decoding', common | {'processes': True}
            ),
        ),
        rate=True,
    )


SUITE: dict[str, Callable[[str], Benchmark | list[Benchmark]]] = {
    'matmul': lambda file: matmul(),
    'dcgan32': lambda file: dcgan(32, times=8),
    'dcgan64': lambda file: dcgan(64),
    'sngan': lambda file: residual('sngan', 128, "SNGAN's residual networks"),
    'r3gan': lambda file: residual('r3gan', 32, 'R3GAN, with R1 and R2,'),
    'vae': vae,
    'conv_vae': lambda file: conv_vae(),
    'flax_vae': lambda file: flax_vae(),
    'pythae': lambda file: pythae(),
    'sampling': lambda file: sampling(),
    'convs': lambda file: convs(),
    'forms': lambda file: forms(),
    'memory': lambda file: memory(),
    'data': data,
    'folder': lambda file: folder(str(Path(file).with_name(JPEGS))),
}


def benchmarks(name: str, file: str) -> list[Benchmark]:
    """All benchmarks of a name.

    Args:
      name: of `SUITE`.
      file: uint8 images [n, 28, 28], npy; JPEG files may lie in the folder `JPEGS` beside it.
    """
    made = SUITE[name](file)
    return [made] if isinstance(made, Benchmark) else made
