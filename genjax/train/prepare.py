"""What a training is given, checked before anything is written."""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import data as sources
from genjax.core import State
from genjax.data import Dataset, labelled
from genjax.data.arrays import shown
from genjax.data.cache import memory
from genjax.data.reading import Reading
from genjax.train.advice import greys, photographs
from genjax.train.config import REFUSALS, Config, build, describe_options, options_of
from genjax.train.errors import RunError

# Where held-out data are that the makers of the data keep apart.
APART = 'apart'


class Given(NamedTuple):
    """The data of a training, as they are given.

    Attributes:
      data: what `genjax.data.load` takes.
      held_out: share of it that is not trained on, or other data; 'auto' for what its makers keep
        apart, or a tenth.
      image_size: height and width that images are scaled and cropped to; None for as they are.
      reading: other ways in which they become images.
    """

    data: Any
    held_out: Any
    image_size: int | None
    reading: Reading

    def load(self, source: Any) -> Dataset:
        """What a source names or holds."""
        return sources.load(source, self.image_size, self.reading)


def prepare(
    function: Callable, options: Config, given: Given, batch_size: int, seed: int
) -> tuple[Config, Any, Dataset, Dataset]:
    """The config of a run, its model, what is trained on and what is measured.

    Args:
      function: the recipe.
      options: of the recipe, those that are not at their defaults.
      given: the data.
      batch_size: examples an update.
      seed: of the run.

    Raises:
      RunError: what does not fit together.
      DataError: data that cannot be read.
    """
    dataset = given.load(given.data)
    trained, measured, held = _divide(dataset, given)
    options, notes = _suited(function, options, trained, given.reading.rules)
    config: Config = {
        'recipe': function.__name__,
        'options': describe_options(function, options),
        'image_shape': list(dataset.image_shape),
        'fingerprint': _mark(dataset, given.reading.rules),
        'source': sources.located(given.data),
        'image_size': given.image_size,
        'reading': given.reading.chosen,
        'classes': dataset.classes and list(dataset.classes),
        'counts': None if trained.y is None else np.bincount(_known(trained)).tolist(),
        **held,
        'batch_size': batch_size,
        'seed': seed,
        'notes': [*dataset.notes, *notes],
        'left_out': dict(dataset.left_out),
    }
    model = build(function, config['options'], dataset.image_shape)
    check_labels(trained, measured, model)
    _rehearse(model, trained, batch_size)
    return config, model, trained, measurable(measured, model)


def _mark(dataset: Dataset, rules: int) -> str:
    """The fingerprint, as the run's first version had it."""
    return (dataset.older if rules < 2 else None) or sources.fingerprint(dataset)


def _suited(
    function: Callable, options: Config, trained: Dataset, rules: int
) -> tuple[Config, list[str]]:
    """Options with what the data decide: the number of classes, and where none was chosen a
    likelihood that suits the pixels; and what was done."""
    if options.get('num_classes') == 'auto':
        if trained.num_classes is None:
            told = '; '.join((f'{trained.name} without', *trained.notes))
            raise RunError(f"expected data with labels for num_classes='auto', got {told}")
        options = {**options, 'num_classes': trained.num_classes}
    slot = options_of(function).get('likelihood')
    suits = slot is None or slot.default != 'bernoulli' or not photographs(trained)
    if 'likelihood' in options or rules < 2 or suits:
        return options, []
    return {**options, 'likelihood': 'discretized_logistic'}, [
        f'{greys(trained):.0%} of the pixels are grey: the likelihood is discretized_logistic, '
        'unless another is chosen'
    ]


def _divide(dataset: Dataset, given: Given) -> tuple[Dataset, Dataset, Config]:
    """What is trained on, what is not, and how a config says so."""
    auto = given.held_out == 'auto' if isinstance(given.held_out, str) else False
    known = auto and given.reading.rules >= 2 and dataset.apart is not None
    share = 0.1 if auto else given.held_out
    if isinstance(share, numbers.Real) and not known:
        parts = sources.split(dataset, float(share), rules=given.reading.rules)
        return *parts, {'held_out': float(share), 'held_out_source': None}
    other = dataset.apart if known else given.load(given.held_out)
    assert other is not None
    mark = _mark(other, given.reading.rules)
    place = APART if known else sources.located(given.held_out)
    return dataset, like(dataset, other), {'held_out': mark, 'held_out_source': place}


