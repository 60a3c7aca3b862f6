"""The rows of the table, one after the other."""

import jax
import pytest

from tests.contracts.subject import Subject
from tests.contracts.table import ROWS


@pytest.fixture(scope='session', params=ROWS, ids=lambda row: row.name)
def subject(request):
    """One row; all tests of a row follow one another and share its programs."""
    return Subject(request.param)


@pytest.fixture(autouse=True)
def quick_compiler():
    """Half the time is the compiler's, and no contract is about the speed of what it makes."""
    usual = jax.config.read('jax_disable_most_optimizations')
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', usual)
