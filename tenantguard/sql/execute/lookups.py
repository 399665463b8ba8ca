"""Look-ups: the queries that find and lock the current parents of a write.

Keys arrive in the driver's form, after their column's bind processing, which is never repeated here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, cast, literal, literal_column, not_, or_, select
from sqlalchemy.types import NullType

from tenantguard.sql.execute.locks import is_isolated, learn_isolation, may_lock
from tenantguard.sql.execute.storable import storage_of
from tenantguard.sql.predicates import named, trusted

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from tenantguard.sql.plans import Link

Key = tuple[Any, ...]  # the values of one foreign key, as the driver is given them
MOST = 256  # keys in one look-up
_PLAIN = frozenset({int, str})
_LEVEL = "current_setting('transaction_isolation')"
_TOGETHER = 32  # keys in one look-up that tells of each
# MariaDB reads what a subquery of a locking read reads from the transaction's snapshot, and a join as it is now
_JOINED = ("mysql", "mariadb")


def find_each(context: Any, wanted: Sequence[tuple[Link, Key]], *, owned: bool = True) -> list[bool]:
    """Return for each key whether the tenant has its parent, in one statement, and lock the parents found.

    Args:
        context: SQLAlchemy's execution context.
        wanted: foreign keys, and the values of each.
        owned: whether only the tenant's rows count; otherwise nothing is locked.
    """
    found: list[bool] = []
    for start in range(0, len(wanted), _TOGETHER):
        part = wanted[start : start + _TOGETHER]
        found += [cell is not None for cell in _find_part(context, part, owned=owned)]
    return found


def _find_part(context: Any, part: Sequence[tuple[Link, Key]], *, owned: bool) -> Sequence[Any]:
    compiler, isolated = compiler_of(context), is_isolated(context)
    shape = (compiler.tg_mode, owned, isolated, tuple([link.shape for link, _ in part]))
    asked = compiler.tg_guard.parent_queries.get(shape)
    if asked is None:
        cells: list[Any] = [
            _parent(link, context, [_names(link, i)], owned=owned).scalar_subquery().label(f"own_{i}")
            for i, (link, _) in enumerate(part)
        ]
        if isolated is None:
            cells.append(literal_column(_LEVEL))
        compiler.tg_guard.parent_queries[shape] = asked = select(*cells)
    values = {f"key_{i}_{j}": v for i, (_, key) in enumerate(part) for j, v in enumerate(key)}
    (row,) = context.root_connection.tg_probe(asked, values)
    if isolated is None and learn_isolation(context, row[-1]):
        return _find_part(context, part, owned=owned)
    return list(row)[: len(part)]


def find_many(context: Any, link: Link, keys: Sequence[Key]) -> set[Any]:
    """Return the marks of one parent's keys whose rows the tenant has, and lock the rows.

    If the database stores a key in a different spelling than the given one, it is missing here.
    """
    found: set[Any] = set()
    for start in range(0, len(keys), MOST):
        part = list(keys[start : start + MOST])
        size = 1 << (len(part) - 1).bit_length()  # few shapes of few sizes: the last key fills the rest
        part += part[-1:] * (size - len(part))
        found.update(mark(tuple(row[: len(link.columns)])) for row in _find_rows(context, link, part))
    return found


def _find_rows(context: Any, link: Link, keys: Sequence[Key]) -> Sequence[Any]:
    compiler, isolated = compiler_of(context), is_isolated(context)
    shape = (compiler.tg_mode, len(keys), isolated, link.shape)
    asked = compiler.tg_guard.parent_queries.get(shape)
    if asked is None:
        query = _parent(link, context, [_names(link, i) for i in range(len(keys))], several=True)
        if isolated is None:
            query = query.add_columns(literal_column(_LEVEL))
        compiler.tg_guard.parent_queries[shape] = asked = query
    values = {f"key_{i}_{j}": v for i, key in enumerate(keys) for j, v in enumerate(key)}
    rows: Sequence[Any] = context.root_connection.tg_probe(asked, values)
    if isolated is None and rows and learn_isolation(context, rows[0][-1]):
        return _find_rows(context, link, keys)
    return rows


def mark(key: Key) -> Any:
    """Return a unique mark for a key: 1, 1.0 and True are equal in Python, but not to a database."""
    return tuple([value if type(value) in _PLAIN else _mark(value) for value in key])


def _mark(value: Any) -> Any:
    kind = type(value)
    if kind.__name__ == "UUID":
        return str(value)
    try:
        hash(value)
    except TypeError:
        return (kind.__name__, repr(value))
    return (kind.__name__, value)


def compiler_of(context: Any) -> Any:
    """Return the compiler of a statement, or the compiler class for SQL text."""
    return context.compiled or context.dialect.statement_compiler


def _names(link: Link, place: int) -> list[str]:
    return [f"key_{place}_{j}" for j in range(len(link.columns))]


def _parent(
    link: Link, context: Any, names: list[list[str]], *, owned: bool = True, several: bool = False
) -> Any:
    """Return the query for the tenant's rows of a parent that have one of the keys.

    Args:
        link: the foreign key.
        context: SQLAlchemy's execution context.
        names: the parameters of each key.
        owned: a row of another tenant's does not count, and those that count are locked.
        several: return the rows' keys, instead of one row where there is any.
    """
    source = trusted(link.parent.alias())
    columns = [named(source, name, NullType()) for name in link.columns]
    picked = or_(*(and_(*equal(columns, key, link, context.dialect)) for key in names))
    if not owned:
        return select(literal_column("1")).select_from(source).where(picked).limit(1)
    from_, owns, above = _owned(source, link, context)
    query = select(*(columns if several else [literal_column("1")])).select_from(from_).where(picked, owns)
    if not link.unique:  # as MariaDB lets a parent be: each row that the key fits has to be the tenant's
        query = query.where(not_(_foreign_twin(columns, link, context)))
        query = query if several else query.limit(1)
    return _locked(query, [(source, link.parent), *above], context)


def equal(columns: list[Any], names: list[str], link: Link, dialect: Any) -> list[Any]:
    """Compare columns of a parent with parameters in the form that the child's columns store."""
    found = []
    for column, name, type_ in zip(columns, names, link.types, strict=True):
        value: Any = bindparam(name, type_=NullType())
        if dialect.name == "postgresql" and not type_._isnull:
            value = cast(value, storage_of(type_, dialect))
        found.append(column == value)
    return found


