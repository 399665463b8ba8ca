"""Placement: how one table belongs, derived from its columns and keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, TypeDecorator, UniqueConstraint

from tenantguard.placements.permissions import Permitted
from tenantguard.placements.references import Key, Reference

Kind = Literal["owned", "through", "shared", "shown"]
RowRule = Callable[[Any, ColumnElement[Any]], ColumnElement[bool]]


@dataclass(frozen=True)
class Through:
    """A declaration on a model that its table belongs through a foreign key; created by ``through``."""

    column: str


@dataclass(frozen=True)
class Shared:
    """A declaration on a model that its table has the same rows for everyone; see ``shared``."""

    writable: bool = False


shared = Shared()
shared_writable = Shared(writable=True)


def through(column: str) -> Through:
    """Return the value of ``info={"tenant": ...}`` for a table that belongs to the row that ``column`` references."""
    return Through(column)


@dataclass(frozen=True)
class Placement:
    """The placement of one table.

    Attributes:
        key: schema (or ``None``) and name.
        kind: ``"owned"``, ``"through"``, ``"shared"``, or ``"shown"`` by a row rule alone.
        column: the database's name of the tenant column (owned) or of the foreign key (through).
        type: the tenant column's type (owned), or the type of the tenancy's tenant columns (shown).
        python_type: ``str``, ``int`` or ``UUID``, if the type says so (owned, shown).
        parent: the table that the foreign key leads to (through).
        link: pairs of column names, the table's own and the parent's (through).
        writable: whether a shared table may be written under a binding.
        nullable: whether rows without a tenant are declared to exist (owned).
        visible: the row rule, which adds rows to those that are read (owned), or selects all of them (shown).
        changeable: the columns that may be changed under a binding in the rows that the rule shows (shown).
        mapping: a table of the metadata, with all its columns.
        permitted: the permissions that the table needs, if any.
    """

    key: Key
    kind: Kind
    column: str | None = None
    type: Any = None
    python_type: type | None = None
    parent: Table | None = None
    link: tuple[tuple[str, str], ...] = ()
    writable: bool = False
    nullable: bool = False
    visible: RowRule | None = field(default=None, compare=False)
    changeable: frozenset[str] = frozenset()
    mapping: Table | None = field(default=None, compare=False)
    permitted: Permitted | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Return the table's name, with its schema if it has one."""
        return full_name(self.key)

    @property
    def has_rows(self) -> bool:
        """Return whether permissions limit which of its rows a principal reaches."""
        return self.permitted is not None and self.permitted.rows is not None

    @property
    def way(self) -> tuple[Any, ...]:
        """Return the part on which two placements of the same table must agree."""
        parent = None if self.parent is None else table_key(self.parent)
        return (self.kind, self.column, self.link, parent, self.writable)

    def __str__(self) -> str:
        if self.kind == "owned":
            extra = ", or by nobody" * self.nullable + ", read by a row rule" * (self.visible is not None)
            return f"owned by {self.column}{extra}"
        if self.kind == "through":
            parent = full_name(table_key(self.parent)) if self.parent is not None else "?"
            return f"through {', '.join(ours for ours, _ in self.link)} to {parent}"
        if self.kind == "shown":
            columns = ", ".join(sorted(self.changeable))
            return "shown by a row rule" + (f", which may change {columns}" if columns else "")
        return "shared, writable" if self.writable else "shared"


def table_key(table: Any) -> Key:
    """Return a table's schema and name, its only identification."""
    schema = getattr(table, "schema", None)
    return (str(schema) if schema else None, str(table.name))


def full_name(key: Key) -> str:
    """Return ``schema.name``, or only the name."""
    return f"{key[0]}.{key[1]}" if key[0] else key[1]


def find_column(table: Table, name: str) -> Column[Any] | None:
    """Find a column by its name in the database or, failing that, by its Python key."""
    named = next((column for column in table.columns if column.name == name), None)
    return named if named is not None else table.columns.get(name)


def owned(table: Table, column: str, *, nullable: bool, visible: RowRule | None) -> Placement | str:
    """Place a table by its tenant column, or return a sentence that says why that is impossible."""
    key = table_key(table)
    name = full_name(key)
    found = find_column(table, column)
    if found is None:
        return f"{name} has no column {column!r} to be its tenant column"
    if found.nullable and not nullable and not is_view(table):
        return (
            f"the tenant column {name}.{found.name} is nullable: rows without a tenant are visible to "
            f"nobody. Make it NOT NULL, or declare nullable={{{name!r}}}"
        )
    if found.computed is not None:
        return (
            f"the tenant column {name}.{found.name} is generated by the database: changing the columns it "
            "is computed from would move a row unnoticed. Store the tenant's id itself"
        )
    kind = _python_type(found)
    if kind is not None and kind not in (str, int, UUID):
        return (
            f"the tenant column {name}.{found.name} holds {kind.__name__}; a tenant id is a str, int or UUID"
        )
    return Placement(
        key, "owned", found.name, found.type, kind, nullable=nullable, visible=visible, mapping=table
    )


