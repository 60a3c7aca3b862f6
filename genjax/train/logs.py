"""Metrics on disk: JSON lines, and the same for TensorBoard."""

import json
import math
import os
import shutil
from pathlib import Path

Record = dict[str, float]


def read(path: Path) -> list[Record]:
    """The whole records of a file of JSON lines; a half-written last line is left out.

    Args:
      path: of the file; none has no records.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding='utf-8').split('\n')[:-1]:
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict) or not isinstance(record.get('step'), int):
            break
        records.append({k: math.nan if v is None else v for k, v in record.items()})
    return records


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
        from tensorboardX import SummaryWriter

        self._path = folder / 'metrics.jsonl'
        self.records = [record for record in read(self._path) if record['step'] <= step]
        partial = self._path.with_suffix('.tmp')
        partial.write_text(''.join(map(_line, self.records)), encoding='utf-8')
        os.replace(partial, self._path)
        shutil.rmtree(folder / 'tensorboard', ignore_errors=True)
        self._board = SummaryWriter(str(folder / 'tensorboard'), flush_secs=30)
        for record in self.records:
            self._show(record)
        self._file = self._path.open('a', encoding='utf-8')

    def add(self, record: Record) -> None:
        """Appends one record.

        Args:
          record: numbers by name, with the `step` they belong to.
        """
        self.records.append(record)
        self._file.write(_line(record))
        self._file.flush()
        self._show(record)

    def _show(self, record):
        for name, value in record.items():
            if name != 'step' and math.isfinite(value):
                self._board.add_scalar(name, value, record['step'])

    def close(self) -> None:
        """Closes both."""
        self._file.close()
        self._board.close()
