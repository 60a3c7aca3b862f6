"""Parts as text, for commands and configs, and back: `name:option=value,...`.

Nothing is registered: a new loss in its module can be named at once.
"""

import ast
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from genjax.parts.kinds import SCHEDULE, Kind, check_options, makers, nearest, options_of


class Schedule(NamedTuple):
    """A schedule that remembers how it is written.

    Attributes:
      name: of the function that makes it.
      options: of that function.
      function: of a count.
    """

    name: str
    options: Mapping[str, Any]
    function: Callable

    def __call__(self, count: Any) -> Any:
        return self.function(count)

    def __repr__(self) -> str:
        return f'{self.name}({_written(self.options)})'


def parse(kind: Kind, text: str) -> Any:
    """The part that a text names, or the function that makes it.

    Args:
      kind: what it should be.
      text: `name` or `name:option=value,option=value`; for a schedule a number too. A value is a
        literal, or a schedule `name(option=value, option=value)`.

    Raises:
      ValueError: an unknown name or option, or another value.
    """
    if kind.called and (number := _number(text)) is not None:
        if not math.isfinite(number):
            raise ValueError(f'expected a finite number, got {text!r}')
        return number
    name, _, rest = text.partition(':')
    known = makers(kind)
    if (maker := known.get(name.replace('-', '_'))) is None:
        raise ValueError(f'unknown name {name!r}; {nearest(name, list(known))}')
    pairs = [_option(kind, maker, piece) for piece in _pieces(rest)]
    if len(options := dict(pairs)) < len(pairs):
        raise ValueError(f'expected each option of {name} once, got {rest!r}')
    if kind.called:
        return _scheduled(maker, options)
    return functools.partial(maker, **options) if options else maker


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _scheduled(maker: Callable, options: dict[str, Any]) -> Schedule:
    try:
        return Schedule(maker.__name__, options, maker(**options))
    except Exception as error:  # optax checks little of what it is given.
        raise ValueError(f'{_named(maker.__name__, options)!r}: {error}') from None


def _pieces(text: str) -> list[str]:
    """Splits at the commas that are not inside brackets."""
    pieces, depth = [''], 0
    for char in text:
        depth += (char in '([{') - (char in ')]}')
        if char == ',' and not depth:
            pieces.append('')
        else:
            pieces[-1] += char
    return [piece for piece in pieces if piece]


def _option(kind: Kind, maker: Callable, piece: str) -> tuple[str, Any]:
    option, equals, value = piece.partition('=')
    option = option.strip().replace('-', '_')
    if not equals:
        raise ValueError(f'expected option=value after {maker.__name__!r}, got {piece!r}')
    check_options(kind, maker, [option])
    try:
        node = ast.parse(value.strip(), mode='eval').body
        called, options = _call(node)
        schedule = makers(SCHEDULE).get(called)
        word = _is_word(options_of(kind, maker)[option]) and isinstance(node, ast.Name)
        read = None if schedule else value.strip() if word else ast.literal_eval(node)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        where = f'{maker.__name__}:{option}'
        raise ValueError(f'expected a literal for {where}, got {value!r}') from None
    read = tuple(read) if isinstance(read, list) else read
    return option, _scheduled(schedule, options) if schedule else read


def _call(node: ast.expr) -> tuple[str, dict[str, Any]]:
    """The name and the keywords of a call; '' where there is none."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        return '', {}
    return node.func.id, {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}


def describe(kind: Kind, part: Any) -> str:
    """The text that names a part, without the options that are at their defaults.

    Args:
      kind: what it is.
      part: a function of the kind's modules, or a `functools.partial` of one with keywords, or a
        number, or a text.

    Raises:
      ValueError: a part that no text names.
    """
    if isinstance(part, str):
        return describe(kind, parse(kind, part))
    if isinstance(part, Schedule):
        return _named(part.name, part.options)
    if kind.called and (isinstance(part, float | int) or getattr(part, 'ndim', None) == 0):
        return repr(float(part))
    maker, options = opened(part)
    name, known = getattr(maker, '__name__', ''), makers(kind)
    if name not in known or known[name] is not maker or (part is not maker and part.args):
        names = ', '.join(known)
        raise ValueError(f'expected one of {names}, or a partial of one with keywords, got {part}')
    check_options(kind, maker, list(options))
    slots = options_of(kind, maker)
    # In the order of the signature, and as `parse` gives them.
    chosen = {n: options[n] for n in slots if n in options}
    plain = {n: tuple(v) if isinstance(v, list) else v for n, v in chosen.items()}
    told = {n: v for n, v in plain.items() if not _same(v, slots[n].default)}
    words = {n for n, v in told.items() if _is_word(slots[n]) and str(v).isidentifier()}
    text = _named(name, {n: _Bare(v) if n in words else v for n, v in told.items()})
    parse(kind, text)  # Refuses values that no text names.
    return text


def opened(part: Any) -> tuple[Any, dict[str, Any]]:
    """The function that a part is of, and its options.

    Args:
      part: a function, a `functools.partial`, or anything else.
    """
    if isinstance(part, functools.partial):
        return part.func, dict(part.keywords)
    return part, {}


class _Bare(str):
    """A word that is written without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _is_word(slot: inspect.Parameter) -> bool:
    return isinstance(slot.default, str)


def _same(value: Any, default: Any) -> bool:
    numbers = all(type(each) in (int, float) for each in (value, default))
    return (numbers or type(value) is type(default)) and value == default


def _named(name: str, options: Mapping[str, Any]) -> str:
    return f'{name}:{_written(options)}' if options else name


def _written(options: Mapping[str, Any]) -> str:
    return ','.join(f'{name}={value!r}' for name, value in options.items())
