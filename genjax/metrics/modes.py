"""Which modes of a distribution a model has found, and how evenly it draws them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Shaped
from scipy.special import rel_entr

from genjax.images import UNIT, ValueRange, checked
from genjax.metrics.arrays import check_classes
from genjax.metrics.classifier import named
from genjax.metrics.features import Extractor


class ModeCoverage(NamedTuple):
    """How samples are spread over modes.

    Attributes:
      modes: how many have a sample.
      kl: `KL(samples || reference)` over modes, in nats.
      total_variation: `sum |p - q| / 2` between the two, in [0, 1].
      counts: the histogram, `[n_modes]`.
    """

    modes: int
    kl: float
    total_variation: float
    counts: Int[np.ndarray, 'n_modes']


def mode_coverage(
    labels: Int[np.ndarray, 'n'], n_modes: int, reference: Int[np.ndarray, 'm'] | None = None
) -> ModeCoverage:
    """The modes that samples are of, beside even ones or those of real data.

    The divergence is the reverse one of PacGAN, Lin et al. 2018 (https://arxiv.org/abs/1712.04086).
    For n even draws it is about `(n_modes - 1) / 2n` nats: give the sample size with the figure.

    Args:
      labels: the mode of each sample, in `[0, n_modes)`.
      n_modes: how many there are.
      reference: the modes of real data; None for a uniform distribution.

    Raises:
      ValueError: no labels, or labels out of their range.
    """
    counts, even = _histogram(labels, n_modes), np.ones(n_modes)
    others = even if reference is None else _histogram(reference, n_modes)
    p, q = counts / counts.sum(), others / others.sum()
    return ModeCoverage(
        modes=int(np.count_nonzero(counts)),
        kl=float(rel_entr(p, q).sum()),
        total_variation=float(np.abs(p - q).sum() / 2),
        counts=counts,
    )


def _histogram(labels: Int[np.ndarray, 'n'], n_modes: int) -> Int[np.ndarray, 'n_modes']:
    return np.bincount(check_classes(labels, n_modes), minlength=n_modes)


def stacked_coverage(
    extractor: Extractor,
    images: Shaped[np.ndarray, 'n h w 3'],
    value_range: ValueRange | None = None,
) -> ModeCoverage:
    """The modes of Stacked MNIST (Metz et al. 2017, https://arxiv.org/abs/1611.02163): each channel
    is named by a classifier, and `100 a + 10 b + c` is one of 1000 modes.

    A classifier that errs in 1% of the digits misnames 3% of the triples. So give the figure of as
    many real images, of `genjax.data.stacked`, beside that of samples.

    Args:
      extractor: names ten digits, say `digits()`.
      images: samples, uint8 or float in [-1, 1].
      value_range: of the images, as `extract` has it.

    Raises:
      ValueError: images without three channels, or an extractor without logits.
    """
    return mode_coverage(name_stacked(extractor, images, value_range), 1000)


def name_stacked(
    extractor: Extractor,
    images: Shaped[np.ndarray, 'n h w 3'],
    value_range: ValueRange | None = None,
) -> Int[np.ndarray, 'n']:
    """The label `100 a + 10 b + c` of each image of three digits, as the classifier reads them.

    Args:
      extractor: names ten digits, say `digits()`.
      images: uint8 or float in [-1, 1].
      value_range: of the images, as `extract` has it.

    Raises:
      ValueError: images without three channels, or an extractor without logits.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f'expected images [n, h, w, 3], got {images.shape}')
    images = checked(images, value_range)
    a, b, c = (named(extractor, images[..., i : i + 1], UNIT) for i in range(3))
    return 100 * a + 10 * b + c
