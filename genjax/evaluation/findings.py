"""What figures give away: copies, collapses of samples and of latents, and what misleads them."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from genjax import metrics
from genjax.data import marks
from genjax.evaluation.evidence import Evidence
from genjax.evaluation.figures import Figure, expected
from genjax.evaluation.inference import Posteriors

_FEW = 2000  # images, with fewer of which a Frechet distance is mostly their number
_REPEATED = 5  # the neighbour that the spheres of density and coverage reach to


def findings(e: Evidence, q: Posteriors | None, figures: Mapping[str, Figure]) -> Iterator[str]:
    """What is wrong with a model or with its figures, a sentence each.

    Nothing of an honest model that is measured by enough images, each of which is there once.

    Args:
      e: the evidence.
      q: the posteriors of a VAE, where they are Gaussian.
      figures: by name.
    """
    yield from _memorised(e, figures['near_copies_share'])
    share, apart = figures['variance_share'], figures['neighbour_distance']
    if share.value < 0.25 * share.real:
        yield (
            f'collapse: samples have {share.value:.1%} of the variance of training images, '
            f'held-out images {share.real:.1%}'
        )
    # Samples of one or two latents lie close together, whatever the model.
    if e.latent_dim > 2 and apart.value < 0.1 * apart.real:
        yield (
            f'collapse: half of the samples have another within {apart.value:.3g}, half of the '
            f'held-out images within {apart.real:.3g}'
        )
    if e.held_out.classes is not None:
        yield from _missing(e)
    if q is not None:
        told = metrics.latent_use(q.held_out.mean, q.held_out.log_var).collapse
        yield from [told] if told else []
    yield from _misleading(e)


def _misleading(e: Evidence) -> Iterator[str]:
    """Figures that the data make other than they look."""
    if both := np.count_nonzero(e.trained_on):
        yield (
            f'overlap: {both} of {len(e.trained_on)} held-out images are training images too: '
            'copies are looked for without them, all other figures take them for unseen; remove '
            'repeated images, or hold out others'
        )
    counts = np.unique(marks(e.reference.x), return_counts=True)[1]
    if often := counts[counts > _REPEATED].sum():
        yield (
            f'repeated images: {often} of {len(e.reference.x)} training images are there more than '
            f'{_REPEATED} times: density and coverage count nothing but copies of these'
        )
    samples, d = e.fakes[0].seen.features.shape
    needed = max(_FEW, d)
    if min(samples, len(e.train.x)) < needed:
        yield (
            f'few images: frechet_distance is of {samples} samples and {len(e.train.x)} training '
            f'images with {d} features; of fewer than {needed} it is too large, by how much '
            'depends on their number: compare it with that of as many only'
        )


def _memorised(e: Evidence, copied: Figure) -> Iterator[str]:
    """By the pooled test of two proportions, at four standard deviations."""
    m, n = sum(len(fake.x) for fake in e.fakes), np.count_nonzero(~e.trained_on)
    if not n:
        return  # No image is left that is known to be no copy.
    pooled = (m * copied.value + n * copied.real) / (m + n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
    if copied.value - copied.real > max(4 * error, 0.02):
        yield (
            f'memorisation: {copied.value:.1%} of the samples are nearer to one of '
            f'{len(e.train.x)} training images than half of the way to the next of those, of '
            f'held-out images {copied.real:.1%}'
        )


def _missing(e: Evidence) -> Iterator[str]:
    """Classes of which there are less than a tenth of twenty samples or more that should be."""
    logits = [np.asarray(x.seen.logits) for x in (expected(e), *e.fakes)]
    real, *sets = (np.bincount(x.argmax(axis=1), minlength=x.shape[1]) for x in logits)
    fake = np.sum(sets, axis=0)
    due = real / real.sum() * fake.sum()
    if missing := np.flatnonzero((due >= 20) & (fake < 0.1 * due)).tolist():
        yield f'collapse: samples of the classes {missing} are all but missing'
