"""The rows of the table, one after the other."""

import pytest

from tests.contracts.subject import Subject
from tests.contracts.table import ROWS


@pytest.fixture(scope='session', params=ROWS, ids=lambda row: row.name)
def subject(request):
    """One row; all tests of a row follow one another and share its programs."""
    return Subject(request.param)
