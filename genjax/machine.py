"""What the machine under JAX can do, and settings of a process that genjax owns.

Nothing here is done by an import: the command line, the experiments and the tests call
`own_process`, and whoever owns a process calls what they want of it.
"""

import contextlib
import ctypes
import functools
import os
import platform
from pathlib import Path

import jax

_GIBIBYTE = 1 << 30
# Of glibc's malloc.h, with what is wanted of each.
_MALLOPT = {
    'M_ARENA_MAX': (-8, 1),  # all threads take from one heap, which a step finds as it left it
    'M_MMAP_MAX': (-4, 0),  # and large buffers come from it too
    'M_TRIM_THRESHOLD': (-1, -1),  # freed memory stays
    'M_TOP_PAD': (-2, 1 << 28),  # the heap grows by 256 MiB at a time
}


def own_process() -> None:
    """Tunes the allocator and keeps compiled programs, for a process that does nothing else."""
    tune_allocator()
    cache_compilations()


def share_memory() -> None:
    """Has JAX take of a GPU's memory what it needs, not three quarters at once as it does.

    For a process beside one that trains on the same device; to be called before the first array is
    made. Whoever has set `XLA_PYTHON_CLIENT_PREALLOCATE` keeps it.
    """
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')


def tune_allocator() -> str:
    """Has glibc keep the memory that XLA frees; to be called before the first array is made.

    On a CPU, XLA asks malloc for its temporary buffers at every execution. For large ones glibc
    maps new pages and returns them after use, and each step pays the page faults: up to a third of
    its time. The setting holds for the rest of the process, whose memory no longer shrinks. Where
    the C library is another, nothing is done.

    Returns:
      What was done, in a sentence.
    """
    if platform.libc_ver()[0] != 'glibc':
        return 'The allocator is left as it is: the C library is not glibc.'
    mallopt = ctypes.CDLL(None).mallopt
    refused = [name for name, (number, value) in _MALLOPT.items() if not mallopt(number, value)]
    if refused:
        return f'The allocator is tuned in part: glibc refused {", ".join(refused)}.'
    if _started():
        return 'The allocator is tuned in part: XLA was there before, and its threads keep heaps.'
    return 'The allocator keeps freed memory: one heap, no mapping, no trimming.'


def _started() -> bool:
    """Whether XLA has started the threads that compute on a CPU."""
    for path in Path('/proc/self/task').glob('*/comm'):
        with contextlib.suppress(OSError):  # A thread may end before its name is read.
            if 'XLA' in path.read_text(encoding='utf-8'):
                return True
    return False


def cache_compilations() -> str:
    """Keeps compiled programs in the user's cache folder, so that a second run starts at once.

    Least recently used ones make room beyond a gibibyte. Whoever has set a folder, say by
    `JAX_COMPILATION_CACHE_DIR`, keeps it.

    Returns:
      The folder.
    """
    folder: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if folder is None:
        import platformdirs

        folder = str(platformdirs.user_cache_path('genjax', appauthor=False) / 'compiled')
        jax.config.update('jax_compilation_cache_dir', folder)
        jax.config.update('jax_compilation_cache_max_size', _GIBIBYTE)
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)
        _mend(Path(folder))
    return folder


def _mend(folder: Path) -> None:
    """Gives a time of use to each kept program that has none.

    Such a one, which a process that was killed may leave, keeps JAX from keeping any more
    (https://github.com/jax-ml/jax/issues/39880).
    """
    found = {path.name for path in folder.glob('*-*')}
    for name in {n.removesuffix('-cache') for n in found if n.endswith('-cache')}:
        if f'{name}-atime' not in found:
            with contextlib.suppress(OSError):  # It is another user's, or the disk is full.
                (folder / f'{name}-atime').touch()


@functools.cache
def cpu_flags() -> frozenset[str]:
    """The features that Linux names in `/proc/cpuinfo`; none on other systems."""
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8')
    except OSError:
        return frozenset()
    lines = (line.partition(':') for line in text.splitlines())
    return frozenset(next((value.split() for key, _, value in lines if key[:5] == 'flags'), ()))


def compile_once() -> dict[str, int]:
    """Compiler options of a program that runs once: on a CPU it is compiled in a third of the time.

    The random draws of ten kernels take a CPU's compiler 5 seconds at its usual level, and run in
    hundredths of a second at any.
    """
    return {'xla_backend_optimization_level': 1} if jax.default_backend() == 'cpu' else {}
