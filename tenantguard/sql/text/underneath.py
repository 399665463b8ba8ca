"""SQL text over row security: the database holds the rows, and the text may not reach around it."""

from __future__ import annotations

from typing import Any

from tenantguard.errors import Violation
from tenantguard.sql.text.composition import Composer
from tenantguard.sql.text.fragments import Fragment
from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.grammar.queries import statement as read_statement
from tenantguard.sql.text.lexer import POSTGRESQL, Unreadable, family, tokens_of, unquoted, words
from tenantguard.sql.text.parameters import Numbering
from tenantguard.sql.text.settings import set_by_parameters

_WRITES = words("INSERT UPDATE DELETE MERGE REPLACE")


def read_underneath(statement: str, style: str = "named", tenancy: Any = None) -> Fragment:
    """Compose a text anew without predicates, or say why it must not reach even a database with row security.

    Row security trusts the setting, and the setting can be changed by SQL. System tables have no policies: they
    tell what other tenants' statements are.

    Args:
        statement: the text.
        style: how its parameters are written.
        tenancy: declares functions.

    Example:
        >>> read_underneath("SELECT lower(note) /* any */ FROM calls").text
        'SELECT pg_catalog.lower(note) FROM calls'
        >>> read_underneath("SELECT * FROM pg_stat_activity").fault
        'it names pg_stat_activity, which has no policies'
    """
    try:
        cursor = Cursor(statement, POSTGRESQL, style, tenancy)
        read_statement(cursor)
        if set_by_parameters(cursor):
            return Fragment(statement, "it calls set_config() by parameters; write SET LOCAL")
        numbering = Numbering(cursor.tokens, cursor.which, style, 0)
    except (Unreadable, Ungrammatical, Violation) as fault:
        return Fragment(statement, str(fault))
    except RecursionError:
        return Fragment(statement, "it nests too deep")
    for parts in cursor.mentioned:
        for name in (unquoted(part.text).lower() for part in parts):
            if name.startswith("pg_") or name == "information_schema":
                return Fragment(statement, f"it names {name}, which has no policies")
    return Fragment(Composer(statement, cursor, numbering, escaped=style == "named").compose())


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
