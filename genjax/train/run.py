"""Runs: a folder with a model in training, that can be started, continued and loaded."""

import contextlib
import json
import numbers
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from genjax import data as sources
from genjax import parallel
from genjax.core import State
from genjax.data import Dataset
from genjax.train import processes
from genjax.train.checkpoint import Checkpoints
from genjax.train.config import REFUSALS, Config, build, describe_options, differences, find_recipe
from genjax.train.errors import RunError, check_integers, check_seed
from genjax.train.loop import Finished, fit
from genjax.train.pace import Pace
from genjax.train.recorder import Recorder
from genjax.train.views import view

_CONFIG, _CHECKPOINTS = 'config.json', 'checkpoints'
_PLACES = ('source', 'held_out_source')  # where the data lie may change; what they are may not
_KEYS = {
    'recipe': str,
    'options': dict,
    'image_shape': list,
    'fingerprint': str,
    'source': str | None,
    'held_out': float | str,
    'held_out_source': str | None,
}


class Run(NamedTuple):
    """A model and what it has learnt.

    Attributes:
      model: a `GAN` or a `VAE`.
      state: of one step.
      config: what the run is, as plain data.
      folder: where it is.
      finished: how the training that was just made ended; None of a run that was loaded.
    """

    model: Any
    state: State
    config: Config
    folder: Path
    finished: Finished | None = None


def train(
    recipe: str | Callable,
    data: Any,
    *,
    run: str | os.PathLike,
    steps: int,
    batch_size: int = 64,
    seed: int = 0,
    held_out: float | str = 0.1,
    dispatch: int = 50,
    sample_every: int = 0,
    eval_every: int = 0,
    patience: int = 0,
    profile: bool = False,
    devices: int = 0,
    shard_params: int = 1,
    **options: Any,
) -> Run:
    """Trains a recipe on data, in a folder; a run that is there already is continued.

    Args:
      recipe: the name of one of genjax's recipes, or a function like them.
      data: 'digits', a .npz file with x and perhaps y, an MNIST idx file or a folder of them; in
        Python also an array, a dict or a Dataset.
      run: the folder, made if need be.
      steps: in all, those of an earlier training in the folder included.
      batch_size: examples an update.
      seed: of the parameters, the noise and the order of the examples.
      held_out: share of the data that is never trained on, or other data to measure on.
      dispatch: steps that one call of the compiled program takes.
      sample_every: steps between pictures, rounded to dispatches; 0 for about twenty in all.
      eval_every: steps between held-out evaluations and checkpoints, rounded to dispatches; 0 for
        about ten in all.
      patience: evaluations without a better bound (a VAE), or in which training images are known
        by heart (a GAN), after which training ends; 0 for never.
      profile: write a trace of a few dispatches after the first into the folder's `profile`.
      devices: how many to train on, each with its share of a batch; 0 for all that there are.
      shard_params: over how many devices the parameters and optimizer states of large networks are
        divided.
      **options: of the recipe.

    Raises:
      RunError: an option that the recipe does not have or refuses, data that do not fit the
        recipe, a folder that holds another run or something else, or one that is in use.
      DataError: data that cannot be read.
    """
    pace = Pace(steps, dispatch, sample_every, eval_every, patience)
    check_integers(1, steps=steps, dispatch=dispatch, batch_size=batch_size)
    check_integers(0, sample_every=sample_every, eval_every=eval_every, patience=patience)
    check_seed(seed)
    folder = Path(run).expanduser()
    with contextlib.ExitStack() as stack:
        with parallel.together(RunError('another process of this run was refused: see there')):
            mesh = processes.training_mesh(devices, shard_params, batch_size)
            function = find_recipe(recipe)
            config, model, trained, measured = _prepare(
                function, options, data, held_out, batch_size, seed
            )
            if parallel.leads():
                stack.enter_context(_locked(folder))
                _agree(folder, config, function)
        shared = {**config, **dict.fromkeys(_PLACES)}, pace, mesh.shape
        processes.compare(folder / _CONFIG, shared)
        checkpoints = Checkpoints(folder / _CHECKPOINTS)
        stack.enter_context(contextlib.closing(checkpoints))
        state = processes.start(model, seed, mesh, checkpoints)
        seen = view(model, trained, measured, seed)
        desk = stack.enter_context(processes.desk(folder))
        recorder = Recorder(desk, seen, checkpoints, pace, int(state.step))
        traces = desk / 'profile' if profile else None
        finished = fit(model, trained, state, recorder, pace, batch_size, seed, traces)
    return Run(model, finished.state, config, folder, finished)


