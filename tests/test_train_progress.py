"""What a training shows."""

import io
import sys
from types import SimpleNamespace

import pytest

from genjax.train.logs import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    now = [0.0]
    monkeypatch.setattr('tqdm.std.time', lambda: now[0])
    monkeypatch.setattr('genjax.train.logs.time', SimpleNamespace(monotonic=lambda: now[0]))
    return now


def record(step, **counts):
    return {'step': step, 'fit/loss': 0.5, **{f'{name}/skipped': n for name, n in counts.items()}}


def test_steps_a_second_leave_the_compilation_out(clock, capsys):
    progress = Progress(100, 1000)
    for step, now in ((200, 60.0), (300, 62.0), (500, 66.0)):
        clock[0] = now
        progress.show(record(step), measured=True)
    assert capsys.readouterr().err.splitlines() == [
        'step 200/1000  fit/loss 0.5',
        'step 300/1000  50 steps/s, 00:14 left  fit/loss 0.5',
        'step 500/1000  50 steps/s, 00:10 left  fit/loss 0.5',
    ]


def test_so_does_the_bar(clock, monkeypatch):
    monkeypatch.setattr(sys, 'stderr', Terminal())
    progress = Progress(0, 1000)
    for step, now in ((200, 60.0), (300, 62.0)):
        clock[0] = now
        progress.show(record(step, fit=3.0), measured=False)
    shown = progress.bar.format_dict
    progress.close()
    assert shown['n'] == 300
    assert (shown['n'] - shown['initial']) / shown['elapsed'] == 50
    assert 'fit left out=3' in sys.stderr.getvalue()


def test_updates_that_were_left_out_are_told(capsys):
    progress = Progress(0, 300)
    progress.show(record(50, generator=0.0, discriminator=2.0), measured=True)
    progress.show(record(90, generator=9.0, discriminator=2.0), measured=False)
    progress.show(record(100, generator=49.0, discriminator=2.0), measured=True)
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith(' ')] == [
        '  discriminator: 2 updates left out in 50 steps, 2 in all',
        '  generator: 49 updates left out in 50 steps, 49 in all: nearly none of its losses and '
        'gradients is finite; try a lower learning rate, clip_norm=1, precision=float32',
    ]
    progress = Progress(100, 300, record(100, generator=49.0))
    progress.show(record(150, generator=49.0), measured=True)
    assert 'left out' not in capsys.readouterr().err
