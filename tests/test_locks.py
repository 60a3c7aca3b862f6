"""One process at a time in a folder, with flock and without."""

import errno

import pytest
from filelock import FileLock, SoftFileLock, Timeout

from genjax.locks import held


class Busy(Exception):
    """What another holder is told by."""


def refuse(more):
    raise Busy(more)


def busy(folder):
    """What is told of another holder."""
    with pytest.raises(Busy) as caught, held(folder, refuse):
        pass
    return str(caught.value)


def test_a_folder_is_held_once(tmp_path):
    with held(tmp_path, refuse):
        assert busy(tmp_path) == ''
        with pytest.raises(Timeout):
            FileLock(tmp_path / '.lock').acquire(timeout=0)
    with FileLock(tmp_path / '.lock'):  # As an older genjax holds it.
        assert busy(tmp_path) == ''
    with held(tmp_path, refuse):
        pass


@pytest.mark.parametrize('number', [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_stands_for_the_lock_where_there_is_no_flock(tmp_path, monkeypatch, capsys, number):
    def flock(file, how):
        raise OSError(number, 'no')

    monkeypatch.setattr('fcntl.flock', flock)
    path = tmp_path / '.lock.held'
    with held(tmp_path, refuse):
        told = f'genjax: no flock on this file system: {path} stands for the lock\n'
        assert capsys.readouterr().err == told
        assert busy(tmp_path).endswith(f'one that was killed left {path}: remove it')
    assert not path.exists()
    other, asked = SoftFileLock(path), []
    other.acquire()
    with held(tmp_path, lambda more: (asked.append(more), other.release())):  # It waits.
        assert path.exists()
    assert len(asked) == 1
