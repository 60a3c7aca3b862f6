"""A small classifier: the features of digits, and the judge of labelled samples."""

import functools
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.traverse_util import unflatten_dict
from jaxtyping import Array, Float, Int, Key, Shaped

from genjax.augment import AUGMENT, AugmentLike, chain
from genjax.core import Net, Network, Player, check_range, model
from genjax.data import indices
from genjax.images import ValueRange, checked, prepare, scale
from genjax.metrics.arrays import check_classes
from genjax.metrics.features import Activations, Extractor, extract, fingerprint
from genjax.nn.conv import Conv
from genjax.nn.linen import from_linen
from genjax.nn.norm import BatchNorm
from genjax.optim import adam
from genjax.parts import make_all
from genjax.precision import Precision, mixed_precision
from genjax.random import stream

DIGITS = 'digits.safetensors'
SHA256 = '3470c508bf7765f08ce0e02bcfb5628f2ab9b6703fe18f5652dfc200708fdc70'
_SMALLEST = 8  # pixels of a map that is not halved further


class Classifier(nn.Module):
    """`images -> (features [b, d], logits [b, num_classes])`: convolutions with batch norm.

    Pairs of a 4x4 stride-2 and a 3x3 convolution follow a 3x3 one until the map has at most 8
    pixels on a side; the features are the mean over the map, the logits one dense layer of them.

    Attributes:
      num_classes: number of logits.
      width: channels of the first map; each pair doubles them.
    """

    num_classes: int
    width: int = 32

    @nn.compact
    def __call__(
        self, x: Float[Array, 'b h w c'], train: bool = True
    ) -> tuple[Float[Array, 'b d'], Float[Array, 'b num_classes']]:
        def layer(h, channels, size, stride):
            h = Conv(channels, (size, size), stride, use_bias=False)(h)
            return nn.relu(BatchNorm()(h, train=train))

        channels = self.width
        h = layer(x, channels, 3, 1)
        while max(h.shape[1:3]) > _SMALLEST:
            h = layer(layer(h, channels, 4, 2), 2 * channels, 3, 1)
            channels *= 2
        features = jnp.mean(h, axis=(1, 2))
        return features, nn.Dense(self.num_classes)(features)


def classifier(image_shape: tuple[int, int, int], num_classes: int, width: int = 32) -> Network:
    """A `Classifier` as a network.

    Args:
      image_shape: `(height, width, channels)`, of any size.
      num_classes: number of logits.
      width: channels of the first map.

    Raises:
      ValueError: a number < 1.
    """
    check_range(1, num_classes=num_classes, width=width)
    x = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return from_linen(Classifier(num_classes, width), x)


