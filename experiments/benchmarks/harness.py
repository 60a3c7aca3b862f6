"""Builds contenders in workers and lets them take turns."""

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from experiments.benchmarks.task import Benchmark, Contender

# XLA and PyTorch both keep their threads awake for a while after work; a turn starts when the
# threads of the turn before sleep. GNU OpenMP spins for about a millisecond by default, which is
# left so: without any spinning PyTorch would be slower.
_REST = 0.05
_ENVIRONMENT = {
    'KMP_BLOCKTIME': '1',  # Intel's OpenMP would spin for 200 ms.
    'XLA_PYTHON_CLIENT_MEM_FRACTION': '.45',  # Both frameworks live on one GPU.
    'TF_CPP_MIN_LOG_LEVEL': '2',
}


class WorkerError(RuntimeError):
    """A contender that could not be built or run."""


class Result(NamedTuple):
    """How a contender did.

    Attributes:
      contender: who.
      seconds: of a unit of work, a number for each round it took part in.
      facts: of its task, and the peak memory of its process where it had one to itself.
      error: why it has no seconds, or None.
    """

    contender: Contender
    seconds: list[float]
    facts: dict[str, float]
    error: str | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Worker:
    """A subprocess of one framework; see `experiments.benchmarks.worker`."""

    def __init__(self, framework: str, tuned: bool):
        command = [sys.executable, '-m', f'{__package__}.worker', framework]
        self.process = subprocess.Popen(
            [*command, 'tuned' if tuned else 'plain'],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_ENVIRONMENT | os.environ,
        )

    def ask(self, **request: Any) -> dict:
        """Sends a request and waits for the answer.

        Raises:
          WorkerError: the worker failed, or is gone.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(request) + '\n')
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        reply = json.loads(line) if line else {'error': 'its process died'}
        if 'error' in reply:
            raise WorkerError(reply['error'])
        return reply

    def close(self) -> None:
        """Ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def has_torch() -> bool:
    """Whether PyTorch is installed here."""
    return importlib.util.find_spec('torch') is not None


@contextlib.contextmanager
def workers() -> Iterator[Callable[[Contender], Worker]]:
    """A function from a contender to its worker, which is started when it is first wanted."""
    started: dict[tuple, Worker] = {}

    def get(contender: Contender) -> Worker:
        if contender.process not in started:
            started[contender.process] = Worker(contender.framework, contender.tuned)
        return started[contender.process]

    try:
        yield get
    finally:
        for worker in started.values():
            worker.close()


def compete(
    benchmark: Benchmark,
    get: Callable[[Contender], Worker],
    say: Callable[[str], None] = lambda line: None,
) -> list[Result]:
    """Builds and warms up all contenders, then times them in turn: A B C, A B C, ...

    Args:
      benchmark: what to do.
      get: of `workers`.
      say: is told what goes on.
    """
    results = [_built(contender, get, say) for contender in benchmark.contenders]
    for turn in range(benchmark.rounds):
        for i, result in enumerate(results):
            limit = result.contender.rounds
            if result.error is None and (limit is None or turn < limit):
                results[i] = _timed(result, get)
        say(f'{benchmark.name}: round {turn + 1} of {benchmark.rounds}')
    for i, result in enumerate(results):
        with contextlib.suppress(WorkerError):
            if result.contender.alone:
                memory = get(result.contender).ask(memory=True)
                results[i] = result._replace(facts=result.facts | memory)
            get(result.contender).ask(drop=result.contender.name)
    return results


def _built(contender, get, say):
    if contender.framework == 'torch' and not has_torch():
        return Result(contender, [], {}, 'PyTorch is not installed')
    start = time.perf_counter()
    try:
        request = {'target': contender.target, 'options': dict(contender.options)}
        reply = get(contender).ask(build=contender.name, **request)
    except WorkerError as error:
        return Result(contender, [], {}, str(error))
    seconds = time.perf_counter() - start
    say(f'built {contender.name} in {seconds:.1f} s')
    return Result(contender, [], {'build_s': seconds} | reply['facts'])


def _timed(result, get):
    time.sleep(_REST)
    try:
        reply = get(result.contender).ask(run=result.contender.name)
    except WorkerError as error:
        return result._replace(error=str(error))
    return result._replace(seconds=[*result.seconds, reply['seconds']])
