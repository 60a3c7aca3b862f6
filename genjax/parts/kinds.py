"""What a keyword of a method may be, as its annotation says."""

import difflib
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import optax

_VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


class Kind(NamedTuple):
    """A kind of part: what the public functions of some modules make.

    Attributes:
      what: how messages call such a part.
      modules: names of the modules.
      types: of such parts; a function is one that makes them if it is annotated to return one.
      returns: what it is annotated to return otherwise.
      given: parameters that the family gives: the part is then the function itself, and its other
        parameters are options. Without any, the part is what the function returns.
      called: the text stands for what the function returns, or is a number.
    """

    what: str
    modules: tuple[str, ...]
    types: tuple[type, ...] = ()
    returns: tuple[Any, ...] = ()
    given: tuple[str, ...] = ()
    called: bool = False

    def __repr__(self) -> str:  # In the signatures that people read.
        return f'<{self.what}>'


class OptionOf(NamedTuple):
    """Marks a keyword as an option of the part that another keyword takes; None leaves it alone.

    Attributes:
      part: that other keyword.
    """

    part: str

    def __repr__(self) -> str:
        return f'<option of {self.part}>'


# A schedule is, as optax has them, a function of a count.
SCHEDULE = Kind('a schedule', ('optax',), returns=(optax.Schedule, 'base.Schedule'), called=True)
ScalarOrSchedule = Annotated[float | Callable | str, SCHEDULE]


class Slot(NamedTuple):
    """What an annotation says of its keyword.

    Attributes:
      kind: of the part that it takes, or None.
      many: whether it takes a sequence of them.
      of: the keyword of the part that it is an option of, or None.
    """

    kind: Kind | None = None
    many: bool = False
    of: str | None = None


def slot_of(annotation: Any) -> Slot:
    """What an annotation says of its keyword.

    Args:
      annotation: as it stands in a signature.
    """
    marks = getattr(annotation, '__metadata__', ())
    kind = next((mark for mark in marks if isinstance(mark, Kind)), None)
    of = next((mark.part for mark in marks if isinstance(mark, OptionOf)), None)
    if kind:
        return Slot(kind, of=of)
    inner = get_args(annotation)[: 1 if marks else None]
    found = next((slot for slot in map(slot_of, inner) if slot.kind), Slot())
    many = found.many or (found.kind is not None and get_origin(annotation) is Sequence)
    return Slot(found.kind, many, of or found.of)


def signature_of(method: Callable) -> inspect.Signature:
    """The signature of a method, with annotations that its module wrote as text read.

    Args:
      method: a function.
    """
    try:
        return inspect.signature(method, eval_str=True)
    except NameError:  # Imported for type checkers only.
        return inspect.signature(method)


def makers(kind: Kind) -> dict[str, Callable]:
    """The public functions of the kind's modules that make such parts, by name.

    Args:
      kind: of the parts.
    """

    def fits(function):
        parameters = inspect.signature(function).parameters
        # What takes other parts, by position, cannot be written as options.
        if any(p.kind == p.VAR_POSITIONAL for p in parameters.values()):
            return False
        if kind.given and not kind.returns:
            return tuple(parameters)[: len(kind.given)] == kind.given
        returns = inspect.unwrap(function).__annotations__.get('return')
        return returns in (kind.returns or kind.types) or _spelt(returns) in kind.returns

    modules = [sys.modules[name] for name in kind.modules]
    found = [pair for module in modules for pair in inspect.getmembers(module, inspect.isfunction)]
    # What optax calls so is the part of an optimizer.
    hidden = ('_', 'scale_by_')
    return {name: f for name, f in found if not name.startswith(hidden) and fits(f)}


def _spelt(annotation):
    return f"Float[Array, '{annotation.dim_str}']" if hasattr(annotation, 'dim_str') else None


def options_of(kind: Kind, maker: Callable) -> dict[str, inspect.Parameter]:
    """What may be chosen of a part.

    Args:
      kind: of the part.
      maker: the function that makes it, or is it.
    """
    parameters = inspect.signature(maker).parameters.items()
    return {n: p for n, p in parameters if n not in kind.given and p.kind not in _VARIADIC}


def check_options(kind: Kind, maker: Callable, names: Sequence[str]) -> None:
    """Refuses options that a part does not have.

    Args:
      kind: of the part.
      maker: the function that makes it, or is it.
      names: of the options.

    Raises:
      ValueError: there is no such option.
    """
    known = list(options_of(kind, maker))
    for name in names:
        if name not in known:
            own = getattr(maker, '__name__', repr(maker))
            hint = nearest(name, known) if known else 'it has none'
            raise ValueError(f'{own} has no option {name!r}; {hint}')


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the known name that is most like a misspelt one, or at all of them.

    Args:
      name: that there is not.
      known: those that there are.
    """
    close = difflib.get_close_matches(name, known, 1)
    return f'did you mean {close[0]!r}?' if close else f'known: {", ".join(known)}'
