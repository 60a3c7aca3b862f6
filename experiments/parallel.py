"""One device, eight of one process, and two processes of four take the same steps.

    python -m experiments.parallel --folder runs/parallel    (5 minutes on 2 cores)

`step` is the worst of 50 steps, each from the state that one device had there; `free` the end of 50
steps without looking aside; both as the greatest `|a - b| / (1 + |b|)` of any number of the state,
beside one device. `perturbed` is the end of one device whose parameters were multiplied by
`1 + 2e-7 u`, u uniform in [-1, 1], at the start. The optimizers are the recipes' own. Every place
reads the checkpoints of all, a state that is divided over two devices, bit for bit.

| model | place | step | free | perturbed |
|---|---|---|---|---|
| dcgan, batch norm | eight | 4.1e-7 | 1.3e-7 | 1.8e-7 |
| | two | 3.7e-7 | 2.2e-7 | |
| dcgan, batch norm and R1 | eight | 3.9e-7 | 2.2e-7 | 5.5e-3 |
| | two | 3.9e-7 | 2.6e-7 | |
| small, relativistic with batch norm and R1 | eight | 9.0e-7 | 1.8e-6 | 2.4e-6 |
| | two | 1.2e-6 | 2.2e-6 | |
| vae | eight | 3.7e-7 | 2.5e-7 | 4.0e-7 |
| | two | 2.8e-7 | 2.9e-7 | |

(jax 0.10.2, two cores with AVX2.)

A relativistic loss leaves the bias of DCGAN's head without a gradient: on one device the sum
cancels to 0, in eight parts rounding is left of it, which Adam makes steps of 2e-4 of, and the
worst step is 5e-4. Nothing else sees that bias. `small` has none there, and is relativistic.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax import data, from_linen, gan, parallel, vae
from genjax.nn.norm import BatchNorm
from genjax.optim import adam
from genjax.train import Checkpoints


class Layers(nn.Module):
    """Two layers with batch norm between them."""

    features: int

    @nn.compact
    def __call__(self, x, train=True):
        x = nn.Dense(64, use_bias=False)(x.reshape(len(x), -1))
        return nn.Dense(self.features, use_bias=False)(nn.relu(BatchNorm()(x, train=train)))


class Painter(nn.Module):
    """Makes images of noise."""

    @nn.compact
    def __call__(self, z, train=True):
        return jnp.tanh(Layers(784)(z, train)).reshape(-1, 28, 28, 1)


class Judge(nn.Module):
    """Looks at images."""

    @nn.compact
    def __call__(self, x, train=True):
        return Layers(1)(x, train)[:, 0], None


def small_gan(n_critic: int = 1) -> gan.GAN:
    """A relativistic GAN with batch norm and R1 that compiles fast."""
    z, x = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((1, 11), (1, 28, 28, 1)))
    return gan.adversarial(
        from_linen(Painter(), z),
        gan.critic(from_linen(Judge(), x)),
        image_shape=(28, 28, 1),
        latent_dim=11,
        objective=gan.relativistic(),
        optimizers=(adam(2e-4, 0.5), adam(2e-4, 0.5)),
        discriminator_terms=[gan.r1(1.0)],
        n_critic=n_critic,
        ema_decay=0.99,
    )


# Processes, and the virtual devices of each.
PLACES = {'one': (1, 1), 'eight': (1, 8), 'two': (2, 4)}
MODELS = {
    'dcgan': lambda: gan.dcgan(width=8, latent_dim=16),
    'dcgan r1': lambda: gan.dcgan(width=8, latent_dim=16, penalties=[gan.r1(1.0)]),
    'small': small_gan,
    'vae': lambda: vae.vae(hidden=(64,), latent_dim=8),
}
BATCH, ROUNDING, SAVED, PATIENCE = 32, 2e-7, 7, 300.0  # seconds


def difference(one: Any, other: Any) -> float:
    """The greatest `|a - b| / (1 + |b|)` of any number in two states."""

    def worst(a, b):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        return np.max(np.abs(a - b) / (1 + np.abs(b)), initial=0)

    return float(max(jax.tree.leaves(jax.tree.map(worst, _plain(one), _plain(other)))))


def batch_of(images: data.Dataset, model: Any, t: int) -> dict[str, np.ndarray]:
    """What a model sees at step t."""
    stacked = data.batches(images, BATCH * model.repeats, 0, t, 1)
    return jax.tree.map(lambda leaf: leaf[0], stacked)


def alone(name: str, images: data.Dataset, folder: Path, steps: int) -> dict[str, float]:
    """Trains on one device, and leaves the state before and after each step.

    Returns:
      How far the end lies from that of a run whose parameters rounding has changed at the start.
    """
    model = MODELS[name]()
    state = model.init(jax.random.key(0))
    perturbed = state.replace(nets=jax.tree.map(_perturb, state.nets))
    for t in range(steps):
        np.savez(folder / f'{name}_{t}.npz', *jax.tree.leaves(_plain(state)))
        batch = batch_of(images, model, t)
        state, _ = model.train_step(state, batch)
        perturbed, _ = model.train_step(perturbed, batch)
    np.savez(folder / f'{name}_{steps}.npz', *jax.tree.leaves(_plain(state)))
    return {'perturbed': difference(perturbed, state)}


def beside(name: str, images: data.Dataset, folder: Path, steps: int) -> dict[str, float]:
    """Takes the same steps on all devices.

    Returns:
      How far a step from a shared state leads from that of one device, at worst; and how far the
      end of a free run lies from that of one device.
    """
    model, mesh, worst = MODELS[name](), parallel.mesh(), 0.0
    like = jax.eval_shape(model.init, jax.random.key(0))
    shardings = parallel.state_shardings(like, mesh)
    step = parallel.on_mesh(model.train_step, shardings)

    def saved(t):
        with np.load(folder / f'{name}_{t}.npz') as arrays:
            return _keyed(like, list(arrays.values()))

    free = parallel.shard(saved(0), mesh)
    for t in range(steps):
        batch = parallel.shard_batch(batch_of(images, model, t), mesh)
        shared, _ = step(parallel.shard(saved(t), mesh), batch)
        free, _ = step(free, batch)
        worst = max(worst, difference(shared, saved(t + 1)))
    return {'step': worst, 'free': difference(free, saved(steps))}


def _plain(tree):
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda a: jax.random.key_data(a) if is_key(a) else a, tree)


def _keyed(like, leaves):
    def one(of, leaf):
        if jnp.issubdtype(of.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jnp.asarray(leaf))
        return leaf

    return jax.tree.map(one, like, jax.tree.unflatten(jax.tree.structure(like), leaves))


def _perturb(leaf):
    noise = np.random.default_rng(leaf.size).uniform(-1, 1, leaf.shape)
    return jnp.asarray(np.asarray(leaf) * (1 + ROUNDING * noise), leaf.dtype)


def exchange(folder: Path, name: str, mesh: jax.sharding.Mesh) -> dict[str, float]:
    """Saves a state that lies on a mesh, and reads what all the others have saved; how far off.

    Args:
      folder: of the checkpoints of all.
      name: of this place.
      mesh: where the state lies.
    """
    expected = MODELS['vae']().init(jax.random.key(1))
    placed = parallel.shard(expected, mesh)
    checkpoints = Checkpoints(folder / name)
    checkpoints.save(SAVED, placed)
    checkpoints.close()
    found = {}
    for other in PLACES:
        _await(folder / other / str(SAVED))
        checkpoints = Checkpoints(folder / other, read_only=True)
        state = checkpoints.restore(SAVED, placed)
        checkpoints.close()
        assert jax.tree.map(lambda leaf: leaf.sharding, state) == parallel.state_shardings(
            expected, mesh
        )
        found[other] = difference(parallel.replicate(state, mesh), expected)
    return found


def worker(folder: Path, name: str, steps: int, models: Sequence[str]) -> None:
    """What one process does; the first of a place writes the findings."""
    shard_params = 2 if name != 'one' else 1
    found: dict[str, Any] = {'restored': exchange(folder, name, parallel.mesh(0, shard_params))}
    if name != 'one':
        _await(folder / 'one.json')
    images, trained = data.digits(), alone if name == 'one' else beside
    found |= {model: trained(model, images, folder, steps) for model in models}
    if parallel.leads():
        partial = folder / f'.{name}'
        partial.write_text(json.dumps(found))
        partial.rename(folder / f'{name}.json')


def _await(path: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > limit:
            raise TimeoutError(f'expected {path}, got none')
        time.sleep(0.1)


def free_address() -> str:
    """Of this machine, with a port that nobody has."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return f'127.0.0.1:{free.getsockname()[1]}'


