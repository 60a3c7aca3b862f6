"""Images that a run makes: samples, reconstructions and the ways between."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from genjax.data.arrays import shown
from genjax.metrics import latent_use
from genjax.random import stream
from genjax.train.errors import RunError, check_integers, check_seed
from genjax.train.run import Run
from genjax.train.views import spread
from genjax.vae import VAE, Normal

# Images in a call, always: image i of a seed is the same in a grid of any size.
CHUNK = 64


class Samples(NamedTuple):
    """Images that a model has drawn.

    Attributes:
      x: the images; the first m of n of a class are those that m gives.
      y: their labels; None of a model without classes.
      columns: of a grid in which each has a class of its own; None for a square one.
    """

    x: Float[np.ndarray, 'n h w c']
    y: Int[Array, 'n'] | None
    columns: int | None


def samples(run: Run, n: int, seed: int = 0, y: int | str | None = None) -> Samples:
    """Images drawn from a model.

    Args:
      run: of a GAN or a VAE.
      n: how many, >= 1.
      seed: of the noise.
      y: the class of all, by its number or name; 'data' draws classes as often as the training
        images have them; None spreads a conditional model's classes over the columns of a grid.

    Raises:
      RunError: n < 1, a seed or a class that there is not, or a model that has diverged.
    """
    check_integers(1, n=n)
    check_seed(seed)
    key, (labels, columns) = jax.random.key(seed), spread(n, run.model.num_classes)
    if y == 'data' and 'data' not in (run.config.get('classes') or ()):
        labels, columns = _as_in_data(run, n, stream(key, 'labels')), None
    elif y is not None:
        labels, columns = _labels(run, y, n, labels), None
    return Samples(draw(run, key, n, labels, CHUNK), labels, columns)


def _as_in_data(run: Run, n: int, key: Key[Array, '']) -> Int[Array, 'n']:
    counts = run.config.get('counts')
    if run.model.num_classes is None or not counts:
        raise RunError(
            "expected a model with classes, of a run that knows how often they are, for y='data'"
        )
    return jax.random.choice(key, len(counts), (n,), p=jnp.asarray(counts) / sum(counts))


def draw(
    run: Run,
    key: Key[Array, ''],
    n: int,
    y: Int[Array, 'n'] | Int[np.ndarray, 'n'] | None,
    chunk: int,
) -> Float[np.ndarray, 'n h w c']:
    """Images of given labels; the first m of n are those that m gives.

    Args:
      run: of a GAN or a VAE.
      key: of the noise.
      n: how many, >= 1.
      y: what to draw; None where the model has no classes, or draws them itself.
      chunk: images in a call of the model; another one gives others.

    Raises:
      RunError: the model has diverged.
    """

    def make(start):
        own = _piece(y, start, chunk)
        return run.model.sample(run.state, jax.random.fold_in(key, start), chunk, own)

    return _in_chunks(make, n, chunk)


def _in_chunks(make: Callable[[int], Array], n: int, chunk: int) -> Float[np.ndarray, 'n h w c']:
    """n images, of which `make(start)` makes a chunk."""
    return finite(np.concatenate([make(start) for start in range(0, n, chunk)])[:n])


def finite(made: np.ndarray) -> np.ndarray:
    """What a model has made, if it has not diverged.

    Args:
      made: images, or anything else.

    Raises:
      RunError: some of it is not finite.
    """
    if not np.isfinite(made).all():
        raise RunError('expected finite images, got NaN or infinity: the model has diverged')
    return made


def vae_of(run: Run) -> VAE:
    """The model of a run, if it is a VAE.

    Args:
      run: of any model.

    Raises:
      RunError: it is another.
    """
    if not isinstance(run.model, VAE):
        raise RunError(f'expected a run of a VAE, got a {run.config["recipe"]}')
    return run.model


def _piece(rows: Any, start: int, chunk: int) -> Array | None:
    """A chunk of rows, filled up with zeros; None of None."""
    if rows is None:
        return None
    some = jnp.asarray(rows[start : start + chunk])
    return jnp.pad(some, ((0, chunk - len(some)), *((0, 0),) * (some.ndim - 1)))


def _labels(
    run: Run, y: int | str | None, n: int, otherwise: Int[Array, 'n'] | None
) -> Int[Array, 'n'] | None:
    """n times the class y, or else other labels."""
    if y is None:
        return otherwise
    num_classes, names = run.model.num_classes, run.config.get('classes') or []
    number = names.index(y) if y in names else int(y) if str(y).isdecimal() else -1
    if num_classes is None or not 0 <= number < num_classes:
        known = 'a model without classes' if num_classes is None else f'[0, {num_classes})'
        told = f' or {shown(tuple(names))}' if names and num_classes else ''
        raise RunError(f'expected a class of {known}{told}, got {y}')
    return jnp.full(n, number)


def reconstructions(
    run: Run, x: Array | np.ndarray, y: Array | np.ndarray | None = None
) -> Float[np.ndarray, 'n h w c']:
    """Images as a VAE decodes the mean of their posteriors.

    Args:
      run: of a VAE.
      x: images, uint8 or float in [-1, 1].
      y: their labels, where the model takes them.

    Raises:
      RunError: another model, or one that has diverged.
    """
    model = vae_of(run)
    labels = None if model.num_classes is None else y
    means = model.encode(run.state, x, labels).mean
    return finite(np.asarray(model.decode(run.state, means, labels)))


def traversals(
    run: Run, q: Normal, y: Int[Any, 'n'] | None, rows: int, columns: int, reach: float
) -> Float[np.ndarray, 'rows columns h w c']:
    """The first of some images along single latents, a row for each of the most active.

    Args:
      run: of a VAE.
      q: posteriors of the images, which tell how active latents are.
      y: labels of the images, where the model takes them.
      rows: latents, or as many as there are.
      columns: values of each, evenly from -reach to reach.
      reach: the greatest.
    """
    latents = np.argsort(-latent_use(q.mean, q.log_var).activity)[:rows]
    grid = np.tile(np.asarray(q.mean[0]), (len(latents), columns, 1))
    grid[np.arange(len(latents)), :, latents] = np.linspace(-reach, reach, columns)
    flat = grid.reshape(-1, grid.shape[-1])
    labels = None if y is None else np.full(len(flat), y[0], np.int32)
    images = np.asarray(run.model.decode(run.state, flat, labels))
    return images.reshape(*grid.shape[:2], *images.shape[1:])


def interpolations(
    run: Run, rows: int, columns: int, seed: int = 0, y: int | str | None = None
) -> Float[np.ndarray, 'rows*columns h w c']:
    """Images on great circles between pairs of latents drawn from the prior, a pair a row.

    Spherical, since the norms of Gaussian latents all but agree (White 2016,
    https://arxiv.org/abs/1609.04468).

    Args:
      run: of a GAN or a VAE.
      rows: number of pairs, >= 1.
      columns: images from one end to the other, >= 2.
      seed: of the latents.
      y: the class of all, by its number or name; None takes a conditional model's
        classes in turn, one a row.

    Raises:
      RunError: too few rows or columns, a seed or a class that there is not, or a model that has
        diverged.
    """
    check_seed(seed)
    check_integers(1, rows=rows)
    check_integers(2, columns=columns)
    classes = run.model.num_classes
    turns = None if classes is None else jnp.repeat(jnp.arange(rows) % classes, columns)
    labels = _labels(run, y, rows * columns, turns)
    key = stream(jax.random.key(seed), 'interpolate')
    a, b = _ends(run, key, rows)
    z = slerp(a, b, jnp.linspace(0, 1, columns).reshape(1, -1, 1))
    make = run.model.decode if isinstance(run.model, VAE) else run.model.generate
    z = z.reshape(rows * columns, -1)

    def between(start):
        return make(run.state, *(_piece(each, start, CHUNK) for each in (z, labels)))

    return _in_chunks(between, len(z), CHUNK)


def _ends(run: Run, key: Array, rows: int) -> Array:
    shape, latents = (2, rows, 1, run.model.latent_dim), getattr(run.model, 'latents', None)
    if latents is None:
        return jax.random.normal(key, shape)
    return latents(run.state, jax.random.split(key, 2 * rows)).reshape(shape)


def slerp(
    a: Float[Array, '... d'], b: Float[Array, '... d'], t: Float[Array, '... 1']
) -> Float[Array, '... d']:
    """`(sin((1 - t) w) a + sin(t w) b) / sin(w)`, where w is the angle between a and b.

    Args:
      a: the point at t = 0.
      b: the point at t = 1; not opposite to a.
      t: in [0, 1].
    """
    unit = [v / jnp.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    w = jnp.arccos(jnp.clip(jnp.sum(unit[0] * unit[1], axis=-1, keepdims=True), -1, 1))
    # sinc's limit makes it the straight line where the angle is zero.
    weight = lambda s: s * jnp.sinc(s * w / jnp.pi) / jnp.sinc(w / jnp.pi)  # noqa: E731
    return weight(1 - t) * a + weight(t) * b
