"""A compiler in a hurry, since most of a test's time is the compiler's and most programs run once.

It makes them in a quarter of the time: at its lowest level, and without the newer emitters of
fusions where XLA still has others (that of jax 0.12 has not). What is about the bits, the work or
the time of usual programs, or computes for long, is marked `usual_compiler`.
"""

import contextlib
import os
from collections.abc import Iterator

import jax
from jax._src import compiler

_HURRIED = {'xla_backend_optimization_level': 0, 'xla_cpu_use_fusion_emitters': False}
_GIVEN = os.environ.get('XLA_FLAGS', '')
_options_of = compiler.get_compile_options
_hurries = False


def _options(*args, **kwargs):
    options = _options_of(*args, **kwargs)
    if _hurries:
        # A program's own options come last, and win.
        options.env_option_overrides = [*_HURRIED.items(), *options.env_option_overrides]
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
    if whether != _hurries:
        jax.clear_caches()  # Or programs of one kind would serve where the other is meant.
        _set(whether)


def _set(whether: bool) -> None:
    global _hurries
    _hurries = whether
    # Other processes read this when they start, as this one did.
    flags = [f'--{name}={str(value).lower()}' for name, value in _HURRIED.items()]
    os.environ['XLA_FLAGS'] = ' '.join([_GIVEN, *flags]) if whether else _GIVEN


@contextlib.contextmanager
def usual() -> Iterator[None]:
    """What is compiled here is what a user's is."""
    before = _hurries
    _set(False)
    try:
        yield
    finally:
        _set(before)