def has_key(source: Any, names: Sequence[str], key: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a row has a primary key, given in the driver's form."""
    pairs = zip(names, key, strict=True)
    return and_(*(named(source, name, NullType()) == literal(value, NullType()) for name, value in pairs))


def _owned(source: Any, link: Link, context: Any) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """Return how a row of the parent is found to be the tenant's, or shown to it.

    Returns:
        What to select from, the condition, and the tables above the parent that are joined to it: what a subquery of
        a locking read reads is not locked, and on MariaDB it is read from the transaction's snapshot.
    """
    compiler = compiler_of(context)
    tenancy, predicates = compiler.tg_guard.tenancy, compiler.tg_predicates
    placement, from_, joined = tenancy.of(link.parent), source, list[tuple[Any, Any]]()
    if (context.dialect.name in _JOINED or is_isolated(context)) and not link.read:
        while placement.kind == "through":
            above = trusted(placement.parent.alias())
            pairs = [
                named(source, ours, NullType()) == named(above, theirs, NullType())
                for ours, theirs in placement.link
            ]
            from_ = from_.join(above, and_(*pairs))
            joined.append((above, placement.parent))
            placement, source = tenancy.of(placement.parent), above
    return from_, predicates.owns(source, placement, read=link.read), joined


def _foreign_twin(columns: list[Any], link: Link, context: Any) -> Any:
    """Return the condition that a row with the same key belongs to another tenant."""
    compiler = compiler_of(context)

    def same(source: Any) -> Any:
        theirs = [named(source, name, NullType()) for name in link.columns]
        return and_(*(mine == his for mine, his in zip(columns, theirs, strict=True)))

    return compiler.tg_predicates.foreign(same, link.parent, read=link.read)


def _locked(query: Any, sources: Sequence[tuple[Any, Any]], context: Any) -> Any:
    """Lock the rows that are found until the transaction ends, like the database's own check.

    Args:
        query: the look-up.
        sources: what it selects from, each with its table.
        context: SQLAlchemy's execution context.
    """
    if context.dialect.name in _JOINED:
        return query.with_for_update(read=True)
    if context.dialect.name != "postgresql":
        return query  # SQLite has one lock for all, which its transaction takes before the look-up
    locked = [source for source, table in sources if may_lock(context, table)]
    if not locked:
        return query
    return query.with_for_update(read=True, key_share=not is_isolated(context), of=locked)
