"""The command `genjax`: train, recipes, what commands.py does with a run, data.

The subcommands of `genjax train` are the recipes themselves, and their keywords are the options.
"""

import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from genjax import commands, parallel
from genjax.data import DataError
from genjax.machine import own_process
from genjax.methods import methods, recipes
from genjax.parts import arguments, describe, makers, parse, several, slot_of
from genjax.train import Finished, RunError, train
from genjax.train.config import options_of
from genjax.train.errors import DivergedError, within_memory

# As shells count: what ends by a signal has 128 more than its number.
INTERRUPTED, REFUSED, DIVERGED = 128, 2, 3
# What a training asks for, it tells itself.
_FITTING = (
    'images that fit into memory (fewer at once: n, rows, columns; or JAX_PLATFORMS=cpu, where '
    'another process holds the device)'
)
# How options of `train` are written that take more in Python.
_WORDS = {
    'data': str,
    'run': Path,
    'start_from': Annotated[str | None, tyro.conf.arg(name='from')],
}
_NAMES = (
    'sample', 'reconstruct', 'interpolate', 'traverse', 'encode', 'evaluate', 'export'
)  # fmt: skip


def _written(annotation: Any) -> Any:
    """How an option is written on the command line, where it is a part."""
    kind, many, _ = slot_of(annotation)
    if kind is None:
        return annotation
    known = ','.join(makers(kind))
    # optax has too many to be listed each time.
    names = 'NUMBER|SCHEDULE' if kind.called else f'{{{known}}}' if len(known) < 200 else 'NAME'

    def read(words):
        parts = tuple(None if word == 'None' else parse(kind, word) for word in words)
        return parts if many else parts[0]

    def write(value):
        return [
            str(part and describe(kind, part))
            for part in (several(kind, value) if many else [value])
        ]

    spec = PrimitiveConstructorSpec(
        nargs='*' if many else 1,
        metavar=f'[{names}[:OPTION=VALUE,...] ...]' if many else f'{names}[:OPTION=VALUE,...]',
        instance_from_str=read,
        is_instance=lambda value: True,
        str_from_instance=write,
    )
    return Annotated[Any, spec]


def _ending(finished: Finished, steps: int) -> str | None:
    """What is to be said of a training that did not end at its last step."""
    step = int(finished.state.step)
    if finished.signal is not None:
        return f'{signal.Signals(finished.signal).name}: stopped at step {step}'
    if finished.early:
        return f'stopped early at step {step}, by the held-out figures'
    return f'the run has {step} steps already' if step > steps > 0 else None


def _training(recipe: Callable) -> Callable[..., int]:
    """The subcommand of a recipe: the options of `train`, then those of the recipe."""

    hosts = inspect.signature(parallel.join).parameters

    def command(data: str, run: Path, **options: Any) -> int:
        try:
            parallel.join(**{name: options.pop(name) for name in hosts})
        except ValueError as error:
            raise RunError(str(error)) from None
        # What is not given may be decided by the data.
        given = {name: value for name, value in options.items() if value is not defaults[name]}
        finished = train(recipe, data, run=run, **given).finished
        print(run)
        if finished is None:
            return 0
        if end := _ending(finished, options['steps']):
            print(f'genjax: {end}', file=sys.stderr)
        return INTERRUPTED + finished.signal if finished.signal else 0

    common = dict(inspect.signature(train).parameters)
    del common['recipe'], common['options']
    needed = [common.pop(name) for name in ('data', 'run', 'steps', 'epochs')]
    others = [*common.values(), *hosts.values()]
    parameters = [*needed, *options_of(recipe).values(), *others]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    defaults = {p.name: p.default for p in parameters}
    types = {p.name: _written(p.annotation) for p in parameters} | _WORDS
    if 'num_classes' in types:
        types['num_classes'] = int | Literal['auto'] | None
    about = (inspect.getdoc(recipe) or '').partition('Args:\n')[0]
    described = {**arguments(train), **arguments(parallel.join), **arguments(recipe)}
    lines = '\n'.join(described[p.name] for p in parameters if p.name in described)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = types
    command.__doc__ = f'{about}Args:\n{lines}'
    command.__name__ = recipe.__name__
    return command


def _list() -> None:
    """Lists the methods: their papers, what each is for, and a figure that it reached."""
    print(*methods(), sep='\n\n')


def _commands() -> Any:
    """The tree of subcommands, as tyro wants it."""

    def named(name, constructor):
        return Annotated[Any, tyro.conf.subcommand(name=name, constructor=constructor)]

    trained: Any = Union[tuple(named(name, _training(f)) for name, f in recipes().items())]  # noqa: UP007

    def train_command(recipe):
        return recipe

    train_command.__annotations__ = {'recipe': trained}
    train_command.__doc__ = 'Trains a recipe; a run that is there already is continued.'
    others = [named(name, getattr(commands, name)) for name in _NAMES]
    looked = named('data', commands.look_at_data)
    listed = named('recipes', _list)
    return Union[(named('train', train_command), listed, *others, looked)]


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
      args: words of the command line; None takes the process's own.

    Returns:
      The exit status: 0, or 2 where something was refused, or 3 where updates were no longer
      finite, or 128 + n where training was stopped by signal n, with a checkpoint saved.
    """
    own_process()
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes)
    try:
        with within_memory(_FITTING):
            status = tyro.cli(_commands(), prog='genjax', args=args, config=config)
    except (RunError, DataError, OSError) as error:
        print(f'genjax: {error}', file=sys.stderr)
        return DIVERGED if isinstance(error, DivergedError) else REFUSED
    except KeyboardInterrupt:  # Before training listens, or a second time while it does.
        print('genjax: interrupted', file=sys.stderr)
        return INTERRUPTED + signal.SIGINT
    return status or 0


if __name__ == '__main__':
    sys.exit(main())
