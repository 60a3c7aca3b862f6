"""The figures of a run, each beside that of real images, and what they give away."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from genjax import metrics
from genjax.evaluation.evidence import Evidence, Images, in_pieces, posterior
from genjax.random import stream
from genjax.vae import VAE

SAMPLES = 1000  # of the posterior, for a likelihood
# Of the nats of pixels: the width of a level, by the name of a likelihood.
_WIDTHS = {
    'bernoulli': 1.0,
    'discretized_logistic': 1.0,
    'gaussian': 2 / 255,
    'learned_gaussian': 2 / 255,
}


class Figure(NamedTuple):
    """One line of an evaluation.

    Attributes:
      name: of the quantity, with the parameters that it depends on.
      value: the mean over sets of samples, or over held-out images.
      low: of the 95% interval of that mean; NaN where there is none.
      high: of it.
      real: the same of held-out images in the place of samples; NaN where there is no such thing.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    real: float = math.nan


def of_sets(name: str, values: Iterable[float], real: float = math.nan) -> Figure:
    """A figure of independent sets of samples, with Student's interval of its mean.

    Args:
      name: of the quantity.
      values: one of each set.
      real: of real images.
    """
    found = np.array([*values], np.float64)
    mean, n = float(found.mean()), len(found)
    if n < 2:
        return Figure(name, mean, real=real)
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 0.975) * found.std(ddof=1) / math.sqrt(n))
    return Figure(name, mean, mean - half, mean + half, real)


def _with_error(name: str, value: float, error: float, real: float = math.nan) -> Figure:
    return Figure(name, value, value - 1.96 * error, value + 1.96 * error, real)


def _mean(name: str, values: Any) -> Figure:
    x = np.asarray(values, np.float64)
    return _with_error(name, float(x.mean()), float(x.std() / math.sqrt(x.size)))


def of_samples(e: Evidence) -> Iterator[Figure]:
    """What samples are like, beside held-out images: figures that need nothing but images.

    Args:
      e: the evidence.
    """
    reference, trained = e.reference(), metrics.moments(e.train.seen.features)

    def line(name: str, of: Callable[[Images], float]) -> Figure:
        return of_sets(name, (of(fake) for fake in e.fakes), of(e.held_out))

    yield line('frechet_distance', lambda x: metrics.frechet_distance(trained, x.seen.features))
    size = min(1000, len(reference.x))
    key = stream(e.key, 'kernel')

    def kernel(x):
        pair = reference.seen.features, x.seen.features
        return metrics.kernel_distance(*pair, key, subsets=10, size=size).value

    yield line('kernel_distance', kernel)
    yield from _spheres(e, reference)
    if e.held_out.seen.logits is not None:
        yield line('inception_score', lambda x: metrics.inception_score(x.seen.logits, 1).value)
    if min(e.held_out.x.shape[1:3]) >= 11:
        key_pairs = stream(e.key, 'pairs')
        yield line('self_similarity', lambda x: metrics.self_similarity(x.x, key_pairs, 500).value)
    total = float(np.var(e.train.seen.features, axis=0).sum()) or math.nan
    yield line('variance_share', lambda x: float(np.var(x.seen.features, axis=0).sum() / total))
    yield line('neighbour_distance', _apart)
    yield from _copied(e)


def _apart(x: Images) -> float:
    """The median distance of an image to the nearest of the others."""
    return float(np.median(metrics.nearest(x.seen.features, x.seen.features, 2)[0][:, 1]))


def _spheres(e: Evidence, reference: Images) -> Iterator[Figure]:
    def both(x):
        a, b = reference.seen.features, x.seen.features
        return metrics.precision_recall(a, b), metrics.prdc(a, b)

    fakes, real = [both(fake) for fake in e.fakes], both(e.held_out)
    for i, name in (0, 'precision'), (0, 'recall'), (1, 'density'), (1, 'coverage'):
        yield of_sets(name, (getattr(x[i], name) for x in fakes), getattr(real[i], name))


def _copied(e: Evidence) -> Iterator[Figure]:
    """Of all sets at once: how training images lie to each other is the same for each."""
    sets = [x.seen.features for x in (e.held_out, *e.fakes)]
    found = metrics.authenticity(e.train.seen.features, np.concatenate(sets))
    for name, which in ('copied_share', found.copied), ('near_copies_share', found.near):
        real, *fakes = which.reshape(len(sets), -1).mean(axis=1)
        yield of_sets(name, fakes, float(real))


def of_classes(e: Evidence) -> Iterator[Figure]:
    """How samples are spread over the classes that the extractor names.

    Args:
      e: the evidence.
    """
    if e.held_out.seen.logits is None:
        return
    n, expected = e.held_out.seen.logits.shape[1], _expected(e).classes

    def apart(x):
        return metrics.mode_coverage(x.classes, n, expected).total_variation

    yield of_sets('class_total_variation', map(apart, e.fakes), apart(e.held_out))
    if e.run.model.num_classes != n or e.held_out.y is None:
        return

    def right(x):
        return float(np.mean(x.classes == x.y))

    yield of_sets('class_accuracy', map(right, e.fakes), right(e.held_out))


def _expected(e: Evidence) -> Images:
    """The real images that samples have the classes of: of labelled ones their own labels."""
    return e.train if e.held_out.y is None else e.held_out