def run(folder: Path, steps: int, models: Sequence[str], flags: str = '') -> dict[str, Any]:
    """The findings of all places, each in processes of its own.

    Args:
      folder: where they leave them.
      steps: of each model.
      models: which.
      flags: more of XLA's.
    """
    address, started = free_address(), []
    for name, (processes, devices) in PLACES.items():
        count = f'--xla_force_host_platform_device_count={devices}'
        env = os.environ | {'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': f'{count} {flags}'}
        command = [sys.executable, '-m', 'experiments.parallel', '--folder', str(folder)]
        command += ['--steps', str(steps), '--models', *models, '--place', name]
        for i in range(processes):
            meet = [
                '--coordinator',
                address,
                '--num-processes',
                str(processes),
                '--process-id',
                str(i),
            ]
            each = command + meet if processes > 1 else command
            started.append(subprocess.Popen(each, env=env))
    ended = [process.wait() for process in started]
    if any(ended):
        raise RuntimeError(f'expected all processes to end well, got {ended}')
    return {name: json.loads((folder / f'{name}.json').read_text()) for name in PLACES}


def main(
    folder: Path,
    steps: int = 50,
    models: tuple[str, ...] = tuple(MODELS),
    place: str | None = None,
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Prints the findings of all places; with `place`, is one process of that place."""
    if place is not None:
        parallel.join(coordinator, num_processes, process_id)
        return worker(folder, place, steps, models)
    folder.mkdir(parents=True)  # Old findings would be taken for new ones.
    for name, found in run(folder, steps, models).items():
        print(name, json.dumps(found, indent=2))


if __name__ == '__main__':
    import tyro

    from genjax.machine import own_process

    own_process()
    tyro.cli(main)
