"""What images are compared by: extractors of features, each with a name and a hash."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float, PyTree

from genjax.images import UNIT, ValueRange, checked
from genjax.parallel import mesh, replicate, shard_batch


class Activations(NamedTuple):
    """What an extractor says of images.

    Attributes:
      features: `[n, d]`.
      logits: `[n, classes]`, of an extractor that names classes.
    """

    features: Float[Array, 'n d']
    logits: Float[Array, 'n classes'] | None = None


class Extractor(NamedTuple):
    """A frozen network whose features images are compared by.

    Figures from different features do not compare: each carries the name of its own.

    Attributes:
      name: as figures carry it.
      sha256: of its weights, or '' of a function that has none.
      apply: `images -> Activations`, pure; images are `[n, h, w, c]`, uint8 or float in [-1, 1].
        Of many weights a `jax.tree_util.Partial`, so that they are no constants of a program.
      batch_size: images that it looks at at once where nobody says otherwise.
    """

    name: str
    sha256: str
    apply: Callable[[Array], Activations]
    batch_size: int = 256

    @property
    def program(self) -> Partial:
        """`apply` with its arrays as arguments of a program, which else would hold them."""
        return self.apply if isinstance(self.apply, Partial) else Partial(self.apply)

    @property
    def mark(self) -> str:
        """The name with the start of the hash."""
        return f'{self.name}@{self.sha256[:8]}' if self.sha256 else self.name


def fingerprint(weights: PyTree) -> str:
    """The SHA-256 of the names, types, shapes and bytes of all leaves.

    Args:
      weights: arrays.
    """
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        array = np.ascontiguousarray(leaf)
        digest.update(f'{jax.tree_util.keystr(path)} {array.dtype} {array.shape}'.encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def extract(
    extractor: Extractor,
    images: Any | Iterable[Any],
    batch_size: int | None = None,
    value_range: ValueRange | None = None,
) -> Activations:
    """The activations of many images, batch by batch, in host memory.

    The batches are divided among all devices where these divide `batch_size`.

    Args:
      extractor: any.
      images: `[n, h, w, c]`, or an iterable of such arrays, uint8 or float in [-1, 1].
      batch_size: images at once; None for what suits the extractor.
      value_range: black and white of images that are not uint8, say (0, 1). It must be said of
        floats without any negative value, which nothing tells from such in [0, 1].

    Raises:
      ValueError: no images, floats of another range, or images that the extractor refuses.
    """
    parts = [
        jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[:rows], _spread(extractor, batch))
        for batch, rows in _batches(
            images, extractor.batch_size if batch_size is None else batch_size, value_range
        )
    ]
    if not parts:
        raise ValueError('expected one image or more, got none')
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


@jax.jit
def _call(apply: Partial, images: Array) -> Activations:
    return apply(images)


def _spread(extractor: Extractor, batch: np.ndarray) -> Activations:
    devices = mesh()
    return replicate(call(extractor, shard_batch(batch, devices)), devices)


def call(extractor: Extractor, images: Array) -> Activations:
    """The activations of one batch, jitted, where it lies.

    Args:
      extractor: any.
      images: `[b, h, w, c]`, uint8 or float in [-1, 1].
    """
    # Figures must not depend on how a device multiplies by default. It is said here, since a
    # convolution chooses when it is lowered.
    with jax.default_matmul_precision('highest'):
        return _call(extractor.program, images)


def _batches(
    images: Any, batch_size: int, value_range: ValueRange | None
) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of one size, the last filled up with its first image, and how many images count."""
    if batch_size < 1:
        raise ValueError(f'expected a batch size >= 1, got {batch_size}')
    whole = [images] if hasattr(images, 'shape') else images
    for given in whole:
        array = checked(given, value_range)
        if jnp.issubdtype(array.dtype, jnp.floating):
            # Those that follow are in the same range, also where they are bright.
            value_range = value_range or UNIT
        for start in range(0, len(array), batch_size):
            batch = np.asarray(array[start : start + batch_size])
            missing = batch_size - len(batch)
            yield np.concatenate([batch, batch[:1].repeat(missing, axis=0)]), len(batch)


def of_function(name: str, apply: Callable[[Array], Array | Activations]) -> Extractor:
    """An extractor of a function of one's own.

    Args:
      name: as figures carry it.
      apply: `images -> features [n, ...]`, or `-> Activations`; pure.
    """

    def wrapped(images):
        out = apply(images)
        if isinstance(out, Activations):
            return out
        return Activations(jnp.reshape(out, (len(out), -1)))

    return Extractor(name, '', wrapped)
