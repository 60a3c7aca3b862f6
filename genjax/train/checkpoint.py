"""States on disk, by Orbax: atomic, the last two and the best."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from genjax import parallel
from genjax.core import State
from genjax.train.config import Config, differences, without_places
from genjax.train.errors import RunError, exhausted
from genjax.train.older import places, upgraded

T = TypeVar('T')
LATEST = 2  # are kept, and the best


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _plain(state: State) -> Any:
    """Leaves by their path: plain arrays, keys as their data."""
    return {
        jax.tree_util.keystr(path): jax.random.key_data(leaf) if _is_key(leaf) else leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def _struct(leaf: Any) -> jax.ShapeDtypeStruct:
    """What is on disk of a leaf, and where it lies if that is a mesh."""
    data = jax.eval_shape(jax.random.key_data, leaf) if _is_key(leaf) else leaf
    sharding = getattr(leaf, 'sharding', None)
    on_mesh = sharding if isinstance(sharding, NamedSharding) else None
    return jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=on_mesh)


def _host(leaf: Any) -> Any:
    """A copy in host memory; of what several processes have, Orbax makes one itself."""
    return np.array(leaf) if leaf.is_fully_addressable else leaf


def _digest(arrays: dict[str, Any]) -> str | None:
    """A hash of all leaves, which Orbax does not keep; None where no process has all of them."""
    digest = hashlib.sha256()
    for name, leaf in sorted(arrays.items()):
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return None
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _rank(metrics: dict[str, Any]) -> float:
    """What was not measured, or is damaged, is the worst; of equals the newest is the best."""
    monitor = metrics.get('monitor')
    known = isinstance(monitor, float | int) and math.isfinite(monitor)
    return float(monitor) if known else -math.inf  # type: ignore[arg-type]


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Orbax raises errors of many kinds where a disk is full."""
    try:
        yield
    except Exception as error:
        raise RunError(f'a checkpoint cannot be written: {error}') from error


