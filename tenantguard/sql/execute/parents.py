"""Parents: a foreign key in a write must reference a row that the tenant owns or sees.

Another tenant's row and a missing row raise the same error. Only the record distinguishes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from tenantguard.sql.execute.known_keys import known_keys, note
from tenantguard.sql.execute.locks import hold, may_lock
from tenantguard.sql.execute.lookups import Key, find_each, find_many, mark
from tenantguard.sql.execute.parent_refusals import refuse_parent
from tenantguard.sql.execute.storable import is_strange, storing
from tenantguard.sql.plans import Link

if TYPE_CHECKING:
    from tenantguard.context import Binding

Missing = Sequence[tuple[Link, Key]]  # keys that lead to no row of the tenant's


def verify_parents(
    context: Any,
    wanted: Iterable[tuple[Link, Iterable[Key]]],
    tried: str,
    binding: Binding,
) -> None:
    """Refuse a write unless each of its foreign keys references a row that the tenant owns or sees.

    Args:
        context: SQLAlchemy's execution context.
        wanted: foreign keys and the values that are given for each, as the driver is given them; a key with a
            ``None`` in it leads nowhere, and is not asked for.
        tried: the action, for the message.
        binding: the current binding.

    Raises:
        ParentError: a key leads to another tenant's row, or to none.
    """
    for link, key in missing_parents(context, wanted, tried):
        refuse_parent(context, link, key, tried, binding)


def missing_parents(
    context: Any,
    wanted: Iterable[tuple[Link, Iterable[Key]]],
    tried: str,
    *,
    beside: Callable[[], dict[Any, set[Any]]] = dict,
) -> list[tuple[Link, Key]]:
    """Return the keys without a row that the tenant owns or sees, except those that are verified again later.

    Args:
        context: SQLAlchemy's execution context.
        wanted: foreign keys and the values that are given for each, as for ``verify_parents``.
        tried: what is being done, for the message.
        beside: finds the marks of the rows that the same statement writes for this tenant, by table and columns.
    """
    unknown = _unknown(context, wanted)
    if not unknown:
        return []
    hold(context)
    missing: list[tuple[Link, Key]] = []
    not_found = _missing(context, unknown)
    written = beside() if not_found else {}
    for link, key in not_found:
        if mark(key) in written.get((link.parent_key, link.columns), ()):
            continue
        if link.deferred and not is_strange(key) and not context.tg_alone:
            note(context, link, key, tried)
        else:
            missing.append((link, key))
    if context.dialect.name == "postgresql":
        for link, keys in unknown:
            if not may_lock(context, link.parent):
                for key in keys:
                    note(context, link, key, tried)
    return missing


def _unknown(context: Any, wanted: Iterable[tuple[Link, Iterable[Key]]]) -> list[tuple[Link, list[Key]]]:
    """Return the keys that no look-up of this transaction has found, each once, as their columns store them."""
    found, dialect = [], context.dialect
    for link, keys in wanted:
        known = known_keys(context, link)
        unknown: dict[Any, Key] = {}
        for key in keys:
            if mark(key) in known or is_null(key):  # what is known is stored as it is given
                continue
            stored = as_stored(key, link, dialect)
            marked = mark(stored)
            if marked not in known:
                unknown[marked] = stored
        if unknown:
            found.append((link, list(unknown.values())))
    return found


def is_null(key: Key) -> bool:
    """Return whether a part of a key is NULL, so that it references nothing."""
    return any(value is None for value in key)


def as_stored(key: Key, link: Link, dialect: Any) -> Key:
    """Return a key in the form that the child's columns store."""
    types = link.types
    if link.storing is None or link.storing[0] != types:
        link.storing = types, [storing(type_, dialect) for type_ in types]
    return tuple([store(value) for store, value in zip(link.storing[1], key, strict=True)])


def _missing(context: Any, unknown: Sequence[tuple[Link, list[Key]]]) -> list[tuple[Link, Key]]:
    """Return the keys that lead to no row of the tenant's: one look-up for one row, or one for each parent of many."""
    if all(len(keys) == 1 for _, keys in unknown):
        return _not_found(context, [(link, keys[0]) for link, keys in unknown])
    return [(link, key) for link, keys in unknown for key in _missing_of(context, link, keys)]


def _missing_of(context: Any, link: Link, keys: Sequence[Key]) -> list[Key]:
    plain = [key for key in keys if not is_strange(key)]
    found = find_many(context, link, plain)
    known_keys(context, link).update(marked for marked in map(mark, plain) if marked in found)
    rest = [(link, key) for key in keys if is_strange(key) or mark(key) not in found]
    return [key for _, key in _not_found(context, rest)]


def _not_found(context: Any, singles: Sequence[tuple[Link, Key]]) -> list[tuple[Link, Key]]:
    """Return the keys without a row of the tenant, and record the others as known."""
    missing = [single for single in singles if is_strange(single[1])]
    asked = [single for single in singles if not is_strange(single[1])]
    for (link, key), is_there in zip(asked, find_each(context, asked), strict=True):
        if is_there:
            known_keys(context, link).add(mark(key))
        else:
            missing.append((link, key))
    return missing
