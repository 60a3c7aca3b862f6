"""The notebooks: stored without outputs, and run from top to bottom in a fresh kernel."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from ipykernel.kernelspec import install
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / 'notebooks').glob('*.ipynb'))
if not NOTEBOOKS:
    pytest.skip(f'no notebooks in {ROOT / "notebooks"}', allow_module_level=True)

every_notebook = pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == 'code']


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """The kernel `python3` is the interpreter of the tests, whatever is installed on the machine.

    It imports this genjax, and writes below `tmp_path` only.
    """
    install(prefix=str(tmp_path))
    paths = [str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]
    monkeypatch.setenv('JUPYTER_PATH', str(tmp_path / 'share' / 'jupyter'))
    monkeypatch.setenv('JUPYTER_RUNTIME_DIR', str(tmp_path / 'runtime'))
    monkeypatch.setenv('IPYTHONDIR', str(tmp_path / 'ipython'))
    monkeypatch.setenv('JAX_PLATFORMS', 'cpu')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(paths))
    return 'python3'


@every_notebook
def test_notebooks_are_stored_without_outputs(path):
    book = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(book)
    assert (book.nbformat, book.metadata.kernelspec.name) == (4, 'python3')
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    for cell in code_cells(book):
        assert cell.outputs == []
        assert cell.execution_count is None
        assert max(map(len, cell.source.splitlines())) <= 100


def shortened(source):
    """With a tenth of the training steps: what is tested is that it runs, which takes the time."""
    tenth = lambda match: re.sub('[0-9]+', lambda n: str(int(n[0]) // 10), match[0])  # noqa: E731
    return re.sub(r'steps=[0-9]+|range\(0, [0-9]+, [0-9]+\)', tenth, source)


@every_notebook
def test_notebooks_run(path, kernel, tmp_path):
    book = nbformat.read(path, as_version=4)
    for cell in code_cells(book):
        cell.source = shortened(cell.source)
    cwd = tmp_path / 'cwd'
    cwd.mkdir()
    seen = nbformat.v4.new_code_cell('import sys, genjax\nprint(sys.executable, genjax.__file__)')
    book.cells.append(seen)
    resources = {'metadata': {'path': str(cwd)}}
    NotebookClient(book, timeout=300, kernel_name=kernel, resources=resources).execute()
    assert seen.outputs[0].text.split() == [sys.executable, str(ROOT / 'genjax' / '__init__.py')]
    outputs = [output for cell in code_cells(book) for output in cell.outputs]
    assert [output.text for output in outputs if output.get('name') == 'stderr'] == []
    assert any('image/png' in output.get('data', {}) for output in outputs)
    assert list(cwd.iterdir()) == []
