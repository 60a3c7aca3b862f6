"""What an import brings, and which way the arrows between the rooms point."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import genjax

ROOT = Path(genjax.__file__).parent
# From the bottom up: a room may import those before it, and itself.
ORDER = [
    {'locks', 'machine', 'meshes', 'parts', 'process', 'random', 'similarity'},
    {'parallel'},
    {'core'},
    {'nn', 'precision'},
    {'images'},
    {'optim', 'augment', 'data', 'plots', 'latents'},
    {'gan', 'vae'},
    {'methods', 'metrics', 'samplers'},
    {'train'},
    {'evaluation', 'exports'},
    {'__init__'},
    {'commands'},
    {'cli'},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
MODULES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob('*.py'))


def rooms_imported(path):
    """The rooms of genjax that a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('genjax'):
            parts = node.module.split('.')
            yield from [parts[1]] if parts[1:] else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = (alias.name.split('.') for alias in node.names)
            yield from (name[1] for name in names if name[0] == 'genjax' and name[1:])


@pytest.mark.parametrize('module', MODULES)
def test_arrows_point_one_way(module):
    room = Path(module).parts[0].removesuffix('.py')
    for other in rooms_imported(ROOT / module):
        if room == '__init__' and other not in LEVEL:
            continue
        assert room == other or LEVEL[other] < LEVEL[room], f'{module} imports {other}'


@pytest.mark.parametrize('module', MODULES)
def test_modules_are_short(module):
    text = (ROOT / module).read_text(encoding='utf-8')
    assert text.count('\n') <= 300
    assert len(Path(module).parts) <= 2
    assert not text or ast.get_docstring(ast.parse(text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f'{module}: {node.name} has {lines} lines'


@pytest.mark.parametrize('room', sorted({Path(module).parent for module in MODULES}))
def test_rooms_are_small(room):
    assert len(list((ROOT / room).glob('*.py'))) <= 20


def test_public_names_are_there():
    for info in pkgutil.walk_packages([str(ROOT)], 'genjax.'):
        module = importlib.import_module(info.name)
        for name in getattr(module, '__all__', ()):
            assert hasattr(module, name), f'{info.name}.{name}'
    assert set(genjax.__all__) <= set(dir(genjax))


def test_an_import_is_light():
    heavy = [
        'orbax.checkpoint', 'grain', 'matplotlib', 'tensorboardX', 'tyro', 'mlxtend', 'tqdm', 'PIL',
        'safetensors', 'tensorflow_datasets',
    ]  # fmt: skip
    code = f'import sys, genjax; print([name for name in {heavy} if name in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


def test_building_a_model_starts_no_backend():
    """Or it would be too late to meet other processes, or to choose a platform."""
    code = """
from jax._src import xla_bridge
from tests.contracts.table import IMAGE_SHAPE, ROWS
for row in ROWS:
    row.recipe(IMAGE_SHAPE, **row.options)
    assert not xla_bridge.backends_are_initialized(), row.name
import jax
jax.devices()
assert xla_bridge.backends_are_initialized()
"""
    subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)


def test_the_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert genjax.__version__ == version('genjax-models')
