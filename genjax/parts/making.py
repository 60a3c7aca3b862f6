"""Parts of what stands for them: in Python they may be given made, as functions, or by name."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from genjax.parts.kinds import Kind, check_options, makers, slot_of
from genjax.parts.texts import opened, parse


def make(kind: Kind, value: Any, *given: Any, **options: Any) -> Any:
    """The part that a value stands for.

    Args:
      kind: what it should be.
      value: a part, a function that makes one, or its text.
      *given: what the family gives, for the part that the function makes of it.
      **options: of the part, in the place of those that it has; None leaves them.

    Raises:
      ValueError: it stands for none, or has no such option.
    """
    found = with_options(kind, _read(kind, value), options)
    if kind.called:
        maker, chosen = opened(found)
        if maker in makers(kind).values():
            found = maker(**chosen)
        fits = callable(found) or isinstance(found, (int, float)) or hasattr(found, 'dtype')
    elif kind.given:
        fits = isinstance(found, kind.types) or _takes(found, kind.given)
    else:
        found = found() if callable(found) else found
        fits = isinstance(found, kind.types)
    if not fits:
        known = ', '.join(makers(kind))
        raise ValueError(
            f'expected {kind.what}: one of {known} (by name), or one of your own, got {value!r}'
        )
    if not given or isinstance(found, kind.types):
        return found
    made = found(*given)
    if not isinstance(made, kind.types):
        wanted = ' or '.join(f'{t.__module__.split(".")[1]}.{t.__name__}' for t in kind.types)
        raise ValueError(f'expected {kind.what} that make a {wanted}, got {type(made).__name__}')
    return made


def _takes(function: Any, given: Sequence[str]) -> bool:
    """Whether it can be called with so many arguments by position, and has none yet."""
    if getattr(function, 'args', ()):
        return False
    try:
        inspect.signature(function).bind_partial(*given)
    except (TypeError, ValueError):
        return False
    return True


def maybe(kind: Kind, value: Any) -> Any:
    """The part that a value stands for, or None for None.

    Args:
      kind: what it should be.
      value: None, or as `make` takes it.

    Raises:
      ValueError: it stands for none.
    """
    return None if value is None else make(kind, value)


def make_all(kind: Kind, values: Any) -> list[Any]:
    """The parts of a sequence, or the one of what is no sequence.

    Args:
      kind: what they should be.
      values: each as `make` takes it.

    Raises:
      ValueError: one stands for none.
    """
    return [make(kind, value) for value in several(kind, values)]


def several(kind: Kind, values: Any) -> Any:
    """A sequence of what stands for parts, also where one was given by itself.

    Args:
      kind: what they should be.
      values: one or many.
    """
    one = isinstance(values, (str, *kind.types)) or callable(values)
    return (values,) if one else values


def with_options(kind: Kind, part: Any, options: Mapping[str, Any]) -> Any:
    """A function with some of its options chosen.

    Args:
      kind: what it is.
      part: a function or a `functools.partial` of one.
      options: by name; None leaves what the part has.

    Raises:
      ValueError: it has no such option, or it is no function.
    """
    # JSON has no tuples.
    tuples = {n: tuple(v) if isinstance(v, list) else v for n, v in options.items()}
    chosen = {name: value for name, value in tuples.items() if value is not None}
    if not chosen:
        return part
    maker, old = opened(part)
    if not callable(maker):
        raise ValueError(f'expected a function to choose {sorted(chosen)} of, got {part!r}')
    check_options(kind, maker, list(chosen))
    return functools.partial(maker, *getattr(part, 'args', ()), **(old | chosen))


def fold(parameters: Mapping[str, inspect.Parameter], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a method, with those that are options of a part written into that part.

    Args:
      parameters: of the method.
      options: those that were chosen.

    Raises:
      ValueError: the part has no such option, or is no function.
    """
    folded = dict(options)
    for name, parameter in parameters.items():
        slot = slot_of(parameter.annotation)
        value = folded.pop(name, None) if slot.of else None
        if slot.of and value is not None:
            kind = slot_of(parameters[slot.of].annotation).kind
            assert kind is not None, f'{slot.of} takes no part'
            part = _read(kind, folded.get(slot.of, parameters[slot.of].default))
            try:
                chosen = _read(slot.kind, value) if slot.kind else value
                folded[slot.of] = with_options(kind, part, {name: chosen})
            except ValueError as error:
                raise ValueError(f'{name}: {error}') from None
    return folded


def _read(kind: Kind, value: Any) -> Any:
    return parse(kind, value) if isinstance(value, str) else value
