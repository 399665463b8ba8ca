"""Known keys: the keys that a transaction has verified and still locks, and those to verify again at its end.

A key is known while the lock of its look-up lasts. It is forgotten when a savepoint or the transaction ends, a bypass
writes, another tenant is served, or a row is deleted or changed, and is never known under AUTOCOMMIT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

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


class Learnt(NamedTuple):
    """What one transaction, or savepoint, has verified for some tenants.

    Attributes:
        tenants: the bound tenants.
        outer: the transaction.
        nested: the savepoint in it.
        keys: the marks of the known keys, by what their look-up depends on.
        rows: by statement, the values of all keys of a row together, with their types, where all of them are known.
    """

    tenants: Any
    outer: Any
    nested: Any
    keys: dict[Any, set[Any]]
    rows: dict[Any, set[Any]]


def learnt_in(context: Any) -> Learnt | None:
    """Return what this transaction has verified, ``None`` where nothing stays known."""
    connection = context.root_connection
    if context.tg_alone:
        return None
    binding, outer, nested = peek(), connection._transaction, connection._nested_transaction
    tenants = None if binding is None else binding.tenants
    learnt: Learnt | None = connection._tg_learnt
    if learnt is None or learnt[0] != tenants or learnt[1] is not outer or learnt[2] is not nested:
        if connection._is_autocommit_isolation():  # which no transaction that has begun can be put under
            return None
        connection._tg_learnt = learnt = Learnt(tenants, outer, nested, {}, {})
    return learnt


def known_keys(context: Any, link: Link) -> set[Any]:
    """Return the marks of the keys that this transaction has verified, as a set to extend."""
    learnt = learnt_in(context)
    if learnt is None:
        return set()
    names = translation(context.root_connection)
    shape = (link.shape, None if names is None else repr(names))
    return learnt.keys.setdefault(shape, set())


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
