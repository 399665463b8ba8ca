"""Bypassed writes: a key that would tie the rows of two tenants together is noticed inside a bypass, too.

A bypass may write for any tenant, and what it writes belongs to one: an operator who puts one company's row under
another's makes a mistake that nobody would see afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    ExpressionClauseList,
    Grouping,
    Null,
)
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import NullType

from tenantguard.audit import notice, refuse
from tenantguard.context import peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.given import given_values
from tenantguard.sql.execute.lookups import mark
from tenantguard.sql.execute.storable import is_stored_alike
from tenantguard.sql.plans import Pairs
from tenantguard.sql.predicates import named
from tenantguard.sql.refusals import sent
from tenantguard.tenancy import Placement, table_key

# what a WHERE may be made of to be asked a second time: nothing that does anything
_PLAIN = (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ColumnClause,
    ExpressionClauseList,
    Grouping,
    Null,
)
_MOST = 200  # rows and keys that are looked at together
Row = Mapping[str, Any]


def verify_bypassed(context: Any) -> None:
    """Notice a write that ties the rows of two tenants together: refuse it, or record it where the bypass may do so.

    Raises:
        CrossTenantError: the bypass was not given ``ties=True``.
    """
    table = context.compiled.compile_state.dml_table
    guard = context.dialect.tg_guard
    placement = guard.tenancy.find(table)
    if placement is None:
        return
    ties = [
        (parent, pairs)
        for parent, pairs in guard.ties.links(placement.key)
        if _has_owner(guard.tenancy, parent) and not guard.ties.covered(placement, parent, pairs)
    ]
    if not ties:
        return
    watched = {ours for _, pairs in ties for ours, _ in pairs} | {placement.column}
    rows = [row for row in _rows(context, table, watched) if row]
    if not rows:
        return
    owners = [_owners(context, parent, pairs, rows) for parent, pairs in ties]
    for row in rows:
        found = [own.get(_key(row, pairs)) for own, (_, pairs) in zip(owners, ties, strict=True)]
        if placement.kind == "owned":
            found.append(row.get(placement.column or ""))
        type_ = guard.ties.any_owned([placement.key, *(table_key(parent) for parent, _ in ties)]).type
        if _differ([owner for owner in found if owner is not None], type_, context.dialect):
            _notice(context, placement)


def _has_owner(tenancy: Any, table: Any) -> bool:
    """Tell whether each row of a table is one tenant's; those that a row rule alone places are nobody's."""
    placement = tenancy.of(table)
    while placement.kind == "through":
        placement = tenancy.of(placement.parent)
    return placement.column is not None


def _rows(context: Any, table: Any, watched: Iterable[Any]) -> Iterator[Row]:
    """Yield what rows of the table will hold in the columns that are watched, as far as parameters tell."""
    values = given_values(context)
    given: dict[str, list[Any]] = {}
    for column in table.c:
        if column.name in watched:
            found = _given(values, context.compiled._get_bind_name_for_col(column))
            if found:  # otherwise it is not written, or by an expression
                given[column.name] = found
    if not given:
        return
    news = [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=False)]
    if context.isinsert:
        yield from news
        return
    for new, old in zip(news, _changed(context, table, watched), strict=False):
        yield from ({**row, **new} for row in old)


def _given(values: Any, name: str) -> list[Any]:
    """Return the values of a column, in one VALUES of several rows too."""
    found: list[Any] = []
    for given in chain((name,), (f"{name}_m{number}" for number in count())):
        try:
            found += values(given)
        except KeyError:
            if given != name:
                break
    return found


def _changed(context: Any, table: Any, watched: Iterable[Any]) -> Iterator[Sequence[Row]]:
    """Yield for each set of parameters the rows that an UPDATE changes, as they are; none where that is not plain."""
    compiled = context.compiled
    criteria = compiled.compile_state.statement._where_criteria
    parts = [part for clause in criteria for part in iterate(clause)]
    plain = all(isinstance(part, _PLAIN) and getattr(part, "callable", None) is None for part in parts)
    if not plain or compiled.compile_state._extra_froms:
        return
    names = [column for column in table.c if column.name in watched]
    query = select(*[named(table, column.name, NullType()).label(column.name) for column in names])
    query = query.select_from(table).where(*criteria).limit(_MOST)
    for parameters in context.compiled_parameters:
        values = {
            bind.key: parameters[name]
            for bind, name in compiled.bind_names.items()
            if name in parameters and bind in parts
        }
        yield [dict(row._mapping) for row in context.root_connection.tg_probe(query, values)]


def _key(row: Row, pairs: Pairs) -> Any:
    return mark(tuple([row.get(ours) for ours, _ in pairs]))


def _owners(context: Any, parent: Any, pairs: Pairs, rows: Sequence[Row]) -> dict[Any, Any]:
    """Return the tenants of the parents that rows name, by the marks of their keys."""
    tenancy = context.dialect.tg_guard.tenancy
    keys = {_key(row, pairs): [row.get(ours) for ours, _ in pairs] for row in rows}
    asked = [key for key in keys.values() if None not in key]
    source = above = parent.alias()
    placement, from_ = tenancy.of(parent), source
    while placement.kind == "through":
        below, above = above, placement.parent.alias()
        link = [
            named(below, ours, NullType()) == named(above, theirs, NullType())
            for ours, theirs in placement.link
        ]
        from_ = from_.join(above, and_(*link))
        placement = tenancy.of(placement.parent)
    ordered = [named(source, theirs, NullType()) for _, theirs in pairs]
    found: dict[Any, Any] = {}
    for start in range(0, len(asked), _MOST):
        chunk = asked[start : start + _MOST]
        picked = or_(*(and_(*(c == v for c, v in zip(ordered, key, strict=True))) for key in chunk))
        query = (
            select(*ordered, named(above, placement.column or "", NullType()))
            .select_from(from_)
            .where(picked)
        )
        for *key, owner in context.root_connection.tg_probe(query, {}):
            found[mark(tuple(key))] = owner
    return found


def _differ(owners: Sequence[Any], type_: Any, dialect: Any) -> bool:
    return any(not is_stored_alike(owner, owners[0], type_, dialect) for owner in owners[1:])


def _notice(context: Any, placement: Placement) -> None:
    verb = "insert" if context.isinsert else "update"
    fault = CrossTenantError(
        f"{verb} on {placement.name} would tie the rows of two tenants together, inside a bypass. Where that is "
        "meant, say bypass(reason=..., ties=True)",
        kind="tie",
        table=placement.name,
        statement=sent(context),
    )
    if getattr(peek(), "ties", False):
        notice(fault)
    else:
        refuse(fault)
