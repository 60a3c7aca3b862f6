"""Dispatches: K steps in one compiled program, on data that live on the device or come to it; and
profiles of a few, by JAX's profiler."""

import contextlib
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import PyTree

from genjax import parallel
from genjax.core import Batch, Metrics, State
from genjax.data import Dataset, fits, gather, indices_from, on_device, place, stream
from genjax.train.errors import RunError

Step = Callable[[State, Batch], tuple[State, Metrics]]
Dispatch = Callable[[State], tuple[State, Metrics]]
TRACED = 3  # dispatches in a profile


def scan_steps(train_step: Step) -> Step:
    """A jitted function that takes K steps, with batches and metrics stacked; donates the state.

    Scans of 3, 1 and 2 steps give what a scan of 6 gives, bit for bit, on one kind of processor and
    with one version of XLA: its compiler makes the same of the body of a loop however often that is
    run. Bare steps may round otherwise, and so may `lax.scan` of one step, which XLA takes apart.
    Of one step it cannot be differentiated in reverse.

    Args:
      train_step: of any model.
    """
    return jax.jit(partial(_scan, train_step), donate_argnums=0)


def _scan(step: Callable, state: State, stacked: PyTree) -> tuple[State, Metrics]:
    """`lax.scan`, which stays a loop where it has one step."""
    if len(jax.tree.leaves(stacked)[0]) != 1:
        return lax.scan(step, state, stacked)

    def body(i, carry):
        state, seen = carry
        state, new = step(state, jax.tree.map(lambda leaf: at(leaf, i), twice))
        put = partial(lax.dynamic_update_index_in_dim, index=i, axis=0)
        return state, jax.tree.map(put, seen, new)

    at = partial(lax.dynamic_index_in_dim, keepdims=False)
    # As of two steps, of which one is taken, which is not for the compiler to know.
    twice = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), stacked)
    metrics = jax.eval_shape(step, state, jax.tree.map(lambda leaf: leaf[0], stacked))[1]
    seen = jax.tree.map(lambda like: jnp.zeros((2, *like.shape), like.dtype), metrics)
    state, seen = lax.fori_loop(0, lax.optimization_barrier(1), body, (state, seen))
    return state, jax.tree.map(lambda leaf: leaf[:1], seen)


def dispatches(
    train_step: Step,
    dataset: Dataset,
    batch_size: int,
    seed: int,
    spans: Sequence[tuple[int, int]],
    shardings: PyTree,
    offset: int = 0,
) -> Generator[Dispatch, None, None]:
    """For each span of steps a function that takes them; it donates the state.

    Where the dataset fits on each device it lives there, and the program takes its batches itself;
    else Grain brings them ahead of their use. Both take the same steps, bit for bit.

    Args:
      train_step: of any model.
      dataset: what to train on.
      batch_size: examples a step.
      seed: of the order of the examples.
      spans: `(start_step, steps)` of each.
      shardings: of the state, on the mesh that trains; as `parallel.state_shardings` gives them.
      offset: step t starts at the position `t batch_size + offset` of the order.
    """
    devices = jax.tree.leaves(shardings)[0].mesh.local_devices
    # All processes take the same way: they run one program.
    streams = parallel.agreed(not fits(dataset, devices))
    way = _streamed if streams else _resident
    step = parallel.on_mesh(train_step, shardings)
    return way(step, dataset, batch_size, seed, spans, shardings, offset)


def _compiled(run, shardings, **options):
    """A program whose results lie as what it is given: its second call compiles nothing."""
    mesh = jax.tree.leaves(shardings)[0].mesh
    out = shardings, parallel.replicated(mesh)
    return mesh, jax.jit(run, donate_argnums=0, out_shardings=out, **options)


def _resident(train_step, dataset, batch_size, seed, spans, shardings, offset):
    n, shape = dataset.size, dataset.image_shape

    def run(state, arrays, start, steps):
        def step(state, rows):
            return train_step(state, gather(arrays, rows, shape))

        # All the order at once: it costs a step nothing.
        rows = indices_from(n, start, steps * batch_size).reshape(steps, batch_size)
        rows = lax.with_sharding_constraint(rows, parallel.batch_sharding(mesh, axis=1))
        return _scan(step, state, rows)

    mesh, program = _compiled(run, shardings, static_argnames='steps')
    arrays = on_device(dataset, parallel.replicated(mesh))
    for first, steps in spans:
        start = place(n, seed, first * batch_size + offset)
        yield partial(program, arrays=arrays, start=start, steps=steps)


def _streamed(train_step, dataset, batch_size, seed, spans, shardings, offset):
    mesh, program = _compiled(partial(_scan, train_step), shardings)
    sharding = parallel.batch_sharding(mesh, axis=1)
    brought = stream(dataset, batch_size, seed, spans, sharding, offset)
    with contextlib.closing(brought) as batches:
        for stacked in batches:
            yield partial(program, stacked=stacked)


def traced(
    dispatches: Iterable[Dispatch], count: int, folder: Path
) -> Generator[Dispatch, None, None]:
    """The dispatches, with a trace of the second and a few more: the first has the compilation.

    Args:
      dispatches: of a training.
      count: how many they are.
      folder: of the trace, for TensorBoard, XProf or Perfetto.

    Raises:
      RunError: there is nothing but a first, or the profiler cannot run.
    """
    if count < 2:
        raise RunError(f'expected two dispatches or more to profile, got {count} to be trained')
    return _traced(iter(dispatches), folder)


def _traced(dispatches, folder):
    yield from islice(dispatches, 1)
    with _trace(folder):
        yield from islice(dispatches, TRACED)
    yield from dispatches


@contextlib.contextmanager
def _trace(folder: Path) -> Iterator[None]:
    from tqdm import tqdm

    with _refusing():
        jax.profiler.start_trace(folder)
    try:
        yield
    finally:
        with _refusing():
            jax.profiler.stop_trace()
        tqdm.write(f'genjax: a profile is in {folder}', file=sys.stderr)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of many kinds: another profile under way, a full disk
        raise RunError(f'the profiler cannot run: {error}') from error
