"""Stacked MNIST: three images as the channels of one."""

import numbers

import numpy as np

from genjax.data.dataset import Dataset
from genjax.data.errors import DataError


def stacked(dataset: Dataset, n: int, seed: int) -> Dataset:
    """Images of three channels, each an image of `dataset`, drawn alone and with replacement.

    Of ten classes they are Stacked MNIST, with 1000 modes (Metz et al. 2017,
    https://arxiv.org/abs/1611.02163). A pure function of the seed: like `split` it takes raw words
    of a PCG64, whose stream NumPy promises to keep.

    Args:
      dataset: of one channel; labels, if there are, in [0, 10).
      n: how many, >= 1; PacGAN and others take 128,000.
      seed: of the draw, >= 0.

    Returns:
      uint8 `[n, h, w, 3]`, with the label `100 a + 10 b + c` of channels of the classes a, b and c.

    Raises:
      DataError: another dataset or number.
    """
    if dataset.image_shape[2] != 1 or (dataset.num_classes or 0) > 10:
        raise DataError(
            f'{dataset.name}: expected images of one channel and at most 10 classes, got '
            f'{dataset.image_shape} and {dataset.num_classes}'
        )
    whole = all(isinstance(number, numbers.Integral) for number in (n, seed))
    if not whole or n < 1 or seed < 0:
        raise DataError(f'expected n >= 1 and a seed >= 0, got {n} and {seed}')
    rows = (np.random.PCG64(seed).random_raw(3 * n) % dataset.size).reshape(n, 3).astype(np.int64)
    x = np.concatenate([dataset.x.take(channel, axis=0) for channel in rows.T], axis=3)
    y = None if dataset.y is None else (dataset.y[rows] @ [100, 10, 1]).astype(np.int32)
    return Dataset(x, y, f'{dataset.name} (stacked)')
