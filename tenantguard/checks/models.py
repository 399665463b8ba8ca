"""Findings in the models: placements, keys and indexes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Dialect, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeEngine

from tenantguard.checks.belongs import (
    OF_TENANTS,
    is_of_one_row,
    is_random,
    leading,
    of_tenants,
    primary_key,
    tells_tenant,
    uniques,
)
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.tenancy import Placement, Reference, Tenancy, full_name

# what tells the sentences of a tenancy apart, the first that fits; the tests plant one of each
_SENTENCES = (
    ("is neither owned, through nor shared", "TG101"),
    ("is declared shared, and", "TG103"),
    ("is nullable: rows without a tenant", "TG104"),
    ("and tenants may write", "TG109"),
    ("tenant columns differ in type", "TG110"),
)
_DIALECTS: tuple[Dialect, ...] = (postgresql.dialect(), mysql.dialect(), sqlite.dialect())  # type: ignore[no-untyped-call]


def model_findings(tenancy: Tenancy) -> Iterator[Finding]:
    """Yield the findings in the models alone."""
    for sentence in tenancy.faults():
        yield _of_fault(sentence)
    for placement, table in of_tenants(tenancy):
        yield from _of_placement(placement, table)
        yield from _of_keys(tenancy, placement, table)
        for reference in tenancy.references(table):
            yield from _of_reference(tenancy, placement, reference)


def _of_fault(sentence: str) -> Finding:
    id_ = next((id_ for part, id_ in _SENTENCES if part in sentence), "TG102")
    detail, _, likely = sentence.partition(". Likely: ")
    words = detail.split()
    place = {"TG101": words[1], "TG103": words[0], "TG104": words[3].rstrip(":")}.get(id_, "Tenancy")
    if id_ == "TG109":
        place = words[3]
    remedy = f"Likely: {likely}" if likely else ""
    severity = "error" if id_ == "TG109" else None
    anchor = detail if place == "Tenancy" else ""
    more = {"severity": severity} if severity else {}
    return finding_of(id_, place, detail, remedy, anchor=anchor, **more)


def _of_placement(placement: Placement, table: Table) -> Iterator[Finding]:
    if placement.kind == "through":
        link = dict(placement.link)
        optional = [column.name for column in table.columns if column.name in link and column.nullable]
        if optional:
            detail = f"{placement.name} belongs through {', '.join(optional)}, which may be NULL"
            yield finding_of("TG111", f"{placement.name}.{optional[0]}", detail)
    elif placement.column not in leading(table):
        detail = f"no index of {placement.name} begins with {placement.column}"
        remedy = f'Index("ix_{placement.key[1]}_{placement.column}", "{placement.column}")'
        yield finding_of("TG105", f"{placement.name}.{placement.column}", detail, remedy)


def _of_keys(tenancy: Tenancy, placement: Placement, table: Table) -> Iterator[Finding]:
    key = primary_key(table)
    if is_of_one_row(placement, [key, *uniques(table)]):
        return
    tenant = placement.column if placement.kind == "owned" else dict(placement.link)
    for columns in uniques(table, placement.column if placement.kind == "owned" else None):
        told = tells_tenant(tenancy, placement, table, columns) or set(key) <= set(columns)
        if not told and not is_random(table, columns):
            said = ", ".join(columns)
            remedy = f'UniqueConstraint("{tenant}", {_quoted(columns)})' if isinstance(tenant, str) else ""
            detail = f"{placement.name} is unique by {said}, which does not include the tenant"
            yield finding_of("TG106", f"{placement.name}({said})", detail, remedy)
    told = tells_tenant(tenancy, placement, table, key)
    if placement.kind == "owned" and key and not told and not is_random(table, key):
        said = ", ".join(key)
        detail = f"the primary key of {placement.name} ({said}) is chosen by the application"
        yield finding_of("TG107", f"{placement.name}({said})", detail)


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _of_reference(tenancy: Tenancy, placement: Placement, reference: Reference) -> Iterator[Finding]:
    parent = tenancy.find_key(reference.parent_key)
    if parent is None or reference.parent is None:
        return
    for ours, theirs in reference.pairs:
        told = _types(reference.table.columns, reference.parent.columns, ours, theirs)
        if told:
            yield finding_of(
                "TG110", f"{placement.name}.{ours}", f"{placement.name}.{ours} {told} {parent.name}.{theirs}"
            )
    if parent.kind not in OF_TENANTS:
        yield from _of_cascade(placement, parent, reference)
    elif placement.kind == parent.kind == "owned" and not _is_composite(placement, parent, reference):
        yield _not_composite(placement, parent, reference)


def _types(ours: object, theirs: object, name: str, other: str) -> str | None:
    """Return the fault in the types of a key's two sides, if there is one."""
    mine = next(column.type for column in ours if column.name == name)  # type: ignore[attr-defined]  # a collection of columns
    above = next(column.type for column in theirs if column.name == other)  # type: ignore[attr-defined]
    if any(_affinity(mine, dialect) is _affinity(above, dialect) for dialect in _DIALECTS):
        return None
    return f"is {mine!r} and leads to {above!r},"


def _affinity(kind: TypeEngine[Any], dialect: Dialect) -> type[TypeEngine[Any]]:
    """Return the kind of a type on a database, because a custom type may differ between databases."""
    return kind.dialect_impl(dialect)._type_affinity or type(kind)


def _is_composite(placement: Placement, parent: Placement, reference: Reference) -> bool:
    """Return whether a key includes the tenant, or is the tenant because it leads to the table of the tenants."""
    if (placement.column, parent.column) in reference.pairs:
        return True
    return parent.mapping is not None and is_of_one_row(parent, [primary_key(parent.mapping)])


def _not_composite(placement: Placement, parent: Placement, reference: Reference) -> Finding:
    ours = _quoted((placement.column or "", *reference.columns))
    theirs = _quoted(
        tuple([f"{parent.name}.{name}" for name in (parent.column, *dict(reference.pairs).values())])
    )
    detail = f"the key {reference.name} to {parent.name} does not include the tenant"
    if reference.deletes:
        detail += f", and says ON DELETE {reference.deletes}"
    return finding_of("TG108", reference.name, detail, f"ForeignKeyConstraint([{ours}], [{theirs}])")


def _of_cascade(placement: Placement, parent: Placement, reference: Reference) -> Iterator[Finding]:
    action = f"ON DELETE {reference.deletes}" if reference.deletes else f"ON UPDATE {reference.rekeys}"
    if (
        reference.deletes or reference.rekeys
    ) and not parent.writable:  # one that is writable is a fault already
        whose = "is shared" if parent.kind == "shared" else "belongs to several tenants"
        detail = f"{reference.name} says {action}, and a row of {full_name(parent.key)} {whose}"
        severity = "warning" if parent.kind == "shared" else "note"
        yield finding_of("TG109", reference.name, detail, severity=severity)
