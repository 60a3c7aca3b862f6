"""Images and animations as files, written whole or not at all."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Int

from genjax.plots.grids import Images, grid, many, pairs, to_uint8

_COMFORTABLE = 800  # pixels; smaller images are saved enlarged
_MAX_SCALE = 8
_MAX_FRAMES = 60
_SECONDS, _HOLD = 6.0, 1.5  # of an animation, and of its last frame


def picture(image: Images, scale: int | None = None) -> Any:
    """One image as a Pillow image, which a notebook shows.

    Args:
      image: `[h, w, c]`, uint8 or float in [-1, 1].
      scale: how often each pixel is repeated; None takes the greatest factor up to 8 that keeps
        the image within 800 pixels, 1 leaves the pixels as they are.

    Raises:
      ValueError: a refused array, or `scale` < 1.
    """
    from PIL import Image

    x = to_uint8(image)
    if x.ndim != 3:
        raise ValueError(f'expected one image [h, w, c], got {x.shape}')
    fit = min(max(_COMFORTABLE // max(x.shape[:2]), 1), _MAX_SCALE)
    times = fit if scale is None else scale
    if times < 1:
        raise ValueError(f'expected a scale >= 1, got {scale}')
    large = x.repeat(times, axis=0).repeat(times, axis=1)
    return Image.fromarray(large[..., 0] if large.shape[-1] == 1 else large)


@contextmanager
def replacing(path: str | os.PathLike, *suffixes: str) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` at once and whole, or not at all."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in suffixes:
        raise ValueError(f'expected a path that ends in {" or ".join(suffixes)}, got {str(path)!r}')
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name: what a killed process left there goes when the file is written again.
    beside = path.with_name(f'.{path.name}.partial')
    try:
        with open(beside, 'wb') as file:
            yield file
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save(
    path: str | os.PathLike,
    image: Images,
    scale: int | None = None,
    *,
    text: Mapping[str, str] = {},
) -> None:
    """Writes one image as a PNG; a reader sees the old file or the whole new one.

    Args:
      path: ends in .png; missing folders are made.
      image: `[h, w, c]`, uint8 or float in [-1, 1].
      scale: as in `picture`.
      text: chunks of text by keyword, say `Software`.

    Raises:
      ValueError: a refused array, another suffix or `scale` < 1.
    """
    whole = picture(image, scale)
    with replacing(path, '.png') as file:
        _write_png(file, whole, text)


def _write_png(file: IO[bytes], image: Any, text: Mapping[str, str]) -> None:
    from PIL.PngImagePlugin import PngInfo

    chunks = PngInfo()
    for keyword, value in text.items():
        chunks.add_text(keyword, value)
    image.save(file, 'PNG', pnginfo=chunks)


def save_images(
    path: str | os.PathLike,
    images: Images,
    columns: int | None = None,
    *,
    text: Mapping[str, str] = {},
    y: Int[Any, 'n'] | None = None,
) -> None:
    """Writes images as a PNG of their grid, or as a .npz file with uint8 `x` and labels `y`, by the
    suffix.

    Args:
      path: ends in .png or .npz; missing folders are made.
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].
      columns: images in a row of the grid; None makes it about square.
      text: chunks of text by keyword, of a PNG.
      y: labels, of a .npz file.

    Raises:
      ValueError: a refused array or another suffix.
    """
    labels = {} if y is None else {'y': np.asarray(y)}
    _save(path, grid(images, columns), text, x=many(images), **labels)


def save_each(
    folder: str | os.PathLike,
    images: Images,
    *,
    y: Int[Any, 'n'] | None = None,
    classes: Sequence[str] | None = None,
    text: Mapping[str, str] = {},
) -> None:
    """Writes each image as a PNG of its own, of its own size: `00000.png` and so on, in a folder
    for each class where there are labels, called as the class.

    Args:
      folder: that is empty or not there yet.
      images: `[n, h, w, c]`, uint8 or float in [-1, 1].
      y: labels.
      classes: their names; classes are numbers where a folder cannot be called as one of them.
      text: chunks of text by keyword.

    Raises:
      ValueError: a refused array, or a folder with something in it.
    """
    folder, x = Path(folder).expanduser(), many(images)
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f'expected {folder} to be empty or not there, got something in it')
    numbers = [str(i) for i in range(0 if y is None else int(np.max(y)) + 1)]
    fits = len(classes or ()) >= len(numbers) and all(map(_fits_a_folder, classes or ()))
    named = classes if classes and fits else numbers
    for i, image in enumerate(x):
        place = folder if y is None else folder / named[int(y[i])]
        save(place / f'{i:05d}.png', image, 1, text=text)


def _fits_a_folder(name: str) -> bool:
    return name not in ('', '.', '..') and not set(name) & set('/\\\0')


def save_pairs(
    path: str | os.PathLike,
    originals: Images,
    reconstructions: Images,
    *,
    text: Mapping[str, str] = {},
) -> None:
    """Writes originals with their reconstructions below them as a PNG, or both as a .npz file with
    uint8 `x` and `reconstructions`, by the suffix.

    Args:
      path: ends in .png or .npz; missing folders are made.
      originals: `[n, h, w, c]`, uint8 or float in [-1, 1].
      reconstructions: the same shape.
      text: chunks of text by keyword, of a PNG.

    Raises:
      ValueError: a refused array, different shapes or another suffix.
    """
    sheet = pairs(originals, reconstructions)
    _save(path, sheet, text, x=many(originals), reconstructions=many(reconstructions))


def save_arrays(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes arrays as a .npz file.

    Args:
      path: ends in .npz; missing folders are made.
      arrays: by name.

    Raises:
      ValueError: another suffix.
    """
    with replacing(path, '.npz') as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _save(
    path: str | os.PathLike, sheet: np.ndarray, text: Mapping[str, str], **arrays: np.ndarray
) -> None:
    if Path(path).suffix.lower() == '.npz':
        return save_arrays(path, arrays)
    with replacing(path, '.png', '.npz') as file:
        _write_png(file, picture(sheet), text)


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
    with replacing(path, '.gif') as file:
        pictures[0].save(
            file, 'GIF', save_all=True, append_images=pictures[1:], duration=durations, loop=0
        )


def _frame(frame: str | os.PathLike | Images) -> Any:
    from PIL import Image

    if not isinstance(frame, (str, os.PathLike)):
        return picture(frame)
    with Image.open(frame) as image:
        return image.convert('L' if image.mode in ('1', 'L') else 'RGB')
