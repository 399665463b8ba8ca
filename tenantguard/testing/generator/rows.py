"""New rows, as code: a fresh key, parents of one's own, and values of each column's kind."""

from __future__ import annotations

from collections.abc import Iterable

from tenantguard.testing.data import fresh_key
from tenantguard.testing.generator.draft import Draft
from tenantguard.testing.generator.schema import ClassInfo, ColumnInfo, Link, TableInfo

Named = tuple[str, ColumnInfo]


def new_row(
    d: Draft, table: TableInfo, *, named: Iterable[Named] | None = None, tenant: bool | None = None
) -> str:
    """Return a dictionary that makes a row of a table, or keywords of a class's attributes.

    Args:
        named: pairs of the name in the dictionary and the column; the table's columns otherwise.
        tenant: say the tenant's own id (or leave it out, which is usual); chosen where not given.
    """
    pairs = list(named) if named is not None else [(c.name, c) for c in table.columns]
    number = d.numbers["row"] = d.numbers.get("row", 0) + 1
    say = d.chance(25) if tenant is None else tenant
    if say:
        d.did("write: tenant said")
    values = {name: _value(d, info, number) for name, info in pairs if _said(d, info, say)}
    return "{" + ", ".join(f"{name!r}: {code}" for name, code in values.items()) + "}"


def _said(d: Draft, info: ColumnInfo, say: bool) -> bool:
    return say or info.name != owner(d, info).tenant_column


def owner(d: Draft, info: ColumnInfo) -> TableInfo:
    """Return the table that a column is part of."""
    return d.schema.tables[d.schema.name(info.column.table)]


def _value(d: Draft, info: ColumnInfo, number: int) -> str:
    table = owner(d, info)
    if info.name == table.tenant_column:
        return "tenant"
    if info.tells_class:
        return repr(
            d.pick(
                [c.identity for c in d.schema.classes.values() if c.discriminator and c.table == table.name]
            )
        )
    link = link_of(table, info)
    if link is not None and not inherited(table, link):
        return reference(d, table, info, link)
    if info.primary or info.unique:
        return repr(fresh_key(info, number))
    if info.nullable and d.chance(20):
        return "None"
    return d.sample_of(info)


def link_of(table: TableInfo, info: ColumnInfo) -> Link | None:
    """Return the foreign key that a column is part of; the longest one."""
    found = [link for link in table.links if info.name in {ours for ours, _ in link.pairs}]
    return max(found, key=lambda link: len(link.pairs)) if found else None


def inherited(table: TableInfo, link: Link) -> bool:
    """Tell whether a foreign key is the whole key of its table: the row continues another one."""
    return {c.name for c in table.key} == {ours for ours, _ in link.pairs}


def reference(d: Draft, table: TableInfo, info: ColumnInfo, link: Link) -> str:
    """Return the value of a foreign key: a row of one's own; now and then NULL, or another tenant's."""
    if info.nullable and d.chance(20):
        return "None"
    theirs = next(theirs for ours, theirs in link.pairs if ours == info.name)
    parent = d.schema.tables[link.parent]
    keys = [c.name for c in parent.key]
    whose = "own"
    if parent.placement.kind != "shared" and d.chance(3):
        d.did("write: another tenant's parent")
        whose = "other"
    code = f"{whose}({parent.name!r}, {d.upto(2)})"
    return code if len(keys) == 1 else f"{code}[{keys.index(theirs)}]"


def attributes(cls: ClassInfo) -> list[Named]:
    """Return the attributes that make an object; of a key that tables share, the first."""
    return [(name, info) for name, info in cls.attributes if not info.tells_class]


def writable(d: Draft) -> list[TableInfo]:
    """Return the tables that a tenant's program writes."""
    return [t for t in d.schema.tables.values() if t.writable]


def writable_classes(d: Draft) -> list[ClassInfo]:
    """Return the classes whose tables a tenant's program writes."""
    return [c for c in d.schema.classes.values() if d.schema.tables[c.table].writable]


def change(d: Draft, pairs: Iterable[Named]) -> tuple[str, str] | None:
    """Return a column to change and its new value: a plain one, or a foreign key to a row of one's own."""
    free = []
    for name, info in pairs:
        table = owner(d, info)
        if info in table.plain() or (_movable(table, info)):
            free.append((name, info))
    if not free:
        return None
    name, info = d.pick(free)
    link = link_of(owner(d, info), info)
    if link is not None:
        d.did("write: moved to another parent")
        return name, reference(d, owner(d, info), info, link)
    return name, "None" if info.nullable and d.chance(15) else d.sample_of(info)


def _movable(table: TableInfo, info: ColumnInfo) -> bool:
    link = link_of(table, info)
    return link is not None and not info.primary and info.name != table.tenant_column
