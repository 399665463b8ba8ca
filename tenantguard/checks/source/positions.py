"""Positions: the source of each node of a file."""

from __future__ import annotations

import ast


class Positions:
    """The lines of a file, and the source of the nodes in it.

    Args:
        text: the file, its lines ended by ``\\n`` alone.
    """

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")

    def code(self, node: ast.expr) -> str:
        """Return the source of a node in one line."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        begin, end = node.col_offset, node.end_col_offset
        if first == last:
            return " ".join(_part(self.lines[first], begin, end).split())
        parts = [
            _part(self.lines[first], begin),
            *self.lines[first + 1 : last],
            _part(self.lines[last], 0, end),
        ]
        return " ".join(" ".join(parts).split())


def _part(line: str, begin: int, end: int | None = None) -> str:
    """Return a part of a line, whose columns Python counts in bytes of UTF-8."""
    return line[begin:end] if line.isascii() else line.encode()[begin:end].decode(errors="replace")
