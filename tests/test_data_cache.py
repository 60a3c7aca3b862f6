"""The cache of converted images: interrupted, damaged, shared, and mapped."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from genjax import data
from genjax.data import DataError, cache, trees
from genjax.train import held_out, load, train

N, BLOCK = 60, 8
# A conversion that takes its time.
SLOW = f"""
import sys, time
from genjax import data
from genjax.data import cache, folder
cache.BLOCK, decode = {BLOCK}, folder.decode
def slow(*arguments):
    time.sleep(0.03)
    return decode(*arguments)
folder.decode = slow
data.load(sys.argv[1])
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv('GENJAX_DATA_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(cache, 'BLOCK', BLOCK)
    return tmp_path / 'cache'


@pytest.fixture
def images(tmp_path):
    """A folder of N images in two classes."""
    rng = np.random.default_rng(0)
    for i in range(N):
        path = tmp_path / 'images' / 'ab'[i % 2] / f'{i:02}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(path)
    return tmp_path / 'images'


@pytest.fixture
def decoded(monkeypatch):
    """The files that are read to be decoded, as they are."""
    files, content = [], trees.content

    def watched(path):
        files.append(os.path.basename(path))
        return content(path)

    monkeypatch.setattr(trees, 'content', watched)
    return files


def only(place, pattern):
    (path,) = place.rglob(pattern)
    return path


def test_what_is_converted_is_not_converted_again(place, images, decoded):
    first = data.load(images)
    assert sorted({*decoded}) == sorted(path.name for path in images.rglob('*.png'))
    decoded.clear()
    second = data.load(images)
    assert not decoded
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.y, second.y)
    manifest = json.loads(only(place, 'manifest.json').read_text())
    assert manifest['classes'] == ['a', 'b']
    assert manifest['files'][0] == ['a/00.png', *((s := (images / 'a/00.png').stat()).st_size,
                                                  s.st_mtime_ns)]  # fmt: skip
    assert not list(place.rglob('blocks.txt'))


def test_a_changed_source_is_converted_again_and_the_old_images_go(place, images, decoded):
    before = data.load(images)
    path = images / 'a' / '00.png'
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    after = data.load(images)
    np.testing.assert_array_equal(after.x[0], 255 - before.x[0])
    np.testing.assert_array_equal(after.x[1:], before.x[1:])
    assert data.fingerprint(after) != data.fingerprint(before)
    path.unlink()
    assert data.load(images).size == N - 1
    assert len(list(place.rglob('images.npy'))) == 1
    # Another size is another dataset, beside.
    assert data.load(images, image_size=14).x.shape[1] == 14
    assert len(list(place.rglob('images.npy'))) == 2


@pytest.mark.parametrize('share', [0.25, 0.0], ids=['in memory', 'mapped'])
def test_a_damaged_block_is_converted_again(place, images, decoded, monkeypatch, share):
    monkeypatch.setattr(cache, 'SHARE', share)
    expected = np.array(data.load(images).x)
    path = only(place, 'images.npy')
    content = bytearray(path.read_bytes())
    content[-3 * 784] ^= 1
    path.write_bytes(content)
    decoded.clear()
    np.testing.assert_array_equal(data.load(images).x, expected)
    assert len(decoded) <= BLOCK
    decoded.clear()
    np.testing.assert_array_equal(data.load(images).x, expected)
    assert not decoded


DAMAGE = {
    'no images': ('images.npy', lambda content: b''),
    'short images': ('images.npy', lambda content: content[:-1]),
    'no header': ('images.npy', lambda content: b'x' * len(content)),
    'objects': ('images.npy', lambda content: content.replace(b'|u1', b'|O8', 1)),
    'no manifest': ('manifest.json', lambda content: b''),
    'a manifest of another kind': ('manifest.json', lambda content: b'[1]'),
    'a manifest without hashes': ('manifest.json', lambda content: b'{"blocks": 3, "stamp": 1}'),
    'other hashes': ('manifest.json', lambda c: c.replace(b'"blocks": ["', b'"blocks": ["0')),
}  # fmt: skip


@pytest.mark.parametrize(('name', 'change'), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_mended(place, images, name, change):
    expected, path = data.load(images), only(place, name)
    path.write_bytes(change(path.read_bytes()))
    for _ in range(2):
        found = data.load(images)
        np.testing.assert_array_equal(found.x, expected.x)
        assert data.fingerprint(found) == data.fingerprint(expected)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT])
