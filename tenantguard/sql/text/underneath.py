"""SQL text over row security: the database holds the rows, and the text may not reach around it."""

from __future__ import annotations

from typing import Any

from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.queries import statement as read_statement
from tenantguard.sql.text.lexer import POSTGRESQL, Unreadable, family, tokens_of, unquoted, words
from tenantguard.sql.text.settings import set_by_parameters

_WRITES = words("INSERT UPDATE DELETE MERGE REPLACE")


def text_fault(statement: str, style: str = "named", tenancy: Any = None) -> str | None:
    """Tell why a text must not reach even a database with row security, or return ``None``.

    Row security trusts the setting, and the setting can be changed by SQL. System tables have no policies: they
    tell what other tenants' statements are.

    Args:
        statement: the text.
        style: how its parameters are written.
        tenancy: declares functions.
    """
    try:
        cursor = Cursor.of(statement, POSTGRESQL, style, tenancy)
        read_statement(cursor)
        if set_by_parameters(cursor):
            return "it calls set_config() by parameters; write SET LOCAL"
    except (Unreadable, Ungrammatical) as fault:
        return str(fault)
    except RecursionError:
        return "it nests too deep"
    for parts in cursor.mentioned:
        for name in (unquoted(part.text).lower() for part in parts):
            if name.startswith("pg_") or name == "information_schema":
                return f"it names {name}, which has no policies"
    return None


def writes(statement: str, style: str = "named", dialect: str = POSTGRESQL) -> bool:
    """Tell whether a text may write; one that cannot be read may."""
    try:
        tokens = tokens_of(statement, family(dialect), style)
    except Unreadable:
        return True
    for at, token in enumerate(tokens):
        locks = at > 0 and tokens[at - 1].upper in ("FOR", "KEY")
        if token.upper in _WRITES and not locks:
            return True
    return False
