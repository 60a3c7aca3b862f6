"""Folders of files, also as .zip and .tar, which are read in place."""

import contextlib
import io
import mimetypes
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from genjax.data.errors import DataError
from genjax.data.pixels import suffixes
from genjax.data.reading import Reading

ARCHIVES = ('.zip', '.tar')
PACKED = ('.tar.gz', '.tgz', '.tar.bz2', '.tbz2', '.tar.xz', '.txz', '.tar.zst', '.7z', '.rar')
_LARGEST = 1 << 30  # bytes of a file


class File(NamedTuple):
    """A file, and what changes when somebody writes to it.

    Attributes:
      name: relative to its folder, with slashes.
      size: in bytes.
      time: of the last change, in ns; of a file in an archive that of the archive.
      start: where its bytes begin in a .tar, else 0.
      archive: number of that .tar, else 0.
    """

    name: str
    size: int
    time: int
    start: int = 0
    archive: int = 0


class Tree(NamedTuple):
    """The files under a folder.

    Attributes:
      root: of the folder, or of the archive.
      images: the image files, sorted by name.
      others: the other files by name.
      refused: names of what ought not to lie there, with the reason.
      read: the bytes of a file.
      seen: what Pillow opens, to look at the header alone.
    """

    root: Path
    images: list[File]
    others: dict[str, File]
    refused: dict[str, str]
    read: Callable[[File], bytes]
    seen: Callable[[File], Any]


def is_tree(path: Path) -> bool:
    """Whether a path is that of a folder or of an archive which can be read in place.

    Args:
      path: any.
    """
    return path.is_dir() or (path.is_file() and path.name.lower().endswith(ARCHIVES))


@contextlib.contextmanager
def opened(root: Path, reading: Reading) -> Iterator[Tree]:
    """The files of a folder, of a .zip, of a .tar, or of a folder of nothing but .tar shards.

    Hidden files are left aside.

    Args:
      root: resolved.
      reading: whether links may leave the folder, and which files are images.

    Raises:
      DataError: a folder or an archive that cannot be read.
    """
    try:
        with contextlib.ExitStack() as stack:
            files, refused, read, seen = _listed(root, reading, stack)
            yield _sorted(Tree(root, [], {}, refused, read, seen), files, suffixes(reading))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError(f'{root}: expected a whole archive, got {error!r}') from error


def _listed(root: Path, reading: Reading, stack: contextlib.ExitStack) -> tuple:
    """Files, what is refused, how they are read, and how they are looked at."""
    folder = root.is_dir()
    parts = sorted(p for p in root.iterdir() if not p.name.startswith('.')) if folder else [root]
    if folder and not (parts and all(part.suffix.lower() == '.tar' for part in parts)):

        def named(file: File) -> str:
            return f'{root}/{file.name}'

        return *_directory(root, reading), lambda file: content(named(file)), named
    zipped = root.suffix.lower() == '.zip'
    files, refused, read = _zipped(root, stack) if zipped else _tarred(parts, stack)
    return files, refused, read, lambda file: io.BytesIO(read(file))


def _sorted(tree: Tree, files: list[File], known: tuple[str, ...]) -> Tree:
    for file in files:
        kind = mimetypes.guess_type(file.name)[0] or ''
        if file.name.lower().endswith(known):
            if file.size > _LARGEST:
                tree.refused[file.name] = f'{file.size} bytes, of at most {_LARGEST}'
            else:
                tree.images.append(file)
        elif kind.startswith('image/'):
            tree.refused[file.name] = f'an image of another kind ({kind})'
        else:
            tree.others[file.name] = file
    tree.images.sort()
    return tree


def _directory(root: Path, reading: Reading) -> tuple[list[File], dict[str, str]]:
    files, refused = [], dict[str, str]()
    try:
        for name, entry in _walk(root, reading.follow_links):
            if why := _unfit(root, entry, reading):
                refused[name] = why
            elif entry.is_file():
                about = entry.stat()
                files.append(File(name, about.st_size, about.st_mtime_ns))
    except OSError as error:
        raise DataError(f'{root}: expected a folder to read, got {error}') from error
    return files, refused


def _walk(
    folder: str | Path, follow: bool, prefix: str = '', above: tuple[str, ...] = ()
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    real = os.path.realpath(folder)
    if real in above:
        raise DataError(f'{folder}: expected folders, got a link to one of those that it lies in')
    with os.scandir(str(folder)) as entries:
        for entry in entries:
            if entry.name.startswith('.'):
                continue
            if entry.is_dir(follow_symlinks=follow):
                yield from _walk(entry.path, follow, f'{prefix}{entry.name}/', (*above, real))
            else:
                yield prefix + entry.name, entry


def _unfit(root: Path, entry: os.DirEntry, reading: Reading) -> str | None:
    """Why an image must not lie in a folder, or None."""
    if not entry.name.lower().endswith(suffixes(reading)) and not entry.is_dir():
        return None
    if entry.is_symlink() and not reading.follow_links:
        target = Path(entry.path).resolve()
        if not target.is_relative_to(root):
            return 'a link that leaves the folder, which --follow-links follows'
        if not target.is_file():
            return 'a link to what is no file'
    return None if entry.is_file() else 'no regular file'


def _zipped(path: Path, stack: contextlib.ExitStack) -> tuple:
    archive = stack.enter_context(zipfile.ZipFile(path))
    time = path.stat().st_mtime_ns
    found = [info for info in archive.infolist() if not info.is_dir()]
    files = [File(info.filename, info.file_size, time) for info in found]
    return _shown(files), {}, lambda file: archive.read(file.name)


def _tarred(paths: list[Path], stack: contextlib.ExitStack) -> tuple:
    files: list[File] = []
    for number, path in enumerate(paths):
        time = path.stat().st_mtime_ns
        with tarfile.open(path, 'r:') as archive:
            found = (member for member in archive if member.isfile())
            files += [
                File(m.name.removeprefix('./'), m.size, time, m.offset_data, number) for m in found
            ]
    raw = [stack.enter_context(path.open('rb', buffering=0)).fileno() for path in paths]
    return _shown(files), {}, lambda file: os.pread(raw[file.archive], file.size, file.start)


def _shown(files: list[File]) -> list[File]:
    """Those that are not hidden; macOS adds folders of its own to archives."""
    hidden = ('.', '__MACOSX')
    return [f for f in files if not any(part.startswith(hidden) for part in f.name.split('/'))]


def content(path: str) -> bytes:
    """The bytes of a file.

    Args:
      path: of it.
    """
    # At each call of the system another thread may take the interpreter's lock, and has to wait
    # for it afterwards: unbuffered there are fewer, and two threads on small files gain a half.
    with open(path, 'rb', buffering=0) as file:
        return file.read()
