"""Reads from the SQL that was sent where the tenant's parameter stands, so that a row's claim can be checked."""

from __future__ import annotations

import re
from typing import Any

import sqlglot
from sqlglot import exp

from tests.sql.forms.form import Does

_DIALECTS = {"postgresql": "postgres", "mariadb": "mysql"}
_UNREAD = re.compile(r"TABLESAMPLE \w+\([^)]*\)")
_PARAMETER = re.compile(r":p_(\w+)")
_TENANT = re.compile(r"tenantguard_\d|company_id")  # an INSERT names it after the column


def treatments(statement: str, parameters: Any, backend: str) -> set[Does]:
    """Return what the guard did to a statement, as its SQL and its parameters tell.

    Args:
        statement: the SQL that reached the driver, with named parameters.
        parameters: its parameters, or a list of them.
        backend: the kind of database.
    """
    row = (parameters[0] if isinstance(parameters, list) else parameters) or {}

    def named(found: re.Match[str]) -> str:
        ours = row.get(found[1]) == "acme" and _TENANT.match(found[1])
        return "'tenantguard'" if ours else found[0]

    style = re.compile(r"%\((\w+)\)s") if backend != "sqlite" else re.compile(r"(?<!:):(\w+)")
    text = _PARAMETER.sub(named, style.sub(r":p_\1", statement).replace("%%", "%"))
    tree = sqlglot.parse_one(_UNREAD.sub("", text), dialect=_DIALECTS.get(backend, backend))
    found = {
        place
        for literal in tree.find_all(exp.Literal)
        if literal.this == "tenantguard" and (place := _place(literal)) is not None
    }
    if isinstance(tree, exp.Insert) and _stamped(parameters):
        found.add(Does.STAMPED)
    if any(
        "company_id" in case.sql()
        for clause in tree.find_all(exp.OnConflict)
        for case in clause.find_all(exp.Case)
    ):
        found.add(
            Does.CONFLICT
        )  # on MariaDB each assignment asks whether the row is that of the tenant inserted
    return found


def _stamped(parameters: Any) -> bool:
    """Tell whether an INSERT carries the tenant as a value that the unit of work was given."""
    rows = parameters if isinstance(parameters, list) else [parameters]
    return any(
        value == "acme" and str(name).startswith("company_id") for row in rows for name, value in row.items()
    )


def _place(node: exp.Expression) -> Does | None:
    here: Any = node
    while here.parent is not None:
        above = here.parent
        if isinstance(above, exp.Returning):
            return None  # what was stored is read back
        if isinstance(above, exp.OnConflict):
            return Does.CONFLICT
        if isinstance(above, exp.Join):
            return Does.ON
        if isinstance(above, exp.Where):
            select = above.parent
            if isinstance(select, exp.OnConflict):
                return Does.CONFLICT
            if not _is_ours(select):
                return Does.DERIVED if _is_derived(select) else Does.WHERE
            here = select
            continue
        if isinstance(above, exp.Values | exp.Insert):
            return Does.STAMPED
        if isinstance(above, exp.Alias) and above.alias == "tenantguard_tenant":
            return Does.STAMPED
        here = above
    return None


def _is_ours(select: Any) -> bool:
    """Tell whether a SELECT is the EXISTS of a predicate."""
    source = select.args.get("from_") or select.args.get("from")
    return source is not None and str(source.this.alias).startswith("tenantguard_")


def _is_derived(select: Any) -> bool:
    """Tell whether a SELECT is the derived table that stands for a table in a FULL JOIN."""
    return (
        isinstance(select, exp.Select)
        and isinstance(select.parent, exp.Subquery)
        and len(select.expressions) == 1
        and isinstance(select.expressions[0], exp.Star)
    )
