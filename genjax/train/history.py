"""What became of a run: what it was computed by, and what was changed on the way."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from genjax import data as sources
from genjax.data import DataError, Dataset
from genjax.machine import cpu_flags
from genjax.train.config import (
    CHANGES,
    PLACES,
    START,
    START_SOURCE,
    Config,
    build,
    identity,
    pairs,
)
from genjax.train.leaves import misplaced, places, structs

Stack = dict[str, Any]
# The features of a processor that decide how XLA and genjax compute on it.
_FEATURES = {
    'avx', 'avx2', 'fma', 'avx512f', 'avx512bw', 'avx512_bf16', 'avx512_fp16',
    'amx_tile', 'amx_int8', 'amx_bf16', 'asimd', 'sve', 'bf16',
}  # fmt: skip
_FIXED = ('recipe', 'image_shape', 'seed')
# Held-out figures from before these were others do not compare with those after.
_MEASURED = ('fingerprint', 'held_out', 'options.likelihood')


def stack() -> Stack:
    """What a run is computed by, on which its last bits depend: versions of
    genjax, jax and jaxlib, the kind of device, and features of the processor."""
    return {
        'genjax': version('genjax-models'),
        'jax': version('jax'),
        'jaxlib': version('jaxlib'),
        'device': jax.devices()[0].device_kind,
        'processor': sorted(cpu_flags() & _FEATURES),
    }


def changed(stacks: list[Stack], now: Stack) -> str:
    """What is to be said where a run goes on under another stack; '' where it does not.

    Args:
      stacks: that it was trained under, the last at the end.
      now: of this process.
    """
    if not stacks or stacks[-1] == now:
        return ''
    old = stacks[-1]
    names = [name for name in now if old.get(name) != now[name]]
    told = ', '.join(f'{name} {_words(old.get(name))} -> {_words(now[name])}' for name in names)
    return f'the run goes on under another stack, and will differ in the last digits: {told}'


def _words(value: Any) -> str:
    return ' '.join(value) if isinstance(value, list) else str(value)


def as_of(config: Config, step: int) -> Config:
    """The config that a checkpoint was saved with: without what was changed there or later.

    Args:
      config: of the run.
      step: of the checkpoint.
    """
    changes = list(config.get(CHANGES, ()))
    config = {**config, 'options': dict(config['options'])}
    while changes and changes[-1]['step'] >= step:
        for name, (old, _) in changes.pop()['what'].items():
            option = name.removeprefix('options.')
            (config if option == name else config['options'])[option] = old
    rest = {CHANGES: changes} if changes else {}
    return {**{name: value for name, value in config.items() if name != CHANGES}, **rest}


def measured_since(config: Config) -> int:
    """The step at which what a run is measured by was last changed; 0 if never.

    Args:
      config: of the run.
    """
    changes = config.get(CHANGES, ())
    return max((c['step'] for c in changes if not set(_MEASURED).isdisjoint(c['what'])), default=0)


def judged_since(config: Config) -> int:
    """The first step whose figures decide about the best checkpoint and about patience: after the
    warm-up of a VAE, and after what it is measured by was last changed.

    Args:
      config: of the run.
    """
    warmup, changed = config['options'].get('warmup'), measured_since(config)
    return max(warmup if isinstance(warmup, int) else 0, changed + 1 if changed else 0)


def offset(config: Config, examples: int) -> int:
    """What `step * examples` lacks to the position in the order of the data.

    Args:
      config: of the run.
      examples: of a step.
    """
    changes = config.get(CHANGES)
    return changes[-1]['position'] - changes[-1]['step'] * examples if changes else 0


def unchangeable(old: Config, new: Config, recipe: Callable) -> str:
    """Why a run cannot go on with another config; '' where it can: its state has the same arrays.

    Args:
      old: of the run.
      new: of the command.
      recipe: of the command.
    """
    if fixed := [name for name in _FIXED if old[name] != new[name]]:
        return f'{", ".join(fixed)} cannot be changed'
    was, now = (
        structs(jax.eval_shape(_model(config, recipe).init, jax.random.key(0)))
        for config in (old, new)
    )
    odd = misplaced(now, was, places(now, was))
    return f'the state would have other arrays: {odd}' if odd else ''


def with_change(old: Config, new: Config, recipe: Callable, step: int, held_out: Dataset) -> Config:
    """The config of a run that is changed, and what is changed at which step.

    The order of the data goes on from the position that it has reached, `step * examples` of a run
    that was never changed, whatever the size of a batch; other training data are taken from the
    start of an order of their own.

    Args:
      old: of the run.
      new: of the command.
      recipe: of both.
      step: from which it goes on.
      held_out: what is measured from there on.
    """
    what = pairs(identity(old), identity(new))
    examples = old['batch_size'] * _model(old, recipe).repeats
    position = step * examples + offset(old, examples)
    change: Config = {'step': step, 'position': position, 'what': what}
    if not {'fingerprint', 'held_out'}.isdisjoint(what):
        shares = any(isinstance(config['held_out'], float) for config in (old, new))
        change['position'] *= 'fingerprint' not in what and not shares
        change['once_trained'] = _once_trained(old, new, held_out)
        what |= {name: [old[name], new[name]] for name in PLACES if old[name] != new[name]}
    return {**new, CHANGES: [*old.get(CHANGES, ()), change]}


def _model(config: Config, recipe: Callable) -> Any:
    return build(recipe, config['options'], tuple(config['image_shape']))


def _once_trained(old: Config, new: Config, held_out: Dataset) -> int | None:
    """How many held-out images a run was trained on before; None where its data are gone."""
    place, share = old['source'], old['held_out']
    grown = place == new['source'] and old['fingerprint'] != new['fingerprint']
    if place is None or grown:
        return None
    try:
        dataset = sources.load(place, old['image_size'], old['reading'])
    except DataError:
        return None
    if not sources.recognised(dataset, old['fingerprint']):
        return None
    rules = old['reading'].get('rules', 2)
    trained = dataset if isinstance(share, str) else sources.split(dataset, share, rules=rules)[0]
    return int(np.isin(sources.marks(held_out.x), sources.marks(trained.x)).sum())


def told(config: Config) -> Iterator[str]:
    """What became of a run, a line each: what it started from, and its changes.

    Args:
      config: of the run.
    """
    if start := config.get(START):
        new = ', '.join(start['new'][:3]) + (', ...' if start['new'][3:] else '')
        yield (
            f'started from {config[START_SOURCE]}, step {start["step"]} of config '
            f'{start["config"]}: {start["carried"]} arrays carried over, {len(start["new"])} made '
            f'anew{f" ({new})" if new else ""}'
        )
    for change in config.get(CHANGES, ()):
        what = ', '.join(f'{name} {a} -> {b}' for name, (a, b) in change['what'].items())
        yield f'changed at step {change["step"]}: {what}'
        if 'once_trained' in change:
            count = change['once_trained']
            yield (
                'images held out from then on may have been trained on before'
                if count is None
                else f'{count} of the images held out from then on were trained on before'
            )
