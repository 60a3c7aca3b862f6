"""A method as what it changes of its family."""

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

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
    signature = inspect.signature(family)
    if unknown := sorted(set(defaults) - set(signature.parameters)):
        raise TypeError(f'expected options of {family.__name__}, got {unknown}')

    def decorate(empty: Callable[[], R]) -> Callable[P, R]:
        @functools.wraps(empty, assigned=('__module__', '__name__', '__qualname__'), updated=())
        def method(*args: P.args, **options: P.kwargs) -> R:
            return family(*args, **{**defaults, **options})  # type: ignore[arg-type]

        del method.__wrapped__  # type: ignore[attr-defined]
        first, *others = signature.parameters.values()
        others.sort(key=lambda p: p.name not in defaults)
        ordered = [p.replace(default=defaults.get(p.name, p.default)) for p in (first, *others)]
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
