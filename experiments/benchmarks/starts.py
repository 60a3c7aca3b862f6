"""What a fresh process waits for: imports, and the first step of every recipe.

python -m experiments.benchmarks.starts RECIPE    (prints seconds and compilations as JSON)
"""

import inspect
import json
import os
import subprocess
import sys
import tempfile
import time

from experiments.benchmarks.harness import Result
from experiments.benchmarks.task import Benchmark, Contender

BATCH = 64
RECIPES = ('dcgan', 'wgan_gp', 'vae', 'conv_vae')
_IMPORT = """
import json, time
start = time.perf_counter()
import jax, flax, optax
between = time.perf_counter()
import genjax
print(json.dumps([between - start, time.perf_counter() - between]))
"""


def _child(*arguments, **environment):
    """The last line that a fresh process of Python prints, read as JSON."""
    # The cache is where genjax puts it by itself.
    inherited = {k: v for k, v in os.environ.items() if k != 'JAX_COMPILATION_CACHE_DIR'}
    done = subprocess.run(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=inherited | environment,
    )
    return json.loads(done.stdout.splitlines()[-1])


def imports(rounds: int = 7) -> list[tuple[Benchmark, list[Result]]]:
    """Seconds to import genjax, after those to import what it is made of."""
    seconds = zip(*(_child('-c', _IMPORT) for _ in range(rounds)), strict=True)
    contenders = [
        Contender('jax, flax and optax', 'jax', {}, ours=True),
        Contender('genjax after them', 'jax', {}, ours=True),
    ]
    title = 'Imports in a fresh process; the target is 0.3 s for genjax.'
    benchmark = Benchmark('import', title, 'import', tuple(contenders))
    results = [
        Result(contender, list(s), {}) for contender, s in zip(contenders, seconds, strict=True)
    ]
    return [(benchmark, results)]


def compilations(recipes: tuple[str, ...] = RECIPES) -> list[tuple[Benchmark, list[Result]]]:
    """Seconds of `init` and the first `train_step` of each recipe, with an empty cache and then
    with a full one, imports not counted."""
    results = []
    for recipe in recipes:
        with tempfile.TemporaryDirectory() as folder:
            for cache in 'empty', 'full':
                arguments = '-m', f'{__package__}.starts', recipe
                facts = _child(*arguments, XDG_CACHE_HOME=folder)
                contender = Contender(f'{recipe}, {cache} cache', 'jax', {}, ours=True)
                results.append(Result(contender, [facts.pop('seconds')], facts))
    title = (
        f'`init` and the first step, batch {BATCH}, 28x28x1, in a fresh process; '
        'the targets are 30 s and 5 s, and no compilation after them.'
    )
    contenders = tuple(result.contender for result in results)
    return [(Benchmark('compile', title, 'start', contenders), results)]


def first_step(recipe: str) -> dict[str, float]:
    """Starts a recipe as a user's process does.

    Args:
      recipe: one of `RECIPES`.
    """
    import jax
    import numpy as np

    import genjax

    compiled = []

    def listen(event, duration, **_):
        if event == '/jax/core/compile/backend_compile_duration':
            compiled.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    genjax.machine.own_process()
    make = getattr(genjax.gan, recipe, None) or getattr(genjax.vae, recipe)
    shape = inspect.signature(make).parameters['image_shape'].default
    model = make()
    x = np.random.default_rng(0).integers(0, 256, (BATCH * model.repeats, *shape), np.uint8)
    start = time.perf_counter()
    state = model.init(jax.random.key(0))
    state, _ = jax.block_until_ready(model.train_step(state, {'x': x}))
    seconds, before = time.perf_counter() - start, len(compiled)
    jax.block_until_ready(model.train_step(state, {'x': x}))
    return {
        'seconds': seconds,
        'compilations': before,
        'compilations_after': len(compiled) - before,
    }


if __name__ == '__main__':
    print(json.dumps(first_step(sys.argv[1])))
