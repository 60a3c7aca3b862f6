"""Inception's features, of weights in a file that the user names."""

import functools
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from genjax.core import Net
from genjax.metrics.features import Activations, Extractor, fingerprint
from genjax.nn.inception import SIZE, Inception
from genjax.nn.linen import from_linen

NAME = 'inception-2015-12-05'
Tensors = Mapping[str, Shaped[np.ndarray, '...']]

_NETWORK = from_linen(Inception(), jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32))
# 24 million parameters and statistics are 96 MB.
_MOST_BYTES = 2**27
# PyTorch's names of what a layer has.
_LEAVES = {
    'kernel': 'weight',
    'scale': 'weight',
    'bias': 'bias',
    'mean': 'running_mean',
    'var': 'running_var',
}


def inception(path: str | os.PathLike) -> Extractor:
    """The extractor that FID, KID and the Inception score are defined by.

    `python -m experiments.convert_inception` makes such a file of the published weights, and
    `of_tensors` says what is extracted. It looks at 16 images at once on a CPU: 64 are no faster,
    and 256 need many GB.

    Args:
      path: a .safetensors or .npz file of float32 tensors, called and laid out as in PyTorch's
        state dict, `Conv2d_1a_3x3.conv.weight` [32, 3, 3, 3] and so on.

    Raises:
      ValueError: no such file, a damaged one, or other tensors.
    """
    path = Path(path).expanduser()
    return of_tensors(_read(path), str(path))


def of_tensors(tensors: Tensors, source: str = 'weights') -> Extractor:
    """The extractor of tensors in memory.

    Its features are the 2048 after the last pooling. Its logits are the 1008 without the bias of
    the last layer, which is how the Inception score was defined (torch-fidelity's
    `logits_unbiased`). Images are `[n, h, w, 1 or 3]`; floats are rounded to the bytes that a file
    of the image would hold, but differentiated as if they were not.

    Args:
      tensors: float32, called and laid out as in PyTorch's state dict; `num_batches_tracked` is not
        read.
      source: where they are from, for messages.

    Raises:
      ValueError: missing, unknown or misshapen tensors, another dtype, NaN or infinity.
    """
    tensors = {
        name: np.asarray(tensor)
        for name, tensor in tensors.items()
        if not name.endswith('.num_batches_tracked')
    }
    net = _net(tensors, source)
    at_once = 16 if jax.default_backend() == 'cpu' else 256
    apply = jax.tree_util.Partial(_activations, net)
    return Extractor(NAME, fingerprint(tensors), apply, at_once)


def _activations(net: Net, images: Array) -> Activations:
    (features, _), _ = _NETWORK.apply(net, prepare(images), train=False)
    return Activations(features, features @ net.params['fc']['kernel'])


@functools.cache
def _like() -> Net:
    """Shapes and types of what the network has."""
    return jax.eval_shape(_NETWORK.init, jax.random.key(0))


def _read(path: Path) -> Tensors:
    """All tensors of a file."""
    if path.suffix not in ('.safetensors', '.npz'):
        raise ValueError(f'expected a file of weights, .safetensors or .npz, got {path}')
    if not path.is_file():
        raise ValueError(f'{path}: expected a file of weights, which is not there')
    try:
        if path.suffix == '.safetensors':
            import safetensors.numpy

            return safetensors.numpy.load_file(path)
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f'{size} bytes')
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # What damaged files raise is of many kinds.
        raise ValueError(f'{path}: expected the weights of Inception-v3, got {error!r}') from error


def _net(tensors: Tensors, source: str) -> Net:
    """The network's arrays of PyTorch's tensors, on the device."""
    paths, tree = jax.tree.flatten_with_path(_like())
    leaves = {_name(path): leaf for path, leaf in paths}
    missing, unknown = (sorted(set(a) - set(b)) for a, b in ((leaves, tensors), (tensors, leaves)))
    if missing or unknown:
        raise ValueError(
            f'{source}: expected the {len(leaves)} tensors of Inception-v3, got '
            f'{len(tensors)}, without {_few(missing)}, with {_few(unknown)}'
        )
    found = [_array(f'{source}: {name}', tensors[name], leaf) for name, leaf in leaves.items()]
    return jax.device_put(jax.tree.unflatten(tree, found))


def _few(names: list[str]) -> str:
    rest = f' and {len(names) - 3} others' if len(names) > 3 else ''
    return ', '.join(names[:3]) + rest if names else 'nothing else'


def _name(path: tuple[Any, ...]) -> str:
    """What PyTorch calls a leaf of the network."""
    *places, leaf = jax.tree_util.keystr(path, simple=True, separator='.').split('.')
    layers = [place for place in places if place not in ('params', 'stats', 'batch_stats')]
    return '.'.join([*layers, _LEAVES[leaf]])


def _array(name: str, tensor: np.ndarray, like: jax.ShapeDtypeStruct) -> np.ndarray:
    """A tensor as Flax has it: features last."""
    # [features, channels, height, width] and [features, channels] become [h, w, c, f] and [c, f].
    order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[like.ndim]
    shape = tuple(like.shape[order.index(i)] for i in range(like.ndim))
    if tensor.shape != shape or tensor.dtype != like.dtype:
        raise ValueError(
            f'{name}: expected {like.dtype} {list(shape)}, got {tensor.dtype} {list(tensor.shape)}'
        )
    if not np.isfinite(tensor).all():
        raise ValueError(f'{name}: expected finite numbers, got NaN or infinity')
    return np.ascontiguousarray(tensor.transpose(order))


def prepare(images: Array) -> Float[Array, 'n 299 299 3']:
    """Images as the network sees them: bytes, resized, `(x - 128) / 128`.

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1], c = 1 or 3; grey ones become three equal
        channels.

    Raises:
      ValueError: another shape or dtype.
    """
    x = jnp.asarray(images)
    if x.ndim != 4 or x.shape[3] not in (1, 3) or 0 in x.shape[1:3]:
        raise ValueError(f'expected images [n, h, w, 1 or 3], got {list(x.shape)}')
    if jnp.issubdtype(x.dtype, jnp.floating):
        x = _rounded((jnp.clip(x.astype(jnp.float32), -1, 1) + 1) * 127.5)
    elif x.dtype != jnp.uint8:
        raise ValueError(f'expected images of uint8 or float in [-1, 1], got {x.dtype}')
    x = (resize(x.astype(jnp.float32), SIZE) - 128) / 128
    return jnp.broadcast_to(x, (*x.shape[:3], 3))


@jax.custom_jvp
def _rounded(x: Array) -> Array:
    return jnp.round(x)


_rounded.defjvps(lambda tangent, out, x: tangent)


def resize(x: Float[Array, 'n h w c'], size: int) -> Float[Array, 'n size size c']:
    """Bilinear resizing as in TensorFlow 1: pixel i is at `i h / size`, also where that is sparse.

    Neither corners nor centres of pixels are aligned (`align_corners` and `half_pixel_centers` are
    False), and nothing is smoothed before it is made smaller.

    Args:
      x: images.
      size: height and width of the result.
    """
    for axis in (2, 1):
        last = x.shape[axis] - 1
        place = np.arange(size, dtype=np.float32) * np.float32(x.shape[axis] / size)
        low = np.floor(place).astype(np.int32)
        a, b = (jnp.take(x, rows, axis, mode='clip') for rows in (low, np.minimum(low + 1, last)))
        weight = (place - np.floor(place)).reshape([-1 if i == axis else 1 for i in range(4)])
        x = a + (b - a) * weight
    return x
