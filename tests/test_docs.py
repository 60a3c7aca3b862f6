"""What the documents show is true: their code runs, and they name all there is."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from genjax.gan import methods as gan_methods
from genjax.gan import objectives
from genjax.methods import methods, recipes, table
from genjax.train.config import describe_options
from tests.contracts import table as contracts

KEY = jax.random.key(0)
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
    assert names['annealed'](10_000) == 0.5


def test_the_worked_example_is_a_loss_and_its_row():
    source, row = blocks(CONTRIBUTING)[:2]
    names = vars(objectives).copy()
    exec(source, names)
    objectives_like = type('objectives', (), {'pearson': staticmethod(names['pearson'])})
    ((name, (objective, discriminator, generator)),) = eval(
        '{' + row + '}', {'objectives': objectives_like}
    ).items()
    assert name == 'pearson'
    real, fake = np.random.default_rng(0).normal(size=(2, 9)).astype(np.float32)
    for half, formula in zip(objective[:2], (discriminator, generator), strict=True):
        np.testing.assert_allclose(half(real, fake), formula(real, fake), rtol=1e-5)
    gradient = jax.grad(lambda f: objective.discriminator(real[0], f))(-2.0)
    assert gradient == 0, 'the optimum of fake logits is -2'


def test_the_readme_has_the_table_of_the_methods():
    """Printed by `python -c 'import genjax; print(genjax.methods.table())'`."""
    assert table() in README
    assert all(len(method.reached) > 3 for method in methods())


def test_every_method_tells_its_paper_and_what_it_reached():
    told = methods()
    assert {m.name.partition('.')[2] for m in told} == set(recipes())
    assert all(m.url.startswith('https://') for m in told)
    assert len({m.about for m in told}) == len(told)


def costs():
    """Lines of each method: of its source without the docstring, of its rows and of the README."""
    rows = (ROOT / 'tests' / 'contracts' / 'table.py').read_text(encoding='utf-8')
    nodes = [n for n in ast.walk(ast.parse(rows)) if isinstance(n, ast.Call)]
    spent = {}
    for method in methods():
        family, _, name = method.name.partition('.')
        module = ROOT / 'genjax' / family / ('family.py' if name == family else 'methods.py')
        tree = ast.parse(module.read_text(encoding='utf-8'))
        (found,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
        first = min([found.lineno, *(d.lineno for d in found.decorator_list)])
        doc = found.body[0]
        lines = found.end_lineno - first - (doc.end_lineno - doc.lineno)
        contract = sum(
            n.end_lineno - n.lineno + 1
            for n in nodes
            if getattr(n.func, 'id', '') in ('Row', '_vae_row')
            and method.name in map(ast.unparse, n.args[:2])
        )
        spent[method.name] = lines, contract, 1
    return spent


def test_what_a_method_costs_is_told_and_little():
    lines = ['| method | source | contract rows | README |', '|---|---|---|---|']
    for name, (source, rows, readme) in costs().items():
        lines.append(f'| `{name}` | {source} | {rows} | {readme} |')
        family, _, method = name.partition('.')
        assert rows > 0, name
        assert family == method or source < 15, f'{name} takes {source} lines'
    assert '\n'.join(lines) in CONTRIBUTING


def test_the_worked_method_is_a_method_and_its_row():
    source, row = blocks(CONTRIBUTING)[2:4]
    names = vars(gan_methods).copy()
    exec(source.replace('rpgan', 'worked'), names)
    assert '  width: option of the networks' in names['worked'].__doc__
    told = describe_options(names['worked'], {'width': 4})
    assert told['networks'] == 'dcgan:width=4,norm=none'
    assert told['penalties'] == ['r1', 'r2']
    spaces = {**vars(contracts), 'gan': SimpleNamespace(rpgan=names['worked'])}
    built = eval(row, spaces)
    assert built.name == 'rpgan'
    state = jax.eval_shape(built.recipe(contracts.IMAGE_SHAPE, **built.options).init, KEY)
    assert {'discriminator/r1', 'discriminator/r2'} <= set(state.hypers)


@pytest.mark.parametrize('name', sorted(set(objectives.__all__) - {'Objective'}))
def test_the_readme_says_when_to_take_every_objective(name):
    assert f'| `{name}` |' in README


def test_the_readmes_commands_are_the_two_that_are_promised():
    train, test = blocks(README, 'bash')
    assert 'genjax train' in train
    assert 'pytest' in test
    assert 'genjax-models' in README