def train_classifier(
    images: Shaped[np.ndarray, 'n h w c'],
    labels: Int[np.ndarray, 'n'],
    key: Key[Array, ''],
    *,
    num_classes: int | None = None,
    width: int = 32,
    steps: int = 2000,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    weight_decay: float = 0.05,
    augment: Sequence[AugmentLike] = (),
    precision: Precision = 'auto',
    value_range: ValueRange | None = None,
) -> Net:
    """A `classifier` of labelled images, trained by cross entropy.

    AdamW, its learning rate rising to a peak and falling to nothing by half a cosine each.

    Args:
      images: uint8, or float in [-1, 1].
      labels: in `[0, num_classes)`.
      key: of the first weights, the order and the augmentations.
      num_classes: None for the greatest label + 1.
      width: channels of the first map.
      steps: number of updates.
      batch_size: images in an update.
      learning_rate: the peak.
      weight_decay: strength of the decoupled decay of kernels.
      augment: of the images, each without a memory.
      precision: of training passes.
      value_range: black and white of images that are not uint8, as `extract` has it.

    Raises:
      ValueError: images or labels that do not fit, or a number out of its range.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f'expected images [n, h, w, c], got {images.shape}')
    check_range(1, steps=steps, batch_size=batch_size)
    images, labels = checked(images, value_range), check_classes(labels, num_classes, len(images))
    classes = num_classes or int(labels.max()) + 1
    network = mixed_precision(classifier(images.shape[1:], classes, width), precision)
    rate = optax.cosine_onecycle_schedule(steps, learning_rate)
    player = Player(
        ('classifier',),
        functools.partial(_loss, network, chain(*make_all(AUGMENT, augment))),
        adam(rate, l2=weight_decay),
    )
    built = model(
        {'classifier': network},
        {'classifier': player},
        prepare=prepare(images.shape[1:], classes),
    )
    state = built.init(stream(key, 'init'))
    seed = int(jax.random.bits(stream(key, 'order')))
    order = indices(len(images), seed, 0, steps * batch_size).reshape(steps, batch_size)
    for rows in order:
        state, _ = built.train_step(state, {'x': images[rows], 'y': labels[rows]})
    return state.nets['classifier']


def _loss(network, augment, state, key, batch):
    memory = augment.init(stream(key, 'memory'))
    x = augment.apply(memory, stream(key, 'augment'), batch['x'])
    (_, logits), net = network.apply(state.nets['classifier'], x, key=stream(key, 'classifier'))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch['y'])
    return jnp.mean(losses), state.replace(nets={**state.nets, 'classifier': net}), {}


def of_classifier(name: str, net: Net, image_shape: tuple[int, int, int]) -> Extractor:
    """The extractor of a trained `classifier`: its last layer but one, and its logits.

    Args:
      name: as figures carry it.
      net: as `train_classifier` gives it.
      image_shape: `(height, width, channels)`.
    """
    kernel = net.params['Dense_0']['kernel']
    network = classifier(image_shape, kernel.shape[1], net.params['Conv_0']['kernel'].shape[3])

    def apply(images):
        return Activations(*network.apply(net, scale(images, image_shape), train=False)[0])

    return Extractor(name, fingerprint(net), apply)


class Accuracy(NamedTuple):
    """How often a classifier is right.

    Attributes:
      total: of all images, the share in [0, 1].
      by_class: of those of each class, `[classes]`; NaN of a class without images.
    """

    total: float
    by_class: Float[np.ndarray, 'classes']


def accuracy(
    extractor: Extractor,
    images: Shaped[np.ndarray, 'n h w c'],
    labels: Int[np.ndarray, 'n'],
    value_range: ValueRange | None = None,
) -> Accuracy:
    """How often the greatest logit is that of the label.

    Args:
      extractor: one with logits.
      images: as the extractor takes them.
      labels: classes of the extractor.
      value_range: of the images, as `extract` has it.

    Raises:
      ValueError: images or labels that do not fit, or an extractor without logits.
    """
    labels = check_classes(labels, n=len(images))
    right = named(extractor, images, value_range) == labels
    with np.errstate(invalid='ignore'):
        by_class = np.bincount(labels, right) / np.bincount(labels)
    return Accuracy(float(right.mean()), by_class)


def named(
    extractor: Extractor,
    images: Shaped[np.ndarray, 'n h w c'],
    value_range: ValueRange | None = None,
) -> Int[np.ndarray, 'n']:
    """The class of each image, that of the greatest logit.

    Args:
      extractor: one with logits.
      images: as the extractor takes them.
      value_range: of the images, as `extract` has it.

    Raises:
      ValueError: an extractor without logits, or images that it refuses.
    """
    logits = extract(extractor, images, value_range=value_range).logits
    if logits is None:
        raise ValueError(f'expected an extractor with logits, got {extractor.name}')
    return np.argmax(logits, axis=1)


@functools.cache
def digits() -> Extractor:
    """Features (128) and logits of handwritten digits, `[n, 28, 28, 1]`, white on black as MNIST's.

    A `classifier` that comes with genjax, made by `python -m experiments.digits_classifier` of the
    digits in `genjax.data.digits`; the metadata of its file say how, and how often it is right.

    Raises:
      ValueError: the file of its weights is another.
    """
    import safetensors.numpy

    content = (files('genjax.metrics') / DIGITS).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f'expected {DIGITS} with the SHA-256 {SHA256}, got {found}')
    weights = safetensors.numpy.load(content)
    net = unflatten_dict({k: v.astype(np.float32) for k, v in weights.items()}, sep='/')
    return of_classifier('digits', Net(**net), (28, 28, 1))._replace(sha256=found)
