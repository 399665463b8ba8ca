"""The kinds of events that the library writes are those of the documentation."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def kinds() -> set[str]:
    """Return the kinds that the source names: by ``kind=``, as the ``kind`` of a class, or by a constant."""
    trees = [
        ast.parse(path.read_text())
        for path in (ROOT / "tenantguard").rglob("*.py")
        if not {"testing", "cli", "placements"} & set(path.parts)
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    assigned = [
        (node.targets[0].id, node.value)
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    constants = {name: value for name, value in assigned if name.isupper()}
    given: list[ast.expr] = [
        value for name, value in assigned if name == "kind" and isinstance(value, ast.Constant)
    ]
    given += [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "kind"]
    return {kind for value in given for kind in texts(constants.get(getattr(value, "id", ""), value))}


def texts(value: ast.expr) -> list[str]:
    """Return the texts that an expression may come to."""
    if isinstance(value, ast.IfExp):
        return texts(value.body) + texts(value.orelse)
    return [value.value] if isinstance(value, ast.Constant) and isinstance(value.value, str) else []


def test_the_documentation_lists_the_kinds_and_no_others() -> None:
    """With what each stands for, once."""
    rows = (ROOT / "docs/record.md").read_text().partition("## Kinds")[2].splitlines()
    listed = [
        kind for row in rows if row.startswith("| `") for kind in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert sorted(listed) == sorted(kinds())
