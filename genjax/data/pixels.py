"""Image files of any size and mode to arrays of bytes."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from genjax.data.arrays import scaled
from genjax.data.reading import PLAIN, Reading

_FORMATS = ('JPEG', 'PNG', 'WEBP')
_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
# Where Pillow finds an orientation.
_ORIENTED = frozenset({'exif', 'Raw profile type exif', 'xmp', 'XML:com.adobe.xmp'})
_JPEG, _APP1 = b'\xff\xd8\xff', b'\xff\xe1'  # the latter has the EXIF data


def suffixes(reading: Reading) -> tuple[str, ...]:
    """How the names of image files end.

    Args:
      reading: GIF files are images where their first frame is taken.
    """
    return (*_SUFFIXES, '.gif') if reading.first_frame else _SUFFIXES


def _formats(reading: Reading) -> tuple[str, ...]:
    return (*_FORMATS, 'GIF') if reading.first_frame else _FORMATS


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


def is_colour(file: Any, reading: Reading = PLAIN) -> bool:
    """Whether an image has colours, by its header alone.

    Args:
      file: a path or a file.
      reading: of its kind.

    Raises:
      Exception: of Pillow, of a file that it cannot read.
    """
    from PIL import Image

    with Image.open(file, formats=_formats(reading)) as image:
        return _has_colour(image)


def decode(
    content: bytes, channels: int, size: int | None = None, reading: Reading = PLAIN
) -> UInt8[np.ndarray, 'h w c']:
    """One image, turned upright by its EXIF orientation, on a ground where it is transparent.

    Args:
      content: of a file.
      channels: 1 or 3.
      size: of both sides. The short side is brought to it with antialiasing (Lanczos), the long
        one cropped at the centre; None leaves the size.
      reading: other ways to do that.

    Raises:
      Exception: of Pillow, of a file that it cannot read, that is animated, or that has more than
        `PIL.Image.MAX_IMAGE_PIXELS` pixels (see `strict`).
    """
    plain = None if reading.range else _plain_jpeg(content, channels)
    if plain is not None:
        return _scaled(plain, size, reading)
    return _array(_fit(_opened(content, 'L' if channels == 1 else 'RGB', reading), size, reading))


def _plain_jpeg(content: bytes, channels: int) -> UInt8[np.ndarray, 'h w c'] | None:
    """The same bytes in less than half of Pillow's time; None of all that Pillow is to judge."""
    import simplejpeg
    from PIL import Image

    if not content.startswith(_JPEG) or _APP1 in content:
        return None
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
        plain = space == 'Gray' or (space == 'YCbCr' and channels == 3)
        if not plain or height * width > (Image.MAX_IMAGE_PIXELS or np.inf):
            return None
        return simplejpeg.decode_jpeg(content, 'GRAY' if channels == 1 else 'RGB')
    except ValueError:  # Damaged, perhaps.
        return None


def _opened(content: bytes, mode: str, reading: Reading) -> Any:
    """As Pillow reads it, upright."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=_formats(reading)) as image:
        # A phone's JPEG may carry further pictures (MPO), of which the first is the photograph.
        many = getattr(image, 'is_animated', False) and image.format != 'MPO'
        if many and not reading.first_frame:
            raise ValueError('it is animated; --first-frame takes its first picture')
        image.load()
        # The search for an orientation costs a tenth of all that a small image does.
        if not _ORIENTED.isdisjoint(image.info):
            ImageOps.exif_transpose(image, in_place=True)
        return _flat(image, mode, reading)


def of_pillow(image: Any, size: int | None, reading: Reading) -> UInt8[np.ndarray, 'h w c']:
    """One image, grey or coloured as it is or as the reading has it.

    Args:
      image: of Pillow, or the bytes of a file.
      size: as in `decode`.
      reading: as in `decode`.

    Raises:
      Exception: as in `decode`.
    """
    if isinstance(image, bytes):
        colour = is_colour(io.BytesIO(image), reading)
        return decode(image, reading.channels or (3 if colour else 1), size, reading)
    mode = {1: 'L', 3: 'RGB', None: 'RGB' if _has_colour(image) else 'L'}[reading.channels]
    return _array(_fit(_flat(image, mode, reading), size, reading))


def _has_colour(image: Any) -> bool:
    return image.mode not in ('1', 'L', 'LA') and not image.mode.startswith('I')


def _flat(image: Any, mode: str, reading: Reading) -> Any:
    """Without transparency, of 8 bits, grey or coloured."""
    from PIL import Image

    if image.mode.startswith('I'):  # 16 bits, of which Pillow's own conversion drops the lower 8
        image = Image.fromarray(scaled(np.asarray(image), reading.range or (0.0, 65535.0)))
        return image if image.mode == mode else image.convert(mode)
    if image.has_transparency_data:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, reading.ground), image)
    image = image if image.mode == mode else image.convert(mode)
    if reading.range is None:
        return image
    return Image.fromarray(scaled(np.asarray(image), reading.range))


def _fit(image: Any, size: int | None, reading: Reading) -> Any:
    """Scaled, and cropped, padded or stretched, as the reading says."""
    from PIL import Image, ImageOps

    if size is None or image.size == (size, size):
        return image
    resample = Image.Resampling[reading.resample.upper()]
    if reading.fit == 'stretch':
        return image.resize((size, size), resample)
    if reading.fit == 'pad':
        return ImageOps.pad(image, (size, size), resample, color=reading.ground)
    return ImageOps.fit(image, (size, size), resample)


def _array(image: Any) -> UInt8[np.ndarray, 'h w c']:
    # Half the time of `numpy.asarray`, which small images notice.
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1)


def _scaled(
    x: UInt8[np.ndarray, 'h w c'], size: int | None, reading: Reading
) -> UInt8[np.ndarray, 'size size c']:
    from PIL import Image

    if size is None or x.shape[:2] == (size, size):
        return x
    return _array(_fit(Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x), size, reading))


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
    wanted = 'images of one size, or a size to bring them to (--image-size)'
    return f'expected {wanted}, got {b}x{a} and {d}x{c}'


def resized(
    x: UInt8[np.ndarray, 'n h w c'], size: int | None, reading: Reading
) -> UInt8[np.ndarray, 'n size size c']:
    """Images of one size, and of as many channels as are wanted.

    Args:
      x: in memory.
      size: of both sides; None leaves it.
      reading: how they come to it, and the channels.
    """
    from PIL import Image

    if reading.channels == 1 and x.shape[-1] == 3:
        x = np.stack([np.asarray(Image.fromarray(each).convert('L'))[..., None] for each in x])
    elif reading.channels == 3:
        x = np.broadcast_to(x, (*x.shape[:-1], 3))
    if size is None or x.shape[1:3] == (size, size):
        return np.ascontiguousarray(x)
    return np.stack([_scaled(each, size, reading) for each in x])
