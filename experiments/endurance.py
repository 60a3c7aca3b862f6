"""A run that is killed fifty times ends as the run that nobody touched, bit for bit.

    python -m experiments.endurance --folder runs/endurance    (half an hour on 2 cores)

Each case is trained by `genjax train`, from a folder of images that is converted on the way, with a
record, pictures and a checkpoint every three steps, 200 times. Then again, with SIGKILL at random
moments and the same command after each: half of them are uniform in the time that a start takes,
half in the dispatches after it. In the end everything in the folder is compared with that of the
first run: all leaves of all checkpoints (networks, averages, moments, step and key; the place
in the data is the step's), records, pictures, curves, and that nothing else is there.

Reached (jax 0.10.2, two Zen 3 cores, other work beside it): all equal, with

    dcgan, in memory       50 kills, 32 of which left something half written
    dcgan, by Grain        50 kills, 33 of which left something half written
    vae, in memory         50 kills, 35 of which left something half written
    vae, by Grain          50 kills, 18 of which left something half written
    changed, in memory     20 kills, 15 of which left something half written (60 dispatches)
    dcgan, by Grain        25 signals: SIGTERM ended 4 runs that saved and 9 that did not listen
                           yet, SIGINT 9 (4 saved) and 3

A kill lost 2 recorded dispatches at most, a signal that was heard none. The vae by Grain is of a
later day: before, a kill amid the removal of an old checkpoint had left half of that there. Such
are removed now when training goes on.
"""

import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import data, plots
from genjax.train import RunError, load

MODELS = {
    'dcgan': 'dcgan --width 2 --latent-dim 8 --n-critic 2 --num-classes 10',
    'vae': 'vae --hidden 32 --latent-dim 4 --dropout 0.1 --ema-decay 0.99 --num-classes 10',
    # Started from another run's networks, and changed after two dispatches.
    'changed': 'vae --hidden 32 --latent-dim 4 --ema-decay 0.99 --num-classes 10 --from source '
    '--change --learning-rate 3e-3 --beta 2',
}
# How those begin, and how that begins from which they do.
BEFORE = {'changed': MODELS['changed'].partition(' --change')[0]}
SOURCE = BEFORE['changed'].partition(' --from')[0]
# The command, and the command where every folder of images is too large to be loaded.
WAYS = {
    'memory': ['-m', 'genjax.cli'],
    'Grain': [
        '-c',
        'import sys; from genjax import cli; from genjax.data import cache; cache.SHARE = 0; '
        'sys.exit(cli.main())',
    ],
}
STEPS = 3  # of a dispatch; each ends with a record, pictures and a checkpoint
PATIENCE = 300.0  # seconds


class Case(NamedTuple):
    """What is trained, where, and how long.

    Attributes:
      folder: of all runs, with the images and the compiled programs.
      model: of `MODELS`.
      way: of `WAYS`.
      dispatches: of a run.
    """

    folder: Path
    model: str
    way: str
    dispatches: int

    def run(self, name: str) -> Path:
        """The folder of one of its runs."""
        return self.folder / f'{self.model} {self.way} {name}'

    def words(self, name: str) -> list[str]:
        """The words of the command for one of its runs."""
        return self._words(self.run(name), MODELS[self.model], self.dispatches)

    def _words(self, run: Path, model: str, dispatches: int) -> list[str]:
        k, source = str(STEPS), self.folder / 'source'
        words = ['train', *model.replace('--from source', f'--from {source}').split()]
        words += ['--data', str(self.folder / 'images'), '--run', str(run), '--batch-size', '8']
        words += ['--steps', str(dispatches * STEPS), '--dispatch', k]
        return [*words, '--eval-every', k, '--sample-every', k]

    def start(self, name: str) -> subprocess.Popen:
        """A process that starts a run, or goes on with it: always the same command."""
        run = self.run(name)
        if self.model in BEFORE and not run.exists():
            self.begin(run, BEFORE[self.model])
        return self._process(run, self.words(name))

    def begin(self, run: Path, model: str) -> None:
        """Trains for two dispatches what a run starts from, or how it begins.

        Raises:
          RuntimeError: it did not end well.
        """
        if status := self._process(run, self._words(run, model, 2)).wait():
            raise RuntimeError(f'expected {run} to end well, got {status}')

    def _process(self, run: Path, words: list[str]) -> subprocess.Popen:
        env = {'JAX_PLATFORMS': 'cpu', 'GENJAX_DATA_CACHE': f'{run} data'}
        with open(f'{run}.log', 'a') as log:
            command = [sys.executable, *WAYS[self.way], *words]
            return subprocess.Popen(command, env=env | os.environ, stdout=log, stderr=log)