def like(dataset: Dataset, other: Dataset) -> Dataset:
    """Held-out images with labels that are numbered as those of the training images are.

    Args:
      dataset: what is trained on.
      other: what is held out.

    Raises:
      RunError: other images, or classes that the training images do not have.
    """
    if other.image_shape != dataset.image_shape:
        raise RunError(
            f'expected held-out images {dataset.image_shape} like those of {dataset.name}, got '
            f'{other.image_shape} in {other.name}'
        )
    named = dataset.classes or other.classes
    if named is None or other.y is None or dataset.y is None:
        return other
    known = dataset.classes or tuple(map(str, range(dataset.num_classes or 0)))
    theirs = other.classes or tuple(map(str, range(other.num_classes or 0)))
    used = [theirs[label] for label in np.unique(_known(other))]
    if odd := sorted(set(used) - set(known)):
        raise RunError(
            f'expected held-out images of the classes of {dataset.name}, {shown(known)}, got '
            f'{shown(tuple(odd))} in {other.name}'
        )
    # The last is what -1 stands for, a label that is not known.
    numbers = [known.index(n) if n in known else -1 for n in theirs]
    numbers_of = np.array([*numbers, -1], np.int32)
    return other._replace(y=numbers_of[other.y], classes=dataset.classes)


def _rehearse(model: Any, dataset: Dataset, batch_size: int) -> None:
    """Traces a step, so that what it refuses is refused before anything is written."""
    n = batch_size * model.repeats
    batch = {'x': jax.ShapeDtypeStruct((n, *dataset.image_shape), dataset.x.dtype)}
    if dataset.y is not None:
        batch['y'] = jax.ShapeDtypeStruct((n,), dataset.y.dtype)
    try:
        state = jax.eval_shape(model.init, jax.random.key(0))
        jax.eval_shape(model.train_step, state, batch)
    except REFUSALS as error:
        raise RunError(f'a step of the recipe is refused: {error}') from error
    _check_room(state)


def _check_room(state: State) -> None:
    """Refuses a state that all devices together could not hold."""
    needed = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    told = all('bytes_limit' in each for each in stats)
    mine = sum(each['bytes_limit'] for each in stats) if told else memory()
    room = jax.process_count() * mine
    if needed > room:
        raise RunError(
            f'expected a model whose state fits into {room / 1e9:.3g} GB of memory, got '
            f'{needed / 1e9:.3g} GB'
        )


def _known(dataset: Dataset) -> np.ndarray:
    """The labels of a dataset that has some, without -1."""
    assert dataset.y is not None
    return dataset.y[dataset.y >= 0]


def measurable(held_out: Dataset, model: Any) -> Dataset:
    """The held-out images that a model is measured by: of one with classes those with labels.

    Args:
      held_out: what is held out.
      model: a `GAN` or a `VAE`.

    Raises:
      RunError: none has a label.
    """
    found = held_out if model.num_classes is None else labelled(held_out)
    if not found.size:
        raise RunError(
            f'expected held-out images with labels in {held_out.name}, got -1 of all: hold out '
            'other data, or a larger share'
        )
    return found


def check_labels(trained: Dataset, measured: Dataset, model: Any) -> None:
    """Refuses labels that a model cannot take, and classes that it would never see.

    Args:
      trained: what is trained on.
      measured: what is held out.
      model: a `GAN` or a `VAE`.

    Raises:
      RunError: labels that are not there, or not below the number of classes, or classes without
        a training image.
    """
    wanted = model.num_classes
    for dataset in (trained, measured) if wanted is not None else ():
        found = dataset.num_classes
        if found is None or found > wanted:
            none = '; '.join(('none', *dataset.notes))
            got = none if found is None else f'labels up to {found - 1}'
            raise RunError(
                f'expected labels below num_classes={wanted} in {dataset.name}, got {got}'
            )
        if not getattr(model, 'classify', None) and len(_known(dataset)) < dataset.size:
            raise RunError(
                f'expected labels of all images in {dataset.name}, got -1 of some: m2 takes such'
            )
    if wanted is None or trained.y is None:
        return
    counts = np.bincount(_known(trained), minlength=wanted)
    if not counts.all():
        names = trained.classes or tuple(map(str, range(wanted)))
        absent = tuple(names[i] if i < len(names) else str(i) for i in np.flatnonzero(counts == 0))
        raise RunError(
            f'expected training images of each of num_classes={wanted} in {trained.name}, got none '
            f'of {shown(absent)}: say num_classes={trained.num_classes}'
        )
