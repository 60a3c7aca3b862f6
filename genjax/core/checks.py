"""Numbers in their ranges."""

import math


def check_range(low: float, high: float = math.inf, **numbers: float) -> None:
    """Refuses numbers outside of [low, high], and NaN.

    Args:
      low: the least.
      high: the greatest.
      **numbers: by the names that the message gives them.

    Raises:
      ValueError: one is outside.
    """
    for name, value in numbers.items():
        if not low <= value <= high:
            bounds = f'>= {low}' if high == math.inf else f'in [{low}, {high}]'
            raise ValueError(f'expected {name} {bounds}, got {value}')
