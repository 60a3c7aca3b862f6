"""A run as a folder that leaves genjax, and its reader."""

from genjax.exports.reader import Exported, load_exported
from genjax.exports.writer import export

__all__ = ['Exported', 'export', 'load_exported']
