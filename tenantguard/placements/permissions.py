"""Permissions of tables: what a principal needs to read and write, and which rows it may reach."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenantguard.errors import ConfigurationError
from tenantguard.principal import Principal

Act = Literal["read", "write"]
PermissionRule = Callable[[Principal, Any], Any]
_FORM = (
    'permissions={"invoices": {"read": "billing:read", "write": "billing:write"}}, '
    'and permissions={"calls": rule} or {"rows": rule} for a function of principal and table'
)


@dataclass(frozen=True)
class Permitted:
    """The permissions for reading and writing one table.

    Attributes:
        read: the permissions that a reader needs.
        write: the permissions that a writer needs.
        rows: the row rule, a function of principal and table.
    """

    read: frozenset[str] = frozenset()
    write: frozenset[str] = frozenset()
    rows: PermissionRule | None = field(default=None, compare=False)

    def needed(self, act: Act) -> frozenset[str]:
        """Return the permissions that an action needs."""
        return self.read if act == "read" else self.write

    @classmethod
    def of(cls, table: str, said: Any) -> Permitted:
        """Return the permissions declared for a table.

        Raises:
            ConfigurationError: the declaration has an unknown form.
        """
        if callable(said):
            return cls(rows=said)
        if not isinstance(said, Mapping) or not said or set(said) - {"read", "write", "rows"}:
            raise ConfigurationError(f"permissions[{table!r}] is {said!r}; write {_FORM}")
        rows = said.get("rows")
        if rows is not None and not callable(rows):
            raise ConfigurationError(f'permissions[{table!r}]["rows"] is {rows!r}; write {_FORM}')
        return cls(_names(table, said, "read"), _names(table, said, "write"), rows)


def _names(table: str, said: Mapping[str, Any], act: Act) -> frozenset[str]:
    given = said.get(act, ())
    names = (
        (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Collection) else (given,)
    )
    if act in said and not names:
        raise ConfigurationError(
            f"permissions[{table!r}][{act!r}] is empty; leave it out if nothing is needed"
        )
    for name in names:
        # a name is one word, as in the claim `scope`: another could never be had, and the table never be reached
        if not isinstance(name, str) or name.split() != [name] or not name.isprintable():
            raise ConfigurationError(
                f"permissions[{table!r}][{act!r}] names {name!r}; a permission is a single word, such as "
                "'billing:read'"
            )
    return frozenset(names)