def load(run: str | os.PathLike, step: int | str = 'latest', recipe: Callable | None = None) -> Run:
    """The model and the state of a run.

    Args:
      run: its folder.
      step: of a checkpoint, or 'latest', or 'best' by the held-out bound of a VAE.
      recipe: the function, where it is none of genjax's.

    Raises:
      RunError: no such run or checkpoint, or one that does not fit the recipe.
    """
    folder = Path(run).expanduser()
    config = _read(folder)
    if config is None:
        raise RunError(f'expected a run in {folder}, got a folder without {_CONFIG}, or none')
    function = recipe or find_recipe(config['recipe'])
    model = build(function, config['options'], tuple(config['image_shape']))
    if not (folder / _CHECKPOINTS).is_dir():
        raise RunError(f'{folder} has no checkpoint yet')
    with contextlib.closing(Checkpoints(folder / _CHECKPOINTS, read_only=True)) as checkpoints:
        at = {'latest': checkpoints.latest(), 'best': checkpoints.best()}.get(str(step), step)
        if not isinstance(at, int) or at not in checkpoints.steps():
            known = ['latest', 'best', *checkpoints.steps()]
            raise RunError(f'{folder}: expected a checkpoint among {known}, got {step!r}')
        state = checkpoints.restore(at, jax.eval_shape(model.init, jax.random.key(0)))
    return Run(model, state, config, folder)


def held_out(run: Run, data: Any = None) -> Dataset:
    """The data that a run never trains on.

    Args:
      run: as `load` gives it.
      data: where the data are that they are a part of, or they themselves where they were given
        by themselves; None looks where they were.

    Raises:
      RunError: the data are not given, or not those of the run.
    """
    share, config = run.config['held_out'], run.config
    apart = isinstance(share, str)
    source = data if data is not None else config['held_out_source' if apart else 'source']
    if source is None:
        raise RunError(f'{run.folder}: expected the data of the run, got none')
    dataset = sources.load(source)
    if sources.fingerprint(dataset) != (share if apart else config['fingerprint']):
        raise RunError(f'{run.folder}: expected the data of the run, got others in {source}')
    return dataset if apart else sources.split(dataset, share)[1]


def _prepare(
    function: Callable, options: Config, data: Any, held_out: Any, batch_size: int, seed: int
) -> tuple[Config, Any, Dataset, Dataset]:
    """The config of a run, its model, what is trained on and what is measured."""
    dataset = sources.load(data)
    trained, measured, held = _divide(dataset, held_out)
    config: Config = {
        'recipe': function.__name__,
        'options': describe_options(function, options),
        'image_shape': list(dataset.image_shape),
        'fingerprint': sources.fingerprint(dataset),
        'source': _location(data),
        **held,
        'batch_size': batch_size,
        'seed': seed,
    }
    model = build(function, config['options'], dataset.image_shape)
    for part in (trained, measured):
        _check_labels(part, model)
    _rehearse(model, trained, batch_size)
    return config, model, trained, measured


def _divide(dataset: Dataset, held_out: Any) -> tuple[Dataset, Dataset, Config]:
    """What is trained on, what is not, and how a config says so."""
    if isinstance(held_out, numbers.Real):
        share = float(held_out)
        return *sources.split(dataset, share), {'held_out': share, 'held_out_source': None}
    other = sources.load(held_out)
    if other.image_shape != dataset.image_shape or (other.y is None) != (dataset.y is None):
        raise RunError(
            f'expected held-out images {dataset.image_shape} like those of {dataset.name}, with '
            f'labels where those have them, got {other.image_shape} in {other.name}'
        )
    mark, place = sources.fingerprint(other), _location(held_out)
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


def _location(data: Any) -> str | None:
    """Where data can be found again."""
    if not isinstance(data, (str, os.PathLike)):
        return None
    return 'digits' if data == 'digits' else str(Path(data).expanduser().absolute())


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Makes a folder, and holds it; the lock goes with the process, however that ends."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / '.lock', timeout=0):
            yield
    except Timeout:
        raise RunError(f'{folder} is in use by another process') from None


def _read(folder: Path) -> Config | None:
    path = folder / _CONFIG
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding='utf-8'))
        odd = [name for name, kind in _KEYS.items() if not isinstance(config[name], kind)]
        odd += [] if len(config['image_shape']) == 3 else ['image_shape']
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f'{path}: expected the config of a run, got {error!r}') from error
    if odd:
        raise RunError(f'{path}: expected the config of a run, got others in {odd}')
    return config


def _agree(folder: Path, config: Config, recipe: Callable) -> None:
    """Writes the config of a new run; refuses another than that of a run which is there.

    An option that an older genjax did not have is at its default.
    """
    old = _read(folder)
    if old is None:
        if others := sorted(p.name for p in folder.iterdir() if not p.name.startswith('.')):
            raise RunError(f'{folder}: expected an empty folder or a run, got {others[:3]}')
    elif lines := differences(
        {**old, **dict.fromkeys(_PLACES), 'options': describe_options(recipe, old['options'])},
        {**config, **dict.fromkeys(_PLACES)},
    ):
        raise RunError(f'{folder} holds another run:\n  ' + '\n  '.join(lines))
    partial = folder / f'.{_CONFIG}'
    partial.write_text(json.dumps(config, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, folder / _CONFIG)


def _check_labels(dataset: Dataset, model: Any) -> None:
    wanted, found = model.num_classes, dataset.num_classes
    if wanted is not None and (found is None or found > wanted):
        got = 'none' if found is None else f'labels up to {found - 1}'
        raise RunError(f'expected labels below num_classes={wanted} in {dataset.name}, got {got}')
