"""What a VAE alone is judged by: posteriors, reconstructions, bounds and likelihoods."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from genjax import metrics
from genjax.evaluation.evidence import Evidence, Images, in_pieces
from genjax.evaluation.sampling import traversals
from genjax.images import scale
from genjax.plots import to_uint8
from genjax.random import stream
from genjax.train.run import Run
from genjax.vae import VAE, Normal

SAMPLES = 1000  # of the posterior, for a likelihood
_LATENTS, _STEPS, _REACH = 10, 10, 3.0  # of traversals


class Posteriors(NamedTuple):
    """Gaussian posteriors, and the images of their latents.

    Attributes:
      held_out: q(z | x) of the held-out images.
      train: q(z | x) of the training images.
      decoded: the held-out images decoded from the means, uint8.
      errors: mean squared errors of those, of images in [-1, 1].
      traversals: a row for each of the most active latents of one held-out image, from -3 to 3,
        where the others stay.
    """

    held_out: Normal
    train: Normal
    decoded: UInt8[np.ndarray, 'n h w c']
    errors: Float[np.ndarray, 'n']
    traversals: Float[np.ndarray, 'latents steps h w c']


def posteriors(run: Run, e: Evidence) -> Posteriors | None:
    """Encodes images and decodes their latents; None of what has no Gaussian posterior.

    Args:
      run: of any model.
      e: the evidence.
    """
    q = _posterior(run, e.held_out)
    if q is None:
        return None

    def decoded(x, mean, y):
        images = np.asarray(run.model.decode(run.state, mean, y))
        error = np.mean((scale(x, x.shape[1:]) - images) ** 2, axis=(1, 2, 3))
        return to_uint8(images), error

    images, errors = in_pieces(decoded, e.held_out.x, q.mean, e.held_out.y)
    walks = traversals(run, q, e.held_out.y, _LATENTS, _STEPS, _REACH)
    return Posteriors(q, _posterior(run, e.train), images, errors, walks)


def _posterior(run: Run, images: Images) -> Any:
    if not isinstance(run.model, VAE):
        return None

    def encode(x, y):
        q = run.model.encode(run.state, x, y)
        return q if isinstance(q, Normal) else None

    return in_pieces(encode, images.x, images.y)


def mean_codes(run: Run, e: Evidence, q: Posteriors | None) -> Float[np.ndarray, 'n d'] | None:
    """The means of q(z | x) of the held-out images; None where there are none that are vectors.

    Args:
      run: of any model.
      e: the evidence.
      q: Gaussian posteriors, where they are such.
    """
    if q is not None:
        return np.asarray(q.held_out.mean)
    if not isinstance(run.model, VAE):
        return None

    def encode(x, y):
        mean = getattr(run.model.encode(run.state, x, y), 'mean', None)
        return mean if np.ndim(mean) == 2 else None

    return in_pieces(encode, e.held_out.x, e.held_out.y)


def classified(run: Run, e: Evidence) -> Bool[np.ndarray, 'n'] | None:
    """Of which held-out images the likeliest label by q(y | x) is theirs; None without q(y | x).

    Args:
      run: of any model.
      e: the evidence.
    """
    if not isinstance(run.model, VAE) or run.model.classify is None:
        return None
    said = in_pieces(lambda x: np.asarray(run.model.classify(run.state, x)), e.held_out.x)
    return np.argmax(said, axis=1) == e.held_out.y


class Likelihoods(NamedTuple):
    """What a VAE says of images, in nats of each.

    Attributes:
      name: of the likelihood.
      dims: numbers in an image.
      bounds: of the held-out images: `elbo`, and its parts `log_px_z` and `kl`.
      trained: the ELBO of as many training images.
      estimate: log p(x) of the held-out images; None of a likelihood that is none.
    """

    name: str
    dims: int
    bounds: dict[str, Float[Array, 'n']]
    trained: Float[Array, 'n']
    estimate: metrics.Estimate | None


def likelihoods(run: Run, e: Evidence) -> Likelihoods | None:
    """Bounds, and likelihoods by importance samples; None of a GAN and of an autoencoder.

    A likelihood that is none (`grey_bernoulli`) has an ELBO, as it is trained by, but no other.

    Args:
      run: of any model.
      e: the evidence.
    """
    model, key = run.model, stream(e.key, 'likelihood')
    if not isinstance(model, VAE) or not model.has_density:
        return None

    def over(images: Images, function: Callable) -> Any:
        def one(rows, x, y):
            batch = {'x': x} | ({} if y is None else {'y': y})
            return function(run.state, jax.random.fold_in(key, rows[0]), batch)

        return in_pieces(one, np.arange(len(images.x)), images.x, images.y, size=100)

    name = str(run.config['options'].get('likelihood', '')).partition(':')[0]
    weighted = partial(model.importance_sampling, k=SAMPLES)
    return Likelihoods(
        name,
        e.held_out.x[0].size,
        over(e.held_out, model.evaluate),
        over(e.reference, model.evaluate)['elbo'],
        None if name == 'grey_bernoulli' else over(e.held_out, weighted),
    )
