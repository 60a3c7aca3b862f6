"""Many devices and processes: they take the steps of one device."""

import os
import re
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from experiments.parallel import PLACES, difference, free_address, run, small_gan
from genjax import data, parallel
from genjax.cli import main
from genjax.train import RunError, dispatches, load
from genjax.train.logs import read
from genjax.train.processes import training_mesh
from tests.compiler import flags_of, usual_fusions
from tests.contracts.subject import compilations, different

IMAGES = data.from_arrays(np.random.default_rng(0).integers(0, 256, (100, 28, 28, 1), np.uint8))


def python(words, devices, **options):
    """A process with virtual devices."""
    env = os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': flags_of(devices)}
    return subprocess.Popen([sys.executable, *words], env=env, text=True, **options)


def test_large_leaves_are_divided_along_their_longest_axis_that_divides():
    mesh = AbstractMesh((2, 4), parallel.AXES, (AxisType.Auto,) * 2)
    shapes = {'wide': (8, 4096), 'odd': (8192, 4099), 'none': (4099, 33, 5), 'small': (4, 4)}
    tree = {name: jax.ShapeDtypeStruct(shape, 'float32') for name, shape in shapes.items()}
    specs = {'wide': P(None, 'params'), 'odd': P('params'), 'none': P(), 'small': P()}
    expected = {name: NamedSharding(mesh, spec) for name, spec in specs.items()}
    assert parallel.state_shardings(tree, mesh) == expected


def test_meshes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match='at most 1 devices, got devices=2'):
        parallel.mesh(2)
    with pytest.raises(ValueError, match='divide the 1 devices, got shard_params=3'):
        parallel.mesh(1, 3)
    with pytest.raises(ValueError, match='expected a coordinator'):
        parallel.join(num_processes=2)
    others = jax.make_mesh((1,), ('batch',))
    for refused in (parallel.shard, parallel.shard_batch):
        with pytest.raises(
            ValueError, match=r"expected a mesh of the axis 'data', .* \('batch',\)"
        ):
            refused({'x': np.zeros(3)}, others)


def on_eight_devices():
    """What is asked of one process with eight devices."""
    with pytest.raises(RunError, match='that 8 devices divide, got 30: take 32, or devices=2'):
        training_mesh(0, 1, 30)
    assert training_mesh(2, 1, 30).size == 2
    model = small_gan(n_critic=2)
    resident, streamed = (twice(model, resident=way) for way in (True, False))
    assert different(resident, streamed) == []
    divided = twice(model, shard_params=2)
    kernel = divided.opt['generator'][0].mu['generator']['Layers_0']['Dense_1']['kernel']
    assert kernel.addressable_shards[0].data.shape == (64, 392)
    assert difference(divided, resident) < 1e-5


def twice(model, resident=True, shard_params=1):
    """The state after two dispatches, of which the second compiles nothing."""
    state = parallel.shard(model.init(jax.random.key(0)), parallel.mesh(0, shard_params))
    shardings = jax.tree.map(lambda leaf: leaf.sharding, state)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('genjax.train.dispatch.fits', lambda *_: resident)
        ways = dispatches(model.train_step, IMAGES, 32, 0, [(0, 2), (2, 2)], shardings)
    first, second = ways
    check_program(first.func.lower(state, **first.keywords).compile().as_text(), shard_params)
    state, _ = first(state)
    with compilations() as seen:
        state, _ = second(state)
    assert seen == []
    return state


def check_program(text, shard_params):
    """Sums travel, and what is divided is gathered; no device has the noise of another."""
    moved = set(re.findall(r' (all-[a-z]+|collective-[a-z]+|reduce-scatter)\(', text))
    assert moved == ({'all-reduce'} if shard_params == 1 else {'all-reduce', 'all-gather'}), moved
    assert 'f32[2,2,11]' in text
    assert 'f32[2,16,11]' not in text


