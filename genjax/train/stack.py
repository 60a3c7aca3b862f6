"""What a run is computed by: versions and processor, on which its last bits depend."""

from importlib.metadata import version
from typing import Any

import jax

from genjax.machine import cpu_flags

Stack = dict[str, Any]
# The features of a processor that decide how XLA and genjax compute on it.
_FEATURES = {
    'avx', 'avx2', 'fma', 'avx512f', 'avx512bw', 'avx512_bf16', 'avx512_fp16',
    'amx_tile', 'amx_int8', 'amx_bf16', 'asimd', 'sve', 'bf16',
}  # fmt: skip


def stack() -> Stack:
    """Versions of genjax, jax and jaxlib, the kind of device, and features of the processor."""
    return {
        'genjax': version('genjax-models'),
        'jax': version('jax'),
        'jaxlib': version('jaxlib'),
        'device': jax.devices()[0].device_kind,
        'processor': sorted(cpu_flags() & _FEATURES),
    }


def changed(stacks: list[Stack], now: Stack) -> str:
    """What is to be said where a run goes on under another stack; '' where it does not.

    Args:
      stacks: that it was trained under, the last at the end.
      now: of this process.
    """
    if not stacks or stacks[-1] == now:
        return ''
    old = stacks[-1]
    names = [name for name in now if old.get(name) != now[name]]
    told = ', '.join(f'{name} {_words(old.get(name))} -> {_words(now[name])}' for name in names)
    return f'the run goes on under another stack, and will differ in the last digits: {told}'


def _words(value: Any) -> str:
    return ' '.join(value) if isinstance(value, list) else str(value)
