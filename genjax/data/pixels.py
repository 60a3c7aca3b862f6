"""Image files of any size and mode to arrays of bytes, by Pillow."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from genjax.data.errors import DataError

FORMATS = ('JPEG', 'PNG', 'WEBP')
SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
_LARGEST = 1 << 14
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


def check_size(size: int | None) -> None:
    """Refuses an `image_size` that is no integer >= 1.

    Args:
      size: or None, which leaves images as they are.

    Raises:
      DataError: it is refused.
    """
    if size is not None and not (isinstance(size, int) and 1 <= size <= _LARGEST):
        raise DataError(f'expected image_size to be an integer in [1, {_LARGEST}], got {size!r}')


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
    from PIL import Image, ImageOps

    with Image.open(file, formats=FORMATS) as image:
        # A phone's JPEG may carry further pictures (MPO), of which the first is the photograph.
        if getattr(image, 'is_animated', False) and image.format != 'MPO':
            raise ValueError('it is animated')
        image.load()
        # The search for an orientation costs a tenth of all that a small image does.
        if not _ORIENTED.isdisjoint(image.info):
            ImageOps.exif_transpose(image, in_place=True)
        return fit(_flat(image, 'L' if channels == 1 else 'RGB'), size)


def _flat(image: Any, mode: str) -> Any:
    """Without transparency, of 8 bits, grey or coloured."""
    from PIL import Image

    if image.mode.startswith('I'):  # 16 bits, of which Pillow's own conversion drops the lower 8
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return image if image.mode == mode else image.convert(mode)


def fit(image: Any, size: int | None) -> UInt8[np.ndarray, 'h w c']:
    """A Pillow image as an array; scaled and cropped as `decode` says.

    Args:
      image: of mode L or RGB.
      size: of both sides, or None.
    """
    from PIL import Image, ImageOps

    if size is not None and image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
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
    from PIL import Image

    grey = x.shape[-1] == 1
    return np.stack([fit(Image.fromarray(image[..., 0] if grey else image), size) for image in x])
