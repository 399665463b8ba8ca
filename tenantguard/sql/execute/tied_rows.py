"""Tied rows: rows of one tenant that reference a row of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select
from sqlalchemy.types import NullType

from tenantguard.sql.elements import Exact
from tenantguard.sql.exactness import exact_column
from tenantguard.sql.execute.lookups import Key, equal, has_key, mark
from tenantguard.sql.execute.storable import is_stored_alike
from tenantguard.sql.plans import Link
from tenantguard.sql.predicates import named
from tenantguard.tenancy import Placement

if TYPE_CHECKING:
    from sqlalchemy.sql.expression import ColumnElement, FromClause

_MOST = 256  # keys that are looked at together
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Tied:
    """A table whose rows could connect the rows of two tenants.

    Attributes:
        placement: how it belongs.
        table: the metadata's own table.
        links: the foreign keys that lead to rows of a tenant.
        columns: the columns that tell whose the row is, and whose the rows that it leads to are.
        owner: how an owned table that the rows belong to belongs.
        places: the columns by which a row belongs to its tenant: if one changes, the row moves.
        below: the tables whose rows are tied to these, so that they stay behind when one of these moves.
    """

    placement: Placement
    table: Any
    links: tuple[Link, ...]
    columns: tuple[str, ...]
    owner: Placement
    places: frozenset[str]
    below: tuple[Placement, ...]

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns of the primary key."""
        return tuple([column.name for column in self.table.primary_key])


def tied_table(guard: Any, table: Any) -> Tied | None:
    """Return a table as ``Tied``, or ``None`` if its rows cannot connect tenants."""
    placement = guard.tenancy.find(table)
    return None if placement is None else tied_of(guard, placement)


def tied_tables(guard: Any) -> list[Tied]:
    """Return all such tables."""
    return [tied for placement in guard.tenancy if (tied := tied_of(guard, placement)) is not None]


def tied_of(guard: Any, placement: Placement) -> Tied | None:
    """Return a placement's table as ``Tied``, or ``None`` if its rows cannot connect tenants."""
    if placement.key not in guard.tied:
        guard.tied[placement.key] = _read(guard.ties, placement)
    found: Tied | None = guard.tied[placement.key]
    return found


def _read(ties: Any, placement: Placement) -> Tied | None:
    links, below = ties.tying(placement), tuple(ties.below(placement.key))
    if not links and not below:
        return None
    table = ties.table(placement.key)
    columns = dict.fromkeys(ours for link in links for ours in link.ours)
    if placement.column is not None:
        columns[placement.column] = None
    places = {placement.column} if placement.kind == "owned" else {ours for ours, _ in placement.link}
    if below:
        columns |= dict.fromkeys(
            [*sorted(filter(None, places)), *(column.name for column in table.primary_key)]
        )
    owner = ties.any_owned([placement.key, *(link.parent_key for link in links)])
    return Tied(placement, table, links, tuple(columns), owner, frozenset(filter(None, places)), below)


def are_tied(context: Any, tied: Tied, rows: Sequence[Row]) -> bool:
    """Return whether any of the rows references rows of two tenants, or a row of a tenant other than its own.

    Args:
        context: SQLAlchemy's execution context.
        tied: their table.
        rows: what they hold, or will hold, in the columns that matter, as the driver is given it.
    """
    owners = [_owners(context, link, rows) for link in tied.links]
    for row in rows:
        found = [own.get(mark(_key(row, link))) for own, link in zip(owners, tied.links, strict=True)]
        if tied.placement.kind == "owned":
            found.append(row.get(tied.placement.column or ""))
        if _differ([owner for owner in found if owner is not None], tied.owner.type, context.dialect):
            return True
    return False


def _key(row: Row, link: Link) -> Key:
    return tuple([row.get(ours) for ours in link.ours])


def _differ(owners: Sequence[Any], type_: Any, dialect: Any) -> bool:
    return any(not is_stored_alike(owner, owners[0], type_, dialect) for owner in owners[1:])


def _owners(context: Any, link: Link, rows: Iterable[Row]) -> dict[Any, Any]:
    """Return the tenants of the rows' parents, by the marks of their keys."""
    keys = {mark(key): key for key in (_key(row, link) for row in rows) if None not in key}
    asked, found = list(keys.values()), {}
    for start in range(0, len(asked), _MOST):
        for *key, owner in _ask(context, link, asked[start : start + _MOST]):
            found[mark(tuple(key))] = owner
    for marked, key in keys.items():  # the database may know the parent by another spelling of its key
        if marked not in found:
            found[marked] = next((owner for *_, owner in _ask(context, link, [key])), None)
    return found


