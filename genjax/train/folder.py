"""The folder of a run: who holds it, and the config in it."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from genjax.data import Dataset, Reading
from genjax.locks import held
from genjax.train import history
from genjax.train.config import (
    CHANGES,
    STACKS,
    START,
    START_SOURCE,
    Config,
    describe_options,
    differences,
    identity,
    upgraded,
)
from genjax.train.errors import RunError

CONFIG, CHECKPOINTS = 'config.json', 'checkpoints'
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
        told = {START: dict, CHANGES: list}
        odd += [n for n, kind in told.items() if not isinstance(config.get(n, kind()), kind)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RunError(f'{path}: expected the config of a run, got {error!r}') from error
    if odd:
        raise RunError(f'{path}: expected the config of a run, got others in {odd}')
    return config


def begun_with(folder: Path, reading: Reading) -> Reading:
    """A reading by the rules that a run began with.

    Args:
      folder: of the run.
      reading: of the command.
    """
    config = read(folder)
    older = config is not None and config['reading'].get('rules') == 1
    return reading._replace(rules=1 if older else 2)


def existing(folder: Path) -> Config:
    """The config of a run.

    Args:
      folder: of the run.

    Raises:
      RunError: none, or a damaged one.
    """
    config = read(folder)
    if config is None:
        raise RunError(f'expected a run in {folder}, got a folder without {CONFIG}, or none')
    return config


def agree(
    folder: Path, config: Config, recipe: Callable, change: int | None, held_out: Dataset
) -> None:
    """Writes the config of a new run; refuses another than that of a run which is there, unless
    that is to be changed.

    An option that an older genjax did not have is at its default. Beside the config stand all
    stacks that the run was computed by, one after the other; another one is told, and what was
    changed or carried over.

    Args:
      folder: of the run.
      config: of the command.
      recipe: the function.
      change: the step from which the run is to be as the command says; None refuses that.
      held_out: what the command measures.

    Raises:
      RunError: another run is there, or something else.
    """
    old = read(folder)
    before = [] if old is None else list(history.told(old))
    if old is None:
        if others := sorted(p.name for p in folder.iterdir() if not p.name.startswith('.')):
            raise RunError(f'{folder}: expected an empty folder or a run, got {others[:3]}')
    elif old['recipe'] == config['recipe']:
        # Once more, to refuse options that there are not.
        old['options'] = describe_options(recipe, upgraded(old, recipe)['options'])
    config = config if old is None else _continued(folder, old, config, recipe, change, held_out)
    stacks, now = (old or {}).get(STACKS, []), history.stack()
    lines = [history.changed(stacks, now), *list(history.told(config))[len(before) :]]
    for line in filter(None, lines):
        print(f'genjax: {line}', file=sys.stderr)
    config = {**config, STACKS: stacks if stacks[-1:] == [now] else [*stacks, now]}
    partial = folder / f'.{CONFIG}'
    partial.write_text(json.dumps(config, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, folder / CONFIG)


def _continued(folder, old, new, recipe, change, held_out):
    """The config of a run that goes on: the command's, with what became of the run."""
    source = new.get(START_SOURCE, old.get(START_SOURCE))
    if source != old.get(START_SOURCE):
        raise RunError(
            f'{folder} holds another run:\n  from: the run has {old.get(START_SOURCE)!r}, the '
            f'command says {source!r}'
        )
    past = {name: old[name] for name in (START, START_SOURCE, CHANGES) if name in old}
    new = {**new, **past}
    lines = differences(identity(old), identity(new))
    if not lines:
        return new
    listed, why = '\n  '.join(lines), history.unchangeable(old, new, recipe)
    if change is None:
        hint = '' if why else '\nsay --change to change that from here on'
        raise RunError(f'{folder} holds another run:\n  {listed}{hint}')
    if why:
        raise RunError(
            f'{folder}: expected changes that leave the state as it is, got\n  {listed}\n{why}; '
            f'start another run from this one with --from {folder}'
        )
    return history.with_change(old, new, recipe, change, held_out)
