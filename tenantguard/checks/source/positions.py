"""Positions: where each node of a file stands, found while its source is composed once."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import nullcontext
from typing import Any

import libcst as cst

_ENDS = re.compile(r"\r\n?|\n")  # of lines, as Python and editors count them
_NOTHING = nullcontext()


class Positions:
    """The source of a file and its lines, and where the nodes in it begin and end.

    It is what libcst tells while it composes a file, as its own ``PositionProvider`` does; counted in characters and
    not in lines and columns, which is four times as fast.

    Args:
        module: the file.
    """

    def __init__(self, module: cst.Module) -> None:
        composed = _Composed(module)
        module._codegen(composed)  # type: ignore[arg-type]  # it has what a state has
        self.source = "".join(composed.tokens)
        self._composed = composed
        self.lines = _ENDS.split(self.source)
        self._begins = [0, *(end.end() for end in _ENDS.finditer(self.source))]

    def line(self, node: cst.CSTNode) -> int:
        """Return the line that a node begins in."""
        return bisect_right(self._begins, self._composed.begins[id(node)])

    def code(self, node: cst.CSTNode) -> str:
        """Return the source of a node in one line."""
        key = id(node)
        return " ".join(self.source[self._composed.begins[key] : self._composed.ends[key]].split())


class _Composed:
    """A file that is being composed: what libcst asks of the state of that."""

    def __init__(self, module: cst.Module) -> None:
        self.default_indent, self.default_newline = module.default_indent, module.default_newline
        self.indent_tokens: list[str] = []
        self.tokens: list[str] = []
        self.begins: dict[int, int] = {}
        self.ends: dict[int, int] = {}
        self._at = 0

    def increase_indent(self, value: str) -> None:
        self.indent_tokens.append(value)

    def decrease_indent(self) -> None:
        self.indent_tokens.pop()

    def add_indent_tokens(self) -> None:
        for token in self.indent_tokens:
            self.add_token(token)

    def add_token(self, value: str) -> None:
        self.tokens.append(value)
        self._at += len(value)

    def pop_trailing_newline(self) -> None:
        if self.tokens:
            self.tokens.pop()

    def before_codegen(self, node: cst.CSTNode) -> None:
        self.begins[id(node)] = self._at

    def after_codegen(self, node: cst.CSTNode) -> None:
        self.ends.setdefault(id(node), self._at)

    def record_syntactic_position(self, node: cst.CSTNode, **_: Any) -> Any:
        """Note where an expression stands without its parentheses; of the rest, nobody asks."""
        return _Inner(self, id(node)) if getattr(node, "lpar", None) else _NOTHING


class _Inner:
    """An expression inside its parentheses."""

    def __init__(self, composed: _Composed, key: int) -> None:
        self._composed, self._key = composed, key

    def __enter__(self) -> None:
        self._composed.begins[self._key] = self._composed._at

    def __exit__(self, *_: object) -> None:
        self._composed.ends[self._key] = self._composed._at
