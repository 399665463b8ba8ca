"""Side effects: what a text in a bypass leaves on its connection, such as a setting, a role, a table or a lock.

A text that is not known to leave nothing counts as one that does.
"""

from __future__ import annotations

import re
from itertools import pairwise

from tenantguard.sql.functions import passes, whole_name
from tenantguard.sql.text.lexer import tokens_of
from tenantguard.sql.text.settings import HARMLESS
from tenantguard.sql.text.tokens import MYSQL, Token, Unreadable, ascii_lower, family, unquoted, words

_ROWS = words("SELECT INSERT UPDATE DELETE WITH VALUES TABLE")
_LASTING = words(
    "CREATE ALTER DROP TRUNCATE GRANT REVOKE COMMENT VACUUM ANALYZE REINDEX CLUSTER REFRESH SAVEPOINT RELEASE ROLLBACK"
    " COMMIT BEGIN START END SHOW DESCRIBE EXPLAIN LOCK"
)
_PASSING = words("TRANSACTION CONSTRAINTS")  # what is set of them ends with the transaction
_TEMPORARY = words("TEMP TEMPORARY PG_TEMP")
_RUNS = words("SELECT EXECUTE ANALYZE CALL")
_NAMED = 12  # among so many words stands the name of what is made
_SETS = words(
    "set_config setseed pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared"
    " get_lock"
)
_CALL = re.compile(r'(?<!INTO )(?<![\w."`])((?:[\w"`]+\.)*[\w"`]+)\(')
# what SQLAlchemy writes before a parenthesis that is no function
_NO_CALL = words(
    "in values as over filter with using on and or not exists any all materialized key update distinct"
)


def leaves(sql: str, dialect: str, style: str, *, read: bool = False) -> bool:
    """Tell whether a text can leave something on its connection.

    Args:
        sql: the text.
        dialect: SQLAlchemy's name of the dialect.
        style: how its parameters are written.
        read: it was read as one statement whose functions are all known.

    Example:
        >>> leaves("CREATE TABLE a (id INT)", "postgresql", "named")
        False
        >>> leaves("SET search_path = elsewhere", "postgresql", "named")
        True
    """
    try:
        which = family(dialect)
        tokens = tokens_of(sql, which, style)
    except Unreadable:
        return True
    ends = [at for at, token in enumerate(tokens) if token.upper == ";"]
    statements = [tokens[start + 1 : end] for start, end in pairwise([-1, *ends, len(tokens)])]
    return any(_leaves(one, which, read=read) for one in statements)


def calls_leave(sql: str, dialect: str) -> bool:
    """Tell whether the functions in a SQLAlchemy statement can leave something on its connection.

    Example:
        >>> calls_leave("SELECT lower(a) AS b FROM c WHERE d IN (1)", "postgresql")
        False
        >>> calls_leave("SELECT set_config(%(a)s, %(b)s, %(c)s)", "postgresql")
        True
    """
    for name in _CALL.findall(sql):
        whole = (whole_name(name, dialect) or "").removeprefix("pg_catalog.")
        if whole in _SETS or not (whole in _NO_CALL or passes(name, dialect)):
            return True
    return False


def _leaves(tokens: list[Token], which: str, *, read: bool) -> bool:
    """Tell whether one statement can leave something."""
    if not tokens:
        return False
    first = next((token.upper for token in tokens if token.text != "("), "")
    if first == "SET":  # that ends with the transaction, and changes nothing about rows
        what, name = [*(token.upper for token in tokens[1:3]), "", ""][:2]
        return name.lower() not in HARMLESS if what == "LOCAL" else what not in _PASSING
    if any(token.is_name and ascii_lower(unquoted(token.text)) in _SETS for token in tokens):
        return True
    if first in _ROWS:
        return not read
    if first not in _LASTING or (first == "LOCK" and which == MYSQL):
        return True
    head = tokens[:_NAMED] if first == "CREATE" else ()
    runs = any(token.upper in _RUNS for token in tokens[1:])
    return runs or any(token.upper in _TEMPORARY for token in head)
