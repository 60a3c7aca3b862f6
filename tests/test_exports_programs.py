"""Programs and tensors that travel: what older versions read, and what functions they become."""

import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from jax.extend.mlir.dialects import stablehlo

from genjax.exports.programs import (
    OLDEST_JAX,
    OLDEST_STABLEHLO,
    function,
    portable,
    read_program,
)
from genjax.exports.tensors import pack

RNG = np.random.default_rng(0)
WEIGHTS = {'e': RNG.normal(size=(3, 2)), 'w': RNG.normal(size=(4, 2))}
WEIGHTS = {name: jnp.asarray(leaf, jnp.float32) for name, leaf in WEIGHTS.items()}


def plain(weights, x, y):
    h = jnp.tanh(x @ weights['w'] + weights['e'][y])
    return {'h': h, 'x': x}


@pytest.fixture(scope='module')
def program():
    (b,) = jax.export.symbolic_shape('b')
    inputs = jax.ShapeDtypeStruct((b, 4), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    return portable(jax.export.export(jax.jit(plain))(WEIGHTS, *inputs))


@pytest.fixture(scope='module')
def serialized(program):
    return bytes(program.serialize(vjp_order=1))


def test_programs_and_their_gradients_are_what_the_oldest_jax_reads(program, serialized):
    """JAX alone writes what was new four weeks before it: of the assertion on b too."""
    read = read_program(serialized)
    for part in (program, program.vjp(), read, read.vjp()):
        header = part.mlir_module_serialized[:64].split(b'\0')[0]
        assert header.endswith(f'StableHLO_v{OLDEST_STABLEHLO}'.encode())
        assert b'custom_call_v1' in part.mlir_module_serialized  # JAX 0.12 itself writes v2.
        assert part.calling_convention_version == 10
    least = stablehlo.get_smaller_version(OLDEST_STABLEHLO, stablehlo.get_current_version())
    assert least == OLDEST_STABLEHLO
    assert jax.__version__ != OLDEST_JAX or stablehlo.get_current_version() == OLDEST_STABLEHLO


def test_the_oldest_jax_is_the_lowest_that_genjax_allows():
    project = tomllib.loads((Path(__file__).parents[1] / 'pyproject.toml').read_text())
    (jax_allowed,) = (d for d in project['project']['dependencies'] if d.startswith('jax>'))
    assert jax_allowed.split(',')[0] == f'jax>={OLDEST_JAX}'


X, Y = RNG.normal(size=(5, 6, 4)).astype(np.float32), RNG.integers(0, 3, (5, 6))


def loss(run):
    return lambda x, y: sum(jnp.sum(jnp.sin(leaf)) for leaf in run(WEIGHTS, x, y).values())


USES = {
    'a call': lambda run: run(WEIGHTS, X[0], Y[0]),
    'a gradient': lambda run: jax.grad(loss(run))(X[0], Y[0]),
    'a gradient under jit': lambda run: jax.jit(jax.grad(loss(run)))(X[0], Y[0]),
    'a pull-back of one output': lambda run: jax.grad(
        lambda x: jnp.sum(run(WEIGHTS, x, Y[0])['h'] ** 2)
    )(X[0]),
    'a batch of batches': lambda run: jax.vmap(lambda x, y: run(WEIGHTS, x, y))(X, Y),
    'labels for all': lambda run: jax.vmap(lambda x: run(WEIGHTS, x, Y[0]))(X),
    'inputs for all': lambda run: jax.vmap(lambda y: run(WEIGHTS, X[0], y))(Y),
    'another axis': lambda run: jax.vmap(lambda x, y: run(WEIGHTS, x, y), (1, 1), 1)(X, Y),
    'vmap of vmap': lambda run: jax.vmap(jax.vmap(lambda x, y: run(WEIGHTS, x, y)))(
        X[:, :, None], Y[:, :, None]
    ),
    'gradients in a batch': lambda run: jax.vmap(jax.grad(loss(run)))(X, Y),
    'a gradient of a batch': lambda run: jax.grad(
        lambda x: jnp.sum(jax.vmap(loss(run))(x, Y) ** 2)
    )(X),
    'rows of a Jacobian': lambda run: jax.jacrev(lambda x: run(WEIGHTS, x, Y[0, :1])['h'])(
        X[0, :1]
    ),
}


@pytest.mark.parametrize('use', USES.values(), ids=USES)
def test_functions_of_programs_are_transformed_as_those_of_jax_are(serialized, use):
    run = function(read_program(serialized))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), use(run), use(plain))


def test_a_program_without_gradients_says_so(program):
    run = function(read_program(bytes(program.serialize())))
    assert run(WEIGHTS, X[0], Y[0])['h'].shape == (6, 2)
    with pytest.raises(ValueError, match='without: export the run again'):
        jax.grad(loss(run))(X[0], Y[0])


CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LAYOUTS = {
    'rows': CUBE,
    'columns': np.asfortranarray(CUBE),
    'channels last': np.ascontiguousarray(CUBE.transpose(1, 2, 0)).transpose(2, 0, 1),
    'every second': np.repeat(CUBE, 2, axis=2)[:, :, ::2],
    'backwards': CUBE[::-1, :, ::-1],
    'one number for all': np.broadcast_to(np.float32(3), (2, 3)),
    'a number': np.array(7),
    'nothing': np.zeros((0, 3), np.float16).T,
    'what is no number': np.array([np.nan, np.inf, -0.0]),
}


def test_tensors_of_every_layout_are_read_as_they_are(tmp_path):
    path = tmp_path / 'x.safetensors'
    path.write_bytes(pack(LAYOUTS, {'step': '3'}))
    read = safetensors.numpy.load_file(path)
    assert set(read) == set(LAYOUTS)
    for name, tensor in LAYOUTS.items():
        np.testing.assert_array_equal(read[name], tensor, strict=True)
    with safetensors.safe_open(path, 'numpy') as file:
        assert file.metadata() == {'step': '3'}


def test_tensors_that_are_read_otherwise_are_not_handed_out(monkeypatch):
    save = safetensors.numpy.save
    scrambled = lambda tensors, *rest: save({k: v[::-1].copy() for k, v in tensors.items()}, *rest)  # noqa: E731
    monkeypatch.setattr(safetensors.numpy, 'save', scrambled)
    with pytest.raises(ValueError, match=r"to read what it wrote, got other \['cube'\]"):
        pack({'cube': CUBE, 'even': np.ones(4)})
