"""The command as a process: its output, and what it knows before it starts a device."""

import os
import pty
import subprocess
import sys

import pytest

from genjax.machine import share_memory
from genjax.process import _outliving

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


PROCESS = """
import os, sys
from jax._src import xla_bridge
from genjax import cli, commands, process

def load(run, step):
    started = xla_bridge.backends_are_initialized()
    print(os.environ['XLA_PYTHON_CLIENT_PREALLOCATE'], started, file=sys.stderr)
    raise commands.RunError('loaded')

commands.load = load
cli.main(['sample', 'run', '--out', 'x.png'])
process.begin()
sys.argv = ['genjax', 'recipes']
sys.exit(cli.main())
"""


def test_the_process_of_a_command(monkeypatch):
    """It looks at a run with the memory that it needs, since JAX would take three quarters of that
    of a GPU; and a reader that has enough is no error."""
    monkeypatch.setenv(PREALLOCATE, 'true')
    share_memory()
    assert os.environ[PREALLOCATE] == 'true'
    monkeypatch.delenv(PREALLOCATE)
    command = [sys.executable, '-c', PROCESS]
    done = subprocess.run(command, stdout=left_pipe(), stderr=subprocess.PIPE, text=True)
    assert done.stderr == 'false False\ngenjax: loaded\n'
    assert done.returncode == 0
