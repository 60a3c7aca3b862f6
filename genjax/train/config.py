"""What a run is, as plain data: the recipe, its options, the data and the order."""

import inspect
import json
from collections.abc import Callable
from typing import Any

import genjax.gan.recipes
import genjax.vae.recipes
from genjax.train.parts import describe, kind_of, nearest, parse

Config = dict[str, Any]


class RunError(ValueError):
    """A run that cannot be started, continued or loaded; the message says why."""


def recipes() -> dict[str, Callable]:
    """The public recipes of all families, by name."""
    modules = (genjax.gan.recipes, genjax.vae.recipes)
    return {name: getattr(module, name) for module in modules for name in module.__all__}


def options_of(recipe: Callable) -> dict[str, inspect.Parameter]:
    """The keywords of a recipe that a user sets; the image shape comes from the data."""
    parameters = inspect.signature(recipe).parameters
    return {name: p for name, p in parameters.items() if name != 'image_shape'}


def describe_options(recipe: Callable, options: dict[str, Any]) -> Config:
    """All options of a recipe as JSON values, the defaults among them.

    Args:
      recipe: a public recipe.
      options: those that differ from the defaults.

    Raises:
      RunError: an option that the recipe does not have, or a part that no text names.
    """
    known = options_of(recipe)
    for name in options:
        if name not in known:
            raise RunError(
                f'{recipe.__name__} has no option {name!r}; {nearest(name, list(known))}'
            )
    return {
        name: _describe(name, parameter, options.get(name, parameter.default))
        for name, parameter in known.items()
    }


def _describe(name, parameter, value):
    kind, many = kind_of(parameter.annotation)
    try:
        if many:
            return [describe(kind, part) for part in value]
        if kind:
            return describe(kind, value)
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise RunError(f'{name}: {error}') from None


def build(name: str, options: Config, image_shape: tuple[int, int, int]) -> Any:
    """The model of a recipe's name and its described options.

    Args:
      name: of a public recipe.
      options: JSON values, as `describe_options` makes them.
      image_shape: `(height, width, channels)`.

    Raises:
      RunError: an unknown recipe or option, or a value that the recipe refuses.
    """
    recipe = recipes().get(name)
    if recipe is None:
        raise RunError(f'unknown recipe {name!r}; {nearest(name, list(recipes()))}')
    known, ready = options_of(recipe), {}
    for option, value in options.items():
        if option not in known:
            raise RunError(f'{name} has no option {option!r}; {nearest(option, list(known))}')
        kind, many = kind_of(known[option].annotation)
        try:
            if many:
                ready[option] = tuple(parse(kind, text) for text in value)
            elif kind:
                ready[option] = parse(kind, str(value))
            else:
                ready[option] = tuple(value) if isinstance(value, list) else value
        except (TypeError, ValueError) as error:
            raise RunError(f'{option}: {error}') from None
    try:
        return recipe(tuple(image_shape), **ready)
    except (TypeError, ValueError) as error:
        raise RunError(f'{name}: {error}') from None


def differences(old: Config, new: Config, prefix: str = '') -> list[str]:
    """What differs between two configs, a line each, by the dotted name.

    Args:
      old: of the run.
      new: of the command.
      prefix: of the names.
    """
    lines = []
    for key in sorted({*old, *new}):
        name, a, b = f'{prefix}{key}', old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            lines += differences(a, b, f'{name}.')
        elif a != b:
            lines.append(f'{name}: the run has {a!r}, the command says {b!r}')
    return lines
