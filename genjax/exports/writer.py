"""Runs as folders that run without their recipes: programs, weights and a card."""

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import singledispatch
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun
from jax.interpreters.partial_eval import dce_jaxpr_consts

from genjax.core import State, averaged
from genjax.exports.card import card
from genjax.exports.programs import OLDEST_JAX, portable
from genjax.exports.reader import (
    FACTS,
    FORMAT,
    PROGRAM,
    WEIGHTS,
    Exported,
    Facts,
    digest,
    load_exported,
)
from genjax.exports.tensors import pack
from genjax.gan import GAN
from genjax.train.config import config_hash, without_places
from genjax.train.errors import RunError, check_vacant, located
from genjax.train.logs import read
from genjax.train.run import Run
from genjax.vae import VAE

Platform = Literal['cpu', 'cuda', 'rocm', 'tpu']
PLATFORMS: tuple[Platform, ...] = ('cpu', 'cuda', 'tpu')


class Function(NamedTuple):
    """What is exported of a model.

    Attributes:
      apply: `(state, input, y=None) -> outputs`.
      name: of the input.
      shape: of one example of the input.
      dtype: of the input.
    """

    apply: Callable[..., Any]
    name: str
    shape: tuple[int, ...]
    dtype: Any = jnp.float32


def export(
    run: Run,
    folder: str | os.PathLike,
    *,
    platforms: Sequence[Platform] = PLATFORMS,
    licence: str = 'unknown',
) -> Path:
    """Writes the model of a run as a folder that `load_exported` runs without its recipe.

    Programs are StableHLO for any batch size, functions of weights and inputs, with their
    gradients: `generate` of a GAN, `encode` and `decode` of a VAE, all with averaged weights where
    there are such. Whatever JAX writes them, the oldest that genjax knows reads them. The folder is
    written whole, after it was read and has drawn what the run draws, or not at all.

    Args:
      run: of a GAN or a VAE, as `load` gives it.
      folder: that is not there yet, or empty.
      platforms: that the programs are for.
      licence: of the model, for the card.

    Returns:
      The folder.

    Raises:
      RunError: another model, a folder that is in use or cannot be written, a platform that there
        is not, or a model that has diverged.
    """
    if not platforms or set(platforms) - set(get_args(Platform)):
        raise RunError(f'expected platforms among {get_args(Platform)}, got {platforms}')
    place = located(folder)
    with _whole(place.absolute()) as partial, _without_places():
        weights, programs = _lower(run, tuple(platforms))
        mark = {'genjax': version('genjax-models'), 'recipe': run.config['recipe']}
        mark |= {'config': config_hash(run.config), 'step': str(int(run.state.step))}
        files = {WEIGHTS: pack(weights, mark)}
        files |= {name + PROGRAM: bytes(p.serialize(vjp_order=1)) for name, p in programs.items()}
        facts = _facts(run, programs)
        facts |= {'platforms': list(platforms), 'licence': licence}
        facts['files'] = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        facts['sha256'] = digest(facts)
        files['README.md'] = card(facts).encode()
        files[FACTS] = (json.dumps(facts, indent=2) + '\n').encode()
        for name, data in files.items():
            (partial / name).write_bytes(data)
        model = load_exported(partial)
        if jax.export.default_export_platform() in platforms:
            _compare(run, model)
    return place


