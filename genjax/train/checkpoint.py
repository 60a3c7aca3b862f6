"""States on disk, by Orbax: atomic, each with what it is ranked by."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from genjax import parallel
from genjax.core import State
from genjax.train.config import Config, differences, upgraded, without_places
from genjax.train.errors import RunError, exhausted
from genjax.train.history import as_of, measured_since
from genjax.train.leaves import digest, host, is_key, is_newer, misplaced, places, plain, structs
from genjax.train.pace import Preservation, Ranking, Saved, bests, ranking

T = TypeVar('T')


def _value(metrics: Any) -> float:
    """For Orbax, which keeps figures of what it can rank alone; nothing else is ranked by it."""
    value = ranking(metrics).value
    return -math.inf if value is None else value


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
      read_only: to be loaded from, perhaps while another process trains; each of several processes
        reads by itself, and waits for no other.
      recipe: the function of the config, by which those of earlier versions are read.
      keep_every: which are kept, see `Preservation`.
    """

    def __init__(
        self,
        folder: Path,
        config: Config | None = None,
        read_only: bool = False,
        recipe: Callable | None = None,
        keep_every: int = 0,
    ):
        import orbax.checkpoint as ocp

        self._keep = Preservation(keep_every)
        me = jax.process_index()
        alone = {'primary_host': me, 'active_processes': {me}} if read_only else {}
        processes = ocp.options.MultiprocessingOptions(**alone)
        # Orbax's own `read_only` warns of each option that it changes.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self._keep,
            best_fn=_value,
            best_mode='max',
            create=not read_only,
            cleanup_tmp_directories=not read_only,
            multiprocessing_options=processes,
        )
        if folder.exists() and not folder.is_dir():
            raise RunError(f'expected a folder of checkpoints, got the file {folder}')
        self._folder, self._args = folder, ocp.args
        self._config = None if config is None else without_places(config)
        self._recipe = recipe
        handler = ocp.StandardCheckpointHandler(multiprocessing_options=processes)
        self._manager = self._listed(
            lambda: ocp.CheckpointManager(folder.absolute(), options=options, item_handlers=handler)
        )
        if not read_only:
            self._tidy()

    def _tidy(self) -> None:
        """Removes what a process that was killed had yet to remove, or has removed in half."""
        saved = self._listed(self._saved)
        kept = self._listed(lambda: self._keep.should_preserve(saved))
        left = [one.step for one, stays in zip(saved, kept, strict=True) if not stays]
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
        """The step of the best checkpoint by the newest figure; None where none is ranked."""
        return self._listed(lambda: next(reversed(bests(self._saved())), None))

    def find(self, step: int | str) -> int:
        """The step of a checkpoint that is there.

        Args:
          step: itself, or 'latest', or 'best'.

        Raises:
          RunError: there is none such.
        """
        folder, best = self._folder.parent, self.best()
        if step == 'best' and best is None:
            raise RunError(
                f'{folder}: expected a checkpoint that is ranked, got none: a GAN ranks those that '
                'it makes with --metrics NAME --monitor NAME, a VAE those after its warm-up; there '
                f'are {self.steps()}'
            )
        named = {'latest': self.latest(), 'best': best}
        at = named.get(str(step), step)
        if not isinstance(at, int) or at not in self.steps():
            known = [*(name for name, there in named.items() if there is not None), *self.steps()]
            raise RunError(f'{folder}: expected a checkpoint among {known}, got {step!r}')
        return at

    def _saved(self) -> list[Saved]:
        return [Saved(step, self._manager.metrics(step)) for step in self.steps()]

    def _listed(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except OSError:
            raise
        except Exception as error:  # of many kinds, by the byte that is wrong
            told = f'expected the figures of checkpoints in {self._folder}/*/metrics, got {error!r}'
            raise RunError(told) from error

    def save(self, step: int, state: State, ranked: Ranking | None = None) -> None:
        """Saves in the background; the values are those of this moment.

        Args:
          step: finished steps.
          state: to be kept.
          ranked: how good it is; None where it was not evaluated.

        Raises:
          RunError: it cannot be written, or the one before could not.
        """
        if step == self.latest():
            return
        # A copy in host memory: the loop goes on to donate the state.
        arrays = jax.tree.map(host, plain(state))
        told: dict[str, Any] = {'monitor': None}
        if ranked is not None:
            size = sum(leaf.nbytes for leaf in arrays.values())
            told = {'monitor': ranked.value, 'figure': ranked.figure, 'bytes': size}
            told['since'] = measured_since(self._config or {})
        with _writing():
            self._manager.save(
                step,
                args=self._args.StandardSave(arrays),
                metrics=told,
                custom_metadata={'config': self._config, 'sha256': digest(arrays)},
                force=True,
            )

    def restore(self, step: int, like: State, fresh: Callable[[], State] | None = None) -> State:
        """The state of a step, on whatever devices it was saved.

        Args:
          step: of a checkpoint that is there.
          like: a state of the same model, arrays or `jax.ShapeDtypeStruct`; what lies on a mesh
            is read to lie there too.
          fresh: makes a new state, for the decays of averages and what rounding has lost of them,
            which an older genjax did not have.

        Raises:
          RunError: the checkpoint is of another run or another model, or cannot be read.
        """
        about = self._about(step)
        wanted = structs(like)
        saved = self._names(step)
        at = places(wanted, saved)
        missing = {n for n in wanted if n not in at and is_newer(n) and fresh}
        if odd := misplaced(wanted, saved, at, missing):
            raise RunError(f'checkpoint {step} is of another model: {odd}')
        lying = {at[name]: wanted[name] for name in at}
        arrays = self._arrays(step, {n: lying.get(n, leaf) for n, leaf in saved.items()}, about)
        others = {} if fresh is None or len(at) == len(wanted) else plain(fresh())

        def leaf(path, of):
            name = jax.tree_util.keystr(path)
            # A copy: two leaves may be read from one.
            value = jnp.array(arrays[at[name]] if name in at else others[name])
            value = jax.random.wrap_key_data(value) if is_key(of) else value
            return jax.device_put(value, wanted[name].sharding)

        return jax.tree_util.tree_map_with_path(leaf, like)

    def leaves(self, step: int) -> dict[str, np.ndarray]:
        """All arrays of a checkpoint by their paths, whatever model it is of.

        Args:
          step: of a checkpoint that is there.

        Raises:
          RunError: it cannot be read.
        """
        about = self._about(step)
        return self._arrays(step, self._names(step), about)

    def _names(self, step: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Paths, shapes and types of what a checkpoint has."""
        with self._reading(step):
            saved = self._manager.item_metadata(step)
            if saved is None:
                raise FileNotFoundError('the names of its arrays are not there')
            return {n: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for n, leaf in saved.items()}

    def _arrays(self, step: int, like: Mapping[str, Any], about: Mapping[str, Any]) -> Any:
        """All arrays of a checkpoint, if they are those that were saved."""
        # What lies on no mesh comes by way of NumPy: bound to a device, it would compile the step
        # again.
        targets = {
            name: leaf if leaf.sharding else np.empty(leaf.shape, leaf.dtype)
            for name, leaf in like.items()
        }
        with self._reading(step):
            arrays = self._manager.restore(step, args=self._args.StandardRestore(targets))
            marks = about.get('sha256'), digest(arrays)
            if None not in marks and marks[0] != marks[1]:
                raise ValueError('its arrays are not those that were saved')
        return arrays

    def _about(self, step: int) -> dict[str, Any]:
        """What was written beside a state, of the same run."""
        with self._reading(step):
            about = self._manager.metadata(step).custom_metadata or {}
        old = about.get('config')
        if old is None or self._config is None:  # of an older genjax, or of no run
            return about
        old = upgraded(old, self._recipe) if self._recipe else old
        now = without_places(as_of(self._config, step))
        # An option that an older version of a recipe did not have is what it is now.
        options = {**now['options'], **old['options']}
        if lines := differences({**old, 'options': options}, now):
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
