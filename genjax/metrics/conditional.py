"""Models with labels: is a sample what was asked for, and each class like its real one?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from genjax.metrics.arrays import check_classes, pair
from genjax.metrics.classifier import Accuracy, accuracy, of_classifier, train_classifier


def classification_accuracy(
    samples: Shaped[np.ndarray, 'n h w c'],
    labels: Int[np.ndarray, 'n'],
    test_images: Shaped[np.ndarray, 'm h w c'],
    test_labels: Int[np.ndarray, 'm'],
    key: Key[Array, ''],
    **options: Any,
) -> Accuracy:
    """The classification accuracy score, Ravuri and Vinyals 2019
    (https://arxiv.org/abs/1905.10887).

    A classifier is trained on labelled samples alone and judged on real images. One trained the
    same way on as many real training images is what a perfect model would reach. The figure of a
    class tells which classes a model has not learnt, whatever its Frechet distance says.

    Args:
      samples: of the model, uint8 or float in [-1, 1].
      labels: those that were asked for.
      test_images: real ones, held out.
      test_labels: theirs.
      key: of the classifier's training.
      **options: others of `train_classifier`; `value_range` is that of all floats.

    Raises:
      ValueError: images or labels that do not fit.
    """
    # Before the long training, not after it.
    if np.shape(samples)[1:] != np.shape(test_images)[1:]:
        raise ValueError(
            f'expected samples and test images of one shape, got {np.shape(samples)} and '
            f'{np.shape(test_images)}'
        )
    test_labels = check_classes(test_labels, n=len(test_images))
    classes = int(max(np.max(check_classes(labels)), np.max(test_labels))) + 1
    options = {'num_classes': classes} | options
    net = train_classifier(samples, labels, key, **options)
    judge = of_classifier('samples', net, np.shape(samples)[1:])
    return accuracy(judge, test_images, test_labels, options.get('value_range'))


def intra_class(
    distance: Callable[[Array, Array], Any],
    real: Shaped[np.ndarray, 'n d'],
    real_y: Int[np.ndarray, 'n'],
    fake: Shaped[np.ndarray, 'm d'],
    fake_y: Int[np.ndarray, 'm'],
) -> Float[np.ndarray, 'classes']:
    """A distance of each class on its own, in the order of the labels; with the Frechet distance
    the intra-FID of Miyato and Koyama 2018 (https://arxiv.org/abs/1802.05637), whose figure is the
    mean.

    Args:
      distance: `(real, fake) -> number`, of features.
      real: features of real images.
      real_y: their classes.
      fake: features of samples.
      fake_y: the classes that were asked for.

    Raises:
      ValueError: features or labels that do not fit, or a class that only one side has.
    """
    real, fake = pair(real, fake)
    real_y, fake_y = check_classes(real_y, n=len(real)), check_classes(fake_y, n=len(fake))
    classes = np.unique(real_y)
    if lonely := sorted(set(classes.tolist()) ^ set(fake_y.tolist())):
        raise ValueError(f'expected real and fake examples of each class, got one side of {lonely}')
    return np.array([float(distance(real[real_y == c], fake[fake_y == c])) for c in classes])