def test_a_conversion_that_was_ended_goes_on(place, images, decoded, monkeypatch, number):
    command = [sys.executable, '-c', SLOW, str(images)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while not any(p.read_bytes().count(b'\n') > 1 for p in place.rglob('blocks.txt')):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(process.pid, number)
        process.wait(timeout=60)
    assert not list(place.rglob('manifest.json'))
    with open(only(place, 'blocks.txt'), 'a') as lines:
        lines.write('6 12')  # As a line may be torn.
    data.load(images)
    # One is decoded for the shape of all.
    assert BLOCK < len(decoded) <= 1 + N - 2 * BLOCK
    resumed = only(place, 'images.npy').read_bytes()
    monkeypatch.setenv('GENJAX_DATA_CACHE', str(place / 'other'))
    data.load(images)
    assert only(place / 'other', 'images.npy').read_bytes() == resumed


def test_a_second_process_waits_for_the_first(place, images, capsys):
    data.load(images)
    done = threading.Event()

    def second():
        data.load(images)
        done.set()

    with FileLock(only(place, '.lock')):
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3)
        assert 'waiting for another process that converts' in capsys.readouterr().err
    assert done.wait(30)
    thread.join()


def test_a_cache_that_cannot_be_written_is_a_data_error(place, images):
    place.write_text('a file')
    with pytest.raises(DataError, match='expected a cache to read and write, got'):
        data.load(images)


def test_bad_files_cost_their_block_only(images, decoded):
    (images / 'a' / '00.png').write_bytes(b'')
    for count in (N, BLOCK):
        decoded.clear()
        with pytest.raises(DataError, match=f'got 1 others of {N}'):
            data.load(images)
        assert count <= len(decoded) <= count + 2


def same(one, two):
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_mapped_images_are_those_in_memory(images, monkeypatch):
    memory = data.load(images)
    monkeypatch.setattr(cache, 'SHARE', 0.0)
    mapped = data.load(images)
    assert data.fits(memory)
    assert not data.fits(mapped)
    assert data.fingerprint(mapped) == data.fingerprint(memory)
    assert data.fingerprint(data.load(mapped)) == data.fingerprint(memory)
    for one, two in zip(data.split(mapped), data.split(memory), strict=True):
        assert not data.fits(one)
        assert (one.size, one.image_shape, one.x.dtype) == (two.size, two.image_shape, np.uint8)
        same(data.batches(one, 7, 0, 3, 4), data.batches(two, 7, 0, 3, 4))
        for a, b in zip(data.evaluation_batches(one, 5), data.evaluation_batches(two, 5),
                        strict=True):  # fmt: skip
            same(a, b)
        assert data.fingerprint(one) == data.fingerprint(two)
        half = data.split(one, 0.5)[0]
        same(data.batches(half, 3, 0, 0, 2), data.batches(data.split(two, 0.5)[0], 3, 0, 0, 2))
        np.testing.assert_array_equal(data.load(one).x[2:4], two.x[2:4])


def test_a_run_on_a_folder_finds_its_images_again(images, tmp_path, monkeypatch):
    options = {'batch_size': 4, 'steps': 2, 'dispatch': 2, 'hidden': (4,), 'latent_dim': 2}
    run = train('vae', images, run=tmp_path / 'run', image_size=12, **options)
    found = held_out(load(tmp_path / 'run'))
    np.testing.assert_array_equal(found.x, data.split(data.load(images, 12))[1].x)
    monkeypatch.setattr(cache, 'SHARE', 0.0)
    with contextlib.chdir(images.parent):
        streamed = train('vae', 'images', run=tmp_path / 'two', image_size=12, **options)
    assert streamed.config == run.config
    same(*(r.state.nets['decoder'].params['Dense_0'] for r in (run, streamed)))


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='expects /dev/full, a full disk')
@pytest.mark.parametrize('share', [0.25, 0.0], ids=['in memory', 'mapped'])
def test_a_full_disk_is_a_data_error(place, images, monkeypatch, share):
    data.load(images)
    path = only(place, 'images.npy')
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    opened = open

    def full(name, *options, **more):
        written = str(name) == str(path) and options == ('r+b',)
        return opened('/dev/full' if written else name, *options, **more)

    monkeypatch.setattr(cache, 'SHARE', share)
    monkeypatch.setattr(cache, 'open', full, raising=False)
    with pytest.raises(DataError, match=r'expected a cache to read and write, got .*No space left'):
        data.load(images)
