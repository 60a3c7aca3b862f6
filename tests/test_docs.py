"""What the documents show is true: their code runs, and they name all there is."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from genjax.gan import objectives
from genjax.methods import recipes

ROOT = Path(__file__).resolve().parents[1]
README, CONTRIBUTING = (
    (ROOT / name).read_text(encoding='utf-8') for name in ('README.md', 'CONTRIBUTING.md')
)


def blocks(text, language='python'):
    return re.findall(rf'^```{language}\n(.*?)^```$', text, re.DOTALL | re.MULTILINE)


def test_the_readmes_code_runs():
    code = '\n'.join(blocks(README))
    short = code.replace('steps=100', 'steps=2').replace('width=32', 'width=2')
    assert short != code
    names: dict = {}
    exec(short.replace('k=5000', 'k=20'), names)
    assert names['images'].shape == (64, 28, 28, 1)
    assert names['state'].step == 1


def test_the_worked_example_is_a_loss_and_its_row():
    source, row = blocks(CONTRIBUTING)
    names = vars(objectives).copy()
    exec(source, names)
    objectives_like = type('objectives', (), {'pearson': staticmethod(names['pearson'])})
    ((name, (objective, discriminator, generator)),) = eval(
        '{' + row + '}', {'objectives': objectives_like}
    ).items()
    assert name == 'pearson'
    real, fake = np.random.default_rng(0).normal(size=(2, 9)).astype(np.float32)
    for half, formula in zip(objective, (discriminator, generator), strict=True):
        np.testing.assert_allclose(half(real, fake), formula(real, fake), rtol=1e-5)
    gradient = jax.grad(lambda f: objective.discriminator(real[0], f))(-2.0)
    assert gradient == 0, 'the optimum of fake logits is -2'


@pytest.mark.parametrize('name', sorted(recipes()))
def test_the_readme_has_a_line_for_every_recipe(name):
    family = recipes()[name].__module__.split('.')[1]
    assert f'| `{family}.{name}` |' in README


@pytest.mark.parametrize('name', sorted(set(objectives.__all__) - {'Objective'}))
def test_the_readme_says_when_to_take_every_objective(name):
    assert f'| `{name}` |' in README


def test_the_readmes_commands_are_the_two_that_are_promised():
    train, test = blocks(README, 'bash')
    assert 'genjax train' in train
    assert 'pytest' in test
    assert 'genjax-models' in README
