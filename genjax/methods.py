"""The methods of all families: what they are called, where they come from, what they reached."""

import inspect
import re
from collections.abc import Callable
from typing import NamedTuple

import genjax.gan.methods
import genjax.vae.methods

_FAMILIES = {'gan': genjax.gan.methods, 'vae': genjax.vae.methods}
# The first paragraph of a method's docstring.
_ABOUT = re.compile(r'(.+?), (.+? \d{4}) \((\S+)\): (.+)\.')


class Method(NamedTuple):
    """What the docstring of a method tells.

    Attributes:
      name: `gan.dcgan`, as in Python; the last word is the command line's.
      title: what the literature calls it.
      paper: authors and year.
      url: of the paper.
      about: what it is for.
      reached: a figure and the command that gives it.
    """

    name: str
    title: str
    paper: str
    url: str
    about: str
    reached: str

    def __str__(self) -> str:
        return (
            f'{self.name.partition(".")[2]}\n    {self.title}, {self.paper} ({self.url})\n'
            f'    {self.about}\n    {self.reached}'
        )


def recipes() -> dict[str, Callable]:
    """The public methods of all families, by name."""
    return {n: getattr(module, n) for module in _FAMILIES.values() for n in module.__all__}


def methods() -> list[Method]:
    """What all public methods tell of themselves, family by family."""
    return [
        _told(f'{family}.{name}', getattr(module, name))
        for family, module in _FAMILIES.items()
        for name in module.__all__
    ]


def _told(name: str, function: Callable) -> Method:
    paragraphs = re.split(r'\n\s*\n', (inspect.getdoc(function) or '').partition('Args:\n')[0])
    plain = [' '.join(paragraph.split()) for paragraph in paragraphs]
    about = _ABOUT.fullmatch(plain[0])
    reached = [text.partition(' ')[2] for text in plain if text.startswith('Reached: ')]
    if about is None or len(reached) != 1:
        raise ValueError(
            f'expected the docstring of {name} to begin with "Title, Authors YEAR (URL): what it '
            f'is for." and to have a paragraph "Reached: ...", got {plain}'
        )
    title, paper, url, purpose = about.groups()
    return Method(name, title, paper, url, purpose, reached[0])


def table() -> str:
    """All methods as a table in Markdown, a line each."""
    rows = [
        f'| `{m.name}` | {m.title}, [{m.paper}]({m.url}) | {m.about} | {m.reached} |'
        for m in methods()
    ]
    return '\n'.join(['| method | paper | what it is for | reached |', '|---|---|---|---|', *rows])
