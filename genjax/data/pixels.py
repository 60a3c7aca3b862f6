"""Image files of any size and mode to arrays of bytes."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

FORMATS = ('JPEG', 'PNG', 'WEBP')
SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')
# Where Pillow finds an orientation.
_ORIENTED = frozenset({'exif', 'Raw profile type exif', 'xmp', 'XML:com.adobe.xmp'})
_JPEG, _APP1 = b'\xff\xd8\xff', b'\xff\xe1'  # the latter has the EXIF data


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


def decode(content: bytes, channels: int, size: int | None = None) -> UInt8[np.ndarray, 'h w c']:
    """One image, turned upright by its EXIF orientation, on white where it is transparent.

    Args:
      content: of a file.
      channels: 1 or 3.
      size: of both sides. The short side is brought to it with antialiasing (Lanczos), the long
        one cropped at the centre; None leaves the size.

    Raises:
      Exception: of Pillow, of a file that it cannot read, that is animated, or that has more than
        `PIL.Image.MAX_IMAGE_PIXELS` pixels (see `strict`).
    """
    plain = _plain_jpeg(content, channels)
    if plain is not None:
        return _scaled(plain, size)
    return _array(_fit(_opened(content, 'L' if channels == 1 else 'RGB'), size))


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


def _opened(content: bytes, mode: str) -> Any:
    """As Pillow reads it, upright."""
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        # A phone's JPEG may carry further pictures (MPO), of which the first is the photograph.
        if getattr(image, 'is_animated', False) and image.format != 'MPO':
            raise ValueError('it is animated')
        image.load()
        # The search for an orientation costs a tenth of all that a small image does.
        if not _ORIENTED.isdisjoint(image.info):
            ImageOps.exif_transpose(image, in_place=True)
        return _flat(image, mode)


def _flat(image: Any, mode: str) -> Any:
    """Without transparency, of 8 bits, grey or coloured."""
    from PIL import Image

    if image.mode.startswith('I'):  # 16 bits, of which Pillow's own conversion drops the lower 8
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
    # Half the time of `numpy.asarray`, which small images notice.
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1)


def _scaled(x: UInt8[np.ndarray, 'h w c'], size: int | None) -> UInt8[np.ndarray, 'size size c']:
    from PIL import Image

    if size is None or x.shape[:2] == (size, size):
        return x
    return _array(_fit(Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x), size))


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
    return np.stack([_scaled(each, size) for each in x])