def of_labels(e: Evidence) -> Iterator[Figure]:
    """How close the samples of a class are to its images, where each class has two or more.

    Args:
      e: the evidence.
    """
    if e.train.y is None or e.held_out.y is None:
        return
    (a, m), (b, n) = (np.unique(y, return_counts=True) for y in (e.train.y, e.held_out.y))
    if not np.array_equal(a, b) or min(*m, *n) < 2:
        return

    def within(x):
        features = e.train.seen.features, e.train.y, x.seen.features, x.y
        return float(np.mean(metrics.intra_class(metrics.frechet_distance, *features)))

    yield of_sets('intra_class_frechet_distance', map(within, e.fakes), within(e.held_out))


def of_paths(e: Evidence) -> Iterator[Figure]:
    """How fast features change as latents do, between draws of N(0, I).

    Args:
      e: the evidence.
    """
    model, state = e.run.model, e.run.state
    function = model.decode if isinstance(model, VAE) else model.generate

    def generate(state, z):
        y = None if model.num_classes is None else jnp.arange(len(z)) % model.num_classes
        return function(state, z, y)

    way = Partial(generate, state), e.extractor, model.latent_dim, stream(e.key, 'paths')
    found = metrics.path_length(*way, n=500)
    yield _with_error('path_length', found.value, found.standard_error)


def of_likelihood(e: Evidence) -> Iterator[Figure]:
    """What a VAE says of held-out images, in nats an image.

    A likelihood that is none (`grey_bernoulli`) has an ELBO, as it is trained by, but no NLL.

    Args:
      e: the evidence.
    """
    run, key = e.run, stream(e.key, 'likelihood')
    if not isinstance(run.model, VAE):
        return

    def over(images: Images, function: Callable) -> Any:
        def one(rows, x, y):
            batch = {'x': x} | ({} if y is None else {'y': y})
            return function(run.state, jax.random.fold_in(key, rows[0]), batch)

        return in_pieces(one, np.arange(len(images.x)), images.x, images.y, size=100)

    elbo = over(e.held_out, run.model.evaluate)
    for name in ('elbo', 'log_px_z', 'kl'):
        yield _mean(f'{name} (nats)', elbo[name])
    trained = over(e.reference(), run.model.evaluate)
    yield _mean('elbo of training images (nats)', trained['elbo'])
    kind = str(run.config['options'].get('likelihood', '')).partition(':')[0]
    if kind == 'grey_bernoulli':
        return
    weighted = partial(run.model.importance_sampling, k=SAMPLES)
    estimate = over(e.held_out, weighted)
    found = metrics.nll(estimate)
    yield _with_error(f'nll (nats, k={SAMPLES})', found.value, found.standard_error)
    yield Figure('median effective samples', float(np.median(estimate.effective_samples)))
    if kind in _WIDTHS:
        dims, width = math.prod(e.held_out.x.shape[1:]), _WIDTHS[kind]
        how = kind if width == 1 else f'{kind}, no dequantization'
        yield _mean(f'bits_per_dim ({how})', metrics.bits_per_dim(estimate.value, dims, width))


def of_latents(e: Evidence) -> Iterator[Figure]:
    """What the latents of a VAE know of an image, in nats.

    The mutual information is that with an image drawn from the training images: of few images it is
    close to the logarithm of their number, whatever the model.

    Args:
      e: the evidence.
    """
    held, trained = e.posterior, posterior(e.run, e.train)
    if held is None or trained is None:
        return
    yield Figure('active_units', float(metrics.latent_use(held.mean, held.log_var).active.sum()))
    found = metrics.aggregated_posterior(stream(e.key, 'aggregate'), trained.mean, trained.log_var)
    error, most = found.standard_error, math.log(len(e.train.x))
    yield _with_error(
        f'mutual_information (nats, at most {most:.3g})', found.mutual_information, error
    )
    yield Figure('aggregated_posterior_gap (nats, to N(0, I))', found.gap)


def findings(e: Evidence, figures: dict[str, Figure]) -> Iterator[str]:
    """What is wrong with a model, a sentence each; nothing of an honest one.

    Args:
      e: the evidence.
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
    if e.run.model.latent_dim > 2 and apart.value < 0.1 * apart.real:
        yield (
            f'collapse: half of the samples have another within {apart.value:.3g}, half of the '
            f'held-out images within {apart.real:.3g}'
        )
    if e.held_out.classes is not None:
        yield from _missing(e)
    if e.posterior is not None:
        told = metrics.latent_use(e.posterior.mean, e.posterior.log_var).collapse
        yield from [told] if told else []


def _memorised(e: Evidence, copied: Figure) -> Iterator[str]:
    """By the pooled test of two proportions, at four standard deviations."""
    m, n = sum(len(fake.x) for fake in e.fakes), len(e.held_out.x)
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
    logits = [np.asarray(x.seen.logits) for x in (_expected(e), *e.fakes)]
    real, *sets = (np.bincount(x.argmax(axis=1), minlength=x.shape[1]) for x in logits)
    fake = np.sum(sets, axis=0)
    expected = real / real.sum() * fake.sum()
    if missing := np.flatnonzero((expected >= 20) & (fake < 0.1 * expected)).tolist():
        yield f'collapse: samples of the classes {missing} are all but missing'
