"""Runs of earlier versions, as this one writes them."""

import re
from collections.abc import Iterable
from typing import Any

from genjax.methods import recipes
from genjax.train.config import Config, describe_options, options_of


def upgraded(config: Config) -> Config:
    """A config as this version writes it; of a recipe that genjax does not have as it is.

    Options that an earlier version did not have are at their defaults, and those of networks and
    optimizers are told with them.

    Args:
      config: of a run of any version.
    """
    recipe = recipes().get(config['recipe'])
    options: dict[str, Any] = dict(config['options'])
    if config['recipe'] == 'wgan_gp' and 'weight' in options:
        options['penalties'] = [f'wgan_gp:weight={options.pop("weight")!r}']
    if not options.get('free_bits'):
        options.pop('free_bits', None)
    if recipe is None or set(options) - set(options_of(recipe)):
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
    wanted, saved = list(wanted), list(saved)
    at = {name: name for name in wanted if name in set(saved)}
    old = sorted(name for name in set(saved) - set(at) if name.startswith('.opt['))
    for name in sorted(name for name in wanted if name not in at and name.startswith('.opt[')):
        found = next((other for other in old if _nowhere(other) == _nowhere(name)), None)
        if found is not None:
            at[name] = found
            old.remove(found)
    return at


def _nowhere(path: str) -> str:
    return re.sub(r'\[\d+\]', '', path)
