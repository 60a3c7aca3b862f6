"""The model card of an exported model."""

import json
from collections.abc import Mapping

from genjax.exports.reader import PROGRAM, WEIGHTS, Facts


def card(facts: Facts) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
      facts: of an exported model, as `model.json` has them.
    """
    recipe, family = facts['recipe'], facts['family']
    tags = ''.join(f'- {tag}\n' for tag in _tags(facts))
    return f"""---
license: {json.dumps(facts['licence'])}
library_name: genjax
pipeline_tag: {_task(facts)}
tags:
{tags}---

# {recipe}: a {family} of {' x '.join(map(str, facts['image_shape']))} images

{_table(_about(facts))}
## Held-out figures

{_figures(facts['held_out'])}
## Use

{_uses(facts)}
Images are float32 in [-1, 1], of any number at once but none. The programs are StableHLO by
`jax.export`, for {', '.join(facts['platforms'])}, with their gradients; the first argument of
each are the weights.

## Config

```json
{json.dumps(facts['config'], indent=2)}
```
"""


def _task(facts: Facts) -> str:
    """Of the tasks that model hubs list, none draws images of a class."""
    return 'other' if facts['num_classes'] else 'unconditional-image-generation'


def _tags(facts: Facts) -> list[str]:
    conditional = ['class-conditional-image-generation'] if facts['num_classes'] else []
    return [facts['family'].lower(), facts['recipe'], *conditional, 'jax', 'stablehlo']


def _table(rows: Mapping[str, object]) -> str:
    return '| | |\n|---|---|\n' + ''.join(f'| {k} | {v} |\n' for k, v in rows.items())


def _about(facts: Facts) -> dict[str, object]:
    named = {'classes': ', '.join(facts['classes'])} if facts.get('classes') else {}
    named |= {'latents': f'drawn by {facts["sampler"]}'} if facts.get('sampler') else {}
    return {
        'recipe': facts['recipe'],
        'steps': facts['step'],
        'data': f'{facts["data"]["name"]}, fingerprint {facts["data"]["fingerprint"]}',
        **named,
        'config hash': facts['config_hash'],
        'licence': facts['licence'],
        'made by': f'genjax {facts["genjax"]}, jax {facts["jax"]}',
        'read by': f'{facts["read_by"]}; JAX promises it for half a year after jax {facts["jax"]}',
    }


def _figures(record: dict[str, float | None]) -> str:
    return _table(record) if record else 'None were recorded.\n'


def _uses(facts: Facts) -> str:
    """Two ways to use the programs: with genjax, and with nothing but JAX."""
    draw = 'decode' if 'decode' in facts['programs'] else 'generate'
    classes = facts['num_classes']
    y = ', y' if classes else ''
    labels = f"y = jax.numpy.arange(16, dtype='int32') % {classes}\n" if classes else ''
    with_genjax = _encoding(facts, 'model.encode(images')
    without = _encoding(facts, "program('encode')(weights, images")
    return f"""With genjax:

```python
import jax
import genjax

model = genjax.load_exported('.')
{labels}images = model.sample(jax.random.key(0), 16{y})
{with_genjax}```

With nothing of genjax, by `pip install '{facts['read_by']}' flatbuffers safetensors`:

```python
import jax
import safetensors.numpy

weights = safetensors.numpy.load_file('{WEIGHTS}')


def program(name):
    with open(f'{{name}}{PROGRAM}', 'rb') as file:
        return jax.jit(jax.export.deserialize(bytearray(file.read())).call)


{labels}{_latents(facts, y)}
images = program('{draw}')(weights, z{y})
{without}```
"""


def _latents(facts: Facts, y: str) -> str:
    """A draw of the prior, with nothing but JAX."""
    if 'latents' not in facts['programs']:
        return f'z = jax.random.normal(jax.random.key(0), (16, {facts["latent_dim"]}))'
    seeds = 'jax.random.key_data(jax.random.split(jax.random.key(0), 16))'
    return f"z = program('latents')(weights, {seeds}{y})"


def _encoding(facts: Facts, call: str) -> str:
    """How the parameters of q(z | x) are had, where there is an encoder."""
    if 'encode' not in facts['programs']:
        return ''
    names = ', '.join(facts['programs']['encode']['outputs'])
    y = ', y' if facts['num_classes'] else ''
    return f'q = {call}{y})  # of q(z | x), by name: {names}\n'
