"""What a training shows while it runs."""

import sys
import time

from genjax import parallel
from genjax.train.logs import Record


class Progress:
    """A bar on a terminal, and a line for each measurement anywhere; of processes the first shows.

    Args:
      start: finished steps.
      steps: in all.
    """

    def __init__(self, start: int, steps: int):
        from tqdm import tqdm

        self.start, self.steps, self.began = start, steps, time.monotonic()
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
        step, losses = record['step'], {k: v for k, v in record.items() if k.endswith('/loss')}
        self.bar.update(step - self.bar.n)
        brief = {name.removesuffix('/loss'): f'{value:.3g}' for name, value in losses.items()}
        self.bar.set_postfix(brief, refresh=False)
        if measured and parallel.leads():
            rate = (step - self.start) / (time.monotonic() - self.began)
            left = self.bar.format_interval((self.steps - step) / rate)
            shown = losses | {k: v for k, v in record.items() if k.startswith('heldout/')}
            figures = '  '.join(f'{name} {value:.4g}' for name, value in shown.items())
            self.bar.write(
                f'step {step}/{self.steps}  {rate:.3g} steps/s, {left} left  {figures}',
                file=sys.stderr,
            )
