"""A compiler in a hurry, since most of a test's time is the compiler's and most programs run once.

It makes them in a quarter of the time: at its lowest level, and without the newer emitters of
fusions where XLA still has others (that of jax 0.12 has not). What is about the bits, the work or
the time of usual programs, or computes for long, is marked `usual_compiler`.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

import jax
from jax._src import compiler

_LOW = {'xla_backend_optimization_level': 0}
_HURRIED = {**_LOW, 'xla_cpu_use_fusion_emitters': False}
_USUAL: Mapping[str, int | bool] = {}
_GIVEN = os.environ.get('XLA_FLAGS', '')
_options_of = compiler.get_compile_options
_chosen = _USUAL


def _options(*args, **kwargs):
    options = _options_of(*args, **kwargs)
    # A program's own options come last, and win.
    options.env_option_overrides = [*_chosen.items(), *options.env_option_overrides]
    return options


def install() -> None:
    """To be called once; JAX has no public setting for all that it compiles."""
    for name, value in list(_HURRIED.items()):
        try:
            jax.jit(lambda x: x).lower(0.0).compile({name: value})
        except jax.errors.JaxRuntimeError:
            del _HURRIED[name]
    compiler.get_compile_options = _options


def hurry(whether: bool) -> None:
    """Here and in the processes that are started from now on."""
    wanted = _HURRIED if whether else _USUAL
    if wanted is not _chosen:
        jax.clear_caches()  # Or programs of one kind would serve where the other is meant.
        _choose(wanted)


@contextlib.contextmanager
def usual_fusions() -> Iterator[None]:
    """Programs are compiled at the lowest level, but their scans have the bits of a user's."""
    before = _chosen
    _choose(_LOW)
    try:
        yield
    finally:
        _choose(before)


def _choose(options: Mapping[str, int | bool]) -> None:
    global _chosen
    _chosen = options
    # Other processes read this when they start, as this one did.
    flags = [f'--{name}={str(value).lower()}' for name, value in options.items()]
    os.environ['XLA_FLAGS'] = ' '.join([_GIVEN, *flags])


def flags_of(devices: int) -> str:
    """`XLA_FLAGS` of a process with virtual devices that compiles as this one."""
    return f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count={devices}'
