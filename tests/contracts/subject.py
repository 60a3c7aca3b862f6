"""A row made ready: whatever has to be compiled is compiled once and shared by the contracts."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.core import Batch, Metrics, State
from genjax.train import Checkpoints, scan_steps
from tests.compiler import usual_fusions
from tests.contracts.table import IMAGE_SHAPE, Row

Plain = dict[str, np.ndarray]

SEED = 11


class Subject:
    """One row's model with its programs.

    Attributes:
      row: of the table.
      model: what its recipe builds.
      compiled: how many programs the backend has compiled for the bare step and for each length
        of the loop's scan, by all tests so far.
    """

    def __init__(self, row: Row):
        self.row = row
        self.model = row.recipe(IMAGE_SHAPE, **row.options)
        self.compiled: Counter[str] = Counter()
        self._scan = scan_steps(self.model.train_step)

    def init(self, seed: int = SEED) -> State:
        """A new state: a scan takes its arrays away."""
        return self.model.init(jax.random.key(seed))

    @cached_property
    def start(self) -> State:
        """The state of step 0."""
        return self.init()

    @cached_property
    def trained(self) -> State:
        """The state after two bare steps."""
        return self.step(self.step(self.start))

    @cached_property
    def float_batch(self) -> Batch:
        """The row's batch with images in [-1, 1]."""
        return as_floats(self.row.batch)

    def step(self, state: State, batch: Batch | None = None) -> State:
        """One bare step, on floats."""
        return self._count('step', self.model.train_step, state, batch or self.float_batch)[0]

    def scan(self, state: State, stacked: Batch) -> tuple[State, Metrics]:
        """The loop's scan, on bytes; the state is donated."""
        name = f'scan of {len(stacked["x"])}'
        with usual_fusions():  # Whose bits are the same however a run is cut up.
            return self._count(name, self._scan, state, stacked)

    def run(self, state: State, lengths: Sequence[int]) -> tuple[State, list[Metrics]]:
        """Scans of these lengths, one after the other; the state is donated."""
        first, seen = int(state.step), []
        for steps in lengths:
            state, metrics = self.scan(state, self.stacked(first, steps))
            first += steps
            seen.append(jax.device_get(metrics))
        return state, seen

    def stacked(self, first: int, steps: int) -> Batch:
        """Batches for the steps from `first` on; each turns the examples around by one."""
        turns = range(first, first + steps)
        return {
            name: np.stack([np.roll(leaf, turn, axis=0) for turn in turns])
            for name, leaf in self.row.batch.items()
        }

    def restored(self, folder: Path) -> State:
        """The trained state by way of a checkpoint, as another process would read it."""
        saved = Checkpoints(folder)
        saved.save(2, self.trained)
        saved.close()
        opened = Checkpoints(folder)
        state = opened.restore(2, jax.eval_shape(self.model.init, jax.random.key(0)))
        opened.close()
        return state

    def _count(self, name, program, *args):
        with compilations() as seen:
            out = program(*args)
        self.compiled[name] += len(seen)
        return out


def as_floats(batch: Batch) -> Batch:
    """A batch of bytes with its images in [-1, 1]."""
    return batch | {'x': np.float32(np.float64(batch['x']) / 127.5 - 1)}


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """Notes each program that the backend compiles."""
    seen: list[str] = []

    def note(event: str, duration: float, **_: Any) -> None:
        if 'backend_compile' in event:
            seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        yield seen
    finally:
        jax.monitoring.unregister_event_duration_listener(note)


def without_key(leaf: Any) -> Any:
    """An array itself, or the data of a key."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def plain(tree: Any) -> Plain:
    """The leaves by their paths, as NumPy arrays."""
    return {
        jax.tree_util.keystr(path): np.array(without_key(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def different(a: Any, b: Any) -> list[str]:
    """The paths of the leaves of two trees that do not have the same bits."""
    ours, theirs = plain(a), plain(b)
    assert ours.keys() == theirs.keys()
    return [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()]


def assert_same_update(before: Plain, a: Plain, b: Plain) -> None:
    """Two ways from one state lead to the same place but for rounding.

    All is measured by how far it moved. Adam and RMSprop make a whole step of a gradient that is
    nothing but rounding, hence one parameter in fifty may be elsewhere; the moments, from which all
    steps are made, may not.
    """
    assert before.keys() == a.keys() == b.keys()
    moments = [name for name in a if '.mu[' in name]
    steepest = max((np.abs(a[name] - before[name]).max() for name in moments), default=0)
    for name, value in a.items():
        if not np.issubdtype(value.dtype, np.floating):
            assert np.array_equal(value, b[name]), name
            continue
        gaps = np.sort(np.abs(value - b[name]), axis=None)
        moved = np.abs(value - before[name]).max()
        near = 1e-3 * moved + 1e-6 * np.abs(value).max()
        near += 1e-5 * steepest if '.mu[' in name else 0
        params = name.startswith(('.nets', '.ema')) and '.params[' in name
        assert gaps[: -max(1, gaps.size // 50) if params else None].max(initial=0) <= near, name
        assert gaps[-1] <= 2 * moved + near, name
