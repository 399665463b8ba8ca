"""Constructs of the user's own (``@compiles``): the text they render is read once, when the statement is compiled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import sqlglot
from sqlglot import exp

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}
# where SQLAlchemy writes the values of an IN when the statement executes, each between what stands in the tildes
_EXPANDED = re.compile(r"__\[POSTCOMPILE_\S+?(?:~~(.*?)~~REPL~~(.*?)~~)?\]")


def custom_fault(
    statement: str, dialect: str, rendered: Mapping[str, int], ctes: Iterable[object]
) -> str | None:
    """Tell what a custom construct hides, or return ``None`` where every table was rendered by the compiler itself.

    Args:
        statement: the compiled SQL.
        dialect: the dialect's name.
        rendered: how many times the compiler rendered each table.
        ctes: the statement's common table expressions.
    """
    try:
        shown = _EXPANDED.sub(lambda marker: f"{marker[1] or ''}NULL{marker[2] or ''}", statement)
        trees = sqlglot.parse(shown, dialect=_DIALECTS.get(dialect, dialect))
    except (sqlglot.errors.SqlglotError, RecursionError):
        return "a construct of your own (@compiles) renders SQL that cannot be read"
    if len(trees) != 1 or trees[0] is None:
        return "a construct of your own (@compiles) renders several statements"
    tree = trees[0]
    local = {str(getattr(cte, "name", "")) for cte in ctes} | {cte.alias for cte in tree.find_all(exp.CTE)}
    found = Counter(
        table.name for table in tree.find_all(exp.Table) if table.name and table.name not in local
    )
    hidden = sorted(name for name, count in found.items() if count > rendered.get(name, 0))
    if hidden:
        return f"a construct of your own (@compiles) renders table {', '.join(hidden)}, which the guard cannot see"
    return None
