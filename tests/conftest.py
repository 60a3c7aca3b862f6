"""Strict settings for every test."""

import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')
# Numbers are compared as closely as float32 allows, also where training is in bfloat16.
os.environ['GENJAX_PRECISION'] = 'float32'

import jax
import numpy as np
import pytest

from genjax import plots
from genjax.machine import own_process
from tests import compiler


def own_cores():
    """Workers on the same cores wait for each other, a fifth of the time of all tests."""
    worker = os.environ.get('PYTEST_XDIST_WORKER')
    if worker and hasattr(os, 'sched_setaffinity'):
        count, cores = int(os.environ['PYTEST_XDIST_WORKER_COUNT']), sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[int(worker.removeprefix('gw')) :: count] or cores)


own_cores()  # Before threads are made.
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_debug_key_reuse', True)
own_process()
compiler.install()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    compiler.hurry(item.get_closest_marker('usual_compiler') is None)


@pytest.fixture(autouse=True)
def curves_in_a_hurry(request, monkeypatch):
    """A pixel in the place of `loss.png`, which takes seconds to draw and is not looked at."""
    if request.node.get_closest_marker('usual_curves') is None:
        pixel = np.zeros((1, 1, 1), np.uint8)
        monkeypatch.setattr(plots, 'curves', lambda records, path: plots.save(path, pixel))


@pytest.fixture
def data_cache(tmp_path_factory, monkeypatch):
    """A folder of its own for what is converted."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('GENJAX_DATA_CACHE', str(folder))
    return folder