def by_rule(table: Table, rule: RowRule, tenant: Column[Any], changeable: frozenset[str]) -> Placement | str:
    """Place a table without a tenant column by its row rule, or return a sentence that says why that is impossible.

    Args:
        table: the table.
        rule: its row rule.
        tenant: a tenant column of the tenancy, for the type of the rule's tenant.
        changeable: the columns that a tenant may change in rows that it sees.
    """
    key = table_key(table)
    names = set()
    for name in sorted(changeable):
        column = find_column(table, name)
        if column is None:
            return f"changeable names {full_name(key)}.{name}, which is not one of its columns"
        if column.primary_key:
            return f"changeable names {full_name(key)}.{column.name}, which is part of its primary key"
        names.add(column.name)
    return Placement(
        key,
        "shown",
        type=tenant.type,
        python_type=_python_type(tenant),
        visible=rule,
        changeable=frozenset(names),
        mapping=table,
    )


def by_foreign_key(table: Table, column: str, references: Sequence[Reference]) -> Placement | str:
    """Place a table through a foreign key, or return a sentence that says why that is impossible."""
    name = full_name(table_key(table))
    found = find_column(table, column)
    if found is None:
        return f"{name} has no column {column!r} to belong through"
    leading = [reference for reference in references if found.name in reference.columns]
    if not leading:
        return (
            f"{name}.{found.name} is not a foreign key, so nothing ties its rows to a parent's. Give it a "
            "ForeignKey(...), or name the column that has one"
        )
    usable = [reference for reference in leading if reference.parent is not None]
    if not usable:
        return f"{name}.{found.name} is not a usable foreign key: {_unresolved(leading[0])}"
    fewest = min(len(reference.pairs) for reference in usable)
    shortest = [reference for reference in usable if len(reference.pairs) == fewest]
    parents = {full_name(reference.parent_key) for reference in shortest}
    if len(parents) > 1:
        return f"{name}.{column} leads to several tables ({', '.join(sorted(parents))}); it must lead to one"
    return _along(table, found.name, shortest[0])


def _unresolved(reference: Reference) -> str:
    parent = full_name(reference.parent_key)
    return f"its parent, {parent}, is not in the metadata, or has no such column"


def by_base(table: Table, references: Sequence[Reference]) -> Placement | str | None:
    """Place a table whose whole primary key is a foreign key to one other table, or return ``None``."""
    keys = {column.name for column in table.primary_key.columns}
    bases = [
        reference
        for reference in references
        if keys
        and set(reference.columns) == keys
        and reference.parent is not None
        and reference.parent_key != table_key(table)
    ]
    if len({reference.parent_key for reference in bases}) != 1:
        return None
    return _along(table, bases[0].columns[0], bases[0])


def generated_keys(table: Table, references: Sequence[Reference]) -> Iterator[tuple[Key, str]]:
    """Yield the parents of foreign keys that the database generates, with a sentence about the fault."""
    for reference in references:
        for column in reference.constraint.columns:
            if column.computed is not None:
                yield (
                    reference.parent_key,
                    (
                        f"the foreign key {full_name(table_key(table))}.{column.name} is generated by the "
                        "database: changing the columns it is computed from would point a row at another "
                        "tenant's, unnoticed"
                    ),
                )


def is_deferred(table: Table, columns: tuple[str, ...]) -> bool:
    """Return whether the database checks a foreign key at the end of the transaction."""
    return any(
        key.deferrable and str(key.initially).upper() == "DEFERRED"
        for key in getattr(table, "foreign_key_constraints", ())
        if tuple(element.parent.name for element in key.elements) == columns
    )


def is_view(table: Table) -> bool:
    """Return whether the table is declared as a view, whose columns have no NOT NULL constraints."""
    return bool(table.info.get("is_view") or getattr(table, "is_view", False))


def _along(table: Table, column: str, reference: Reference) -> Placement | str:
    parent = reference.parent
    assert parent is not None
    theirs = {name for _, name in reference.pairs}
    if not any(unique <= theirs for unique in unique_columns(parent)):
        told = f"{full_name(reference.parent_key)}({', '.join(sorted(theirs))})"
        return (
            f"{full_name(table_key(table))}.{column} leads to {told}, which is not declared unique: "
            "it could be a row of several tenants"
        )
    return Placement(table_key(table), "through", column, parent=parent, link=reference.pairs, mapping=table)


def unique_columns(table: Table) -> Iterator[set[str]]:
    """Yield each set of columns that is declared unique."""
    yield {column.name for column in table.primary_key.columns} or {""}
    yield from ({column.name} for column in table.columns if column.unique)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield {column.name for column in constraint.columns}
    for index in table.indexes:
        if index.unique and not any(
            name.endswith("_where") and index.kwargs[name] is not None for name in index.kwargs
        ):
            yield {column.name for column in index.columns}


def _python_type(column: Column[Any]) -> type | None:
    """Return the Python type of the values, if the column's type says so; a custom type may convert."""
    kind = column.type
    if isinstance(kind, TypeDecorator) and not _says_itself(type(kind)):
        if type(kind).process_bind_param is not TypeDecorator.process_bind_param:
            return None
        kind = kind.impl_instance
    try:
        told = kind.python_type
    except NotImplementedError:
        return None
    return None if told is object else told


def _says_itself(decorator: type[TypeDecorator[Any]]) -> bool:
    own = decorator.__mro__[: decorator.__mro__.index(TypeDecorator)]
    return any("python_type" in vars(base) for base in own)
