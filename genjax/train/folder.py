"""The folder of a run: who holds it, and the config in it."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from genjax.locks import held
from genjax.train.config import STACKS, Config, describe_options, differences, without_places
from genjax.train.errors import RunError
from genjax.train.older import upgraded
from genjax.train.stack import changed, stack

CONFIG = 'config.json'
# What an older genjax did not have.
_OLDER = {'image_size': None, 'reading': {'rules': 1}, 'classes': None, 'counts': None}
_KEYS = {
    'recipe': str,
    'options': dict,
    'image_shape': list,
    'fingerprint': str,
    'source': str | None,
    'image_size': int | None,
    'held_out': float | str,
    'held_out_source': str | None,
    'reading': dict,
    'classes': list | None,
}


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes a folder, and holds it.

    Args:
      folder: of the run.

    Raises:
      RunError: another process holds it.
    """

    def refuse(more):
        raise RunError(f'{folder} is in use by another process{more}') from None

    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, refuse):
        yield


def read(folder: Path) -> Config | None:
    """The config of a run; None where there is none.

    Args:
      folder: of the run.

    Raises:
      RunError: a damaged one.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    try:
        config = {**_OLDER, **json.loads(path.read_text(encoding='utf-8'))}
        odd = [name for name, kind in _KEYS.items() if not isinstance(config[name], kind)]
        odd += [] if len(config['image_shape']) == 3 else ['image_shape']
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f'{path}: expected the config of a run, got {error!r}') from error
    if odd:
        raise RunError(f'{path}: expected the config of a run, got others in {odd}')
    return config


def agree(folder: Path, config: Config, recipe: Callable) -> Config:
    """Writes the config of a new run; refuses another than that of a run which is there.

    An option that an older genjax did not have is at its default. Beside the config stand all
    stacks that the run was computed by, one after the other; another one is told.

    Args:
      folder: of the run.
      config: of the command.
      recipe: the function.

    Returns:
      The config as it was written.

    Raises:
      RunError: another run is there, or something else.
    """
    old = read(folder)
    if old is None:
        if others := sorted(p.name for p in folder.iterdir() if not p.name.startswith('.')):
            raise RunError(f'{folder}: expected an empty folder or a run, got {others[:3]}')
    elif old['recipe'] == config['recipe']:
        # Once more, to refuse options that there are not.
        old['options'] = describe_options(recipe, upgraded(old, recipe)['options'])
    lines = [] if old is None else differences(without_places(old), without_places(config))
    if lines:
        raise RunError(f'{folder} holds another run:\n  ' + '\n  '.join(lines))
    stacks, now = (old or {}).get(STACKS, []), stack()
    if told := changed(stacks, now):
        print(f'genjax: {told}', file=sys.stderr)
    config = {**config, STACKS: stacks if stacks[-1:] == [now] else [*stacks, now]}
    partial = folder / f'.{CONFIG}'
    partial.write_text(json.dumps(config, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, folder / CONFIG)
    return config