def _ask(context: Any, link: Link, keys: Sequence[Key]) -> list[Any]:
    """Return the rows of a parent that have one of some keys: the key, and the tenant."""
    size = 1 << (len(keys) - 1).bit_length()  # few statements of few sizes: the last key fills the rest
    keys = [*keys, *([keys[-1]] * (size - len(keys)))]
    names = [[f"key_{i}_{j}" for j in range(len(link.columns))] for i in range(size)]
    source = link.parent.alias()
    columns = [named(source, name, NullType()) for name in link.columns]
    from_, owner = _climbed(context, source, source, link.parent)
    picked = or_(*(and_(*equal(columns, key, link, context.dialect)) for key in names))
    values = {name: value for i, key in enumerate(keys) for name, value in zip(names[i], key, strict=True)}
    query = select(*columns, owner).select_from(from_).where(picked)
    found: list[Any] = context.root_connection.tg_probe(query, values)
    return found


def _climbed(
    context: Any,
    from_: FromClause,
    source: FromClause,
    table: Any,
    met: list[tuple[Any, FromClause]] | None = None,
) -> tuple[FromClause, ColumnElement[Any]]:
    """Return what to select from, and the tenant of a row of a table that stands in it as ``source``.

    Args:
        context: SQLAlchemy's execution context.
        from_: what the table stands in.
        source: the table there.
        table: the table.
        met: is given the tables that were met on the way to the tenant, and what stands for each.
    """
    tenancy = context.dialect.tg_guard.tenancy
    placement, met = tenancy.of(table), [] if met is None else met
    met.append((placement.key, source))
    while placement.kind == "through":
        above = placement.parent.alias()
        from_ = from_.outerjoin(above, _linked(source, above, placement.link))
        placement, source = tenancy.of(placement.parent), above
        met.append((placement.key, source))
    return from_, named(source, placement.column or "", NullType())


def _linked(child: FromClause, parent: FromClause, pairs: Iterable[tuple[str, str]]) -> ColumnElement[bool]:
    return and_(
        *(named(child, ours, NullType()) == named(parent, theirs, NullType()) for ours, theirs in pairs)
    )


def tied_rows(context: Any, tied: Tied) -> Counter[Any]:
    """Return the rows of a table that connect two tenants, with their counts.

    It reads the whole table.
    """
    query, _ = _tied_query(context, tied)
    return Counter(mark(tuple(row)) for row in context.root_connection.tg_probe(query, {}))


def are_left(context: Any, tied: Tied, moved: Tied, keys: Sequence[Key]) -> bool:
    """Return whether rows of a table that reference moved rows now connect two tenants.

    Args:
        context: SQLAlchemy's execution context.
        tied: the table.
        moved: the other one.
        keys: the primary keys of its rows.
    """
    for start in range(0, len(keys), _MOST):
        query, met = _tied_query(context, tied)
        wanted = keys[start : start + _MOST]
        picked = [
            has_key(source, moved.key, key)
            for name, source in met
            for key in wanted
            if name == moved.placement.key
        ]
        if context.root_connection.tg_probe(query.where(or_(*picked)).limit(1), {}):
            return True
    return False


def _tied_query(context: Any, tied: Tied) -> tuple[Any, list[tuple[Any, FromClause]]]:
    """Return the query of the rows that tie two tenants together, and what stands in it for which table."""
    child = tied.table.alias()
    from_, owners, met = _with_owners(context, tied, child)
    if exact_column(tied.owner.type, tied.owner.python_type, context.dialect.name) is not None:
        owners = [Exact(owner) for owner in owners]  # two ids could be one to the columns
    names = dict.fromkeys([*tied.columns, *tied.key])
    query = (
        select(*(named(child, name, NullType()) for name in names))
        .select_from(from_)
        .where(or_(*(one != other for one, other in combinations(owners, 2))))
    )
    return query, met


def _with_owners(
    context: Any, tied: Tied, child: FromClause
) -> tuple[Any, list[Any], list[tuple[Any, FromClause]]]:
    """Return a table joined to the rows that its keys lead to, the columns that hold the tenants, and what it met."""
    from_, owners, met = child, list[Any](), list[tuple[Any, Any]]()
    if tied.placement.kind == "owned":
        owners.append(named(child, tied.placement.column or "", NullType()))
    for link in tied.links:
        parent = link.parent.alias()
        from_ = from_.outerjoin(parent, _linked(child, parent, zip(link.ours, link.columns, strict=True)))
        from_, owner = _climbed(context, from_, parent, link.parent, met)
        owners.append(owner)
    return from_, owners, met
