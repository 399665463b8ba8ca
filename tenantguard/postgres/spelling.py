"""Spelling: names and values for PostgreSQL's DDL, which accepts no parameters."""

from __future__ import annotations

from tenantguard.errors import ConfigurationError
from tenantguard.sql.servers.rule_policies import DIALECT
from tenantguard.tenancy import Key

_DELIMITER = "$tenantguard$"
LONGEST = 63  # bytes of a name; PostgreSQL cuts a longer one


def identifier(name: str) -> str:
    """Return a name, quoted if necessary.

    Raises:
        ConfigurationError: it would end the body of a function.
    """
    if _DELIMITER in name or "\0" in name:
        raise ConfigurationError(f"{name!r} cannot be used in a policy; choose another name")
    return str(DIALECT.identifier_preparer.quote(name))


def identifiers(names: tuple[str, ...] | list[str]) -> str:
    """Return names, joined by commas."""
    return ", ".join(map(identifier, names))


def relation(key: Key, schema: str) -> str:
    """Return a table's qualified name.

    Args:
        key: schema and name.
        schema: the schema of tables that name none.
    """
    return f"{identifier(key[0] or schema)}.{identifier(key[1])}"


def literal(value: str) -> str:
    """Return a string literal, in which a backslash is not an escape."""
    return "'" + value.replace("'", "''") + "'"


def body(statements: str) -> str:
    """Return the body of a function or a block, between delimiters that no name contains."""
    return f"{_DELIMITER}{statements}{_DELIMITER}"


def block(statements: str) -> str:
    """Return an anonymous block."""
    return f"DO {body(f'BEGIN {statements} END')}"
