"""Grids, animations and curves: arrays and records in, image files out."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Array, Float, UInt8

_OVERSHOOT = 8.0  # beyond it an image is not in [-1, 1] at all, say in [0, 255]
_BLANK = 255
_COMFORTABLE = 800  # pixels; smaller images are saved enlarged
_MAX_SCALE = 8
_MAX_FRAMES = 60
_SECONDS, _HOLD = 6.0, 1.5  # of an animation, and of its last frame
_BINS = 200

Images = Float[Array, '*n h w c'] | UInt8[Array, '*n h w c'] | np.ndarray
Records = Sequence[Mapping[str, Any]]
Lines = dict[str, dict[float, float]]  # value by player and x


def to_uint8(images: Images) -> UInt8[np.ndarray, '*n h w c']:
    """Images as bytes: `round((x + 1) * 127.5)` of floats, clipped; uint8 is passed on.

    Args:
      images: one `[h, w, c]` or many `[n, h, w, c]`, c = 1 or 3; uint8, or float in [-1, 1], which
        a model may overshoot somewhat.

    Raises:
      ValueError: another shape or dtype, values that are not finite or far outside of [-1, 1].
    """
    x = np.asarray(images)
    if x.ndim not in (3, 4) or x.shape[-1] not in (1, 3) or 0 in x.shape:
        raise ValueError(f'expected images [h, w, c] or [n, h, w, c], c = 1 or 3, got {x.shape}')
    if x.dtype == np.uint8:
        return x
    if x.dtype.name not in ('float16', 'bfloat16', 'float32', 'float64'):
        raise ValueError(f'expected images of uint8 or float in [-1, 1], got {x.dtype}')
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise ValueError(f'expected finite images, got {np.sum(~np.isfinite(x))} NaN or infinity')
    if np.abs(x).max() > _OVERSHOOT:
        raise ValueError(
            f'expected float images in [-1, 1], got values in [{x.min():g}, {x.max():g}]'
        )
    return np.rint((x.clip(-1, 1) + 1) * 127.5).astype(np.uint8)


def grid(
    images: Images, columns: int | None = None, padding: int = 2
) -> UInt8[np.ndarray, 'height width c']:
    """One image of many, row by row, with white borders between and around them.

    Args:
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].
      columns: images in a row; None makes the grid about square.
      padding: width of the borders in pixels, >= 0.

    Raises:
      ValueError: a refused array, `columns` < 1 or `padding` < 0.
    """
    if padding < 0:
        raise ValueError(f'expected a padding >= 0, got {padding}')
    x = _many(images)
    edge = (0, padding)
    x = np.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=_BLANK)
    cells = _rows(x, _columns(len(x), columns))
    rows, columns, height, width, channels = cells.shape
    sheet = cells.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    return np.pad(sheet, ((padding, 0), (padding, 0), (0, 0)), constant_values=_BLANK)


def pairs(
    originals: Images, reconstructions: Images, columns: int | None = None, padding: int = 2
) -> UInt8[np.ndarray, 'height width c']:
    """A grid where every original has its reconstruction right below it.

    Args:
      originals: `[n, h, w, c]`, uint8 or float in [-1, 1].
      reconstructions: the same shape.
      columns: pairs in a row; None makes the grid about square.
      padding: width of the borders in pixels, >= 0.

    Raises:
      ValueError: a refused array, different shapes, `columns` < 1 or `padding` < 0.
    """
    above, below = _many(originals), _many(reconstructions)
    if above.shape != below.shape:
        raise ValueError(f'expected reconstructions {above.shape}, got {below.shape}')
    n = len(above)
    columns = min(n, _columns(2 * n, columns))
    rows = [_rows(x, columns) for x in (above, below)]
    return grid(np.stack(rows, axis=1).reshape(-1, *above.shape[1:]), columns, padding)


def _columns(n: int, columns: int | None) -> int:
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1:
        raise ValueError(f'expected columns >= 1, got {columns}')
    return columns


def _rows(x: np.ndarray, columns: int) -> np.ndarray:
    """`[rows, columns, ...]`, the last row filled up with blanks."""
    blanks = np.full((-len(x) % columns, *x.shape[1:]), _BLANK, np.uint8)
    return np.concatenate([x, blanks]).reshape(-1, columns, *x.shape[1:])


def _many(images: Images) -> np.ndarray:
    x = to_uint8(images)
    if x.ndim != 4:
        raise ValueError(f'expected images [n, h, w, c], got {x.shape}')
    return x


def _enlarge(image: Images, scale: int | None = None) -> np.ndarray:
    x = to_uint8(image)
    if x.ndim != 3:
        raise ValueError(f'expected one image [h, w, c], got {x.shape}')
    fit = min(max(_COMFORTABLE // max(x.shape[:2]), 1), _MAX_SCALE)
    times = fit if scale is None else scale
    if times < 1:
        raise ValueError(f'expected a scale >= 1, got {scale}')
    return x.repeat(times, axis=0).repeat(times, axis=1)


@contextmanager
def _replacing(path: str | os.PathLike, *suffixes: str) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` at once and whole, or not at all."""
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f'expected a path that ends in {" or ".join(suffixes)}, got {str(path)!r}')
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with open(beside, 'wb') as file:
            yield file
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _picture(image: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def save(path: str | os.PathLike, image: Images, scale: int | None = None) -> None:
    """Writes one image as a PNG; a reader sees the old file or the whole new one.

    Args:
      path: ends in .png; missing folders are made.
      image: `[h, w, c]`, uint8 or float in [-1, 1].
      scale: how often each pixel is repeated; None takes the greatest factor up to 8 that keeps
        the image within 800 pixels, 1 writes the pixels as they are.

    Raises:
      ValueError: a refused array, another suffix or `scale` < 1.
    """
    picture = _picture(_enlarge(image, scale))
    with _replacing(path, '.png') as file:
        picture.save(file, 'PNG')


def save_images(path: str | os.PathLike, images: Images) -> None:
    """Writes images as a PNG of their grid, or as a .npz file with uint8 `x`, by the suffix.

    Args:
      path: ends in .png or .npz; missing folders are made.
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].

    Raises:
      ValueError: a refused array or another suffix.
    """
    x = _many(images)
    with _replacing(path, '.png', '.npz') as file:
        if Path(path).suffix.lower() == '.png':
            _picture(_enlarge(grid(x))).save(file, 'PNG')
        else:
            np.savez_compressed(file, x=x)


def timeline(frames: Iterable[str | os.PathLike | Images], path: str | os.PathLike) -> None:
    """Writes an animation of about six seconds, say of the sample grids of one training.

    It has at most 60 frames, evenly thinned, the first and the last among them, and stays on the
    last for a quarter of the time.

    Args:
      frames: in order, all of one size: paths of images, or images `[h, w, c]`.
      path: ends in .gif; missing folders are made.

    Raises:
      ValueError: no frames, frames of different sizes, a refused array, or another suffix.
    """
    frames = list(frames)
    if not frames:
        raise ValueError('expected one frame or more, got none')
    kept = np.linspace(0, len(frames) - 1, min(len(frames), _MAX_FRAMES)).round().astype(int)
    pictures = [_frame(frames[i]) for i in kept]
    sizes = sorted({picture.size for picture in pictures})
    if len(sizes) > 1:
        raise ValueError(f'expected frames of one size, got (width, height) in {sizes}')
    each = (_SECONDS - _HOLD) / max(len(pictures) - 1, 1)
    seconds = [each] * (len(pictures) - 1) + [_HOLD]
    durations = [10 * round(100 * s) for s in seconds]  # a GIF counts in hundredths
    with _replacing(path, '.gif') as file:
        pictures[0].save(
            file, 'GIF', save_all=True, append_images=pictures[1:], duration=durations, loop=0
        )


def _frame(frame: str | os.PathLike | Images) -> Any:
    from PIL import Image

    if not isinstance(frame, (str, os.PathLike)):
        return _picture(_enlarge(frame))
    with Image.open(frame) as picture:
        return picture.convert('L' if picture.mode in ('1', 'L') else 'RGB')


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    players = sorted({player for lines in panels.values() for player in lines if player})
    colours = {player: f'C{i}' for i, player in enumerate(players)}
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), dpi=110, layout='constrained')
    FigureCanvasAgg(figure)
    axes = None
    for place, (title, lines) in enumerate(sorted(panels.items()), start=1):
        axes = figure.add_subplot(rows, columns, place, sharex=axes)
        _draw(axes, lines, colours)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(x, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.locator_params(axis='x', nbins=5)
        axes.grid(alpha=0.25)
    with _replacing(path, '.png') as file:
        figure.savefig(file, format='png')


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
