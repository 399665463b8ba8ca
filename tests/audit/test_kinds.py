"""Every kind of event that the library writes is in the documentation."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def kinds() -> set[str]:
    """Return the kinds that are written out in the source: ``kind="..."``, and the ``kind`` of a class."""
    found: set[str] = set()
    for path in (ROOT / "tenantguard").rglob("*.py"):
        if {"testing", "cli"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            named = node.arg if isinstance(node, ast.keyword) else None
            if isinstance(node, ast.Assign):
                named = getattr(node.targets[0], "id", None)
            value = getattr(node, "value", None)
            if named == "kind" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return found


def test_each_kind_is_in_the_documentation() -> None:
    """With what it stands for."""
    page = (ROOT / "docs/record.md").read_text()
    assert {kind for kind in kinds() if f"`{kind}`" not in page} == set()
