"""What is said before a training starts: what it will do, and what would quietly spoil it."""

import math
import os
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np

from genjax import parallel
from genjax.core import State
from genjax.data import Dataset
from genjax.data.arrays import shown
from genjax.gan.penalties import default_gamma
from genjax.precision import best_precision
from genjax.train.config import Config
from genjax.train.pace import Pace

_LOOKED = 500  # images that tell what the pixels of all are like
_GREY = (16, 239)  # between these a pixel is neither black nor white
_BINARY = 0.5  # of the pixels are grey: from here on images are photographs


def advised(
    config: Config, model: Any, trained: Dataset, held_out: Dataset, pace: Pace, monitor: str
) -> tuple[Config, list[str]]:
    """The config with what would spoil a training, and what is to be said before it starts.

    Args:
      config: of the run.
      model: a `GAN` or a `VAE`.
      trained: what is trained on.
      held_out: what is measured on.
      pace: how long.
      monitor: the metric that patience looks at; '' for a VAE's bound.
    """
    state = jax.eval_shape(model.init, jax.random.key(0))
    batch = config['batch_size'] * model.repeats
    notes = config['notes'] + warnings(config, state, trained, model.num_classes)
    notes += [text for so, text in _of_patience(config['options'], pace, monitor) if so]
    planned = plan(config, state, trained, held_out, pace, batch)
    return {**config, 'notes': notes}, [*planned, *notes]


def say(lines: list[str]) -> None:
    """Prints lines, of several processes in the first.

    Args:
      lines: to be said.
    """
    for line in lines if parallel.leads() else ():
        print(f'genjax: {line}', file=sys.stderr)


