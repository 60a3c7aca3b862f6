"""Exported models: programs and weights that run without the code of their recipes."""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax.exports.programs import function, read_program
from genjax.images import check_batch, scale
from genjax.nn.labels import check_known, check_labels, draw_labels
from genjax.random import stream
from genjax.train.errors import RunError, check_integers, located

Facts = dict[str, Any]
FORMAT = 'genjax export 1'
FACTS, WEIGHTS, PROGRAM = 'model.json', 'weights.safetensors', '.stablehlo'
_PROGRAMS = ('generate', 'encode', 'decode', 'latents')
_FILES = {WEIGHTS, *(name + PROGRAM for name in _PROGRAMS)}


class Exported(NamedTuple):
    """A model as pure, jitted functions of its inputs alone; the weights are within.

    `jax.grad` differentiates `generate`, `encode` and `decode` in their first input, `jax.vmap`
    makes one batch of several.

    Attributes:
      facts: what the folder's `model.json` says.
      sample: `(key, n, y=None) -> images` [n, h, w, c], float32 in [-1, 1]; for a key those of the
        model's own `sample`. Without `y` a conditional model draws labels evenly.
      generate: of a GAN, `(z, y=None) -> images`, z [n, latent_dim] from N(0, I).
      encode: of a VAE, `(x, y=None) -> {'mean': [b, latent_dim], 'log_var': ...}`, the parameters
        of q(z | x) by name; x are images, uint8 or float in [-1, 1].
      decode: of a VAE, `(z, y=None) -> images`, the mean of p(x | z).
      latents: of a VAE with another prior than N(0, I), `seeds [n, 2] -> z`, a draw for the data
        (uint32) of a key each.
    """

    facts: Facts
    sample: Callable[..., Float[Array, 'n h w c']]
    generate: Callable[..., Float[Array, 'n h w c']] | None = None
    encode: Callable[..., dict[str, Array]] | None = None
    decode: Callable[..., Float[Array, 'n h w c']] | None = None
    latents: Callable[..., Float[Array, 'n d']] | None = None


def load_exported(folder: str | os.PathLike) -> Exported:
    """A model that `export` has written. Only data are read: no recipe, no pickle.

    Args:
      folder: of the exported model.

    Raises:
      RunError: the folder holds no exported model, one with damaged or foreign files, or one that
        this version of JAX cannot read.
    """
    import safetensors.numpy

    folder = located(folder)
    facts = _facts(folder)
    try:
        files = {name: _read(folder / name, mark) for name, mark in facts['files'].items()}
        # On the device once, not with each call.
        weights = jax.device_put(safetensors.numpy.load(files.pop(WEIGHTS)))
        functions = {
            name.removesuffix(PROGRAM): function(_program(folder / name, data, facts['jax']))
            for name, data in files.items()
        }
        return _assemble(facts, {k: partial(jax.jit(f), weights) for k, f in functions.items()})
    except RunError:
        raise
    except Exception as error:  # What forged files raise is of many kinds.
        raise RunError(f'{folder}: expected an exported model, got {error!r}') from error


def digest(facts: Facts) -> str:
    """The SHA-256 of facts but that digest itself, which is their `sha256`."""
    plain = {name: value for name, value in facts.items() if name != 'sha256'}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _facts(folder: Path) -> Facts:
    path = folder / FACTS
    if not path.is_file():
        raise RunError(f'expected an exported model in {folder}, got no {FACTS} there')
    try:
        facts = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise RunError(f'{path}: expected the facts of an exported model, got {error!r}') from error
    found = facts.get('format') if isinstance(facts, dict) else None
    if found != FORMAT:
        raise RunError(f'{path}: expected the format {FORMAT!r}, got {found!r}')
    if facts.get('sha256') != digest(facts):
        raise RunError(f'{path}: expected the facts as they were exported, got others')
    return facts


def _read(path: Path, mark: str) -> bytes:
    if path.name not in _FILES or not path.is_file():
        raise RunError(f'{path}: expected a file of an exported model, got none')
    data = path.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != mark:
        raise RunError(f'{path}: expected the file with SHA-256 {mark}, got {found}')
    return data


def _program(path: Path, data: bytes, writer: str) -> jax.export.Exported:
    try:
        return read_program(data)
    except Exception as error:  # JAX has many kinds of them for programs of other versions.
        if writer == jax.__version__:
            raise
        raise RunError(
            f'{path}: expected a program that jax {jax.__version__} reads, got one of jax '
            f'{writer}: install jax=={writer}, or export the run again by this version'
        ) from error


def _vectors(what: str, size: int, dtype: Any, a: Any) -> Array:
    a = jnp.asarray(a, dtype)
    if a.ndim != 2 or a.shape[1] != size:
        raise ValueError(f'expected {what} [n, {size}], got {a.shape}')
    return a


def _assemble(facts: Facts, programs: dict[str, Callable]) -> Exported:
    """The functions of a model, which check their inputs as the model itself does."""
    latent_dim, num_classes = facts['latent_dim'], facts['num_classes']
    image_shape = tuple(facts['image_shape'])

    def checked(program, prepare):
        def apply(a, y=None):
            a = prepare(a)
            if not len(a):
                raise ValueError(f'expected n >= 1 examples, got an array of {a.shape}')
            labels = check_labels(y, len(a), num_classes)
            if labels is None:
                return program(a)
            check_known(y, num_classes)
            return program(a, labels)

        return apply

    def images(x):
        check_batch({'x': x}, num_classes)
        return scale(jnp.asarray(x), image_shape)

    latents = partial(_vectors, 'latents z', latent_dim, jnp.float32)
    prepare = {'encode': images, 'latents': partial(_vectors, 'seeds', 2, jnp.uint32)}
    functions = {n: checked(program, prepare.get(n, latents)) for n, program in programs.items()}
    draw = functions['decode' if 'decode' in functions else 'generate']

    def sample(key, n, y=None):
        check_integers(1, n=n)
        y, key = draw_labels(key, n, num_classes) if y is None else y, stream(key, 'z')
        if 'latents' not in functions:
            return draw(jax.random.normal(key, (n, latent_dim), jnp.float32), y)
        return draw(functions['latents'](jax.random.key_data(jax.random.split(key, n)), y), y)

    return Exported(facts, sample, **functions)
