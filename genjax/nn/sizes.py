"""The image sizes that stacks of stride-2 convolutions know."""

from collections.abc import Sequence

from jaxtyping import Array, Float

SMALLEST, LARGEST, MULTIPLE = 16, 256, 4
Size = tuple[int, int]


def stages(image_shape: Sequence[int]) -> list[Size]:
    """Height and width of each map of a stack, from the image to the smallest.

    Each stage halves them, rounding up, while the shorter side stays at 4 or more.

    Args:
      image_shape: `(height, width, channels)`.

    Raises:
      ValueError: a side that is no multiple of 4 from 16 to 256, or neither 1 nor 3 channels.
    """
    shape = tuple(image_shape)
    if len(shape) != 3 or shape[2] not in (1, 3) or any(_nearest(n) != n for n in shape[:2]):
        size = _nearest(min(shape[:2], default=0))
        raise ValueError(
            f'expected images whose height and width are multiples of {MULTIPLE} from {SMALLEST} '
            f'to {LARGEST}, with 1 or 3 channels, got {shape}: scale them (--image-size {size}), '
            'or take networks that take any (--networks mlp)'
        )
    sizes = [(shape[0], shape[1])]
    while min(shape[:2]) >= 2 ** (len(sizes) + 2):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def _nearest(side: int) -> int:
    """The side nearest to one that a stack takes."""
    return min(max(MULTIPLE * round(side / MULTIPLE), SMALLEST), LARGEST)


def cropped(h: Float[Array, 'b h w c'], size: Size) -> Float[Array, 'b h2 w2 c']:
    """A map without the last row or column, where a transposed convolution made one too many.

    Args:
      h: any map.
      size: height and width that it is to have.
    """
    return h if h.shape[1:3] == size else h[:, : size[0], : size[1]]
