"""The state that a training starts from: new, of a checkpoint, or with another run's networks."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import PyTree

from genjax import parallel
from genjax.core import State
from genjax.core.averages import slot_of
from genjax.machine import compile_once
from genjax.train.checkpoint import Checkpoints
from genjax.train.config import CHANGES, START, START_SOURCE, Config, config_hash
from genjax.train.errors import RunError, located
from genjax.train.folder import CHECKPOINTS, CONFIG, read
from genjax.train.history import as_of
from genjax.train.leaves import count_of

Leaves = Mapping[str, np.ndarray]


def named(source: str | os.PathLike) -> str:
    """How a config names the source of a run's networks, `RUN:STEP`, from any folder.

    Args:
      source: `RUN`, which stands for `RUN:latest`, or `RUN:STEP`.

    Raises:
      RunError: it is no path, or of a user who is not known.
    """
    folder, _, step = str(source).rpartition(':')
    if not folder or not (step.isdecimal() or step in ('latest', 'best')):
        folder, step = str(source), 'latest'
    return f'{located(folder).absolute()}:{step}'


def begun(name: str, model: Any) -> Config:
    """What a config says of the run whose networks a new run starts with.

    Args:
      name: of the source, as `named` gives it.
      model: of the new run.

    Raises:
      RunError: no such run or checkpoint, a damaged one, or one with which the model shares
        nothing.
    """
    step, config, leaves = _source(name)
    like = jax.eval_shape(model.init, jax.random.key(0))
    kept: list[str] = []
    new: list[str] = []
    for path, leaf in jax.tree_util.tree_leaves_with_path((like.nets, like.ema)):
        ours = jax.tree_util.keystr(path[1:], simple=True, separator='/')
        where = ('.nets', '.ema')[path[0].idx]
        there = _fits(leaves.get(where + jax.tree_util.keystr(path[1:])), leaf)
        (kept if there else new).append(f'{where[1:]}/{ours}')
    if not kept:
        raise RunError(
            f'expected a run to start from that has arrays of the same names and shapes, got none '
            f'in {name}: take one of the same family, with such networks'
        )
    told = {'config': config_hash(config), 'step': step, 'carried': len(kept), 'new': new}
    return {START: told, START_SOURCE: name}


def start(model: Any, config: Config, mesh: Mesh, checkpoints: Checkpoints) -> State:
    """The state that training goes on from, on its mesh.

    Args:
      model: a `GAN` or a `VAE`.
      config: of the run.
      mesh: where the state is to lie.
      checkpoints: of the run.

    Raises:
      RunError: the newest checkpoint cannot be read, or is of another model; or the run that it
        starts from is gone.
    """
    key, latest = jax.random.key(config['seed']), checkpoints.latest()
    changed = config[CHANGES][-1]['step'] if CHANGES in config else 0
    if (latest or 0) < changed:
        raise RunError(
            f'expected a checkpoint of step {changed} or later, where the run was changed, got '
            f'{latest}: start another run from that with --from FOLDER:{latest}'
        )
    state = jax.eval_shape(model.init, key)
    shardings = parallel.state_shardings(state, mesh)
    if latest is None:
        init = jax.jit(model.init, out_shardings=shardings, compiler_options=compile_once())
        state = init(key)
        return _carried(state, config) if START in config else state
    like = jax.tree.map(_lying, state, shardings)
    state = checkpoints.restore(latest, like, lambda: model.init(key))
    if CHANGES not in config:
        return state
    # Weights of terms are in the state, and those of the config may be others by now.
    hypers = jax.jit(lambda key: model.init(key).hypers, out_shardings=shardings.hypers)
    return state.replace(hypers=hypers(key))


def _lying(leaf, sharding):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _source(name: str, step: int | None = None) -> tuple[int, Config, Leaves]:
    """The step of a source's checkpoint, its config and all of its arrays."""
    run, _, said = name.rpartition(':')
    folder = Path(run)
    config = read(folder)
    if config is None or not (folder / CHECKPOINTS).is_dir():
        raise RunError(
            f'expected a run with checkpoints to start from in {folder}, got none: say --from with '
            f'a folder that has a {CONFIG}, or FOLDER:STEP'
        )
    with contextlib.closing(Checkpoints(folder / CHECKPOINTS, None, True)) as checkpoints:
        asked = said if step is None else step
        at = checkpoints.find(int(asked) if str(asked).isdecimal() else asked)
        return at, as_of(config, at), checkpoints.leaves(at)


def _fits(found: np.ndarray | None, leaf: Any) -> bool:
    return found is not None and (found.shape, found.dtype) == (leaf.shape, leaf.dtype)


def _carried(state: State, config: Config) -> State:
    """A new state with the networks of its source where they fit, and their averages, which are as
    old as they were; one that the source has not is that of a new run, the network itself."""
    leaves = _source(config[START_SOURCE], config[START]['step'])[2]
    nets = _taken('.nets', state.nets, leaves)
    ema = _taken('.ema', {n: nets[n] for n in state.ema}, leaves)
    averages = {n for n in ema if any(path.startswith(f".ema['{n}']") for path in leaves)}
    memory = {slot_of(n): state.memory[slot_of(n)] for n in averages}
    counts = {count_of(n): leaves['.step'] for n in averages}  # Of an older genjax.
    memory = _taken('.memory', memory, {**counts, **leaves})
    return state.replace(nets=nets, ema=ema, memory={**state.memory, **memory})


def _taken(where: str, tree: PyTree, leaves: Leaves) -> PyTree:
    def leaf(path, of):
        found = leaves.get(where + jax.tree_util.keystr(path))
        # A copy: an average and its network may be one, and the state is given away.
        return jax.device_put(found, of.sharding) if _fits(found, of) else jnp.copy(of)

    return jax.tree_util.tree_map_with_path(leaf, tree)


def source_of(folder: Path, start_from: str | os.PathLike | None, model: Any) -> Config:
    """What a command says of the run that it starts from; of a new run, all that there is to it.

    Args:
      folder: of the run.
      start_from: the source, as `named` takes it; None for none.
      model: of the run.

    Raises:
      RunError: as `begun`.
    """
    if start_from is None:
        return {}
    name = named(start_from)
    return {START_SOURCE: name} if read(folder) else begun(name, model)


def step_of(folder: Path) -> int:
    """The step that a run goes on from.

    Args:
      folder: of the run.
    """
    if not (folder / CHECKPOINTS).is_dir():
        return 0
    with contextlib.closing(Checkpoints(folder / CHECKPOINTS, None, True)) as checkpoints:
        return checkpoints.latest() or 0
