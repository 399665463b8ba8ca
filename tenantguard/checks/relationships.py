"""ORM relationships: cascading deletes from a row that is not one tenant's to tenants' rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import RelationshipProperty

from tenantguard.checks.belongs import OF_TENANTS
from tenantguard.checks.catalogue import finding_of
from tenantguard.checks.finding import Finding
from tenantguard.sql.mappers import all_registries, mappers_of
from tenantguard.tenancy import Placement, Tenancy, full_name, table_key


def relationship_findings(tenancy: Tenancy) -> Iterator[Finding]:
    """Yield the relationships that delete tenants' rows along with a row that is not one tenant's.

    ``relationship(cascade="all, delete")`` works like ``ON DELETE CASCADE``, but is not part of a foreign key.
    """
    for registry, mappers in _registries(tenancy):
        try:
            registry.configure(cascade=True)
        except SQLAlchemyError as error:
            detail = (
                f"the relationships of the mapped classes could not be checked: {str(error).splitlines()[0]}"
            )
            yield finding_of("TG904", "relationships", detail)
            continue
        for mapper in sorted(mappers, key=lambda one: one.class_.__name__):
            yield from _of_mapper(tenancy, mapper)


def mapped_classes(tenancy: Tenancy) -> set[str]:
    """Return the names of the classes mapped to tenants' tables, whatever rule named their tables."""
    mappers = [mapper for _, found in _registries(tenancy) for mapper in found]
    placed = [(mapper.class_.__name__, _placed(tenancy, mapper)) for mapper in mappers]
    return {name for name, placement in placed if placement is not None and placement.kind in OF_TENANTS}


def _registries(tenancy: Tenancy) -> Iterator[tuple[Any, list[Any]]]:
    """Yield the registries that map tables of the tenancy; other applications may be loaded in the same process."""
    for registry in all_registries():
        mappers = [one for one in mappers_of(registry) if _placed(tenancy, one) is not None]
        if mappers:
            yield registry, mappers


def _of_mapper(tenancy: Tenancy, mapper: Any) -> Iterator[Finding]:
    parent = _placed(tenancy, mapper)
    if parent is None or parent.kind in OF_TENANTS:
        return
    for relation in mapper.relationships:
        child = _placed(tenancy, relation.mapper)
        if child is not None and child.kind in OF_TENANTS and _is_own(mapper, relation):
            yield _finding(f"{mapper.class_.__name__}.{relation.key}", relation, parent, child)


def _is_own(mapper: Any, relation: RelationshipProperty[Any]) -> bool:
    """Return whether a relationship cascades deletes and is not inherited from a class that is reported already."""
    return relation.cascade.delete and not relation.viewonly and relation.parent is mapper


def _finding(place: str, relation: RelationshipProperty[Any], parent: Placement, child: Placement) -> Finding:
    whose = "is shared" if parent.kind == "shared" else "belongs to several tenants"
    detail = (
        f"{place} deletes rows of {child.name} along with a row of {full_name(parent.key)}, which {whose} "
        f"(cascade={', '.join(sorted(relation.cascade))!r})"
    )
    severity = "error" if parent.writable else "warning" if parent.kind == "shared" else "note"
    remedy = 'Leave "delete" and "all" out of its cascade.'
    return finding_of("TG109", place, detail, remedy, severity=severity)


def _placed(tenancy: Tenancy, mapper: Any) -> Placement | None:
    """Return the placement of a mapped class's own table, if the tenancy places it."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return None
    placement = tenancy.find_key(table_key(table))
    return placement if placement is not None and placement.mapping is table else None
