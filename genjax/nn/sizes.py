"""The image sizes that stacks of stride-2 convolutions know."""

from collections.abc import Sequence

# Pixels of an image -> pixels of the smallest map; each stage in between doubles.
BASES = {28: 7, 32: 4, 64: 4, 128: 4}


def stages(image_shape: Sequence[int]) -> tuple[int, int]:
    """Pixels of the smallest map and the number of stride-2 stages between it and the image.

    Args:
      image_shape: `(height, width, channels)`.

    Raises:
      ValueError: not a square of a known size, or neither 1 nor 3 channels.
    """
    shape = tuple(image_shape)
    if len(shape) != 3 or shape[0] != shape[1] or shape[0] not in BASES or shape[2] not in (1, 3):
        known = ', '.join(f'{size}x{size}' for size in BASES)
        raise ValueError(f'expected images of {known} and 1 or 3 channels, got {shape}')
    base = BASES[shape[0]]
    return base, (shape[0] // base).bit_length() - 1
