"""The rows of the table, one after the other."""

import os

import pytest

from tests.contracts.subject import Subject
from tests.contracts.table import ROWS

# All contracts of all rows: half an hour.
EVERYTHING = bool(os.environ.get('GENJAX_ALL_CONTRACTS'))


@pytest.fixture(scope='session', params=ROWS, ids=lambda row: row.name)
def subject(request):
    """One row; all tests of a row follow one another and share its programs."""
    return Subject(request.param)


def pytest_collection_modifyitems(config, items):
    """Keeps the short contracts of rows that have no more, and of the others all."""

    def kept(item):
        row = getattr(item, 'callspec', None) and item.callspec.params.get('subject')
        return not row or row.full or EVERYTHING or item.get_closest_marker('every_method')

    dropped = [item for item in items if not kept(item)]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if kept(item)]
