"""What a run is, as plain data: the recipe, its options, the data and the order."""

import hashlib
import inspect
import json
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import jax

from genjax.methods import recipes
from genjax.parts import describe, fold, nearest, parse, several, signature_of, slot_of
from genjax.train.errors import RunError

Config = dict[str, Any]
# What recipes, Flax and optax raise of values that they cannot take.
REFUSALS = (TypeError, ValueError, ArithmeticError, AttributeError)
# Where the data lie may change, and how they are read; what they are may not.
# So may what it is computed by, and what was said of it, which is on record.
STACKS = 'stacks'
PLACES = ('source', 'image_size', 'held_out_source', 'reading')
_SAID = ('classes', 'counts', 'notes', 'left_out')
# What it started from, and what was changed on the way.
START, START_SOURCE, CHANGES = 'start', 'start_source', 'changes'
_NOWHERE = (*PLACES, *_SAID, START_SOURCE, STACKS)


def find_recipe(recipe: str | Callable) -> Callable:
    """The recipe of a name; a function is passed on.

    Args:
      recipe: a name or a function.

    Raises:
      RunError: an unknown name.
    """
    if inspect.isfunction(recipe):
        return recipe
    known = recipes()
    if not isinstance(recipe, str):
        raise RunError(f'expected a recipe by name, or a function, got {recipe!r}')
    if recipe not in known:
        raise RunError(f'unknown recipe {recipe!r}; {nearest(recipe, list(known))}')
    return known[recipe]


def options_of(recipe: Callable) -> dict[str, inspect.Parameter]:
    """The keywords of a recipe that a user sets; the image shape comes from the data."""
    parameters = signature_of(recipe).parameters
    return {name: p for name, p in parameters.items() if name != 'image_shape'}


def describe_options(recipe: Callable, options: dict[str, Any]) -> Config:
    """All options of a recipe as JSON values, the defaults among them.

    Options of parts are told with their part: `width=32` as `networks: 'dcgan:width=32'`.

    Args:
      recipe: a public recipe.
      options: those that differ from the defaults.

    Raises:
      RunError: an option that the recipe does not have, or a part that no text names.
    """
    _check_names(recipe, options)
    known = options_of(recipe)
    try:
        folded = fold(known, options)
    except ValueError as error:
        raise RunError(f'{recipe.__name__}: {error}') from None
    told = {}
    for name, parameter in known.items():
        if slot_of(parameter.annotation).of is None:
            try:
                told[name] = _describe(name, parameter, folded.get(name, parameter.default))
            except RunError:
                if name in folded or parameter.default is parameter.empty:
                    raise  # Else a part of the recipe's own, which goes by the recipe's name.
    return told


def _check_names(recipe, options):
    known = options_of(recipe)
    for name in options:
        if name not in known:
            raise RunError(
                f'{recipe.__name__} has no option {name!r}; {nearest(name, list(known))}'
            )


def _describe(name, parameter, value):
    if value is parameter.empty:
        raise RunError(f'expected a value for the option {name!r}, got none')
    kind, many, _ = slot_of(parameter.annotation)
    try:
        if kind and many:
            return [describe(kind, part) for part in several(kind, value)]
        if kind and value is not None:
            return describe(kind, value)
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise RunError(f'{name}: {error}') from None


def build(recipe: Callable, options: Config, image_shape: tuple[int, int, int]) -> Any:
    """The model of a recipe and its described options.

    Args:
      recipe: a public recipe, or a function like them.
      options: JSON values, as `describe_options` makes them.
      image_shape: `(height, width, channels)`.

    Raises:
      RunError: an unknown option, or values that the recipe refuses.
    """
    known = options_of(recipe)
    _check_names(recipe, options)
    ready = {name: _parse(known[name].annotation, name, value) for name, value in options.items()}
    try:
        model = recipe(image_shape, **ready)
        jax.eval_shape(model.init, jax.random.key(0))  # Modules look at their sizes when traced.
    except REFUSALS as error:
        raise RunError(f'{recipe.__name__}: {error}') from error
    return model


def _parse(annotation, name, value):
    kind, many, _ = slot_of(annotation)
    try:
        if kind and many:
            return tuple(parse(kind, text) for text in value)
        if kind and value is not None:
            return parse(kind, str(value))
        return tuple(value) if isinstance(value, list) else value
    except (TypeError, ValueError) as error:
        raise RunError(f'{name}: {error}') from error


def upgraded(config: Config, recipe: Callable) -> Config:
    """A config as this version writes it.

    Options that an earlier version did not have are at their defaults, and those of networks and
    optimizers are told with them. One with options that the recipe does not have stays as it is.

    Args:
      config: of a run of any version.
      recipe: the function that it is of.
    """
    options: dict[str, Any] = dict(config['options'])
    if recipes().get(config['recipe']) is recipe:
        if config['recipe'] == 'wgan_gp' and 'weight' in options:
            options['penalties'] = [f'wgan_gp:weight={options.pop("weight")!r}']
        if not options.get('free_bits'):
            options.pop('free_bits', None)
    if set(options) - set(options_of(recipe)):
        return config
    return {**config, 'options': describe_options(recipe, options)}


def pairs(old: Config, new: Config, prefix: str = '') -> dict[str, list[Any]]:
    """What differs between two configs, `[old, new]` by the dotted name.

    Args:
      old: of the run.
      new: of the command.
      prefix: of the names.
    """
    found: dict[str, list[Any]] = {}
    for key in sorted({*old, *new}):
        name, a, b = f'{prefix}{key}', old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= pairs(a, b, f'{name}.')
        elif a != b:
            found[name] = [a, b]
    return found


def differences(old: Config, new: Config) -> list[str]:
    """What differs between two configs, a line each, by the dotted name.

    Args:
      old: of the run.
      new: of the command.
    """
    told = pairs(old, new).items()
    return [f'{name}: the run has {a!r}, the command says {b!r}' for name, (a, b) in told]


def without_places(config: Config) -> Config:
    """A config without where the data lie: that may change; what they are may not.

    Args:
      config: of a run.
    """
    return {name: value for name, value in config.items() if name not in _NOWHERE}


def identity(config: Config) -> Config:
    """What a command says of a run, and what its config had to say at the start.

    Args:
      config: of a run or of a command.
    """
    known = without_places(config).items()
    return {name: value for name, value in known if name not in (START, CHANGES)}


def config_hash(config: Config) -> str:
    """16 hex digits of the SHA-256 of a config; where the data lie does not count.

    Args:
      config: of a run.
    """
    text = json.dumps(without_places(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def origin(config: Config, step: int, seed: int) -> dict[str, str]:
    """What an image says of where it comes from, in PNG text chunks.

    Args:
      config: of the run.
      step: of the state.
      seed: of the noise.
    """
    return {
        'Software': f'genjax {version("genjax-models")}',
        'Model': config['recipe'],
        'Config': config_hash(config),
        'Step': str(step),
        'Seed': str(seed),
    }
