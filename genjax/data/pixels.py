"""Image files of any size and mode to arrays of bytes, by Pillow.

Processes that convert images run this file by itself, and know nothing of genjax: it imports
nothing else of it, and NumPy only where Pillow's images become arrays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

FORMATS = ('JPEG', 'PNG', 'WEBP')
SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
# Where Pillow finds an orientation.
_ORIENTED = frozenset({'exif', 'Raw profile type exif', 'xmp', 'XML:com.adobe.xmp'})


@contextlib.contextmanager
def strict() -> Iterator[None]:
    """Makes Pillow's warning of a decompression bomb an error, and drops its other warnings.

    To be entered before threads start: filters of warnings belong to the process.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        yield


def is_colour(file: Any) -> bool:
    """Whether an image has colours, by its header alone.

    Args:
      file: a path or a file.

    Raises:
      Exception: of Pillow, of a file that it cannot read.
    """
    from PIL import Image

    with Image.open(file, formats=FORMATS) as image:
        return image.mode not in ('1', 'L', 'LA') and not image.mode.startswith('I')


def decode(file: Any, channels: int, size: int | None = None) -> UInt8[np.ndarray, 'h w c']:
    """One image, turned upright by its EXIF orientation, on white where it is transparent.

    Args:
      file: a path or a file.
      channels: 1 or 3.
      size: of both sides. The short side is brought to it with antialiasing (Lanczos), the long
        one cropped at the centre; None leaves the size.

    Raises:
      Exception: of Pillow, of a file that it cannot read, that is animated, or that has more than
        `PIL.Image.MAX_IMAGE_PIXELS` pixels (see `strict`).
    """
    return _array(image_of(file, channels, size))


def image_of(file: Any, channels: int, size: int | None = None) -> Any:
    """What `decode` says, as an image of Pillow's.

    Args:
      file: a path or a file.
      channels: 1 or 3.
      size: of both sides, or None.

    Raises:
      Exception: as `decode`.
    """
    from PIL import Image, ImageOps

    with Image.open(file, formats=FORMATS) as image:
        # A phone's JPEG may carry further pictures (MPO), of which the first is the photograph.
        if getattr(image, 'is_animated', False) and image.format != 'MPO':
            raise ValueError('it is animated')
        image.load()
        # The search for an orientation costs a tenth of all that a small image does.
        if not _ORIENTED.isdisjoint(image.info):
            ImageOps.exif_transpose(image, in_place=True)
        return _fit(_flat(image, 'L' if channels == 1 else 'RGB'), size)


def _flat(image: Any, mode: str) -> Any:
    """Without transparency, of 8 bits, grey or coloured."""
    from PIL import Image

    if image.mode.startswith('I'):  # 16 bits, of which Pillow's own conversion drops the lower 8
        import numpy as np

        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image if image.mode == mode else image.convert(mode)


def _fit(image: Any, size: int | None) -> Any:
    """Scaled and cropped as `decode` says."""
    from PIL import Image, ImageOps

    if size is None or image.size == (size, size):
        return image
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


def _array(image: Any) -> UInt8[np.ndarray, 'h w c']:
    import numpy as np

    # Half the time of `numpy.asarray`, which small images notice.
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1)


def reason(error: Exception) -> str:
    """What was wrong with an image, in a line.

    Args:
      error: of `decode`.
    """
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return 'no PNG, JPEG or WebP'
    return ' '.join(str(error).split()) or type(error).__name__


def sizes(expected: tuple[int, ...], got: tuple[int, ...]) -> str:
    """What is said of images of different sizes.

    Args:
      expected: the shape of the first one.
      got: the shape of another.
    """
    (a, b), (c, d) = expected[:2], got[:2]
    return f'expected images of one size, or image_size to bring them to, got {b}x{a} and {d}x{c}'


def resized(x: UInt8[np.ndarray, 'n h w c'], size: int) -> UInt8[np.ndarray, 'n size size c']:
    """Images of one size, scaled and cropped as `decode` says.

    Args:
      x: in memory.
      size: of both sides.
    """
    import numpy as np
    from PIL import Image

    images = (Image.fromarray(each[..., 0] if x.shape[-1] == 1 else each) for each in x)
    return np.stack([_array(_fit(image, size)) for image in images])


class Block(NamedTuple):
    """Image files that are to be rows of one array in a file.

    Attributes:
      folder: where they are.
      names: of the files in it.
      shape: `(h, w, c)` that each must have.
      size: of both sides, to which they are brought; or None.
      file: that the rows are written to; it is there already.
      start: offset in it, in bytes.
    """

    folder: str
    names: list[str]
    shape: tuple[int, int, int]
    size: int | None
    file: str
    start: int


def convert(block: Block) -> tuple[str, dict[int, str]]:
    """Decodes files and writes them; who cannot be read is black.

    Args:
      block: what to write, and where.

    Returns:
      The SHA-256 of the bytes, in hex digits, and why files could not be read, by their number.

    Raises:
      ValueError: an image of another size.
      OSError: the file cannot be written.
    """
    rows, bad = _decoded(block)
    return _written(block, rows), bad


def _decoded(block: Block) -> tuple[list[bytes], dict[int, str]]:
    height, width, channels = block.shape
    rows, bad = [], {}
    for row, name in enumerate(block.names):
        try:
            image = image_of(f'{block.folder}/{name}', channels, block.size)
        except Exception as error:  # A damaged file raises a dozen kinds, by what is wrong.
            bad[row] = reason(error)
            rows.append(bytes(height * width * channels))
            continue
        if image.size != (width, height):
            raise ValueError(f'{sizes(block.shape, (image.height, image.width))} in {name!r}')
        rows.append(image.tobytes())
    return rows, bad


def _written(block: Block, rows: list[bytes]) -> str:
    digest = hashlib.sha256()
    with open(block.file, 'r+b') as file:
        file.seek(block.start)
        for row in rows:
            digest.update(row)
            file.write(row)
    return digest.hexdigest()


def _serve() -> None:
    """Answers each line, a block, by a line: its hash and its bad files, or what was wrong."""
    from PIL import Image, ImageFile

    limits = json.loads(sys.stdin.readline())
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits
    parent = os.getppid()
    with strict(), contextlib.suppress(BrokenPipeError):
        for line in sys.stdin:
            answer: dict[str, Any]
            block = Block(*json.loads(line))
            try:
                rows, bad = _decoded(block)
                if os.getppid() != parent:
                    return  # It was killed, and another process may write to the file now.
                answer = {'mark': _written(block, rows), 'bad': list(bad.items())}
            except ValueError as error:
                answer = {'refused': str(error)}
            except OSError as error:
                answer = {'failed': [error.errno, error.strerror]}
            print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    _serve()
