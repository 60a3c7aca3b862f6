"""Exported models that one Python writes and others read.

    python -m experiments.exports_across PYTHON PYTHON ...    (three minutes for each on 2 cores)

Each PYTHON has an environment with genjax, whose JAX may be another. It trains a conditional GAN
and a VAE for two steps, exports them, and reads what all of them exported. Printed is, of who wrote
and who read, the largest difference between what the model drew there and its export draws here,
and between the gradients of the sum of its squares in z, in units of their standard deviations.

Seen on 2 cores with AVX2: the same bits, each number 0.

    | written by, read by         | 3.11.7, 0.10.2 | 3.12.1, 0.12.0.1 | 3.13.0, 0.12.0.1 |
    |-----------------------------|----------------|------------------|------------------|
    | Python 3.11.7, jax 0.10.2   | 0.0e+00        | 0.0e+00          | 0.0e+00          |
    | Python 3.12.1, jax 0.12.0.1 | 0.0e+00        | 0.0e+00          | 0.0e+00          |
    | Python 3.13.0, jax 0.12.0.1 | 0.0e+00        | 0.0e+00          | 0.0e+00          |
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax import data, export, load_exported
from genjax.train import train

METHODS: dict[str, dict[str, Any]] = {
    'dcgan': {'width': 4, 'latent_dim': 8, 'num_classes': 10},
    'conv_vae': {'width': 4, 'latent_dim': 8},
}
NEAR = 1e-3


def write(folder: Path) -> None:
    """Exports a model of each method, and writes what it draws.

    Args:
      folder: that is not there yet.
    """
    for method, options in METHODS.items():
        place = folder / method
        pace = {'steps': 2, 'batch_size': 8, 'dispatch': 1}
        run = train(method, data.digits(), run=place / 'run', **pace, **options)
        decode = run.model.generate if method == 'dcgan' else run.model.decode
        drawn = _drawn(partial(decode, run.state), run.model.num_classes)
        np.savez(place / 'drawn.npz', **drawn)
        export(run, place / 'exported')


def read(folder: Path) -> float:
    """The largest difference of what exports draw, in standard deviations of what models drew.

    Args:
      folder: that `write` has written.
    """
    differences = []
    for method in METHODS:
        model = load_exported(folder / method / 'exported')
        found = _drawn(model.generate or model.decode, model.facts['num_classes'])
        with np.load(folder / method / 'drawn.npz') as expected:
            differences += [
                np.abs(found[name] - expected[name]).max() / np.std(expected[name])
                for name in expected
            ]
    return float(max(differences))


def _drawn(decode: Callable[..., Any], num_classes: int | None) -> dict[str, np.ndarray]:
    z = jax.random.normal(jax.random.key(0), (5, 8))
    y = () if num_classes is None else (np.arange(5),)
    gradient = jax.grad(lambda z: jnp.sum(decode(z, *y) ** 2))(z)
    return {'images': np.asarray(decode(z, *y)), 'gradient': np.asarray(gradient)}


def _worth(python: Path, expression: str) -> Any:
    """What an expression of this module is worth under a Python."""
    code = 'import json, platform, jax; from pathlib import Path; from experiments.exports_across '
    code += f'import read, write; print(json.dumps({expression}))'
    root = Path(__file__).parents[1]
    done = subprocess.run([python, '-c', code], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{python}: {expression}: {done.stderr.strip().splitlines()[-1]}')
    return json.loads(done.stdout.splitlines()[-1])


def main(pythons: list[Path]) -> None:
    """Writes, reads, and prints a table; ends with 1 where something differs."""
    name = '"Python " + platform.python_version() + ", jax " + jax.__version__'
    names = [_worth(python, name) for python in pythons]
    print('| written by, read by | ' + ' | '.join(names) + ' |\n' + '|---' * (len(names) + 1) + '|')
    worst = 0.0
    for name, writer in zip(names, pythons, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            place = f'Path({str(Path(folder) / "models")!r})'
            _worth(writer, f'write({place})')
            found = [_worth(reader, f'read({place})') for reader in pythons]
        print(f'| {name} | ' + ' | '.join(f'{difference:.1e}' for difference in found) + ' |')
        worst = max(worst, *found)
    if not worst < NEAR:
        sys.exit(f'expected differences below {NEAR}, got {worst:.1e}')


if __name__ == '__main__':
    main([Path(word) for word in sys.argv[1:]])
