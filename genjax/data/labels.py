"""What the files of a folder are called by: parts of a dataset, and classes."""

import json
import posixpath
import re
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32

from genjax.data.arrays import labels as numbered
from genjax.data.arrays import natural, shown
from genjax.data.errors import DataError
from genjax.data.trees import File, Tree

_TRAIN = ('train', 'training')
# What is kept apart, the first that there is.
_APART = ('test', 'testing', 'val', 'valid', 'validation', 'dev')
_SHARD = re.compile(r'\d{2,}000|0{4,}\d*')


class Named(NamedTuple):
    """What the files of a folder are.

    Attributes:
      y: a class of each; None where they have none.
      classes: their names.
      notes: what is to be said of them.
    """

    y: Int32[np.ndarray, 'n'] | None = None
    classes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def parts(tree: Tree, rules: int) -> tuple[str, str, tuple[str, ...]]:
    """The prefixes of the names of the training images and of those that are kept apart.

    Args:
      tree: of images.
      rules: 1 knows no parts.

    Returns:
      Both, '' where there are no such folders, and what is to be said of that.
    """
    if rules < 2:
        return '', '', ()
    outer = _outer(tree)
    names = [file.name.removeprefix(outer) for file in tree.images]
    folders = {name.partition('/')[0] for name in names if '/' in name}
    flat = any('/' not in name for name in names)
    train = next((name for name in sorted(folders) if name.lower() in _TRAIN), None)
    others = {name.lower(): name for name in folders if name != train}
    if flat or train is None or set(others) - {*_APART}:
        return outer, '', ()
    apart = next((others[name] for name in _APART if name in others), None)
    told = [f'{tree.root}: {train!r} is trained on']
    told += [f'{apart!r} is held out'] if apart else []
    told += [f'{name!r} is left aside' for name in sorted(others.values()) if name != apart]
    return f'{outer}{train}/', f'{outer}{apart}/' if apart else '', (', '.join(told),)


def _outer(tree: Tree) -> str:
    """The folders around those of all classes, as `photos/` is around `photos/cat/1.jpg` in most
    archives."""
    folders = {posixpath.dirname(file.name) for file in tree.images}
    common = posixpath.commonpath(folders)
    outer = posixpath.dirname(common) if common in folders else common
    names = takewhile(lambda name: name.lower() not in _TRAIN, PurePosixPath(outer).parts)
    return ''.join(f'{name}/' for name in names)


def labelled(tree: Tree, files: list[File], prefix: str, rules: int) -> Named:
    """The classes of files: by StyleGAN's dataset.json, by .cls files, or by their folders.

    Args:
      tree: that they are in.
      files: under the prefix.
      prefix: of their names, which is no class.
      rules: 1 sorts the names as text, and knows folders only.

    Raises:
      DataError: images in the folder and in folders of it, or a damaged dataset.json.
    """
    if rules >= 2:
        for way in (_of_stylegan, _of_webdataset):
            if (found := way(tree, files, prefix)) is not None:
                return found
    names = [file.name.removeprefix(prefix).partition('/') for file in files]
    flat = [name for name, slash, _ in names if not slash]
    if len(flat) == len(files):
        return Named()
    if flat:
        raise DataError(
            f'{tree.root}: expected images in the folder or in a folder for each class, '
            f'got {len(flat)} in the folder, say {flat[0]!r}, and {len(files) - len(flat)} below it'
        )
    tops = [name for name, _, _ in names]
    if rules >= 2 and len({*tops}) > 1 and all(map(_SHARD.fullmatch, tops)):
        note = f'{tree.root}: folders such as {tops[0]!r} are taken for shards, not for classes'
        return Named(notes=(note,))
    classes = sorted(set(tops), key=natural if rules >= 2 else None)
    numbers = {name: number for number, name in enumerate(classes)}
    y = np.array([numbers[name] for name in tops], np.int32)
    return Named(y, tuple(classes), _without_images(tree, prefix, classes))


def _without_images(tree: Tree, prefix: str, classes: list[str]) -> tuple[str, ...]:
    folder = tree.root / prefix
    folders = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    empty = sorted(name for name in folders - set(classes) if not name.startswith('.'))
    return (f'{folder}: no images in {shown(tuple(empty))}, which is no class',) if empty else ()


def _of_stylegan(tree: Tree, files: list[File], prefix: str) -> Named | None:
    """By a list of names and numbers, Karras et al. 2020 (https://arxiv.org/abs/2006.06676)."""
    path = f'{prefix}dataset.json'
    if path not in tree.others:
        return None
    try:
        pairs = json.loads(tree.read(tree.others[path]))['labels']
        known = {prefix + name: label for name, label in pairs or ()}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{tree.root}/{path}: expected {{'labels': [[NAME, CLASS], ...]}}, got {error!r}"
        ) from error
    missing = [file.name for file in files if file.name not in known]
    if not known:
        return Named()
    if missing:
        note = f'{path} has no class for {len(missing)} images, say {missing[0]!r}: '
        note += 'labels are left aside'
        return Named(notes=(note,))
    return _numbered(tree, [known[file.name] for file in files])


def _of_webdataset(tree: Tree, files: list[File], prefix: str) -> Named | None:
    """By a file KEY.cls beside each KEY.jpg."""
    beside = [tree.others.get(str(PurePosixPath(file.name).with_suffix('.cls'))) for file in files]
    if None in beside:
        return None
    texts = [tree.read(file).decode('utf-8', 'replace').strip() for file in beside if file]
    whole = all(re.fullmatch(r'\d{1,9}', text) for text in texts)
    return _numbered(tree, [int(text) for text in texts] if whole else texts)


def _numbered(tree: Tree, found: list) -> Named:
    try:
        y, classes = numbered(found, len(found), str(tree.root))
    except DataError as error:
        return Named(notes=(f'labels are left aside: {error}',))
    return Named(y, classes or tuple(map(str, range(int(y.max()) + 1))))
