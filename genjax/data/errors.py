"""What is wrong with data."""

_LARGEST = 1 << 14  # of an image's sides


class DataError(ValueError):
    """Data that cannot be used; the message says what was expected and what came."""


def check_size(size: int | None) -> None:
    """Refuses an `image_size` that is no integer >= 1.

    Args:
      size: or None, which leaves images as they are.

    Raises:
      DataError: it is refused.
    """
    if size is not None and not (isinstance(size, int) and 1 <= size <= _LARGEST):
        raise DataError(f'expected image_size to be an integer in [1, {_LARGEST}], got {size!r}')
