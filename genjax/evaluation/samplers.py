"""Runs whose latents are drawn by a sampler that is fitted once and kept in the run's folder."""

import hashlib
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax import plots
from genjax.parts import describe, make, parse
from genjax.random import stream
from genjax.samplers.fitted import codes_of, with_sampler
from genjax.samplers.learned import SAMPLER, Arrays, Sampler
from genjax.train.advice import say
from genjax.train.errors import RunError
from genjax.train.run import Run, divided
from genjax.vae import VAE

_ABOUT = 'about'  # in the file, beside the arrays


def fitted(run: Run, sampler: str, data: Any = None) -> Run:
    """A run that draws its latents by a sampler, fitted to those of its training images.

    What was fitted lies in the run's folder `samplers`, and is read from there the next time.

    Args:
      run: of a VAE.
      sampler: its name, with options: `gmm:components=20`.
      data: where the data of the run are, if they have moved.

    Raises:
      RunError: a model that is no VAE, no such sampler, one that does not fit the model, or one
        that was not fitted yet where the data of the run are not there.
    """
    if not isinstance(run.model, VAE):
        raise RunError(f'expected a VAE for a sampler, got {run.config["recipe"]!r}')
    try:
        part = parse(SAMPLER, sampler)
        made, name = make(SAMPLER, part), describe(SAMPLER, part)
        arrays = _kept(_place(run, name), name)
        arrays = _fit(run, made, name, data) if arrays is None else arrays
    except RunError:
        raise
    except ValueError as error:
        raise RunError(f'sampler: {error}') from error
    model, state = with_sampler(run.model, run.state, made, arrays)
    return run._replace(model=model, state=state, sampler=name)


def titled(run: Run, sampler: str | None) -> str:
    """What files are called that are of a step of a run, and of a sampler.

    Args:
      run: of any model.
      sampler: as text; None for nothing.
    """
    step = f'step_{int(run.state.step):08d}'
    if sampler is None:
        return step
    mark = hashlib.sha256(sampler.encode()).hexdigest()[:8]
    return f'{step}_{sampler.partition(":")[0]}_{mark}'


def _place(run: Run, name: str) -> Path:
    return run.folder / 'samplers' / f'{titled(run, name)}.npz'


def _kept(path: Path, name: str) -> Arrays | None:
    """What was fitted; None of what is not there whole."""
    try:
        # Opened here, since NumPy leaves a file open that is no whole archive.
        with open(path, 'rb') as file, np.load(file, allow_pickle=False) as found:
            arrays = dict(found)
    except (OSError, ValueError, zipfile.BadZipFile):
        return None
    about = json.loads(str(arrays.pop(_ABOUT, '{}')))
    leaves = {name: jnp.asarray(leaf) for name, leaf in arrays.items()}
    return unflatten_dict(leaves, sep='/') if about.get('sampler') == name else None


def _fit(run: Run, sampler: Sampler, name: str, data: Any) -> Arrays:
    try:
        train, _ = divided(run, data)
    except RunError as error:
        raise RunError(f'sampler {name} was never fitted: {error}') from error
    begun, key = time.monotonic(), stream(jax.random.key(run.config['seed']), 'sampler')
    y = None if run.model.num_classes is None else train.y
    codes = codes_of(run.model, run.state, stream(key, 'codes'), train.x, y)
    if not np.isfinite(codes.z).all():
        raise RunError('expected finite latents, got NaN or infinity: the model has diverged')
    arrays, path = sampler.fit(stream(key, 'fit'), codes), _place(run, name)
    leaves = {key: np.asarray(leaf) for key, leaf in flatten_dict(arrays, sep='/').items()}
    try:
        plots.save_arrays(path, {_ABOUT: np.array(json.dumps({'sampler': name})), **leaves})
    except OSError as error:
        raise RunError(f'{path}: expected a folder to write to, got {error}') from error
    seconds = time.monotonic() - begun
    say([f'fitted {name} to {len(codes.z)} latents in {seconds:.1f} s, kept in {path}'])
    return arrays
