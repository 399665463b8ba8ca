"""Constructs of the user's own (``@compiles``): the statement they take part in is read once, when it is compiled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from tenantguard.sql.functions import passes, returns_rows
from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.queries import statement as read_statement
from tenantguard.sql.text.lexer import Unreadable, family, tokens_of, unquoted

_LONGEST = 100_000
# where SQLAlchemy writes the values of an IN when the statement executes, each between what stands in the tildes
_EXPANDED = re.compile(r"__\[POSTCOMPILE_\S+?(?:~~(.*?)~~REPL~~(.*?)~~)?\]")


def custom_fault(
    statement: str, dialect: Any, tenancy: Any, rendered: Mapping[str, int], ctes: Iterable[object]
) -> str | None:
    """Tell what a custom construct hides, or return ``None`` where every table was rendered by the compiler itself.

    Args:
        statement: the compiled SQL.
        dialect: the dialect, with its ``paramstyle``.
        tenancy: declares functions.
        rendered: how many times the compiler rendered each table.
        ctes: the statement's common table expressions.
    """
    style = "driver_named" if dialect.paramstyle == "named" else dialect.paramstyle
    shown = _EXPANDED.sub(lambda marker: f"{marker[1] or ''}NULL{marker[2] or ''}", statement)
    try:
        which = family(dialect.name)
        cursor = Cursor(
            tokens_of(shown, which, style, longest=_LONGEST),
            which,
            partial(passes, dialect=dialect.name, tenancy=tenancy),
            partial(returns_rows, dialect=dialect.name, tenancy=tenancy),
        )
        read_statement(cursor)
    except (Unreadable, Ungrammatical, RecursionError) as fault:
        return f"a construct of your own (@compiles) renders SQL that cannot be read: {fault}"
    local = {str(getattr(cte, "name", "")) for cte in ctes} | cursor.cte_names
    found = Counter(name for parts in cursor.mentioned if (name := unquoted(parts[-1].text)) not in local)
    hidden = sorted(name for name, count in found.items() if count > rendered.get(name, 0))
    if hidden:
        return f"a construct of your own (@compiles) renders table {', '.join(hidden)}, which the guard cannot see"
    return None
