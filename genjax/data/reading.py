"""How arrays and files become images: what a person may choose of it."""

import numbers
from typing import Any, Literal, NamedTuple, get_args

from genjax.data.errors import DataError

Fit = Literal['crop', 'pad', 'stretch']
Resample = Literal['lanczos', 'bicubic', 'bilinear', 'box', 'nearest']


class Reading(NamedTuple):
    """How arrays and files become images.

    Attributes:
      range: the values of black and of white, linear between them; what lies beyond is cut. None
        for 0 and 255 of bytes and -1 and 1 of floats, and 0 and the greatest that there can be in
        files of 16 bits.
      channels: 1 makes all images grey, 3 coloured; None leaves arrays as they are, and files grey
        where all are.
      fit: how images come to the size: the long side is cropped at the centre, or the short one
        padded, or both are stretched.
      resample: the filter by which they are scaled.
      ground: colour behind what is transparent, and around what is padded.
      keys: which arrays or columns to take, as in `images=x_train,labels=y_train`; '' finds them.
      first_frame: takes the first picture of animated files, which are refused otherwise.
      follow_links: follows links that leave the folder.
      skip_unreadable: leaves out what cannot be read; it is counted and named.
      rules: by which names and numbers become classes; 1 is how genjax 0.1.0 had them.
    """

    range: tuple[float, float] | None = None
    channels: Literal[1, 3] | None = None
    fit: Fit = 'crop'
    resample: Resample = 'lanczos'
    ground: str = 'white'
    keys: str = ''
    first_frame: bool = False
    follow_links: bool = False
    skip_unreadable: bool = False
    rules: Literal[1, 2] = 2

    @property
    def named(self) -> dict[str, str]:
        """The keys by what they are of: `images`, `labels`."""
        pairs = [pair.partition('=') for pair in self.keys.split(',') if pair]
        named = {name.strip(): key.strip() for name, _, key in pairs}
        if set(named) - {'images', 'labels'} or not all(named.values()):
            raise DataError(f'expected keys as images=NAME,labels=NAME, got {self.keys!r}')
        return named

    @property
    def chosen(self) -> dict[str, Any]:
        """What is not at its default, as JSON values."""
        pairs = zip(self._fields, self, self.__class__(), strict=True)
        told = {name: value for name, value, default in pairs if value != default}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items()}


PLAIN = Reading()


def checked(reading: Any) -> Reading:
    """A reading whose values can be.

    Args:
      reading: one, or a dict of what is not at its default.

    Raises:
      DataError: an unknown option, or another value than it may have.
    """
    if isinstance(reading, dict):
        if odd := sorted(set(reading) - set(Reading._fields)):
            raise DataError(f'expected options of reading among {Reading._fields}, got {odd}')
        reading = Reading(**reading)
    if not isinstance(reading, Reading):
        raise DataError(f'expected a Reading or a dict of its options, got {reading!r}')
    if reading.range is not None:
        reading = reading._replace(range=_ends(reading.range))
    words = {'fit': get_args(Fit), 'resample': get_args(Resample)}
    known: dict[str, tuple] = {'channels': (None, 1, 3), 'rules': (1, 2), **words}
    for name, values in known.items():
        if (value := getattr(reading, name)) not in values:
            raise DataError(f'expected {name} among {values}, got {value!r}')
    assert reading.named is not None
    return reading._replace(ground=_colour(reading.ground))


def _ends(ends: Any) -> tuple[float, float]:
    fits = isinstance(ends, (tuple, list)) and len(ends) == 2
    if not fits or not all(isinstance(e, numbers.Real) for e in ends) or not ends[0] < ends[1]:
        raise DataError(f'expected a range (low, high) with low < high, got {ends!r}')
    return float(ends[0]), float(ends[1])


def _colour(ground: Any) -> str:
    if ground == 'white':
        return ground
    from PIL import ImageColor

    try:
        ImageColor.getrgb(ground)
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"expected a colour such as 'white' or '#808080', got {ground!r}"
        ) from error
    return ground