class Pace(NamedTuple):
    """How fast a process is, in seconds: until its first checkpoint, and from one to the next."""

    start: float
    dispatch: float


class Ordeal(NamedTuple):
    """What happened to a run, and what is not as in the run that nobody touched.

    Attributes:
      statuses: how many processes ended with each exit status.
      amid: how many of them left something half written.
      lost: the most dispatches that were recorded but not in a checkpoint.
      seconds: in all.
      differences: files, leaves, exit statuses that are not those of the signal.
    """

    statuses: dict[int, int]
    amid: int
    lost: int
    seconds: float
    differences: list[str]


def write_images(folder: Path, n: int = 300) -> None:
    """Writes some digits as PNG files, one folder for each class."""
    digits = data.digits()
    for i in range(0, digits.size, digits.size // n):
        plots.save(folder / str(digits.y[i]) / f'{i:04d}.png', digits.x[i], scale=1)


def undisturbed(case: Case, name: str) -> Pace:
    """Trains in one process.

    Args:
      case: what is trained.
      name: of the run.

    Raises:
      RuntimeError: it did not end well.
    """
    begin, first = time.monotonic(), 0.0
    process = case.start(name)
    while process.poll() is None:
        first = first or (newest(case.run(name)) and time.monotonic() - begin)
        time.sleep(0.02)
    if process.returncode:
        raise RuntimeError(f'expected {case.run(name)} to end well, got {process.returncode}')
    whole = time.monotonic() - begin
    return Pace(first, (whole - first) / case.dispatches)


def disturbed(
    case: Case, name: str, pace: Pace, signals: Sequence[signal.Signals], seed: int = 0
) -> Ordeal:
    """Trains in processes of which each but the last gets a signal at a random moment.

    Half of the moments are uniform in the time until a first checkpoint, half in the dispatches
    after it, of which the run has its last when four of five signals are spent. Who ends before
    the moment does not count.

    Args:
      case: what is trained.
      name: of the run.
      pace: of a process that nobody touches.
      signals: one after the other.
      seed: of the moments.
    """
    rng, begin, run = np.random.default_rng(seed), time.monotonic(), case.run(name)
    statuses: Counter[int] = Counter()
    odd: list[str] = []
    amid = lost = spent = 0
    while spent < len(signals):
        before, number = newest(run), signals[spent]
        late = before < case.dispatches and rng.random() < 0.5
        most = math.ceil(4 * (case.dispatches - before) / max(len(signals) * 4 // 5 - spent, 1))
        process = case.start(name)
        if late:
            reach(process, run, min(before + rng.integers(most) + 1, case.dispatches))
            status = end(process, rng.uniform(0, pace.dispatch), number)
        else:
            reach(process, run, before + most + 1, rng.uniform(0, pace.start))
            status = end(process, 0.0, number)
        if status not in (0, -number, *([128 + number] if number != signal.SIGKILL else [])):
            odd.append(f'status {status} after {number.name}')
        if newest(run) < before:
            odd.append(f'checkpoint {newest(run)} after {before}')
        statuses[status] += 1
        spent += status != 0
        amid += bool(halves(run))
        lost = max(lost, recorded(run) - newest(run))
    statuses[end(case.start(name))] += 1
    return Ordeal(dict(statuses), amid, lost, time.monotonic() - begin, odd)


def reach(process: subprocess.Popen, run: Path, dispatches: int, seconds: float = PATIENCE) -> None:
    """Waits until a run has checkpoints of so many dispatches, or its process ended, or so long."""
    limit = time.monotonic() + seconds
    while process.poll() is None and newest(run) < dispatches and time.monotonic() < limit:
        time.sleep(0.005)


def end(process: subprocess.Popen, moment: float = PATIENCE, number: int = signal.SIGKILL) -> int:
    """The exit status of a process that gets a signal after some seconds, or ends before."""
    try:
        return process.wait(moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        return process.wait(PATIENCE)


def newest(run: Path) -> int:
    """Dispatches in the newest whole checkpoint."""
    names = (path.name for path in run.glob('checkpoints/*'))
    return max((int(name) for name in names if name.isdecimal()), default=0) // STEPS


def recorded(run: Path) -> int:
    """Whole lines of the records."""
    path = run / 'metrics.jsonl'
    return path.read_text().count('\n') if path.is_file() else 0


def halves(run: Path) -> list[Path]:
    """What is not in a run's folder once it is whole."""
    odd = (path for path in run.rglob('*') if path.name[0] == '.' or 'tmp' in path.name)
    return [path for path in odd if path.name != '.lock']


def contents(run: Path) -> dict[str, Any]:
    """What a run's folder and its converted images hold, by name: bytes of files, states by leaves.

    What has the time in it, TensorBoard's files and the manifest of the images, counts by its size.
    """
    found: dict[str, Any] = {}
    for path in run.iterdir():
        if path.name == 'checkpoints':
            for step in path.iterdir():
                found |= leaves(run, step.name)
        elif path.name == 'tensorboard':
            found[path.name] = [file.stat().st_size for file in path.iterdir()]
        else:
            files = [file for file in (path, *path.rglob('*')) if file.is_file()]
            found |= {str(file.relative_to(run)): file.read_bytes() for file in files}
    images = Path(f'{run} data')
    return found | {str(f.relative_to(images)): f.stat().st_size for f in images.rglob('*.*')}


def leaves(run: Path, step: str) -> dict[str, Any]:
    """The leaves of a checkpoint as bytes, by their paths; keys as their data."""
    try:
        state = load(run, int(step)).state
    except (ValueError, RunError) as error:
        return {step: error}
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        array = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
        found[f'{step}{jax.tree_util.keystr(path)}'] = array.tobytes()
    return found


def differences(one: Path, other: Path) -> list[str]:
    """The names of what two runs do not both have, or have with other bytes."""
    a, b = contents(one), contents(other)
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def study(case: Case, **ordeals: Sequence[signal.Signals]) -> dict[str, Ordeal]:
    """What becomes of one case under some sequences of signals, each with a run of its own."""
    undisturbed(case._replace(dispatches=2), 'warm')  # Compiles; the pace is that of the next one.
    pace, found = undisturbed(case, 'whole'), {}
    for name, signals in ordeals.items():
        ordeal = disturbed(case, name, pace, signals)
        ordeal.differences.extend(differences(case.run(name), case.run('whole')))
        found[name] = ordeal
        print(f'{case.model}, {case.way}, {name}: {found[name]}', flush=True)
    return found


def main(folder: Path, kills: int = 50, dispatches: int = 200, only: tuple[str, ...] = ()) -> None:
    """Prints what became of all cases, two side by side; ends with status 1 if anything differs."""
    folder.mkdir(parents=True)  # Old runs would be taken for new ones.
    os.environ['XDG_CACHE_HOME'] = str(folder / 'cache')  # of compiled programs
    write_images(folder / 'images')
    stops = [(signal.SIGTERM, signal.SIGINT)[i % 2] for i in range(kills // 2)]

    def one(model, way):
        also = {'stop': stops} if (model, way) == ('dcgan', 'Grain') else {}
        return study(Case(folder, model, way, dispatches), kill=[signal.SIGKILL] * kills, **also)

    Case(folder, 'changed', 'memory', dispatches).begin(folder / 'source', SOURCE)
    pairs = list(itertools.product(only or MODELS, WAYS))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda pair: one(*pair), pairs)
        sys.exit(any(ordeal.differences for case in found for ordeal in case.values()))


if __name__ == '__main__':
    import tyro

    tyro.cli(main)
