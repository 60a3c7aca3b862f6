"""The command `genjax`: train, sample, reconstruct, interpolate, export, data inspect.

The subcommands of `genjax train` are the recipes themselves, and their keywords are the options.
"""

import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from genjax import data, parallel, plots
from genjax.data import DataError
from genjax.machine import own_process
from genjax.train import Finished, Run, RunError, held_out, load, pictures, train
from genjax.train.config import options_of, origin, recipes
from genjax.train.errors import DivergedError, check_integers
from genjax.train.export import PLATFORMS, Platform
from genjax.train.export import export as write_export
from genjax.train.parts import describe, kind_of, makers, parse

# As shells count: what ends by a signal has 128 more than its number.
INTERRUPTED, REFUSED, DIVERGED = 128, 2, 3
RunFolder = tyro.conf.Positional[Path]
_REGISTRY = ConstructorRegistry()


@_REGISTRY.primitive_rule
def _part(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """How a loss, penalty, likelihood or schedule is written on the command line."""
    kind, many = kind_of(info.type)
    if kind is None:
        return None
    names = 'NUMBER|SCHEDULE' if kind.called else f'{{{",".join(makers(kind))}}}'
    options = '' if kind.bare else '[:OPTION=VALUE,...]'

    def read(words):
        parts = tuple(parse(kind, word) for word in words)
        return parts if many else parts[0]

    def write(value):
        return [describe(kind, part) for part in (value if many else [value])]

    return PrimitiveConstructorSpec(
        nargs='*' if many else 1,
        metavar=f'[{names}{options} ...]' if many else names + options,
        instance_from_str=read,
        is_instance=lambda value: True,
        str_from_instance=write,
    )


def sample(
    run: RunFolder,
    out: Path,
    n: int = 64,
    seed: int = 0,
    y: int | None = None,
    step: str = 'latest',
    provenance: bool = True,
) -> None:
    """Draws samples of a run.

    Args:
      run: folder of the run.
      out: a .png file for a grid, or a .npz file.
      n: how many.
      seed: of the noise.
      y: the class of all; by default a conditional model's classes go round the columns.
      step: of a checkpoint, or latest, or best by the held-out bound of a VAE.
      provenance: a .png file says in text chunks which model made it.
    """
    _check(out)
    loaded = load(run, _step(step))
    images = pictures.samples(loaded, n, seed, y)
    plots.save_images(out, images, text=_text(loaded, seed, provenance))


def reconstruct(
    run: RunFolder,
    out: Path,
    n: int = 32,
    data: str | None = None,
    step: str = 'latest',
    provenance: bool = True,
) -> None:
    """Shows held-out images and a VAE's reconstructions below them.

    Args:
      run: folder of the run.
      out: a .png file for a grid, or a .npz file.
      n: how many, or as many as were held out.
      data: where the data are, if they have moved.
      step: of a checkpoint, or latest, or best by the held-out bound of a VAE.
      provenance: a .png file says in text chunks which model made it.
    """
    _check(out)
    check_integers(1, n=n)
    loaded = load(run, _step(step))
    images = held_out(loaded, data)
    x, y = images.x[:n], None if images.y is None else images.y[:n]
    text = _text(loaded, loaded.config['seed'], provenance)
    plots.save_pairs(out, x, pictures.reconstructions(loaded, x, y), text=text)


def interpolate(
    run: RunFolder,
    out: Path,
    rows: int = 8,
    columns: int = 10,
    seed: int = 0,
    y: int | None = None,
    step: str = 'latest',
    provenance: bool = True,
) -> None:
    """Draws the ways between pairs of samples.

    Args:
      run: folder of the run.
      out: a .png file for a grid, or a .npz file.
      rows: pairs of samples.
      columns: images from one end to the other.
      seed: of the samples.
      y: the class of all; by default a conditional model's classes in turn, one a row.
      step: of a checkpoint, or latest, or best by the held-out bound of a VAE.
      provenance: a .png file says in text chunks which model made it.
    """
    _check(out)
    loaded = load(run, _step(step))
    images = pictures.interpolations(loaded, rows, columns, seed, y)
    plots.save_images(out, images, columns, text=_text(loaded, seed, provenance))


def export(
    run: RunFolder,
    out: Path,
    step: str = 'latest',
    platforms: tuple[Platform, ...] = PLATFORMS,
    licence: str = 'unknown',
) -> None:
    """Writes a model as a folder that runs without its recipe: StableHLO, safetensors and a card.

    Args:
      run: folder of the run.
      out: a folder that is not there yet, or empty.
      step: of a checkpoint, or latest, or best by the held-out bound of a VAE.
      platforms: that the programs are for.
      licence: of the model, for the card.
    """
    write_export(load(run, _step(step)), out, platforms=platforms, licence=licence)
    print(out)


def _text(run: Run, seed: int, provenance: bool) -> dict[str, str]:
    return origin(run.config, int(run.state.step), seed) if provenance else {}


def look_at_data(
    command: tyro.conf.Positional[Literal['inspect']],
    source: tyro.conf.Positional[str],
    image_size: int | None = None,
    out: Path | None = None,
) -> None:
    """Prints what a source of data holds: counts, classes, duplicates, unreadable files.

    Args:
      command: what to do with it.
      source: as `--data` of `genjax train`.
      image_size: height and width that images are scaled and cropped to.
      out: a .png file for a grid, a row for a class, or a .npz file.
    """
    if out is not None:
        _check(out)
    report = data.inspect(source, image_size)
    print(report)
    if out is not None:
        plots.save_images(out, data.examples(report.dataset), 10)


def _check(out: Path) -> None:
    if out.suffix.lower() not in ('.png', '.npz'):
        raise RunError(f'expected a file that ends in .png or .npz, got {out}')


def _step(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def _ending(finished: Finished, steps: int) -> str | None:
    """What is to be said of a training that did not end at its last step."""
    step = int(finished.state.step)
    if finished.signal is not None:
        return f'{signal.Signals(finished.signal).name}: stopped at step {step}'
    if finished.early:
        return f'stopped early at step {step}, by the held-out figures'
    return f'the run has {step} steps already' if step > steps else None


def _arguments(function: Callable) -> str:
    """The lines of a docstring on the arguments."""
    return (inspect.getdoc(function) or '').partition('Args:\n')[2].partition('\n\n')[0]


def _training(recipe: Callable) -> Callable[..., int]:
    """The subcommand of a recipe: the options of `train`, then those of the recipe."""

    hosts = inspect.signature(parallel.join).parameters

    def command(data: str, run: Path, **options: Any) -> int:
        try:
            parallel.join(**{name: options.pop(name) for name in hosts})
        except ValueError as error:
            raise RunError(str(error)) from None
        finished = train(recipe, data, run=run, **options).finished
        print(run)
        if finished is None:
            return 0
        if end := _ending(finished, options['steps']):
            print(f'genjax: {end}', file=sys.stderr)
        return INTERRUPTED + finished.signal if finished.signal else 0

    common = dict(inspect.signature(train).parameters)
    del common['recipe'], common['options']
    parameters = [*common.values(), *hosts.values(), *options_of(recipe).values()]
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    types = {p.name: p.annotation for p in parameters} | {'data': str, 'run': Path}
    about, _, arguments = (inspect.getdoc(recipe) or '').partition('Args:\n')
    shared = f'{_arguments(train)}\n{_arguments(parallel.join)}'
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = types
    command.__doc__ = f'{about}Args:\n{shared}\n{arguments}'
    command.__name__ = recipe.__name__
    return command


def _commands() -> Any:
    """The tree of subcommands, as tyro wants it."""

    def named(name, constructor):
        return Annotated[Any, tyro.conf.subcommand(name=name, constructor=constructor)]

    trained: Any = Union[tuple(named(name, _training(f)) for name, f in recipes().items())]  # noqa: UP007

    def train_command(recipe):
        return recipe

    train_command.__annotations__ = {'recipe': trained}
    train_command.__doc__ = 'Trains a recipe; a run that is there already is continued.'
    others = [named(f.__name__, f) for f in (sample, reconstruct, interpolate, export)]
    looked = named('data', look_at_data)
    return Union[(named('train', train_command), *others, looked)]


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
        status = tyro.cli(_commands(), prog='genjax', args=args, config=config, registry=_REGISTRY)
    except (RunError, DataError, OSError) as error:
        print(f'genjax: {error}', file=sys.stderr)
        return DIVERGED if isinstance(error, DivergedError) else REFUSED
    except KeyboardInterrupt:  # Before training listens, or a second time while it does.
        print('genjax: interrupted', file=sys.stderr)
        return INTERRUPTED + signal.SIGINT
    return status or 0


if __name__ == '__main__':
    sys.exit(main())
