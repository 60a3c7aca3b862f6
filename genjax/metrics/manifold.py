"""Samples and real images as manifolds: spheres about features that reach to a neighbour."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.metrics.arrays import pair
from genjax.metrics.neighbours import blocks, centred, nearest_squared, radii_squared, squared


class PrecisionRecall(NamedTuple):
    """Fidelity and variety.

    Attributes:
      precision: share of the samples that lie in the real manifold.
      recall: share of the real images that lie in the manifold of the samples.
    """

    precision: float
    recall: float


class PRDC(NamedTuple):
    """Fidelity and variety, twice.

    Attributes:
      precision: share of the samples within a real image's sphere.
      recall: share of the real images within a sample's sphere.
      density: real spheres about a sample, over k, the mean; it may pass 1.
      coverage: share of the real images with a sample within their sphere.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(real: Any, fake: Any, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall; a sphere reaches to the k-th neighbour and has its border.

    Kynkäänniemi et al. 2019, https://arxiv.org/abs/1904.06991, whose equation 1 has `<=`. The
    sphere of an image that is there more than k times has no radius: only its copies are within.

    Args:
      real: features `[n, d]`, n > k.
      fake: features `[m, d]`, m > k.
      k: neighbour.

    Raises:
      ValueError: k < 1, too few rows, different columns, NaN or infinity.
    """
    (found,) = _spheres(real, fake, (k, True))
    return PrecisionRecall(found.precision, found.recall)


def prdc(real: Any, fake: Any, k: int = 5) -> PRDC:
    """Precision, recall, density and coverage; a sphere has its centre, but no border.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797. Of samples that are as the real ones,
    density is about 1 and coverage `1 - 2^-k`.

    The authors' `<` leaves nothing in a sphere without a radius, that of an image which is there
    more than k times, and gives 0 of two equal sets of such images. Here its copies are within, and
    nothing else: among many repeated images these figures tell copies from all that is new, and
    density counts a copy once for each repetition. Leave repeated images out.

    Args:
      real: features `[n, d]`, n > k.
      fake: features `[m, d]`, m > k.
      k: neighbour.

    Raises:
      ValueError: k < 1, too few rows, different columns, NaN or infinity.
    """
    (found,) = _spheres(real, fake, (k, False))
    return found


def spheres(real: Any, fake: Any) -> PRDC:
    """Precision and recall as `precision_recall` has them, density and coverage as `prdc`, at once.

    Args:
      real: features `[n, d]`, n > 5.
      fake: features `[m, d]`, m > 5.

    Raises:
      ValueError: too few rows, different columns, NaN or infinity.
    """
    improved, plain = _spheres(real, fake, (3, True), (5, False))
    return plain._replace(precision=improved.precision, recall=improved.recall)


@partial(jax.jit, static_argnames='borders')
def _meetings(fake, real, fake_reach, real_reach, borders):
    """For some samples, by each kind of spheres: in how many real ones each lies; for the real
    images: whether one of these has them in its sphere, and whether they have one in theirs."""
    distances = squared(fake, real)
    found = []
    for i, border in enumerate(borders):
        within = jnp.less_equal if border else jnp.less
        in_real = within(distances, real_reach[None, :, i])
        in_fake = within(distances, fake_reach[:, i, None])
        found.append((in_real.sum(axis=1), in_fake.any(axis=0), in_real.any(axis=0)))
    return found


def _spheres(real: Any, fake: Any, *kinds: tuple[int, bool]) -> list[PRDC]:
    """By kinds of spheres: the neighbour that each reaches to, and whether it has its border."""
    ks, borders = zip(*kinds, strict=True)
    real, fake = pair(real, fake, max(ks) + 1)
    if min(ks) < 1:
        raise ValueError(f'expected k >= 1, got {min(ks)}')
    (real, fake), tie = centred(real, fake)
    slack = np.where(borders, tie, -tie)[None]
    # What is equal to the centre is within it, whatever its radius.
    real_reach, fake_reach = (
        np.maximum(radii_squared(rows, ks) + slack, tie) for rows in (real, fake)
    )
    with jax.enable_x64(True):
        met = [
            jax.device_get(_meetings(fake[part], real, fake_reach[part], real_reach, borders))
            for part in blocks(len(fake), len(real))
        ]
    found = []
    for k, parts in zip(ks, zip(*met, strict=True), strict=True):
        counts, recalled, covered = zip(*parts, strict=True)
        count, *shares = np.concatenate(counts), np.any(recalled, axis=0), np.any(covered, axis=0)
        precision, recall, coverage = (float(np.mean(share)) for share in (count > 0, *shares))
        found.append(PRDC(precision, recall, float(np.mean(count)) / k, coverage))
    return found


class Authenticity(NamedTuple):
    """How samples lie about the images that a model was trained on.

    Attributes:
      copied: bool `[m]`: a sample is nearer to its nearest training image than that is to any
        other training image.
      near: bool `[m]`: it is nearer than half of that. Next to no held-out image is, also where
        samples are smoother than images and many of them count as copied.
      nearest: int `[m]`: which training image that is.
      distance: `[m]`, Euclidean.
    """

    copied: np.ndarray
    near: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray

    @property
    def share(self) -> float:
        """The share of samples that are authentic, that is not copied.

        About half of new draws from the training distribution itself are: what a model's share is
        to be held against is that of held-out images.
        """
        return float(1 - np.mean(self.copied))


def authenticity(train: Any, fake: Any) -> Authenticity:
    """Which samples are nearer to a training image than training images are to each other.

    Alaa et al. 2022, https://arxiv.org/abs/2102.08921.

    Args:
      train: features `[n, d]` of all that a model was trained on, n >= 2.
      fake: features `[m, d]`.

    Raises:
      ValueError: too few rows, different columns, NaN or infinity.
    """
    train, fake = pair(train, fake)
    if len(train) < 2:
        raise ValueError(f'expected two training images or more, got {len(train)}')
    (train, fake), tie = centred(train, fake)
    distances, rows = nearest_squared(fake, train, 1)
    (alone,) = radii_squared(train, (1,)).T
    # An exact copy is one of a training image that is there twice, too.
    distance, reach = distances[:, 0], alone[rows[:, 0]]
    copied, near = (distance < np.maximum(r - tie, tie) for r in (reach, reach / 4))
    return Authenticity(copied, near, rows[:, 0], np.sqrt(distance))
