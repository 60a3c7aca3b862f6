"""What a training is given, checked before anything is written."""

import numbers
from collections.abc import Callable
from typing import Any

import jax

from genjax import data as sources
from genjax.core import State
from genjax.data import Dataset
from genjax.data.cache import memory
from genjax.train.config import REFUSALS, Config, build, describe_options
from genjax.train.errors import RunError


def prepare(
    function: Callable,
    options: Config,
    data: Any,
    held_out: Any,
    image_size: int | None,
    batch_size: int,
    seed: int,
) -> tuple[Config, Any, Dataset, Dataset]:
    """The config of a run, its model, what is trained on and what is measured.

    Args:
      function: the recipe.
      options: of the recipe, those that are not at their defaults.
      data: what `genjax.data.load` takes.
      held_out: share of it that is not trained on, or other data.
      image_size: height and width that images are scaled and cropped to; None for as they are.
      batch_size: examples an update.
      seed: of the run.

    Raises:
      RunError: what does not fit together.
      DataError: data that cannot be read.
    """
    dataset = sources.load(data, image_size)
    trained, measured, held = _divide(dataset, held_out, image_size)
    config: Config = {
        'recipe': function.__name__,
        'options': describe_options(function, options),
        'image_shape': list(dataset.image_shape),
        'fingerprint': sources.fingerprint(dataset),
        'source': sources.located(data),
        'image_size': image_size,
        **held,
        'batch_size': batch_size,
        'seed': seed,
    }
    model = build(function, config['options'], dataset.image_shape)
    for part in (trained, measured):
        _check_labels(part, model)
    _rehearse(model, trained, batch_size)
    return config, model, trained, measured


def _divide(
    dataset: Dataset, held_out: Any, image_size: int | None
) -> tuple[Dataset, Dataset, Config]:
    """What is trained on, what is not, and how a config says so."""
    if isinstance(held_out, numbers.Real):
        share = float(held_out)
        return *sources.split(dataset, share), {'held_out': share, 'held_out_source': None}
    other = sources.load(held_out, image_size)
    if other.image_shape != dataset.image_shape or (other.y is None) != (dataset.y is None):
        raise RunError(
            f'expected held-out images {dataset.image_shape} like those of {dataset.name}, with '
            f'labels where those have them, got {other.image_shape} in {other.name}'
        )
    if None not in (dataset.classes, other.classes) and dataset.classes != other.classes:
        raise RunError(
            f'expected held-out images of the classes of {dataset.name}, {dataset.classes}, got '
            f'{other.classes} in {other.name}'
        )
    mark, place = sources.fingerprint(other), sources.located(held_out)
    return dataset, other, {'held_out': mark, 'held_out_source': place}


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


def _check_labels(dataset: Dataset, model: Any) -> None:
    wanted, found = model.num_classes, dataset.num_classes
    if wanted is not None and (found is None or found > wanted):
        got = 'none' if found is None else f'labels up to {found - 1}'
        raise RunError(f'expected labels below num_classes={wanted} in {dataset.name}, got {got}')
