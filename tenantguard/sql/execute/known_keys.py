"""Known keys: the keys that a transaction has verified and still locks, and those to verify again at its end.

A key is known while the lock of its look-up lasts. It is forgotten when a savepoint or the transaction ends, a bypass
writes, another tenant is served, or a row is deleted or changed, and is never known under AUTOCOMMIT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantguard.context import peek

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link


@dataclass(frozen=True)
class Noted:
    """A key whose parent is verified before the transaction ends.

    Attributes:
        link: the foreign key.
        key: its values in the driver's form.
        tried: the action, for the message.
        tenants: the bound tenants.
        names: the ``schema_translate_map`` in force.
    """

    link: Link
    key: tuple[Any, ...]
    tried: str
    tenants: tuple[Any, ...]
    names: Any


def known_keys(context: Any, link: Link) -> set[Any]:
    """Return the marks of the keys that this transaction has verified, as a set to extend."""
    connection = context.root_connection
    if context.tg_alone:
        return set()
    binding, outer, nested = peek(), connection._transaction, connection._nested_transaction
    tenants = None if binding is None else binding.tenants
    learnt = connection._tg_learnt
    if learnt is None or learnt[0] != tenants or learnt[1] is not outer or learnt[2] is not nested:
        if connection._is_autocommit_isolation():  # which no transaction that has begun can be put under
            return set()
        connection._tg_learnt = learnt = (tenants, outer, nested, {})
    names = translation(connection)
    shape = (link.shape, None if names is None else repr(names))
    found: set[Any] = learnt[3].setdefault(shape, set())
    return found


def translation(connection: Any) -> Any:
    """Return the ``schema_translate_map`` in force, or ``None``."""
    return connection.tg_names or connection._execution_options.get("schema_translate_map")


def note(context: Any, link: Link, key: tuple[Any, ...], tried: str) -> None:
    """Verify a key again before the transaction ends."""
    connection = context.root_connection
    binding = peek()
    tenants = () if binding is None else binding.tenants
    noted = Noted(link, key, tried, tenants, translation(connection))
    connection.tg_noted = (*connection.tg_noted, noted)