class Checkpoints:
    """The checkpoints of one run: its states, each with the config of the run.

    The position in the data is the state's step, since their order is a function of it.

    Args:
      folder: where they are, made if need be.
      config: of the run; None writes and compares none.
      read_only: to be loaded from, perhaps while another process trains.
      recipe: the function of the config, by which those of earlier versions are read.
    """

    def __init__(
        self,
        folder: Path,
        config: Config | None = None,
        read_only: bool = False,
        recipe: Callable | None = None,
    ):
        import orbax.checkpoint as ocp
        from orbax.checkpoint import checkpoint_managers as policies

        keep = policies.AnyPreservationPolicy([
            policies.LatestN(LATEST),
            policies.BestN(get_metric_fn=_rank, n=1),
        ])  # fmt: skip
        # Orbax's own `read_only` warns of each option that it changes.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=keep,
            best_fn=_rank,
            best_mode='max',
            create=not read_only,
            cleanup_tmp_directories=not read_only,
        )
        if folder.exists() and not folder.is_dir():
            raise RunError(f'expected a folder of checkpoints, got the file {folder}')
        self._folder, self._args = folder, ocp.args
        self._config = None if config is None else without_places(config)
        self._recipe = recipe
        handler = ocp.StandardCheckpointHandler()
        self._manager = self._listed(
            lambda: ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handler)
        )
        if not read_only:
            self._tidy()

    def _tidy(self) -> None:
        """Removes what a process that was killed had yet to remove, or has removed in half."""
        left = sorted({*self.steps()[:-LATEST]} - {self.best()})
        parallel.agreed(len(left))  # All processes have looked before the first removes anything.
        for step in left:
            self._manager.delete(step)

    def steps(self) -> list[int]:
        """The steps of all whole checkpoints, in order."""
        return sorted(self._manager.all_steps())

    def latest(self) -> int | None:
        """The step of the newest whole checkpoint."""
        return self._listed(self._manager.latest_step)

    def best(self) -> int | None:
        """The step of the best checkpoint, or the newest where none was measured."""
        return self._listed(self._manager.best_step)

    def _listed(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except OSError:
            raise
        except Exception as error:  # of many kinds, by the byte that is wrong
            told = f'expected the figures of checkpoints in {self._folder}/*/metrics, got {error!r}'
            raise RunError(told) from error

    def save(self, step: int, state: State, monitor: float | None = None) -> None:
        """Saves in the background; the values are those of this moment.

        Args:
          step: finished steps.
          state: to be kept.
          monitor: how good it is, more is better; None where it was not measured.

        Raises:
          RunError: it cannot be written, or the one before could not.
        """
        if step == self.latest():
            return
        # A copy in host memory: the loop goes on to donate the state.
        arrays = jax.tree.map(_host, _plain(state))
        with _writing():
            self._manager.save(
                step,
                args=self._args.StandardSave(arrays),
                metrics={'monitor': monitor},
                custom_metadata={'config': self._config, 'sha256': _digest(arrays)},
                force=True,
            )

    def restore(self, step: int, like: State, fresh: Callable[[], State] | None = None) -> State:
        """The state of a step, on whatever devices it was saved.

        Args:
          step: of a checkpoint that is there.
          like: a state of the same model, arrays or `jax.ShapeDtypeStruct`; what lies on a mesh
            is read to lie there too.
          fresh: makes a new state, for the decays of averages, which an older genjax did not have.

        Raises:
          RunError: the checkpoint is of another run or another model, or cannot be read.
        """
        about = self._about(step)
        wanted = {
            jax.tree_util.keystr(path): _struct(leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(like)
        }
        at = self._places(step, wanted, fresh is not None)
        # What lies on no mesh comes by way of NumPy: bound to a device, it would compile the step
        # again.
        targets = {
            old: leaf if leaf.sharding else np.empty(leaf.shape, leaf.dtype)
            for old, leaf in ((at[name], wanted[name]) for name in at)
        }
        with self._reading(step):
            arrays = self._manager.restore(step, args=self._args.StandardRestore(targets))
            marks = about.get('sha256'), _digest(arrays)
            if None not in marks and marks[0] != marks[1]:
                raise ValueError('its arrays are not those that were saved')
        others = {} if fresh is None or len(at) == len(wanted) else _plain(fresh())

        def leaf(path, of):
            name = jax.tree_util.keystr(path)
            # A copy: two leaves may be read from one.
            value = jnp.array(arrays[at[name]] if name in at else others[name])
            value = jax.random.wrap_key_data(value) if _is_key(of) else value
            return jax.device_put(value, wanted[name].sharding)

        return jax.tree_util.tree_map_with_path(leaf, like)

    def _places(self, step: int, wanted: Mapping[str, Any], renew: bool) -> dict[str, str]:
        """Where a checkpoint has the leaves of a state, all but what may be made anew."""
        with self._reading(step):
            saved = self._manager.item_metadata(step)
            if saved is None:
                raise FileNotFoundError('the names of its arrays are not there')
        at = places(wanted, saved)
        missing = {n for n in wanted if n not in at and not (renew and n.endswith("/ema_decay']"))}
        found = {name: (leaf.shape, str(leaf.dtype)) for name, leaf in saved.items()}
        expected = {
            at.get(n, n): (leaf.shape, str(leaf.dtype))
            for n, leaf in wanted.items()
            if n in at or n in missing
        }
        if found != expected:
            odd = sorted(n for n in {*found, *expected} if found.get(n) != expected.get(n))
            raise RunError(
                f'checkpoint {step} is of another model: expected {odd[0]} '
                f'{expected.get(odd[0])}, got {found.get(odd[0])}'
            )
        return at

    def _about(self, step: int) -> dict[str, Any]:
        """What was written beside a state, of the same run."""
        with self._reading(step):
            about = self._manager.metadata(step).custom_metadata or {}
        old = about.get('config')
        if old is None or self._config is None:  # of an older genjax, or of no run
            return about
        old = upgraded(old, self._recipe) if self._recipe else old
        # An option that an older version of a recipe did not have is what it is now.
        options = {**self._config['options'], **old['options']}
        if lines := differences({**old, 'options': options}, self._config):
            names = ', '.join(line.partition(':')[0] for line in lines)
            raise RunError(f'checkpoint {step} is of another run: expected the same {names}')
        return about

    @contextlib.contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # Orbax raises errors of many kinds for a damaged file.
            if exhausted(error):  # The file is whole.
                raise
            others = [other for other in self.steps() if other != step]
            hint = f'; remove it to go on from {others[-1]}' if others else ''
            raise RunError(f'checkpoint {step} cannot be read{hint}: {error}') from error

    def close(self) -> None:
        """Waits for the save under way.

        Raises:
          RunError: it could not be written.
        """
        with _writing():
            try:
                self._manager.wait_until_finished()
            finally:
                self._manager.close()