def test_only_sums_travel_and_nothing_is_compiled_twice():
    code = 'from tests.conftest import jax; from tests.test_parallel import *; on_eight_devices()'
    with usual_fusions():  # Resident and streamed data have the same bits with these.
        process = python(['-c', code], 8, stderr=subprocess.PIPE)
    said = process.communicate()[1]
    assert process.returncode == 0, said


@pytest.fixture(scope='module')
def findings(tmp_path_factory):
    return run(
        tmp_path_factory.mktemp('places'),
        steps=3,
        models=('small', 'vae'),
        flags=os.environ['XLA_FLAGS'],
    )


@pytest.mark.parametrize('model', ['small', 'vae'])
@pytest.mark.parametrize('place', ['eight', 'two'])
def test_a_step_from_a_shared_state_is_that_of_one_device(findings, place, model):
    assert findings[place][model]['step'] < 1e-5
    assert findings[place][model]['free'] < 1e-5


@pytest.mark.parametrize('place', PLACES)
def test_a_checkpoint_of_any_place_restores_in_any_other(findings, place):
    assert findings[place]['restored'] == dict.fromkeys(PLACES, 0.0)


def words_of(folder):
    """What the command is told of a run."""
    np.savez(folder.with_suffix('.npz'), x=IMAGES.x)
    words = ['vae', '--hidden', '4', '--latent-dim', '2', '--dispatch', '5', '--held-out', '0.4']
    return [*words, '--data', str(folder.with_suffix('.npz')), '--run', str(folder)]


def two_processes(folder, *batch_sizes, more=('--steps', '1000000', '--metrics', 'recall')):
    """`genjax train` in two processes of four devices, for long."""
    command = ['-m', 'genjax.cli', 'train', *words_of(folder), *more]
    command += ['--eval-every', '5', '--coordinator', free_address(), '--num-processes', '2']
    each = ([f'--process-id={i}', f'--batch-size={b}'] for i, b in enumerate(batch_sizes))
    return [python([*command, *words], 4, stderr=subprocess.PIPE) for words in each]


def test_a_signal_to_one_process_stops_all_at_the_same_step(tmp_path):
    processes = two_processes(tmp_path / 'run', 8, 8)
    records, limit = tmp_path / 'run' / 'metrics.jsonl', time.monotonic() + 60
    while not read(records) and time.monotonic() < limit:
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGTERM)
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    step = int(load(tmp_path / 'run').state.step)
    assert step % 5 == 0
    assert all(f'SIGTERM: stopped at step {step}' in text for text in said)
    found = read(records)
    assert [r['step'] for r in found] == list(range(5, step + 1, 5))
    assert all(any(name.startswith('heldout/recall/') for name in r) for r in found)


def test_two_processes_start_from_a_run_and_change_it_as_one_does(tmp_path):
    assert main(['train', *words_of(tmp_path / 'old'), '--batch-size', '8', '--steps', '5']) == 0
    start = ['--from', str(tmp_path / 'old'), '--ema-decay', '0.9']
    for more in ([*start, '--steps', '5'], [*start, '--steps', '10', '--change', '--beta', '2']):
        size = ['--batch-size', '8']
        assert main(['train', *words_of(tmp_path / 'one'), *size, *more]) == 0
        processes = two_processes(tmp_path / 'two', 8, 8, more=more)
        said = [process.communicate()[1] for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
    one, two = (load(tmp_path / name) for name in ('one', 'two'))
    assert one.config['changes'] == two.config['changes']
    assert one.config['start'] == two.config['start']
    assert difference(one.state, two.state) < 1e-5


@pytest.mark.parametrize(
    ('batch_sizes', 'messages'),
    [
        ((8, 16), ['the same data and options in all processes'] * 2),
        ((8, 12), ['another process of this run was refused', 'that 8 devices divide, got 12']),
    ],
)
def test_what_one_process_is_refused_all_are(tmp_path, batch_sizes, messages):
    processes = two_processes(tmp_path / 'run', *batch_sizes)
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [2, 2], said
    assert all(message in text for message, text in zip(messages, said, strict=True)), said
