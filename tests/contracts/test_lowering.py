"""What accelerators would get of every row: its programs, lowered for them on a CPU."""

import contextlib
import re
from collections import Counter
from functools import partial

import jax
import pytest
from jax.extend.core import jaxprs_in_params
from jax.interpreters.partial_eval import dce_jaxpr
from jax.sharding import AbstractMesh, AxisType

from genjax import parallel
from genjax.train import scan_steps
from tests.contracts.table import EIGHT, IMAGE_SHAPE, ROWS

PLATFORMS = ('cuda', 'rocm', 'tpu')
# Of genjax, and of JAX.
CONVOLUTIONS = ('convolve', 'adjoint', 'correlate', 'conv_general_dilated')


@contextlib.contextmanager
def accelerator():
    """Here `precision='auto'` finds one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, 'default_backend', lambda: 'gpu')
        patch.delenv('GENJAX_PRECISION')
        yield


def built(row):
    """A model of its own: the subject's may have been traced for this machine before."""
    return row.recipe(IMAGE_SHAPE, **row.options)


def stacked(batch):
    """The batches of one step."""
    return {name: leaf[None] for name, leaf in batch.items()}


@pytest.fixture(scope='module')
def traces(subject):
    """The programs of a row by name, traced once for all platforms."""
    key, batch = jax.random.key(0), subject.row.batch
    with accelerator():
        model = built(subject.row)
        init = jax.jit(model.init).trace(key)
        state = init.out_info
        if hasattr(model, 'score'):
            judge = 'score', jax.jit(model.score).trace(state, *batch.values())
        else:
            judge = 'evaluate', jax.jit(partial(model.evaluate, k=2)).trace(state, key, batch)
        sample = jax.jit(partial(model.sample, n=EIGHT)).trace(state, key)
        steps = scan_steps(model.train_step).trace(state, stacked(batch))
    return {'init': init, 'steps': steps, 'sample': sample, judge[0]: judge[1]}


@pytest.fixture(scope='module')
def texts(traces):
    """The same as text, by name and platform."""
    return {(name, p): text(trace, p) for name, trace in traces.items() for p in PLATFORMS}


def text(trace, platform):
    return trace.lower(lowering_platforms=(platform,)).as_text()


def count(text, operation):
    return text.count(f'stablehlo.{operation}')


def lines(text, operation):
    return [line for line in text.splitlines() if f'stablehlo.{operation}' in line]


def low_operands(line):
    """The shapes of those operands that are of bfloat16."""
    return re.findall(r'tensor<([\dx]+)xbf16>', line.partition(' -> ')[0])


def asked(trace):
    """How often each primitive is asked for by what a program returns."""
    jaxpr = trace.jaxpr.jaxpr
    return _count(dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[0], set())


def _count(jaxpr, seen):
    """A jitted function is lowered once, however often it is called."""
    found = Counter()
    for eqn in jaxpr.eqns:
        name, params = eqn.primitive.name, eqn.params
        found[name] += 1
        # The last one is for platforms that are not named.
        inner = params['branches'][-1:] if params.get('branches_platforms') else None
        for each in inner or jaxprs_in_params(params):
            if name != 'jit' or id(each) not in seen:
                found += _count(getattr(each, 'jaxpr', each), seen)
            seen.add(id(each))
    return found


def dense_kernels(state):
    """The shapes of the kernels of dense layers, as the text has them."""
    leaves = jax.tree_util.tree_leaves_with_path(state.nets)
    shapes = [leaf.shape for path, leaf in leaves if getattr(path[-1], 'key', None) == 'kernel']
    return {'x'.join(map(str, shape)) for shape in shapes if len(shape) == 2}


def test_all_products_are_what_the_model_asks_for(traces, texts):
    """No convolution has the form that it has on a CPU."""
    wanted = {name: asked(trace) for name, trace in traces.items()}
    for (name, platform), found in texts.items():
        convolutions = sum(wanted[name][each] for each in CONVOLUTIONS)
        assert count(found, 'convolution') == convolutions, (name, platform)
        assert count(found, 'dot_general') == wanted[name]['dot_general'], (name, platform)
    leaves = jax.tree.leaves_with_path(traces['init'].out_info.nets)
    images = any(leaf.ndim == 4 and 'kernel' in str(path) for path, leaf in leaves)
    assert bool(count(texts['steps', 'cuda'], 'convolution')) == images


def test_networks_train_in_bfloat16_and_nothing_else_is_of_it(traces, texts):
    for (name, platform), found in texts.items():
        if name != 'steps':
            assert 'bf16' not in found, (name, platform)
            continue
        assert all(len(low_operands(line)) == 2 for line in lines(found, 'convolution')), platform
        low = {shape for line in lines(found, 'dot_general') for shape in low_operands(line)}
        assert dense_kernels(traces['init'].out_info) <= low, platform


def test_the_loop_gives_its_state_away(traces, texts):
    leaves = len(jax.tree.leaves(traces['init'].out_info))
    for platform in PLATFORMS:
        assert texts['steps', platform].count('tf.aliasing_output') == leaves, platform


def test_an_update_is_no_branch(subject, traces, texts):
    """On a CPU it is one; on an accelerator a branch waits for the host."""
    here = count(text(traces['steps'], 'cpu'), 'case')
    for platform in PLATFORMS:
        there = count(texts['steps', platform], 'case')
        assert here - there == len(subject.row.players), platform


def test_nothing_is_of_64_bits(texts):
    for name, found in texts.items():
        assert not re.search(r'[<x]f64>', found), name


def test_nothing_comes_from_the_host_or_goes_there(traces):
    """JAX lowers no callback for devices that are not there: this is about what is asked for."""
    for name, trace in traces.items():
        host = [
            each for each in asked(trace) if re.search('callback|debug_print|infeed|outfeed', each)
        ]
        assert host == [], name


def test_on_a_mesh_large_leaves_and_the_batch_and_its_noise_lie_divided(monkeypatch):
    """The devices need not be there."""
    monkeypatch.setattr(parallel, 'LARGE', 1000)
    mesh = AbstractMesh((2, 4), parallel.AXES, (AxisType.Auto,) * 2)
    row = next(row for row in ROWS if 'generator' in row.players)
    with accelerator():
        model = built(row)
        state = jax.eval_shape(model.init, jax.random.key(0))
        lying = parallel.state_shardings(state, mesh)
        step = scan_steps(parallel.on_mesh(model.train_step, lying))
        rows = jax.tree.map(lambda _: parallel.batch_sharding(mesh, axis=1), row.batch)
        trace = step.trace(
            jax.tree.map(put, state, lying), jax.tree.map(put, stacked(row.batch), rows)
        )
    found = text(trace, 'cuda')
    assert count(found, 'convolution') == sum(asked(trace)[each] for each in CONVOLUTIONS) > 0
    (main,) = (line for line in found.splitlines() if 'func public @main' in line)
    arguments = main.partition(') -> ')[0].split('%arg')
    large = [leaf for leaf in jax.tree.leaves(lying) if leaf.spec]
    assert sum('jax.buffer_donor' in each for each in arguments) == len(jax.tree.leaves(state))
    assert sum('{"params"}' in each for each in arguments) == len(large) > 0
    divided = '[{}, {"data", "params"}, '
    assert sum(divided in each for each in arguments) == len(row.batch)
    assert any(divided in line for line in found.splitlines() if 'sharding_constraint' in line)


def put(leaf, sharding):
    """The array as it lies on a mesh."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
