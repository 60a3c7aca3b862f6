"""A run as a folder that leaves genjax, and its reader, which uses no method's code."""

from genjax.exports.reader import Exported, load_exported

__all__ = ['Exported', 'load_exported']
