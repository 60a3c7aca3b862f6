"""The command as a process: its output, and what it knows before it starts a device."""

import os
import pty
import subprocess
import sys

import pytest

from _genjax import _outliving
from genjax.machine import share_memory

PREALLOCATE = 'XLA_PYTHON_CLIENT_PREALLOCATE'


def left_pipe():
    read, write = os.pipe()
    os.close(read)
    return write


def left_terminal():
    master, slave = pty.openpty()
    os.close(master)
    return slave


@pytest.mark.parametrize('left', [left_pipe, left_terminal])
def test_output_outlives_its_reader(left):
    number = left()
    with open(number, 'w') as stream, _outliving(stream, number) as output:
        print('a line' * 10_000, file=output)
        output.flush()
        print('another', file=output)


def test_output_that_was_closed_from_the_first_goes_nowhere():
    with _outliving(None, 2) as output:
        print('a line', file=output, flush=True)


def test_a_full_disk_is_told():
    with open('/dev/full', 'w') as stream:
        output = _outliving(stream, stream.fileno())
        output.write('a line')
        with pytest.raises(OSError, match='No space left on device'):
            output.close()


def test_a_reader_that_has_enough_is_no_error():
    command = [sys.executable, '-m', '_genjax', 'recipes']
    done = subprocess.run(command, stdout=left_pipe(), stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b'')


BESIDE = """
import os
from jax._src import xla_bridge
from genjax import cli, commands

def load(run, step):
    print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'], xla_bridge.backends_are_initialized())
    raise commands.RunError('loaded')

commands.load = load
cli.main(['sample', 'run', '--out', 'x.png'])
"""


def test_a_run_is_looked_at_with_the_memory_that_is_needed(monkeypatch):
    """Of a GPU that trains, JAX would take three quarters when it starts there."""
    monkeypatch.setenv(PREALLOCATE, 'true')
    share_memory()
    assert os.environ[PREALLOCATE] == 'true'
    monkeypatch.delenv(PREALLOCATE)
    command = [sys.executable, '-c', BESIDE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == 'false False\n'
