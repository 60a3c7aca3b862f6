"""The process: its allocator, its flags."""

import platform
import subprocess
import sys

import pytest

from genjax import machine

FAULTS = """
import resource, jax, jax.numpy as jnp
from genjax import machine
if {tuned}:
    machine.tune_allocator()
step = jax.jit(lambda x: (jnp.cumsum(x, 0) @ x).sum())
x = jnp.ones((2048, 2048))
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(30)))
"""
KEEPS = """
import jax, warnings
from genjax import machine
warnings.simplefilter('error')
folder = machine.cache_compilations()
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)
jax.jit(lambda x: 2 * x)(3.0)
print(folder)
"""
glibc = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='the C library is not glibc')


def answer(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.usual_compiler
@glibc
def test_a_tuned_allocator_saves_page_faults():
    plain, tuned = (int(answer(FAULTS.format(tuned=tuned))) for tuned in (False, True))
    assert plain > 1000 > 100 > tuned  # of a step, once the heap has settled


@glibc
def test_it_says_when_it_comes_too_late():
    call = 'from genjax import machine; print(machine.tune_allocator())'
    assert answer(call).startswith('The allocator keeps freed memory')
    late = f'import jax.numpy as jnp; jnp.ones(3); {call}'
    assert answer(late).startswith('The allocator is tuned in part: XLA was there before')


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, 'libc_ver', lambda: ('', ''))
    assert machine.tune_allocator().startswith('The allocator is left as it is')


def test_flags_are_those_of_the_processor():
    assert machine.cpu_flags() is machine.cpu_flags()
    if platform.machine() == 'x86_64' and sys.platform == 'linux':
        assert 'sse2' in machine.cpu_flags()


def test_a_thread_that_ends_meanwhile_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.Path, 'glob', lambda self, pattern: iter([tmp_path / 'comm']))
    assert not machine._started()


def test_a_kept_program_without_its_time_does_not_keep_jax_from_keeping_more(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    folder = tmp_path / 'genjax' / 'compiled'
    folder.mkdir(parents=True)
    (folder / 'half-cache').write_bytes(b'')
    assert answer(KEEPS) == str(folder)
    assert list(folder.glob('jit__lambda*-cache'))
