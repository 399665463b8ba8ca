"""Settings of one transaction that do not affect which rows are visible, and texts that read no table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from tenantguard.sql.text.grammar.cursor import Cursor, Ungrammatical
from tenantguard.sql.text.tokens import Token
from tenantguard.sql.text.values import Literal, Parameter, SettingUse, Value

HARMLESS = frozenset(
    {
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "work_mem",
        "maintenance_work_mem", "application_name", "timezone", "enable_seqscan", "enable_hashjoin",
        "enable_mergejoin", "enable_nestloop", "enable_indexscan", "enable_bitmapscan", "jit", "synchronous_commit",
        "random_page_cost", "effective_cache_size", "max_parallel_workers_per_gather", "plan_cache_mode",
    }
)  # fmt: skip
_LONGEST = 200  # characters; on a megabyte of spaces the patterns would take an hour
_HEALTH_CHECK = re.compile(r"\s*select\s+\d+\s*;?\s*", re.IGNORECASE)
# SQLAlchemy's documentation has applications send it from a listener, because pysqlite would not in time
_SQLITE_BEGIN = re.compile(
    r"\s*begin(\s+(deferred|immediate|exclusive))?(\s+transaction)?\s*;?\s*", re.IGNORECASE
)
_SET_LOCAL = re.compile(
    r"[ \t\r\n]*set[ \t\r\n]+local[ \t\r\n]+([a-z_]+)[ \t\r\n]*(?:=|[ \t\r\n]to[ \t\r\n])[ \t\r\n]*"
    r"('[\w .,:/+-]*'|[\w.+-]+)[ \t\r\n]*;?[ \t\r\n]*",
    re.IGNORECASE | re.ASCII,
)


def _match(pattern: re.Pattern[str], statement: str) -> re.Match[str] | None:
    return pattern.fullmatch(statement) if len(statement) <= _LONGEST else None


def is_health_check(statement: str) -> bool:
    """Tell whether a text is ``SELECT 1``."""
    return _match(_HEALTH_CHECK, statement) is not None


def is_begin(statement: str, dialect: str) -> bool:
    """Tell whether a text only begins a transaction, on SQLite."""
    return dialect == "sqlite" and _match(_SQLITE_BEGIN, statement) is not None


def local_setting(statement: str, dialect: str) -> str | None:
    """Return a ``SET LOCAL`` of a harmless setting, composed anew, or ``None`` where a text is none.

    Example:
        >>> local_setting("set local statement_timeout to '5s';", "postgresql")
        "SET LOCAL statement_timeout = '5s'"
        >>> local_setting("SET LOCAL search_path = 'public'", "postgresql") is None
        True
    """
    setting = _match(_SET_LOCAL, statement) if dialect == "postgresql" else None
    if setting is None or setting[1].lower() not in HARMLESS:
        return None
    return f"SET LOCAL {setting[1].lower()} = {setting[2]}"


def is_harmless_setting(name: Any, local: Any) -> bool:
    """Tell whether a setting does not affect which rows are visible, and ends with the transaction."""
    return isinstance(name, str) and name.lower() in HARMLESS and local is True


def setting_checks(
    cursor: Cursor, parameters: Mapping[int, str | int] = MappingProxyType({})
) -> list[SettingUse]:
    """Return the checks for the calls of ``set_config`` that take their setting from a parameter.

    Args:
        cursor: has read the text.
        parameters: the name or place of each parameter, by the index of its token, if known.

    Raises:
        Ungrammatical: a call could change which rows are visible, or outlives the transaction.
    """
    checks = []
    for start in cursor.settings:
        arguments = list(_arguments(cursor, start, parameters))
        name, local = (arguments[0], arguments[2]) if len(arguments) == 3 else (None, None)
        known = [one.value for one in (name, local) if isinstance(one, Literal)]
        if name is None or local is None or (len(known) == 2 and not is_harmless_setting(*known)):
            raise Ungrammatical(
                "set_config() is called for a setting that is not known to be harmless, or for longer than the "
                "transaction; write set_config('statement_timeout', '5s', true)"
            )
        if len(known) < 2:
            checks.append(SettingUse(name, local))
    return checks


def _arguments(cursor: Cursor, start: int, parameters: Mapping[int, str | int]) -> Iterator[Value | None]:
    """Yield the arguments of a call, with ``None`` for each that is more than one token."""
    first, depth = start + 1, 0
    for at in range(start, len(cursor.tokens)):
        text = cursor.tokens[at].upper
        depth += (text == "(") - (text == ")")
        if depth == 0 or (depth == 1 and text == ","):
            yield _value(cursor.tokens[first], parameters.get(first, first)) if at - first == 1 else None
            first = at + 1
        if depth == 0:
            return


def _value(token: Token, which: str | int) -> Value:
    if token.kind == "parameter":
        return Parameter(which)
    if token.kind == "string" and token.text[0] == "'":
        return Literal(token.text[1:-1].replace("''", "'"))
    return Literal({"TRUE": True, "FALSE": False}.get(token.upper))
