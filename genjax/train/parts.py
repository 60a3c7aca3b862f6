"""Parts of a recipe as text, for commands and configs, and back: `name:option=value,...`.

A recipe's keyword that is annotated as a part takes what the functions of one module make. Nothing
is registered: a new loss in its module can be named at once.
"""

import ast
import difflib
import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import optax

from genjax import augment
from genjax.gan import objectives, penalties
from genjax.optim import ScalarOrSchedule
from genjax.vae import bounds, distributions


class Kind(NamedTuple):
    """What a keyword of a recipe may be.

    Attributes:
      annotation: of the keyword.
      module: where the parts are.
      returns: the annotation of what makes a part; a part whose own name is given is called by the
        recipe.
      called: the text stands for what the function returns, not for the function.
      bare: the function itself is the part, and takes no options.
    """

    annotation: Any
    module: Any
    returns: Any
    called: bool = False
    bare: bool = False


KINDS = (
    Kind(objectives.ObjectiveLike, objectives, objectives.Objective),
    Kind(penalties.TermLike, penalties, penalties.Term),
    Kind(augment.AugmentLike, augment, augment.Augment),
    Kind(distributions.LikelihoodLike, distributions, distributions.Likelihood),
    Kind(bounds.Bound, bounds, "Float[Array, 'b']", bare=True),
    Kind(ScalarOrSchedule, optax, optax.Schedule, called=True),
)


def kind_of(annotation: Any) -> tuple[Kind | None, bool]:
    """The kind of part a keyword takes, and whether it takes a sequence of them.

    Args:
      annotation: as it stands in the recipe's signature.
    """
    inner = get_args(annotation)
    many = getattr(annotation, '__origin__', None) is Sequence
    wanted = inner[0] if many else annotation
    found = next((kind for kind in KINDS if kind.annotation == wanted), None)
    return found, many and found is not None


def makers(kind: Kind) -> dict[str, Callable]:
    """The public functions of the kind's module that make such a part, by name."""

    def fits(function):
        signature = inspect.signature(function)
        returns = inspect.unwrap(function).__annotations__.get('return')
        # What takes other parts, by position, cannot be written as options.
        options = all(p.kind != p.VAR_POSITIONAL for p in signature.parameters.values())
        made = kind.returns in (returns, _spelt(returns)) or returns == 'base.Schedule'
        return options and made

    found = inspect.getmembers(kind.module, inspect.isfunction)
    return {name: f for name, f in found if not name.startswith('_') and fits(f)}


def _spelt(annotation):
    return f"Float[Array, '{annotation.dim_str}']" if hasattr(annotation, 'dim_str') else None


def nearest(name: str, known: Sequence[str]) -> str:
    """A hint at the known name that is most like a misspelt one, or at all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f'did you mean {close[0]!r}?' if close else f'known: {", ".join(known)}'


def parse(kind: Kind, text: str) -> Any:
    """The part that a text names.

    Args:
      kind: what it should be.
      text: `name` or `name:option=value,option=value`; for a learning rate a number too.

    Raises:
      ValueError: an unknown name or option, or a value that is no literal.
    """
    if kind.called and (number := _number(text)) is not None:
        if not math.isfinite(number):
            raise ValueError(f'expected a finite number, got {text!r}')
        return number
    name, _, rest = text.partition(':')
    known = makers(kind)
    maker = known.get(name.replace('-', '_'))
    if maker is None:
        raise ValueError(f'unknown name {name!r}; {nearest(name, list(known))}')
    pairs = [_option(name, maker, piece) for piece in _pieces(rest)]
    options = dict(pairs)
    if len(options) < len(pairs) or (kind.bare and pairs):
        wanted = 'no options' if kind.bare else 'each option once'
        raise ValueError(f'expected {wanted} of {name}, got {rest!r}')
    if kind.called:
        try:
            return _Schedule(text, maker(**options))
        except Exception as error:  # optax checks little of what it is given.
            raise ValueError(f'{text!r}: {error}') from None
    return functools.partial(maker, **options) if options else maker


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class _Schedule(NamedTuple):
    """A schedule that remembers how it was written."""

    text: str
    function: Callable

    def __call__(self, count):
        return self.function(count)


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


def _option(part: str, maker: Callable, piece: str) -> tuple[str, Any]:
    option, equals, value = piece.partition('=')
    option = option.strip().replace('-', '_')
    known = list(inspect.signature(maker).parameters)
    if not equals:
        raise ValueError(f'expected option=value after {part!r}, got {piece!r}')
    if option not in known:
        raise ValueError(f'{part} has no option {option!r}; {nearest(option, known)}')
    try:
        return option, ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f'expected a literal for {part}:{option}, got {value!r}') from None


def describe(kind: Kind, part: Any) -> str:
    """The text that names a part: the inverse of `parse`.

    Args:
      kind: what it is.
      part: a function of the kind's module, or a `functools.partial` of one with keywords, or a
        number, or a text.

    Raises:
      ValueError: a part that no text names.
    """
    if isinstance(part, str):
        return describe(kind, parse(kind, part))
    if isinstance(part, _Schedule):
        return part.text
    if kind.called and isinstance(part, (int, float)):
        return repr(float(part))
    partial = isinstance(part, functools.partial)
    options, maker = (part.keywords, part.func) if partial else ({}, part)
    name = getattr(maker, '__name__', '')
    if makers(kind).get(name) is not maker or (partial and (part.args or kind.bare)):
        known = ', '.join(makers(kind))
        raise ValueError(f'expected one of {known}, or a partial of one with keywords, got {part}')
    pieces = [f'{option}={value!r}' for option, value in options.items()]
    return ':'.join([name, ','.join(pieces)]) if pieces else name