@contextlib.contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder that takes its place at once and whole, or not at all."""
    check_vacant(folder)
    # Always the same name: what a killed process left there goes with the next.
    partial = folder.with_name(f'.{folder.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        with contextlib.suppress(FileNotFoundError):
            folder.rmdir()  # Not every system renames onto an empty folder.
        os.replace(partial, folder)
    except OSError as error:
        raise RunError(f'{folder}: expected a folder to write to, got {error}') from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@singledispatch
def _functions(model) -> dict[str, Function]:
    """What is exported of a model, by name."""
    raise RunError(f'expected a GAN or a VAE to export, got a {type(model).__name__}')


@_functions.register
def _gan(model: GAN) -> dict[str, Function]:
    return {'generate': Function(model.generate, 'z', (model.latent_dim,))}


@_functions.register
def _vae(model: VAE) -> dict[str, Function]:
    def encode(state, x, y=None):
        # By name: a reader need not know the posterior's type.
        return _named(model.encode(state, x, y))

    def latents(state, seeds, y=None):
        return model.latents(state, jax.random.wrap_key_data(seeds, impl='threefry2x32'))

    own = {'latents': Function(latents, 'seed', (2,), jnp.uint32)} if model.latents else {}
    return {
        'encode': Function(encode, 'x', model.image_shape),
        'decode': Function(model.decode, 'z', (model.latent_dim,)),
        **own,
    }


def _named(tree: Any) -> dict[str, Any]:
    """Leaves by their paths."""
    return {
        jax.tree_util.keystr(path, simple=True, separator='/'): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _lower(
    run: Run, platforms: tuple[Platform, ...]
) -> tuple[dict[str, np.ndarray], dict[str, jax.export.Exported]]:
    """The weights, `generator/params/Dense_0/kernel` and so on, and programs that take them all."""
    functions = _functions(run.model)
    state = averaged(run.state).replace(ema={})
    # Not the arrays: those of a training lie on its mesh, which the gradients would remember.
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), state)
    (b,) = jax.export.symbolic_shape('b')
    labels = () if run.model.num_classes is None else (jax.ShapeDtypeStruct((b,), jnp.int32),)
    trimmed, inputs, used = {}, {}, set()
    for name, function in functions.items():
        first = jax.ShapeDtypeStruct((b, *function.shape), function.dtype)
        inputs[name] = (first, *labels)
        trimmed[name], names = _trim(function.apply, shapes, inputs[name])
        used |= names
    leaves = {name.removeprefix('nets/'): leaf for name, leaf in _named(state).items()}
    weights = {name: np.asarray(leaf) for name, leaf in leaves.items() if name in used}
    programs = {
        name: portable(jax.export.export(jax.jit(f), platforms=platforms)(weights, *inputs[name]))
        for name, f in trimmed.items()
    }
    return weights, programs


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """Lowers without the paths of source files, which say where genjax lay on whose machine."""
    option = 'jax_traceback_in_locations_limit'
    limit = getattr(jax.config, option)
    jax.config.update(option, 0)
    try:
        yield
    finally:
        jax.config.update(option, limit)


def _trim(
    apply: Callable[..., Any], state: State, inputs: Sequence[jax.ShapeDtypeStruct]
) -> tuple[Callable[..., Any], set[str]]:
    """A function of named leaves in place of a state, and the names of those that it reads.

    What does not count for the outputs is left out: JAX would export it all where the batch is a
    symbol, the dropout's keys and the discriminator among it.
    """
    closed, outputs = jax.make_jaxpr(apply, return_shape=True)(state, *inputs)
    jaxpr, consts, read = dce_jaxpr_consts(closed.jaxpr, [True] * len(closed.out_avals))
    kept = [const for const, counts in zip(closed.consts, consts, strict=True) if counts]
    run = jaxpr_as_fun(ClosedJaxpr(jaxpr, kept))
    names = [name.removeprefix('nets/') for name in _named(state)]

    def program(weights, *inputs):
        given = [*(weights.get(name) for name in names), *inputs]
        out = run(*(leaf for leaf, counts in zip(given, read, strict=True) if counts))
        return jax.tree.unflatten(jax.tree.structure(outputs), out)

    return program, {name for name, counts in zip(names, read, strict=False) if counts}


def _facts(run: Run, programs: dict[str, jax.export.Exported]) -> Facts:
    config, model = run.config, run.model
    firsts = {name: function.name for name, function in _functions(model).items()}
    return {
        'format': FORMAT,
        'genjax': version('genjax-models'),
        'jax': jax.__version__,
        'read_by': f'jax>={OLDEST_JAX}',
        'family': type(model).__name__,
        'recipe': config['recipe'],
        'config': without_places(config),
        'config_hash': config_hash(config),
        'step': int(run.state.step),
        **({'sampler': run.sampler} if run.sampler else {}),
        # Where on a disk the data lay is nobody's business.
        'data': {
            'name': Path(config['source'] or 'array').name,
            'fingerprint': config['fingerprint'],
        },
        'held_out': _measured(run),
        'latent_dim': model.latent_dim,
        'num_classes': model.num_classes,
        'classes': config.get('classes'),
        'image_shape': list(model.image_shape),
        'programs': {k: _describe(firsts[k], program) for k, program in programs.items()},
    }


def _measured(run: Run) -> dict[str, float | None]:
    """The last held-out figures up to the state's step; what is not finite is None."""
    records = [r for r in read(run.folder / 'metrics.jsonl') if r['step'] <= int(run.state.step)]
    measured = [r for r in records if any(name.startswith('heldout/') for name in r)]
    named = measured[-1] if measured else {}
    return {
        name: value if math.isfinite(value) else None
        for name, value in named.items()
        if name == 'step' or name.startswith('heldout/')
    }


def _describe(first: str, program: jax.export.Exported) -> Facts:
    """The inputs and outputs of a program beside the weights."""

    def array(aval):
        shape = [d if isinstance(d, int) else str(d) for d in aval.shape]
        return {'shape': shape, 'dtype': aval.dtype.name}

    (_, *inputs), _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    return {
        'inputs': {name: array(aval) for name, aval in zip((first, 'y'), inputs, strict=False)},
        'outputs': jax.tree.map(array, jax.tree.unflatten(program.out_tree, program.out_avals)),
    }


def _compare(run: Run, model: Exported) -> None:
    """Refuses a model that does not draw what the run draws."""
    key, n = jax.random.key(0), 4
    got = model.sample(key, n)
    if not np.allclose(got, run.model.sample(run.state, key, n), atol=1e-2):
        raise RunError(
            f'expected the exported model to draw what {run.folder} draws, got other images: the '
            'model has diverged, or its prior is not N(0, I)'
        )
