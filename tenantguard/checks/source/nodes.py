"""Nodes: what one node of Python's syntax tree says by itself."""

from __future__ import annotations

import ast


def dotted(node: ast.AST | None) -> str | None:
    """Return ``a.b.c``; the value of a call or a subscript in between is left out: ``a().b`` is ``a.b``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = dotted(node.value)
        return f"{above}.{node.attr}" if above else node.attr
    if isinstance(node, ast.Call):
        return dotted(node.func)
    if isinstance(node, ast.Subscript | ast.Await):
        return dotted(node.value)
    return None


def table_of(node: ast.ClassDef) -> str | None:
    """Return the table that a class is mapped to."""
    for part in node.body:
        if isinstance(part, ast.Assign | ast.AnnAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            if any(dotted(target) == "__tablename__" for target in targets) and part.value is not None:
                name = part.value.value if isinstance(part.value, ast.Constant) else None
                return name if isinstance(name, str) else None
    return node.name.lower() if any(one.arg == "table" for one in node.keywords) else None


def parameters_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Return the parameters of a function, those with a star last."""
    given = node.args
    stars = [one for one in (given.vararg, given.kwarg) if one is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]
