"""The code's part of the lock: tables, predicates, keys, functions, guards and bypasses."""

from __future__ import annotations

from collections.abc import Mapping

from tenantguard.checks.belongs import is_of_one_row, primary_key
from tenantguard.checks.source.project import Project
from tenantguard.checks.source.sites import is_of
from tenantguard.errors import ConfigurationError
from tenantguard.sql.servers.rule_policies import TOLD, read_once, ruled
from tenantguard.tenancy import Placement, Reference, Tenancy, full_name, table_key

_NO_SETTINGS = (None, "engine", "tenancy")


def code_sections(tenancy: Tenancy, project: Project) -> dict[str, dict[str, str]]:
    """Return the sections of the lock that need no database.

    Raises:
        ConfigurationError: the tenancy has faults; all are listed.
    """
    tenancy.verify()
    placements = list(tenancy)
    return {
        "tables": {one.name: _belongs(one) for one in placements},
        "statements": {one.name: predicate(tenancy, one) for one in placements},
        "keys": {name: said for one in placements for name, said in _keys(tenancy, one).items()},
        "functions": dict.fromkeys(sorted(tenancy.functions), "reads no table"),
        "guards": _guards(project),
        "bypasses": _bypasses(project),
    }


def _belongs(placement: Placement) -> str:
    return str(placement)


def predicate(tenancy: Tenancy, placement: Placement, depth: int = 0) -> str:
    """Return the predicate for a tenant's statements, as SQL with ``:tenant``."""
    if placement.kind == "shared":
        return "every row"
    if placement.kind == "shown":
        return _rule(placement)
    if placement.kind == "owned":
        mine = f"{placement.key[1]}.{placement.column} = :tenant"
        return mine if placement.visible is None else f"{mine} OR ({_rule(placement)}), written by the first"
    assert placement.parent is not None
    above = tenancy.of(placement.parent)
    parent = full_name(table_key(placement.parent))
    link = " AND ".join(
        f"{above.key[1]}.{theirs} = {placement.key[1]}.{ours}" for ours, theirs in placement.link
    )
    if depth > len(list(tenancy)):
        return link
    asked = f"{link} AND {predicate(tenancy, above, depth + 1)}"
    return f"a row of {parent} exists WHERE {asked}"


def _rule(placement: Placement) -> str:
    try:
        told = " ".join(ruled(placement).split())
    except ConfigurationError:
        return "a row rule that no database can be told"
    return told.replace(read_once(TOLD, placement.type), ":tenant")


def _keys(tenancy: Tenancy, placement: Placement) -> dict[str, str]:
    table = placement.mapping
    if table is None:
        return {}
    key = primary_key(table)
    one = ", one row a tenant" if is_of_one_row(placement, [key]) else ""
    told = {f"{placement.name} primary key": f"({', '.join(key)}){one}"} if key else {}
    for reference in tenancy.references(table):
        told[f"{placement.name} ({', '.join(reference.columns)})"] = _reference(reference)
    return told


def _reference(reference: Reference) -> str:
    theirs = ", ".join(theirs for _, theirs in reference.pairs)
    actions = f" on delete {reference.deletes.lower()}" if reference.deletes else ""
    actions += f" on update {reference.rekeys.lower()}" if reference.rekeys else ""
    return f"{full_name(reference.parent_key)} ({theirs}){actions}"


def _guards(project: Project) -> dict[str, str]:
    """Return each guard with its arguments, including its modes."""
    told: dict[str, list[str]] = {}
    for source, called in project.calls():
        if called.last == "guard" and is_of(called.name, "tenantguard"):
            place = f"{project.name(source)} {called.function or 'module'}"
            more = [
                f"{one.keyword}={one.code}" for one in called.arguments if one.keyword not in _NO_SETTINGS
            ]
            told.setdefault(place, []).append(", ".join(sorted(more)) or 'raw_sql="refuse"')
    return _joined(told)


def _bypasses(project: Project) -> dict[str, str]:
    told: dict[str, list[str]] = {}
    for source, called in project.calls():
        if called.last == "bypass" and is_of(called.name, "tenantguard"):
            reason = called.argument(None, "reason")
            said = (
                "no reason" if reason is None else (reason.text if reason.text is not None else reason.code)
            )
            place = f"{project.name(source)} {called.function or 'module'}"
            told.setdefault(place, []).append(" ".join(said.split()))
    return _joined(told)


def _joined(told: Mapping[str, list[str]]) -> dict[str, str]:
    return {place: " | ".join(sorted(said)) for place, said in told.items()}
