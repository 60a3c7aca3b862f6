"""Metrics on disk, as JSON lines and for TensorBoard, and on the terminal."""

import json
import math
import operator
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from genjax import parallel

Record = dict[str, float]
RECORDS = 'metrics.jsonl'
# Of the steps from one line to the next: where as many left an update out, little is learnt.
_NEARLY_ALL = 0.9


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


class Progress:
    """A bar on a terminal, and a line for each measurement anywhere; of processes the first shows.

    Args:
      start: finished steps.
      steps: in all.
      before: the record of the step that training goes on from, or an empty one.
    """

    def __init__(self, start: int, steps: int, before: Mapping[str, float] = {}):
        from tqdm import tqdm

        self.steps, self._told, self._left_out = steps, start, _left_out(before)
        self._timed: tuple[int, float] | None = None
        self._found: set[str] = set()
        # Where stderr is no terminal, the lines are all there is.
        quiet = not sys.stderr.isatty() or not parallel.leads()
        self.bar = tqdm(total=steps, initial=start, unit='step', disable=quiet, dynamic_ncols=True)
        self.close = self.bar.close

    def show(self, record: Record, measured: bool) -> None:
        """Shows a dispatch.

        Args:
          record: of the dispatch.
          measured: with held-out figures.
        """
        step = int(record['step'])
        losses = {k: v for k, v in record.items() if k.endswith('/loss')}
        if self._timed is None:  # Before, the program was compiled.
            self._timed = step, time.monotonic()
            self.bar.initial = self.bar.n = self.bar.last_print_n = step
            self.bar.unpause()
        self.bar.update(step - self.bar.n)
        left_out = {f'{player} left out': n for player, n in _left_out(record).items() if n}
        brief = {name.removesuffix('/loss'): f'{value:.3g}' for name, value in losses.items()}
        self.bar.set_postfix(brief | left_out, refresh=False)
        if measured and parallel.leads():
            shown = losses | {k: v for k, v in record.items() if k.startswith('heldout/')}
            figures = [f'{name} {value:.4g}' for name, value in shown.items()]
            self._write('  '.join([f'step {step}/{self.steps}', *self._pace(step), *figures]))
            self._tell_left_out(step, _left_out(record))

    def tell(self, findings: Iterable[str]) -> None:
        """Shows what was found, each but once.

        Args:
          findings: sentences; those that are alike before the first colon are the same.
        """
        for finding in findings if parallel.leads() else ():
            subject = finding.partition(':')[0]
            if subject not in self._found:
                self._found.add(subject)
                self._write(f'  {finding}')

    def _pace(self, step: int) -> list[str]:
        """Of all steps since the first dispatch, once there are any."""
        assert self._timed is not None
        start, began = self._timed
        if step == start:
            return []
        rate = (step - start) / (time.monotonic() - began)
        left = self.bar.format_interval((self.steps - step) / rate)
        return [f'{rate:.3g} steps/s, {left} left']

    def _tell_left_out(self, step: int, counts: dict[str, int]) -> None:
        steps, self._told = step - self._told, step
        before, self._left_out = self._left_out, counts
        for player, total in counts.items():
            new = total - before.get(player, 0)
            if not new:
                continue
            line = f'  {player}: {new} updates left out in {steps} steps, {total} in all'
            if new >= _NEARLY_ALL * steps:
                line += (
                    ': nearly none of its losses and gradients is finite; try a lower learning '
                    'rate, clip_norm=1, precision=float32'
                )
            self._write(line)

    def _write(self, line: str) -> None:
        self.bar.write(line, file=sys.stderr)


def _left_out(record: Mapping[str, float]) -> dict[str, int]:
    """How many updates of each player were not made since they were not finite."""
    return {
        name.removesuffix('/skipped'): int(count)
        for name, count in record.items()
        if name.endswith('/skipped') and math.isfinite(count)
    }
