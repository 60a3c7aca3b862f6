"""Runs: a folder with a model in training, that can be started, continued and loaded."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from genjax import data as sources
from genjax import parallel
from genjax.core import State
from genjax.data import DataError, Dataset
from genjax.data.reading import PLAIN, Reading, checked
from genjax.train import measures, processes
from genjax.train.advice import advised, say
from genjax.train.checkpoint import Checkpoints
from genjax.train.config import Config, build, find_recipe, identity, origin, upgraded
from genjax.train.errors import RunError, check_integers, check_seed, located, within_memory
from genjax.train.folder import CHECKPOINTS, CONFIG, agree, begun_with, existing, locked
from genjax.train.history import as_of, judged_since, offset
from genjax.train.loop import Finished, fit
from genjax.train.measures import Measure
from genjax.train.pace import Pace, checked_pace, timed
from genjax.train.prepare import APART, Given, like, measurable, prepare
from genjax.train.recorder import Recorder
from genjax.train.start import source_of, start, step_of
from genjax.train.views import view

_FITTING = 'a model and a batch that fit into memory (a smaller batch_size, or more microbatches)'


class Run(NamedTuple):
    """A model and what it has learnt.

    Attributes:
      model: a `GAN` or a `VAE`.
      state: of one step.
      config: what the run is, as plain data.
      folder: where it is.
      finished: how the training that was just made ended; None of a run that was loaded.
      sampler: what draws latents in place of the prior, fitted after training; None for nothing.
    """

    model: Any
    state: State
    config: Config
    folder: Path
    finished: Finished | None = None
    sampler: str | None = None


def train(
    recipe: str | Callable,
    data: Any,
    *,
    run: str | os.PathLike,
    steps: int = 0,
    epochs: float = 0.0,
    batch_size: int = 64,
    seed: int = 0,
    held_out: float | str = 'auto',
    image_size: int | None = None,
    reading: Reading = PLAIN,
    dispatch: int = 50,
    sample_every: int = 0,
    eval_every: int = 0,
    patience: int = 0,
    keep_every: int = 0,
    start_from: str | os.PathLike | None = None,
    change: bool = False,
    profile: bool = False,
    provenance: bool = True,
    devices: int = 0,
    shard_params: int = 1,
    metrics: tuple[Measure, ...] = (),
    monitor: str = '',
    **options: Any,
) -> Run:
    """Trains a recipe on data, in a folder; a run that is there already is continued.

    Args:
      recipe: the name of one of genjax's recipes, or a function like them.
      data: 'digits', 'sprites', 'tfds:NAME' or 'tfds:NAME:SPLIT', a folder of images or a .zip or
        .tar of one, a .npz or .npy file, an MNIST idx file or a folder of them; in Python also an
        array, a dict, a sequence of examples or a Dataset.
      run: the folder, made if need be.
      steps: in all, those of an earlier training in the folder included.
      epochs: passes over the training images, in place of the steps.
      batch_size: examples an update.
      seed: of the parameters, the noise and the order of the examples.
      held_out: share of the data that is never trained on, or other data to measure on; 'auto' is
        the part that the data's makers keep apart for tests, or a tenth.
      image_size: height and width that images are scaled and cropped to; None for as they are.
      reading: other ways in which arrays and files become images.
      dispatch: steps that one call of the compiled program takes.
      sample_every: steps between pictures, rounded to dispatches; 0 for about twenty in all.
      eval_every: steps between held-out evaluations and checkpoints, rounded to dispatches; 0 for
        about ten in all.
      patience: evaluations without a better figure (that of `monitor`, or a VAE's held-out bound),
        or in which training images are known by heart (a GAN without monitor), after which training
        ends; 0 for never. Those of a warm-up do not count.
      keep_every: steps from one checkpoint that is kept to the next, beside the last two and the
        best; 0 keeps all that were evaluated, the newest 100 and a GiB at most.
      start_from: RUN or RUN:STEP, whose networks and averages a new run starts with where its own
        have the same names and shapes; optimizers start anew.
      change: options, batch size and data may be others than the run had, from here on, if its
        state has the same arrays; the config tells.
      profile: write a trace of a few dispatches after the first into the folder's `profile`.
      provenance: pictures say in PNG text chunks which model made them.
      devices: how many to train on, each with its share of a batch; 0 for all that there are.
      shard_params: over how many devices the parameters and optimizer states of large networks are
        divided.
      metrics: what to measure of samples beside held-out images, at each evaluation.
      monitor: which of these metrics decides which checkpoint is the best, and about patience; ''
        leaves that to the held-out bound of a VAE.
      **options: of the recipe.

    Raises:
      RunError: an option that the recipe does not have or refuses, data that do not fit the
        recipe, a folder that holds another run or something else, that is in use or cannot be
        written, a model and a batch that do not fit into memory.
      DivergedError: a hundred steps in a row were not finite.
      DataError: data that cannot be read.
    """
    check_integers(1, batch_size=batch_size)
    pace = checked_pace(
        Pace(steps, dispatch, sample_every, eval_every, patience, keep_every), epochs
    )
    check_seed(seed)
    measures.check(metrics, monitor)
    batch_size, seed = int(batch_size), int(seed)  # NumPy's integers are no JSON.
    folder = located(run)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_explained(folder))
        with parallel.together(RunError('another process of this run was refused: see there')):
            mesh = processes.training_mesh(devices, shard_params, batch_size)
            function = find_recipe(recipe)
            given = Given(data, held_out, image_size, begun_with(folder, checked(reading)))
            config, model, trained, measured = prepare(function, options, given, batch_size, seed)
            measures.check_sizes(metrics, trained, measured)
            pace = timed(pace, epochs, trained.size / (batch_size * model.repeats))
            config, lines = advised(config, model, trained, measured, pace, monitor)
            if parallel.leads():
                stack.enter_context(locked(folder))
                said = source_of(folder, start_from, model)
                agree(
                    folder, config | said, function, step_of(folder) if change else None, measured
                )
        processes.compare(folder / CONFIG, (identity(config), pace, mesh.shape))
        say([*lines, *measures.cautions(metrics, measured)])
        config = existing(folder)
        saved = Checkpoints(folder / CHECKPOINTS, config, False, function, keep_every)
        checkpoints = stack.enter_context(contextlib.closing(saved))
        state = start(model, config, mesh, checkpoints)
        seen = view(model, trained, measured, seed)
        seen = measures.measured(seen, model, trained, measured, seed, metrics, monitor)
        seen = seen._replace(since=judged_since(config))
        desk = stack.enter_context(processes.desk(folder))
        says = functools.partial(origin, config, seed=seed) if provenance else _nothing
        recorder = Recorder(desk, seen, checkpoints, pace, int(state.step), says)
        traces = desk / 'profile' if profile else None
        moved = offset(config, batch_size * model.repeats)
        finished = fit(model, trained, state, recorder, pace, batch_size, seed, traces, moved)
    return Run(model, finished.state, config, folder, finished)


def load(run: str | os.PathLike, step: int | str = 'latest', recipe: Callable | None = None) -> Run:
    """The model and the state of a run.

    Args:
      run: its folder.
      step: of a checkpoint, or 'latest', or 'best' by the figure that the run has had last.
      recipe: the function, where it is none of genjax's.

    Raises:
      RunError: no such run or checkpoint, or one that does not fit the recipe.
    """
    folder = located(run)
    config = existing(folder)
    function = find_recipe(recipe or config['recipe'])
    config = upgraded(config, function)
    if not (folder / CHECKPOINTS).is_dir():
        raise RunError(f'{folder} has no checkpoint yet')
    saved = Checkpoints(folder / CHECKPOINTS, config, True, function)
    with contextlib.closing(saved) as checkpoints:
        at = checkpoints.find(step)
        config = as_of(config, at)
        model = build(function, config['options'], tuple(config['image_shape']))
        key = jax.random.key(0)
        like = jax.eval_shape(model.init, key)
        state = checkpoints.restore(at, like, lambda: model.init(key))
    return Run(model, state, config, folder)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Says in a sentence what disks and devices have too little of."""
    try:
        with within_memory(_FITTING):
            yield
    except OSError as error:
        raise RunError(f'{folder}: expected a folder to write to, got {error}') from error


def divided(run: Run, data: Any = None, apart: Any = None) -> tuple[Dataset, Dataset]:
    """The data that a run trains on, and those that it never trains on.

    Args:
      run: as `load` gives it.
      data: where the data are that both are parts of; None looks where they were.
      apart: where the held-out data are, of a run to which they were given by themselves.

    Raises:
      RunError: the data are not given, or not those of the run.
    """
    share, config = run.config['held_out'], run.config
    if apart is not None and not isinstance(share, str):
        raise RunError(
            f'{run.folder}: expected no held-out data, since a share of {share} was held out, '
            f'got {apart}'
        )
    whole = _found(run, data, config['source'], config['fingerprint'])
    if not isinstance(share, str):
        train, rest = sources.split(whole, share, rules=config['reading'].get('rules', 2))
        return train, measurable(rest, run.model)
    if config['held_out_source'] == APART and apart is None:
        found = _checked(run, whole.apart, share, data or config['source'], '--data')
    else:
        found = _found(run, apart, config['held_out_source'], share, '--held-out')
    return whole, measurable(like(whole, found), run.model)


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
    if isinstance(share, str) and config['held_out_source'] != APART:
        return measurable(_found(run, data, config['held_out_source'], share), run.model)
    return divided(run, data)[1]


def _found(
    run: Run, data: Any, place: str | None, fingerprint: str, option: str = '--data'
) -> Dataset:
    source = place if data is None else data
    expected, hint = f'{run.folder}: expected the data of the run', f'say {option} where they are'
    if source is None:
        raise RunError(f'{expected}, got none: {hint}')
    try:
        dataset = sources.load(source, run.config['image_size'], run.config['reading'])
    except DataError as error:
        if data is not None:
            raise
        raise RunError(f'{expected} where they were: {hint} if they have moved; {error}') from error
    return _checked(run, dataset, fingerprint, source, option)


def _checked(
    run: Run, dataset: Dataset | None, fingerprint: str, source: Any, option: str
) -> Dataset:
    if dataset is None or not sources.recognised(dataset, fingerprint):
        raise RunError(
            f'{run.folder}: expected the data of the run, got others in {source}: say {option} '
            'where they are if they have moved'
        )
    return dataset


def _nothing(step: int) -> dict[str, str]:
    """What pictures say that are not to tell their origin."""
    return {}
