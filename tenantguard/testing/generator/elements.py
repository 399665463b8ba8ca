"""The elements of sources: tables, classes, aliases and subqueries."""

from __future__ import annotations

from collections.abc import Sequence

from tenantguard.testing.generator.draft import Col, Draft, Source
from tenantguard.testing.generator.schema import ClassInfo, TableInfo
from tenantguard.testing.samples import SAMPLES


def table_source(d: Draft, info: TableInfo, *, alias: bool) -> Source:
    """Return a table, or an alias of it."""
    code = d.let("t", f"{info.name}.alias()") if alias else info.name
    cols = [Col(c.code(code), c.kind, c, info.name) for c in info.columns]
    order = [c.code(code) for c in info.key] or None
    covers = frozenset() if alias else frozenset({info.name})
    return Source(code, cols, order, table=info, real=not alias, covers=covers)


def class_source(d: Draft, info: ClassInfo, *, alias: bool) -> Source:
    """Return a mapped class, or an alias of it."""
    code = d.let("a", f"aliased({info.name})") if alias else info.name
    return entity(d, info, code, real=not alias)


def covered(d: Draft, info: ClassInfo) -> frozenset[str]:
    """Return the tables that a class reads when it is named without an alias."""
    return frozenset(d.schema.name(table) for table in info.cls.__mapper__.tables)


def entity(d: Draft, info: ClassInfo, code: str, *, real: bool = False) -> Source:
    """Return what stands for a mapped class under a name."""
    cols = [Col(f"{code}.{name}", c.kind, c, d.schema.name(c.column.table)) for name, c in info.attributes]
    order = [f"{code}.{name}" for name in info.key]
    covers = covered(d, info) if real else frozenset()
    table = d.schema.tables[info.table]
    made = tuple(Col(f"{code}.{name}", kind) for name, kind in info.expressions if kind in SAMPLES)
    return Source(code, cols, order, table=table, cls=info, real=real, covers=covers, made=made)


def derived(code: str, outputs: Sequence[Col]) -> Source:
    """Return what the columns of a subquery, a CTE or the like are under its name."""
    cols = [Col(f"{code}.c.{c.code}", c.kind, c.info, c.table) for c in outputs]
    return Source(code, cols)
