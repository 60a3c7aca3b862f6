"""What a contender is, and what it becomes in a worker. Imports no framework."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# Tunings of PyTorch that several benchmarks share.
LAST = {'channels_last': True, 'fused': True}
LOW = {'bfloat16': True}


class Task(NamedTuple):
    """Work that is built, compiled and warm.

    Attributes:
      run: does it once and returns when the device has finished.
      work: how many units (steps, images, epochs) that is.
      facts: what is known beside the time: parameters, FLOPs of a unit, seconds to compile.
      undo: removes what `run` left; called after each, and not timed.
    """

    run: Callable[[], None]
    work: float
    facts: Mapping[str, float]
    undo: Callable[[], None] = lambda: None


class Contender(NamedTuple):
    """One way to do a benchmark's work.

    Attributes:
      name: in the table.
      target: `module:function` of this package; it is called in a worker and returns a `Task`.
      options: keywords of the function, JSON values.
      ours: it is genjax, which the others are compared with.
      tuned: its process keeps freed memory (see `genjax.machine.tune_allocator`).
      alone: it gets a process of its own.
      rounds: the most rounds it takes part in, for what is slow; None for all.
    """

    name: str
    target: str
    options: Mapping[str, Any]
    ours: bool = False
    tuned: bool = True
    alone: bool = False
    rounds: int | None = None

    @property
    def framework(self) -> str:
        """`'jax'` or `'torch'`, by the name of its module."""
        return self.target.partition('_')[0]

    @property
    def process(self) -> tuple[str, bool, str]:
        """Contenders for whom this is the same share a worker."""
        return self.framework, self.tuned, self.name if self.alone else ''


class Benchmark(NamedTuple):
    """The same work by several contenders.

    Attributes:
      name: for `--only`; what stands before a slash names a family.
      title: a sentence.
      unit: of the work.
      rate: show units a second, not the time of one.
      contenders: who is timed; at least one of them is ours.
      rounds: how often each takes its turn.
    """

    name: str
    title: str
    unit: str
    contenders: tuple[Contender, ...]
    rate: bool = False
    rounds: int = 7
