"""The model card of an exported model."""

import json
from collections.abc import Mapping

from genjax.exports.reader import WEIGHTS, Facts


def card(facts: Facts) -> str:
    """Markdown with the front matter that model hubs read.

    Args:
      facts: of an exported model, as `model.json` has them.
    """
    recipe, family = facts['recipe'], facts['family']
    tags = ''.join(f'- {tag}\n' for tag in (family.lower(), recipe, 'jax', 'stablehlo'))
    return f"""---
license: {json.dumps(facts['licence'])}
library_name: genjax
pipeline_tag: unconditional-image-generation
tags:
{tags}---

# {recipe}: a {family} of {' x '.join(map(str, facts['image_shape']))} images

{_table(_about(facts))}
## Held-out figures

{_figures(facts['held_out'])}
## Use

{_uses(facts)}
Images are float32 in [-1, 1], of any number at once. The programs are StableHLO by `jax.export`,
for {', '.join(facts['platforms'])}; the first argument of each are the weights.

## Config

```json
{json.dumps(facts['config'], indent=2)}
```
"""


def _table(rows: Mapping[str, object]) -> str:
    return '| | |\n|---|---|\n' + ''.join(f'| {k} | {v} |\n' for k, v in rows.items())


def _about(facts: Facts) -> dict[str, object]:
    return {
        'recipe': facts['recipe'],
        'steps': facts['step'],
        'data': f'{facts["data"]["name"]}, fingerprint {facts["data"]["fingerprint"]}',
        'config hash': facts['config_hash'],
        'licence': facts['licence'],
        'made by': f'genjax {facts["genjax"]}, jax {facts["jax"]}',
    }


def _figures(record: dict[str, float | None]) -> str:
    return _table(record) if record else 'None were recorded.\n'


def _uses(facts: Facts) -> str:
    """Two ways to draw images: with genjax, and with nothing but JAX."""
    name = 'decode' if 'decode' in facts['programs'] else 'generate'
    classes = facts['num_classes']
    labels = f"y = jax.numpy.arange(16, dtype='int32') % {classes}\n" if classes else ''
    return f"""```python
import jax
import genjax

model = genjax.load_exported('.')
images = model.sample(jax.random.key(0), 16)
```

With nothing of genjax:

```python
import jax
import safetensors.numpy

weights = safetensors.numpy.load_file('{WEIGHTS}')
with open('{name}.stablehlo', 'rb') as file:
    {name} = jax.export.deserialize(bytearray(file.read()))
z = jax.random.normal(jax.random.key(0), (16, {facts['latent_dim']}))
{labels}images = jax.jit({name}.call)(weights, z{', y' if classes else ''})
```
"""
