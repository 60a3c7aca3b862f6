"""The figures of a run, each beside that of real images, and what they give away."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import metrics
from genjax.random import stream
from genjax.train.evidence import Evidence, Images
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
      real: the same of held-out images in the place of samples; NaN where that makes no sense.
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
    total = np.var(e.train.seen.features, axis=0).sum()
    yield line('variance_share', lambda x: float(np.var(x.seen.features, axis=0).sum() / total))
    yield _copied(e)


def _spheres(e: Evidence, reference: Images) -> Iterator[Figure]:
    def both(x):
        a, b = reference.seen.features, x.seen.features
        return metrics.precision_recall(a, b), metrics.prdc(a, b)

    fakes, real = [both(fake) for fake in e.fakes], both(e.held_out)
    for i, name in (0, 'precision'), (0, 'recall'), (1, 'density'), (1, 'coverage'):
        yield of_sets(name, (getattr(x[i], name) for x in fakes), getattr(real[i], name))


def _copied(e: Evidence) -> Figure:
    """Of all sets at once: how training images lie to each other is the same for each."""
    sets = [x.seen.features for x in (e.held_out, *e.fakes)]
    found = metrics.authenticity(e.train.seen.features, np.concatenate(sets))
    real, *fakes = found.copied.reshape(len(sets), -1).mean(axis=1)
    return of_sets('copied_share', fakes, float(real))


def of_classes(e: Evidence) -> Iterator[Figure]:
    """How samples are spread over the classes that the extractor names.

    Args:
      e: the evidence.
    """
    trained = e.train.classes
    if trained is None or e.held_out.seen.logits is None:
        return
    n = e.held_out.seen.logits.shape[1]

    def apart(x):
        return metrics.mode_coverage(x.classes, n, trained).total_variation

    yield of_sets('class_total_variation', map(apart, e.fakes), apart(e.held_out))
    if e.run.model.num_classes != n or e.held_out.y is None:
        return

    def right(x):
        return float(np.mean(x.classes == x.y))

    yield of_sets('class_accuracy', map(right, e.fakes), right(e.held_out))

    def within(x):
        features = e.train.seen.features, e.train.y, x.seen.features, x.y
        return float(np.mean(metrics.intra_class(metrics.frechet_distance, *features)))

    if min(np.bincount(e.held_out.y, minlength=n)) > 1:
        yield of_sets('intra_class_frechet_distance', map(within, e.fakes), within(e.held_out))


def of_paths(e: Evidence) -> Iterator[Figure]:
    """How fast features change as latents do.

    Args:
      e: the evidence.
    """
    model, state = e.run.model, e.run.state
    function = model.decode if isinstance(model, VAE) else model.generate
    y = None if model.num_classes is None else np.arange(50) % model.num_classes
    found = metrics.path_length(
        lambda z: function(state, z, y), e.extractor, model.latent_dim, stream(e.key, 'paths'), 500
    )
    yield _with_error('path_length', found.value, found.standard_error)


def of_likelihood(e: Evidence) -> Iterator[Figure]:
    """What a VAE says of held-out images, in nats an image, beside training images.

    Args:
      e: the evidence.
    """
    run, key = e.run, stream(e.key, 'likelihood')
    if not isinstance(run.model, VAE):
        return
    trained = e.reference()

    def over(images: Images, function: Callable) -> Any:
        pieces = []
        for start in range(0, len(images.x), 100):
            part = jax.tree.map(lambda leaf: leaf[start : start + 100], images)  # noqa: B023
            batch = {'x': part.x} | ({} if part.y is None else {'y': part.y})
            pieces.append(function(run.state, jax.random.fold_in(key, start), batch))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *pieces)

    elbo, other = (over(x, run.model.evaluate) for x in (e.held_out, trained))
    for name in ('elbo', 'log_px_z', 'kl'):
        mean, spread = np.mean(elbo[name]), np.std(elbo[name]) / math.sqrt(len(elbo[name]))
        yield _with_error(f'{name} (nats)', float(mean), float(spread), float(np.mean(other[name])))
    weighted = partial(run.model.importance_sampling, k=SAMPLES)
    estimate = over(e.held_out, weighted)
    found = metrics.nll(estimate)
    yield _with_error(f'nll (nats, k={SAMPLES})', found.value, found.standard_error)
    yield Figure('median effective samples', float(np.median(estimate.effective_samples)))
    kind = str(run.config['options'].get('likelihood', '')).partition(':')[0]
    if kind in _WIDTHS:
        dims = math.prod(e.held_out.x.shape[1:])
        bits = np.asarray(metrics.bits_per_dim(estimate.value, dims, _WIDTHS[kind]))
        error = np.std(bits) / math.sqrt(bits.size)
        yield _with_error(f'bits_per_dim ({kind})', float(np.mean(bits)), float(error))


def of_latents(e: Evidence) -> Iterator[Figure]:
    """What the latents of a VAE know of an image, in nats.

    The mutual information is that with an image drawn from the training images: of few images it is
    close to the logarithm of their number, whatever the model.

    Args:
      e: the evidence.
    """
    if e.posterior is None:
        return
    use = metrics.latent_use(e.posterior.mean, e.posterior.log_var)
    yield Figure('active_units', float(use.active.sum()))
    q = e.run.model.encode(e.run.state, e.train.x, e.train.y)
    found = metrics.aggregated_posterior(stream(e.key, 'aggregate'), q.mean, q.log_var)
    error, most = found.standard_error, math.log(len(e.train.x))
    yield _with_error(
        f'mutual_information (nats, at most {most:.3g})', found.mutual_information, error
    )
    yield Figure('aggregated_posterior_gap (nats)', found.gap)


def findings(e: Evidence, figures: dict[str, Figure]) -> Iterator[str]:
    """What is wrong with a model, a sentence each; nothing of an honest one.

    Args:
      e: the evidence.
      figures: by name.
    """
    yield from _memorised(e, figures['copied_share'])
    share = figures['variance_share']
    if share.value < 0.25:
        yield (
            f'collapse: samples have {share.value:.1%} of the variance of training images, '
            f'held-out images {share.real:.1%}'
        )
    if e.train.classes is not None:
        yield from _missing(e)
    if e.posterior is not None:
        told = metrics.latent_use(e.posterior.mean, e.posterior.log_var).collapse
        yield from [told] if told else []


def _memorised(e: Evidence, copied: Figure) -> Iterator[str]:
    """By the pooled test of two proportions, at four standard deviations."""
    m, n = sum(len(fake.x) for fake in e.fakes), len(e.held_out.x)
    pooled = (m * copied.value + n * copied.real) / (m + n)
    error = math.sqrt(pooled * (1 - pooled) * (1 / m + 1 / n))
    if copied.value - copied.real > max(4 * error, 0.1):
        yield (
            f'memorisation: {copied.value:.1%} of the samples are nearer to a training image than '
            f'training images are to each other, of held-out images {copied.real:.1%}'
        )


def _missing(e: Evidence) -> Iterator[str]:
    """Classes of which there are less than a tenth as many samples as there should be."""
    logits = [np.asarray(x.seen.logits) for x in (e.train, *e.fakes)]
    real, *sets = (np.bincount(x.argmax(axis=1), minlength=x.shape[1]) for x in logits)
    fake = np.sum(sets, axis=0)
    rare = fake / fake.sum() < 0.1 * real / real.sum()
    if missing := np.flatnonzero(rare & (real > 0.01 * real.sum())).tolist():
        yield f'collapse: samples of the classes {missing} are all but missing'
