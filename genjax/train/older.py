"""Runs of earlier versions, as this one writes them."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from genjax.methods import recipes
from genjax.train.config import Config, describe_options, options_of


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


def places(wanted: Iterable[str], saved: Iterable[str]) -> dict[str, str]:
    """Where the leaves of a state are among those of a saved one, by the paths of both.

    An optimizer is a chain of others, which have moved in it: what is found nowhere is looked for
    by its path without the places in chains.

    Args:
      wanted: paths of the leaves.
      saved: paths of those that were saved.
    """
    wanted, saved = list(wanted), set(saved)
    at = {name: name for name in wanted if name in saved}
    old = sorted(name for name in saved - set(at) if name.startswith('.opt['))
    # Decay has a count of its own now, which is that of the learning rate.
    counts = sorted(n for n in saved if n.startswith('.opt[') and n.endswith('.count'))
    for name in sorted(name for name in wanted if name not in at and name.startswith('.opt[')):
        found = next((o for o in (*old, *counts) if _nowhere(o) == _nowhere(name)), None)
        if found is not None:
            at[name] = found
            old = [other for other in old if other != found]
    return at


def _nowhere(path: str) -> str:
    return re.sub(r'\[\d+\]', '', path)
