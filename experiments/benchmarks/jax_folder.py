"""Folders of images: conversion into genjax's cache, and Pillow's decoding alone."""

import os
import shutil
import tempfile
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.benchmarks.task import Task

_PIECE = 128  # files that a thread or process is given at once


def draw(folder: Path, n: int = 10_000, size: int = 32) -> None:
    """Smooth random images as JPEG files, quality 75, in ten classes.

    Args:
      folder: made, unless it is there.
      n: images.
      size: of both sides.
    """
    if folder.exists():
        return
    rng = np.random.default_rng(0)
    for i in range(n):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), np.uint8))
        path = folder / str(i % 10) / f'{i:05}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((size, size), Image.Resampling.BICUBIC).save(path, quality=75)


def _files(folder: str) -> list[Path]:
    draw(Path(folder))
    return sorted(Path(folder).resolve().rglob('*.jpg'))


def converting(folder: str) -> Task:
    """Into an empty cache, and into memory.

    Args:
      folder: of JPEG files; drawn where there is none.
    """
    from genjax import data

    n, place = len(_files(folder)), Path(tempfile.mkdtemp())
    os.environ['GENJAX_DATA_CACHE'] = str(place)

    def run():
        assert data.load(folder).size == n

    return Task(run, n, {}, lambda: shutil.rmtree(place))


def _decode(files: list[Path]) -> None:
    for file in files:
        with Image.open(file) as image:
            image.load()


def decoding(folder: str, processes: bool = False) -> Task:
    """On all cores, with nothing kept.

    Args:
      folder: of JPEG files; drawn where there is none.
      processes: in place of threads; they are started before the time is taken.
    """
    files = _files(folder)
    pieces = [files[first : first + _PIECE] for first in range(0, len(files), _PIECE)]
    cores = os.cpu_count()
    pool: Executor = (
        ProcessPoolExecutor(cores, get_context('spawn')) if processes else ThreadPoolExecutor(cores)
    )

    def run():
        for _ in pool.map(_decode, pieces):
            pass

    return Task(run, len(files), {})
