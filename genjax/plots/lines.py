"""Curves: records or points in, a figure out."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genjax.plots.files import replacing

_BINS = 200

Records = Sequence[Mapping[str, Any]]
Lines = dict[str, dict[float, float]]  # value by player and x


def curves(records: Records, path: str | os.PathLike, x: str = 'step') -> None:
    """Draws training curves as small multiples, a panel for a quantity and a line for a player.

    `generator/loss` and `discriminator/loss` share the panel `loss`. Of a long series the mean and
    the range of 200 bins are drawn. A later record takes the place of one with the same `x`, as
    after a resumed run; what is no finite number is left out; a panel of positive values
    whose means span two decades gets a logarithmic axis.

    Args:
      records: flat dicts, each with `x` and any of the metrics.
      path: ends in .png; missing folders are made.
      x: the key of the horizontal axis.

    Raises:
      ValueError: no record with `x` and a metric, or another suffix.
    """
    panels = _panels(records, x)
    if not panels:
        raise ValueError(f'expected records with {x!r} and metrics, got none in {len(records)}')
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    players = sorted({player for lines in panels.values() for player in lines if player})
    colours = {player: f'C{i}' for i, player in enumerate(players)}
    figure, axes = _figure(rows, columns), None
    for place, (title, lines) in enumerate(sorted(panels.items()), start=1):
        axes = figure.add_subplot(rows, columns, place, sharex=axes)
        _draw(axes, lines, colours)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(x, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.locator_params(axis='x', nbins=5)
        axes.grid(alpha=0.25)
    with replacing(path, '.png') as file:
        figure.savefig(file, format='png')


def lines(
    named: Mapping[str, Mapping[float, float]], path: str | os.PathLike, x: str, y: str
) -> None:
    """Draws lines in one panel.

    Args:
      named: values by label and place.
      path: ends in .png; missing folders are made.
      x: what the horizontal axis shows, with its unit.
      y: what the vertical axis shows.

    Raises:
      ValueError: another suffix.
    """
    figure = _figure(1, 1)
    axes = figure.add_subplot()
    for label, points in named.items():
        axes.plot([*points.keys()], [*points.values()], lw=1.4, label=label)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, framealpha=0.7, edgecolor='none')
    with replacing(path, '.png') as file:
        figure.savefig(file, format='png')


def _figure(rows: int, columns: int) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def _panels(records: Records, x: str) -> dict[str, Lines]:
    """The values, as `panels[quantity][player][x]`."""
    panels: dict[str, Lines] = {}
    for record in records:
        numbers = {k: float(v) for k, v in record.items() if isinstance(v, (int, float, np.number))}
        for key in numbers.keys() - {x} if x in numbers else ():
            player, quantity = key.split('/', 1) if '/' in key else ('', key)
            panels.setdefault(quantity, {}).setdefault(player, {})[numbers[x]] = numbers[key]
    return panels


def _draw(axes: Any, lines: Lines, colours: dict[str, str]) -> None:
    span = []
    for player, points in sorted(lines.items()):
        xy = np.array(sorted(points.items()), np.float64)
        xy = xy[np.isfinite(xy).all(axis=1)]
        if not len(xy):
            continue
        bins = np.array_split(xy, min(len(xy), _BINS))
        rows = [(*b.mean(axis=0), b[:, 1].min(), b[:, 1].max()) for b in bins]
        at, mean, low, high = np.array(rows).T
        span += [low.min(), mean.min(), mean.max()]
        look = {'color': colours.get(player, 'C7'), 'marker': 'o' if len(xy) <= 30 else None}
        axes.plot(at, mean, lw=1.4, ms=3, label=player or None, **look)
        axes.fill_between(at, low, high, color=look['color'], alpha=0.2, lw=0)
    if not span:
        axes.text(0.5, 0.5, 'no finite values', ha='center', transform=axes.transAxes)
    elif min(span) > 0 and max(span[2::3]) > 100 * min(span[1::3]):
        axes.set_yscale('log')
    if span and any(lines):
        axes.legend(fontsize=8, framealpha=0.7, edgecolor='none')
