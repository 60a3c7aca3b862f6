"""genjax against its peers on the same work, in turns, as ratios.

    python -m experiments.benchmarks [--only NAME ...] [--json FILE] [--mnist FOLDER]
        [--jpegs FOLDER]

All of it takes half an hour on 2 cores, most of that in torch.compile. Some peers need PyTorch (the
extra `benchmarks`), and are left out without it. README.md beside this file says what is compared.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmarks import report, starts
from experiments.benchmarks.harness import Result, Worker, compete, has_torch, workers
from experiments.benchmarks.suite import JPEGS, SUITE, benchmarks
from experiments.benchmarks.task import Benchmark

# Those that need fresh processes each time.
STARTS: dict[str, Callable[[], list[tuple[Benchmark, list[Result]]]]] = {
    'import': starts.imports,
    'compile': starts.compilations,
}
NAMES = (*SUITE, *STARTS)


def images(mnist: Path | None, folder: str, n: int = 60_000) -> str:
    """A file of uint8 images [n, 28, 28], npy: MNIST's, or the embedded digits repeated.

    Args:
      mnist: has MNIST's idx files.
      folder: where the file goes.
      n: images.
    """
    from genjax import data

    x = (data.digits() if mnist is None else data.load(mnist)).x[..., 0]
    file = Path(folder) / 'images.npy'
    np.save(file, np.resize(x, (n, *x.shape[1:])))
    return str(file)


def say(line: str) -> None:
    """Progress, where it does not mix with the tables."""
    print(line, file=sys.stderr, flush=True)


def about() -> dict[str, Any]:
    """The machine, and what each framework says of itself."""
    known = report.machine()
    for framework in ['jax', *(['torch'] if has_torch() else [])]:
        worker = Worker(framework, tuned=True)
        known[framework] = worker.ask(about=f'{framework}_common')
        worker.close()
    return known


def measure(
    names: Sequence[str], file: str, show: Callable[[str], None]
) -> list[tuple[Benchmark, list[Result]]]:
    """Runs benchmarks one after the other.

    Args:
      names: of `NAMES`.
      file: of `images`.
      show: gets each table.
    """
    done, rates = [], {}
    for name in names:
        if name in STARTS:
            new = STARTS[name]()
        else:
            with workers() as get:
                new = [(b, compete(b, get, say)) for b in benchmarks(name, file)]
        if name == 'matmul':
            rates = report.peaks([result for _, results in new for result in results])
        done += new
        for benchmark, results in new:
            show(report.table(benchmark, results, rates))
    return done


def main(
    only: tuple[str, ...] = (),
    json_file: Path | None = None,
    mnist: Path | None = None,
    jpegs: Path | None = None,
) -> None:
    """Times genjax and its peers in turns.

    Args:
      only: names of benchmarks; all without it. The machine's rate of matrix products is always
        measured first.
      json_file: where all figures go.
      mnist: a folder with MNIST's idx files; the embedded digits, repeated, without it.
      jpegs: a folder of JPEG files; 10,000 are drawn without it.
    """
    if unknown := sorted(set(only) - set(NAMES)):
        sys.exit(f'expected names among {", ".join(NAMES)}, got {", ".join(unknown)}')
    names = [name for name in NAMES if not only or name in {'matmul', *only}]
    known = about()
    print(json.dumps(known, indent=1))
    if not has_torch():
        print('PyTorch is not installed: its contenders are left out.')
    with tempfile.TemporaryDirectory() as folder:
        if jpegs is not None:
            Path(folder, JPEGS).symlink_to(jpegs.resolve())
        done = measure(names, images(mnist, folder), lambda table: print(f'\n{table}', flush=True))
    if json_file is not None:
        results = [report.record(benchmark, results) for benchmark, results in done]
        json_file.write_text(json.dumps({'machine': known, 'benchmarks': results}, indent=1))


if __name__ == '__main__':
    from typing import Annotated

    import tyro

    main.__annotations__['json_file'] = Annotated[Path | None, tyro.conf.arg(name='json')]
    tyro.cli(main)