def greys(dataset: Dataset) -> float:
    """The share of pixels that are neither black nor white, by some of the images.

    Args:
      dataset: any.
    """
    some = dataset.x[:: max(1, dataset.size // _LOOKED)]
    return float(np.mean((some > _GREY[0]) & (some < _GREY[1])))


def photographs(dataset: Dataset) -> bool:
    """Whether images have too many greys to be drawn as black and white.

    Args:
      dataset: any.
    """
    return greys(dataset) > _BINARY


def plan(
    config: Config, state: State, trained: Dataset, held_out: Dataset, pace: Pace, batch: int
) -> list[str]:
    """What a training will do, a line each.

    Args:
      config: of the run.
      state: shapes of it.
      trained: what is trained on.
      held_out: what is measured on.
      pace: how long.
      batch: examples a step.
    """
    devices = jax.devices()
    precision = config['options'].get('precision', 'float32')
    precision = best_precision() if precision == 'auto' else precision
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    images = 'x'.join(map(str, trained.image_shape))
    passes = pace.steps * batch / trained.size
    count = _classes(trained)
    classes = f' of {count} classes' if count else ''
    return [
        f'{len(devices)} x {devices[0].device_kind}, {precision}; state {_bytes(size)}, images '
        f'{_bytes(math.prod(trained.x.shape))}',
        f'{trained.size} training images {images}{classes}, {held_out.size} held out; '
        f'{pace.steps} steps of {batch} are {passes:.3g} passes over them',
        *_rules(config),
        *_idle_gpu(),
    ]


def _rules(config: Config) -> list[str]:
    """Weights of R1 and R2 beside that which a rule of StyleGAN2-ADA would give."""
    told = config['options'].get('penalties', [])
    names = [text for text in map(str, told) if text.partition(':')[0] in ('r1', 'r2')]
    if not names:
        return []
    rule = default_gamma(tuple(config['image_shape']), config['batch_size'])
    return [
        f'{", ".join(names)}, of weight 10 where none is said; the rule 0.0002 h w / b, made for '
        f'StyleGAN2, is {rule:.2g} here, and networks without norms want some hundred times as much'
    ]


def _bytes(n: int) -> str:
    return f'{n / 1e9:.3g} GB' if n >= 1e9 else f'{n / 1e6:.3g} MB'


def _idle_gpu() -> list[str]:
    """An NVIDIA GPU that this jax has no use of."""
    here = any(Path('/dev').glob('nvidia[0-9]*')) or Path('/proc/driver/nvidia/gpus').is_dir()
    if jax.default_backend() != 'cpu' or not here or os.environ.get('JAX_PLATFORMS') == 'cpu':
        return []
    return ['there is a GPU that this jax cannot use: pip install "genjax-models[cuda]"']


def warnings(config: Config, state: State, trained: Dataset, num_classes: int | None) -> list[str]:
    """What would quietly spoil a training, a line each, with the way out.

    Args:
      config: of the run.
      state: shapes of it.
      trained: what is trained on.
      num_classes: of the model.
    """
    o, batch = config['options'], config['batch_size']
    # Each: whether it is so, and what is said of it.
    known = [
        *_of_data(o, trained, batch, num_classes),
        *_of_batch_norm(o, state, batch),
        *_of_objectives(o),
        (
            _part(o, 'dropout=1.0') or _part(o, 'dropout=1'),
            'a dropout of 1 leaves nothing to learn by',
        ),
    ]
    return [text for so, text in known if so]


def _part(options: Config, text: str) -> bool:
    """Whether an option, or a part among several, says so."""
    told = [
        str(part)
        for value in options.values()
        for part in (value if isinstance(value, list) else [value])
    ]
    return any(text in part.replace(':', ',').split(',') for part in told)


def _of_data(o: Config, trained: Dataset, batch: int, num_classes: int | None) -> list:
    likelihood = str(o.get('likelihood', ''))
    share = greys(trained) if likelihood else 0.0
    grey = f'{share:.0%} of the pixels are grey'
    count = _classes(trained)
    names = f' ({shown(trained.classes)})' if trained.classes else ''
    return [
        (
            likelihood == 'bernoulli' and share > _BINARY,
            f'{grey}, and bernoulli draws each black or white anew: '
            'discretized_logistic is a likelihood of all levels',
        ),
        (
            likelihood.startswith(('discretized_logistic', 'gaussian', 'learned_gaussian'))
            and share < 0.05,
            f'{grey}: densities of images in black and white have no bound, bernoulli fits them',
        ),
        (
            likelihood in ('gaussian', 'gaussian:scale=1.0'),
            'gaussian:scale=1 is as wide as all that pixels can be: reconstructions stay blurred; '
            'gaussian:scale=0.1, or learned_gaussian, are sharper',
        ),
        (
            num_classes is None and count > 1,
            f'the labels of {count} classes{names} are not used: num_classes={count} uses them',
        ),
        (
            batch > trained.size,
            f'a batch of {batch} has each of {trained.size} images more than once',
        ),
        (
            likelihood and _part(o, 'flip'),
            'flip makes a VAE draw mirrored images as often as others',
        ),
    ]


def _of_batch_norm(o: Config, state: State, batch: int) -> list:
    normed = {name for name, net in state.nets.items() if _has_batch_norm(net.stats)}
    pieces = o.get('microbatches', 1)
    return [
        (
            'discriminator' in normed and o.get('penalties'),
            'gradient penalties are of each image by itself, which batch norm in the discriminator '
            'makes one of its batch: norm=layer has no such effect',
        ),
        (
            normed and batch // pieces == 1,
            'batch norm of a single image puts out nothing but its shift: take larger batches',
        ),
        (
            normed and pieces > 1,
            f'batch norm takes its statistics of pieces of {batch // pieces} images, not of all '
            f'{batch}',
        ),
    ]


def _has_batch_norm(stats: Any) -> bool:
    paths = jax.tree_util.tree_leaves_with_path(stats)
    return any('batch_stats' in jax.tree_util.keystr(path) for path, _ in paths)


def _of_objectives(o: Config) -> list:
    bounded = o.get('weight_clip') or o.get('penalties')
    return [
        (
            o.get('objective') == 'wasserstein' and not bounded,
            "wasserstein's loss has no bound without weight_clip or a penalty such as wgan_gp",
        ),
        (
            'objective' in o and _part(o, 'flip') and _part(o, 'probability=0.5'),
            'flip:probability=0.5 of real and fake images leaves open which way round samples are: '
            '0.25 does not',
        ),
    ]


def _of_patience(o: Config, pace: Pace, monitor: str) -> list:
    warmup, waits = o.get('warmup', 0), bool(pace.patience)
    bound = waits and not monitor
    return [
        (
            waits and isinstance(warmup, int) and warmup >= pace.steps,
            f'patience looks at what is measured after the warm-up, of {warmup} steps, and there '
            f'are {pace.steps}: it never ends this training',
        ),
        (
            bound and ('free_bits' in str(o.get('bound', '')) or o.get('free_bits')),
            'free_bits lets training fill latents at no cost, and the bound that patience looks at '
            'counts their cost: it may end a training that goes well; a monitor such as '
            'frechet_distance does not',
        ),
        (
            bound and ':' in str(o.get('beta', '')),
            'beta follows a schedule, and the bound that patience looks at has a beta of 1: it may '
            'get worse while beta falls or rises as it is to',
        ),
    ]


def _classes(dataset: Dataset) -> int:
    """How many there are; 0 of what has no labels."""
    return 0 if dataset.y is None else len(np.unique(dataset.y[dataset.y >= 0]))
