"""Metrics on disk: both records say the same, also after a crash."""

import math
import struct

import pytest
from tensorboardX.proto.event_pb2 import Event

from genjax.train.logs import Log, read


def board(folder):
    """All that TensorBoard would show, by name and step."""
    shown = {}
    for path in sorted((folder / 'tensorboard').iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (size,) = struct.unpack_from('<Q', data, at)
            event = Event.FromString(data[at + 12 : at + 12 + size])
            shown |= {(v.tag, event.step): v.simple_value for v in event.summary.value}
            at += 16 + size
    return shown


def test_both_hold_what_was_added(tmp_path):
    log = Log(tmp_path, 0)
    log.add({'step': 5, 'a/loss': 1.5, 'a/lazy': math.nan})
    log.add({'step': 10, 'a/loss': 0.5, 'a/lazy': 2.0})
    log.close()
    first, second = read(tmp_path / 'metrics.jsonl')
    assert math.isnan(first.pop('a/lazy'))
    assert first == {'step': 5, 'a/loss': 1.5}
    assert second == {'step': 10, 'a/loss': 0.5, 'a/lazy': 2.0}
    assert board(tmp_path) == {('a/loss', 5): 1.5, ('a/loss', 10): 0.5, ('a/lazy', 10): 2.0}


def test_both_go_back_to_the_step_that_training_continues_from(tmp_path):
    log = Log(tmp_path, 0)
    for step in (5, 10, 15):
        log.add({'step': step, 'loss': step / 10})
    log.close()
    again = Log(tmp_path, 10)
    again.add({'step': 15, 'loss': 9.0})
    again.close()
    assert [r['loss'] for r in read(tmp_path / 'metrics.jsonl')] == [0.5, 1.0, 9.0]
    assert board(tmp_path) == {('loss', 5): 0.5, ('loss', 10): 1.0, ('loss', 15): 9.0}
    assert again.records == read(tmp_path / 'metrics.jsonl')


def test_a_damaged_line_costs_that_line_alone(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    path.write_text('{"step": 5, "loss": 1}\ngarbage\n{"step": 15, "loss": 3}\n')
    log = Log(tmp_path, 15)
    log.close()
    assert [r['step'] for r in read(path)] == [5, 15]


@pytest.mark.parametrize('tail', ['{"step": 10, "lo', '{"step": 10, "loss": 1}', 'null\n', '[]\n'])
def test_a_line_that_was_not_written_whole_is_left_out(tmp_path, tail):
    path = tmp_path / 'metrics.jsonl'
    path.write_text('{"step": 5, "loss": 1}\n' + tail)
    assert read(path) == [{'step': 5, 'loss': 1}]
    assert read(tmp_path / 'none') == []
