"""Parents: a key that a write gives leads to a row of the tenant's, or to one that is shown to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import bindparam, case, func, literal_column, select, tuple_

from tenantguard.audit import refuse
from tenantguard.context import Binding
from tenantguard.errors import CrossTenantError
from tenantguard.sql.execute.connections import LookUp
from tenantguard.sql.predicates import named, trusted
from tenantguard.sql.refusals import sent, told
from tenantguard.tenancy import table_key

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link

_CHUNK = 500  # keys in one look-up


def verify_one_row(links: list[tuple[Link, Any]], tried: str, binding: Binding, context: Any) -> None:
    """Verify the keys of one row that no look-up has found yet: several of them by one statement.

    Args:
        links: the keys of one column each, and their values.
        tried: what is being done, for the message.
        binding: what is bound.
        context: SQLAlchemy's execution context.

    Raises:
        CrossTenantError: a key leads to another tenant's row.
    """
    connection = context.root_connection
    unknown = [
        (link, value)
        for link, value in links
        if connection.tg_unknown(link.parent_key, link.columns, [(value,)], read=link.read)
    ]
    if not unknown:
        return
    asked = _several(tuple([link for link, _ in unknown]), context)
    found = connection.tg_ask(asked, {f"key_{i}": value for i, (_, value) in enumerate(unknown)})
    hides = context.dialect.tg_guard.raw_sql == "database"
    for (link, value), owns in zip(unknown, found, strict=True):
        if owns == 0 or (owns is None and hides):
            _refuse_parent(link.parent, tried, binding, context, hidden=owns is None)
        if owns is not None:
            connection.tg_known(link.parent_key, link.columns, link.read).add((value,))


def verify_keys(
    parent: Any,
    columns: tuple[str, ...],
    keys: list[Any],
    tried: str,
    binding: Binding,
    context: Any,
    *,
    read: bool = False,
) -> None:
    """Refuse a foreign key whose parent is another tenant's; a parent that exists nowhere is the database's.

    Raises:
        CrossTenantError: a key leads to another tenant's row.
    """
    connection = context.root_connection
    single = len(keys) == len(columns) == 1
    query = _parents(parent, columns, context, read, single=single)
    for chunk in chunks(keys):
        found = connection.tg_probe(query, {"keys": chunk[0][0] if single else _flat(chunk)})
        # row security hides another tenant's parent from us, and not from the database's own constraint
        hidden = context.dialect.tg_guard.raw_sql == "database" and len(found) < len(chunk)
        if hidden or not all(row[-1] for row in found):
            _refuse_parent(parent, tried, binding, context, hidden=hidden)
        connection.tg_known(table_key(parent), columns, read).update([tuple(row[:-1]) for row in found])


def keys_of(link: Link, rows: Sequence[Any]) -> dict[tuple[Any, ...], None]:
    """Return the values that rows of parameters give for a foreign key, each once."""
    found: dict[tuple[Any, ...], None] = {}
    for names in link.rows:
        if len(names) == 1:
            values = dict.fromkeys([parameters.get(names[0]) for parameters in rows])
            found.update(((value,), None) for value in values if value is not None)
        else:
            keys = dict.fromkeys([tuple([parameters.get(name) for name in names]) for parameters in rows])
            found.update((key, None) for key in keys if None not in key)
    return found


def chunks(keys: list[Any]) -> Iterator[list[Any]]:
    """Split keys into what one look-up is asked for."""
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]


def _refuse_parent(parent: Any, tried: str, binding: Binding, context: Any, *, hidden: bool) -> NoReturn:
    refuse(
        CrossTenantError(
            f"{tried} points at a row of {parent.name} that "
            f"{'is not seen' if hidden else 'belongs to another tenant'}, while tenant {told(binding)} is bound",
            kind="foreign_key",
            tenant=told(binding),
            table=parent.name,
            statement=sent(context),
        )
    )


def _flat(keys: list[tuple[Any, ...]]) -> list[Any]:
    return [key[0] for key in keys] if len(keys[0]) == 1 else list(keys)


def _parents(parent: Any, names: tuple[str, ...], context: Any, read: bool, *, single: bool) -> Any:
    """Return the query that tells of each key, where it exists, whether its row is the tenant's, or is shown to it."""
    compiler = context.compiled or context.dialect.statement_compiler
    guard = compiler.tg_guard
    shape = (compiler.tg_mode, table_key(parent), names, read, single)
    cached = guard.parent_queries.get(shape)
    if cached is None:
        _, columns, owns = _parent(parent, names, compiler, read)
        target = columns[0] if len(columns) == 1 else tuple_(*columns)
        keys = bindparam("keys", type_=target.type if single else None, expanding=not single)
        picked = target == keys if single else target.in_(keys)
        cached = select(*columns, owns.label("own")).where(picked)
        guard.parent_queries[shape] = cached
    return cached


def _several(links: tuple[Link, ...], context: Any) -> LookUp:
    """Return the look-up that tells of each of several parents: 1 where it is the tenant's, else 0, NULL of none."""
    compiler = context.compiled
    guard = compiler.tg_guard
    shape = (compiler.tg_mode, tuple([(link.parent_key, link.columns, link.read) for link in links]))
    cached = guard.parent_queries.get(shape)
    if cached is None:
        asked = []
        for i, link in enumerate(links):
            source, (column,), owns = _parent(link.parent, link.columns, compiler, link.read)
            one = func.min(case((owns, literal_column("1")), else_=literal_column("0")))
            key = bindparam(f"key_{i}", type_=column.type)
            asked.append(
                select(one).select_from(source).where(column == key).scalar_subquery().label(f"own_{i}")
            )
        guard.parent_queries[shape] = cached = LookUp(select(*asked))
    return cached  # type: ignore[no-any-return]  # typing.cast() is a call


def _parent(parent: Any, names: tuple[str, ...], compiler: Any, read: bool) -> tuple[Any, list[Any], Any]:
    """Return an alias of a parent, its columns, and the condition that a row is the tenant's, or is shown to it."""
    source = trusted(parent.alias())
    types = {column.name: column.type for column in parent.c}
    columns = [named(source, name, types[name]) for name in names]
    return (
        source,
        columns,
        compiler.tg_predicates.owns(source, compiler.tg_guard.tenancy.of(parent), read=read),
    )
