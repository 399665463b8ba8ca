"""Strings: what the names of a file stand for, as far as its source tells."""

from __future__ import annotations

import ast
from collections import ChainMap
from dataclasses import dataclass

from tenantguard.checks.source.nodes import dotted

_SPACED = frozenset({"dedent", "cleandoc"})  # functions that change nothing but a text's indentation


@dataclass(frozen=True)
class Meaning:
    """A string.

    Attributes:
        text: what it says; ``None`` if it is put together at run time.
        code: the source that makes it.
    """

    text: str | None
    code: str


class Strings:
    """The strings that names stand for at one line of a file, which is read from its first line to its last."""

    def __init__(self) -> None:
        self._known: ChainMap[str, Meaning | None] = ChainMap({})

    def enter(self) -> None:
        """Begin a function, whose names are its own."""
        self._known = self._known.new_child()

    def leave(self) -> None:
        """End a function."""
        self._known = self._known.parents

    def assign(self, names: list[str], value: ast.expr, code: str) -> None:
        """Let names stand for a value, which may be no string."""
        if isinstance(value, ast.Dict | ast.List | ast.Tuple):
            meaning = self._first(value)
        else:
            meaning = self.meaning(value, code)
        for name in names:
            if meaning is not None or name in self._known:
                self._known[name] = meaning

    def extend(self, name: str, value: ast.expr, code: str) -> None:
        """Let a name stand for what it says, and something more."""
        before, more = self._known.get(name), self.text(value)
        if before is not None:
            text = None if before.text is None or more is None else before.text + more
            self._known[name] = Meaning(text, f"{before.code} + {code}")

    def text(self, node: ast.AST) -> str | None:
        """Return what a string says, if its source tells."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name | ast.Attribute):
            meaning = self._known.get(dotted(node) or "")
            return None if meaning is None else meaning.text
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text(node.left), self.text(node.right)
            return None if left is None or right is None else left + right
        if isinstance(node, ast.Call):
            return self._of_call(node)
        return None

    def _of_call(self, node: ast.Call) -> str | None:
        name = (dotted(node.func) or "").rpartition(".")[2]
        if name in _SPACED and len(node.args) == 1:
            return self.text(node.args[0])
        if isinstance(node.func, ast.Attribute) and name == "join":
            return self._joined(node.func.value, node.args)
        return None

    def meaning(self, node: ast.AST, code: str) -> Meaning | None:
        """Return the string that an expression of this source is, or ``None`` if it is none that is known."""
        text = self.text(node)
        if text is not None:
            return Meaning(text, code)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self._known.get(dotted(node) or "")
        return Meaning(None, code) if _is_put_together(node) else None

    def _first(self, node: ast.Dict | ast.List | ast.Tuple) -> Meaning | None:
        """Return the first string of several that a name holds; each of them may be meant."""
        for value in node.values if isinstance(node, ast.Dict) else node.elts:
            text = self.text(value)
            if text is not None:
                return Meaning(text, repr(text))
        return None

    def _joined(self, between: ast.expr, given: list[ast.expr]) -> str | None:
        separator = self.text(between)
        if separator is None or len(given) != 1 or not isinstance(given[0], ast.List | ast.Tuple):
            return None
        parts = [self.text(one) for one in given[0].elts]
        texts = [part for part in parts if part is not None]
        return separator.join(texts) if len(texts) == len(parts) else None


def _is_put_together(node: ast.AST) -> bool:
    """Return whether an expression makes a string of others."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("format", "join")
    return isinstance(node, ast.JoinedStr | ast.BinOp)
