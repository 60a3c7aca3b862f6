"""A method as what it changes of its family."""

import inspect
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from genjax.parts.kinds import nearest, signature_of
from genjax.parts.making import fold

P = ParamSpec('P')
R = TypeVar('R')


def preset(family: Callable[P, R], **defaults: Any) -> Callable[[Callable[[], R]], Callable[P, R]]:
    """A method of a family: the family's function with other defaults.

    Decorates an empty function, which has the method's name and docstring. Signature, annotations
    and documentation are the family's, with these defaults, which come first.

    Args:
      family: a function of an image shape and keywords.
      **defaults: the options that the method changes.

    Raises:
      TypeError: the family has no such option.
    """
    signature = signature_of(family)
    if unknown := sorted(set(defaults) - set(signature.parameters)):
        raise TypeError(f'expected options of {family.__name__}, got {unknown}')
    chosen = fold(signature.parameters, defaults)  # Options of parts stand in their parts.

    def decorate(empty: Callable[[], R]) -> Callable[P, R]:
        def method(*args: P.args, **options: P.kwargs) -> R:
            for name in options:
                if name not in signature.parameters:
                    hint = nearest(name, list(signature.parameters))
                    raise TypeError(f'{empty.__name__} has no option {name!r}; {hint}')
            return family(*args, **{**chosen, **options})  # type: ignore[arg-type]

        for attribute in ('__module__', '__name__', '__qualname__'):
            setattr(method, attribute, getattr(empty, attribute))
        first, *others = signature.parameters.values()
        others.sort(key=lambda p: p.name not in chosen)
        ordered = [p.replace(default=chosen.get(p.name, p.default)) for p in (first, *others)]
        method.__signature__ = signature.replace(parameters=ordered)  # type: ignore[attr-defined]
        method.__annotations__ = {p.name: p.annotation for p in ordered}
        method.__annotations__['return'] = signature.return_annotation
        about, described = inspect.getdoc(empty) or '', arguments(family)
        lines = '\n'.join(described[p.name] for p in ordered if p.name in described)
        method.__doc__ = f'{about}\n\nArgs:\n{lines}\n'
        return method

    return decorate


def arguments(function: Callable) -> dict[str, str]:
    """The lines of a docstring on each argument, by its name.

    Args:
      function: with a section `Args:`.
    """
    section = (inspect.getdoc(function) or '').partition('Args:\n')[2].partition('\n\n')[0]
    starts = re.split(r'^(?=  \S)', section, flags=re.MULTILINE)
    named = ((re.match(r'  \**(\w+):', text), text.rstrip('\n')) for text in starts)
    return {match[1]: text for match, text in named if match}
