"""Parts of a method, and methods as what they change of their family."""

from genjax.parts.kinds import (
    SCHEDULE,
    Kind,
    OptionOf,
    ScalarOrSchedule,
    Slot,
    makers,
    nearest,
    options_of,
    signature_of,
    slot_of,
)
from genjax.parts.making import fold, make, make_all, maybe, several
from genjax.parts.presets import arguments, preset
from genjax.parts.texts import Schedule, describe, opened, parse

__all__ = [
    'SCHEDULE',
    'Kind',
    'OptionOf',
    'ScalarOrSchedule',
    'Schedule',
    'Slot',
    'arguments',
    'describe',
    'fold',
    'make',
    'make_all',
    'makers',
    'maybe',
    'nearest',
    'opened',
    'options_of',
    'parse',
    'preset',
    'several',
    'signature_of',
    'slot_of',
]
