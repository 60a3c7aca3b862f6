"""Metrics on disk: JSON lines, and the same for TensorBoard."""

import json
import math
import operator
import os
import shutil
import time
from pathlib import Path

Record = dict[str, float]
RECORDS = 'metrics.jsonl'


def read(path: Path) -> list[Record]:
    """The whole records of a file of JSON lines; what is no record is left out.

    Args:
      path: of the file; none has no records.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding='utf-8', errors='replace').split('\n')[:-1]
    return [record for record in map(_record, lines) if record is not None]


def _record(line: str) -> Record | None:
    try:
        found = json.loads(line)
        record = {k: math.nan if v is None else float(v) for k, v in found.items()}
        return {**record, 'step': operator.index(found['step'])}
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None


def _line(record: Record) -> str:
    """Numbers that JSON has none for are null."""
    return json.dumps({k: v if math.isfinite(v) else None for k, v in record.items()}) + '\n'


class Log:
    """The metrics of one run, cut back to the step it goes on from.

    TensorBoard's files are written anew from the JSON lines, so that both tell the same.

    Args:
      folder: of the run.
      step: records after it are dropped.
    """

    def __init__(self, folder: Path, step: int):
        self._path = folder / RECORDS
        self.records = [record for record in read(self._path) if record['step'] <= step]
        partial = self._path.with_suffix('.tmp')
        partial.write_text(''.join(map(_line, self.records)), encoding='utf-8')
        os.replace(partial, self._path)
        shutil.rmtree(folder / 'tensorboard', ignore_errors=True)
        self._board = _Board(folder / 'tensorboard')
        for record in self.records:
            self._board.add(record)
        self._file = self._path.open('a', encoding='utf-8')

    def add(self, record: Record) -> None:
        """Appends one record.

        Args:
          record: numbers by name, with the `step` they belong to.
        """
        self.records.append(record)
        self._file.write(_line(record))
        self._file.flush()
        self._board.add(record)

    def close(self) -> None:
        """Closes both."""
        try:
            self._file.close()
        finally:
            self._board.close()


class _Board:
    """TensorBoard's file, written here and now: its usual writer is a thread, and one that dies of
    a full disk leaves all others waiting."""

    def __init__(self, folder: Path):
        from tensorboardX.event_file_writer import EventsWriter

        folder.mkdir()
        self._writer = EventsWriter(str(folder / 'events'))
        self.close = self._writer.close

    def add(self, record: Record) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.summary import scalar

        for name, value in record.items():
            if name != 'step' and math.isfinite(value):
                summary = scalar(name, value)
                step = int(record['step'])
                self._writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))
        self._writer.flush()
