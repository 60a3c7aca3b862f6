"""A process of one framework that builds contenders and runs them when it is told to.

    python -m experiments.benchmarks.worker jax|torch tuned|plain

Requests and answers are lines of JSON on stdin and stdout: `{"build": id, "target": ..., "options":
...}`, `{"run": id}`, `{"drop": id}`, `{"about": module}` and `{"memory": true}`. An exception is an
answer too.
"""

import ctypes
import importlib
import json
import os
import platform
import resource
import sys
import time
import traceback

# Those of genjax.machine (a test holds them equal): a PyTorch process should not import JAX.
MALLOPT = {-8: 1, -4: 0, -1: -1, -2: 1 << 28}
KEEPS = 'The allocator keeps freed memory: one heap, no mapping, no trimming.'


def tune_allocator() -> str:
    """The same setting as `genjax.machine.tune_allocator`, for a process without JAX."""
    if platform.libc_ver()[0] != 'glibc':
        return 'The allocator is left as it is: the C library is not glibc.'
    mallopt = ctypes.CDLL(None).mallopt
    refused = [number for number, value in MALLOPT.items() if not mallopt(number, value)]
    return f'The allocator keeps freed memory, but for {refused}.' if refused else KEEPS


def peak_rss() -> int:
    """Most bytes of memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def answer(tasks: dict, request: dict) -> dict:
    """Does what a request says.

    Args:
      tasks: those that are built, by id.
      request: a message of the harness.
    """
    if 'build' in request:
        module, _, function = request['target'].partition(':')
        build = getattr(importlib.import_module(f'{__package__}.{module}'), function)
        tasks[request['build']] = task = build(**request['options'])
        task.run()  # The first run may still compile, or make threads.
        task.undo()
        return {'facts': dict(task.facts), 'work': task.work}
    if 'run' in request:
        task = tasks[request['run']]
        start = time.perf_counter()
        task.run()
        seconds = time.perf_counter() - start
        task.undo()
        return {'seconds': seconds / task.work}
    if 'drop' in request:
        tasks.pop(request['drop'], None)
        return {}
    if 'about' in request:
        return importlib.import_module(f'{__package__}.{request["about"]}').about()
    return {'peak_rss': peak_rss()}


def main(tuned: str) -> None:
    """Answers until stdin ends; what libraries print goes to stderr."""
    replies = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    # Before any import of a framework: threads that are there keep heaps of their own.
    allocator = tune_allocator() if tuned == 'tuned' else 'The allocator is left as it is.'
    tasks: dict = {}
    for line in sys.stdin:
        try:
            request = json.loads(line)
            reply = answer(tasks, request)
            if 'about' in request:
                reply['allocator'] = allocator
        except Exception as error:
            traceback.print_exc()
            reply = {'error': f'{type(error).__name__}: {error}'.splitlines()[0]}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == '__main__':
    main(sys.argv[2])
