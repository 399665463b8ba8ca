"""The execution half of writes: verify parameters against the binding, and keys against their parents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, or_, select, tuple_

from tenantguard.audit import refuse
from tenantguard.context import Binding, no_tenant, peek
from tenantguard.errors import CrossTenantError
from tenantguard.sql.compiler_elements import TenantParameter
from tenantguard.sql.predicates import named, trusted
from tenantguard.sql.text import TenantUse, orphan
from tenantguard.tenancy import full_name, table_key

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link, WritePlan

_CHUNK = 500  # keys in one look-up of parents


def verify_defaults(plans: Iterable[WritePlan], context: Any) -> None:
    """Verify what the columns' defaults have filled in; the rest was verified before.

    Args:
        plans: what the compiler found.
        context: SQLAlchemy's execution context, with its parameters.

    Raises:
        CrossTenantError: a default names another tenant or a row of one.
    """
    binding = peek()
    for plan in plans:
        if not plan.late or plan.placement.kind == "shared" or binding is None:
            continue
        for name in plan.late.intersection(plan.tenant):
            _verify_tenant(plan, name, binding, context)
        for link in plan.links:
            if not plan.late.isdisjoint(name for row in link.rows for name in row):
                _verify_link(plan, link, binding, context)


def verify(plans: Iterable[WritePlan], context: Any) -> None:
    """Verify what a statement is about to write; stamp rows whose tenant is ``None``.

    Args:
        plans: what the compiler found.
        context: SQLAlchemy's execution context, with its parameters.

    Raises:
        CrossTenantError: a value names another tenant or a row of one.
        NoTenantError: nothing is bound.
    """
    binding = peek()
    rows = context.compiled_parameters
    row = rows[0] if len(rows) == 1 else None
    for plan in plans:
        if plan.placement.kind == "shared":
            if not plan.placement.writable:
                _refuse_shared(plan, binding, context)
            continue
        if binding is None or binding.mode == "closed":
            raise no_tenant(binding, f"A write to {plan.placement.name} was tried")
        tenant = binding._tenant
        usual = row is not None and tenant is not None and plan.placement.python_type in (None, type(tenant))
        for name in plan.tenant:
            # one row that was stamped, as most are, needs no call
            if not (usual and row.get(name) is tenant) and name not in plan.late:  # type: ignore[union-attr]
                _verify_tenant(plan, name, binding, context)
        for link in plan.links:
            if link.required or link.only is None or row is None:
                _verify_link(plan, link, binding, context)
                continue
            value = row.get(link.only)
            known = context.root_connection.tg_known(link.parent_key, link.columns, link.read)
            if value is not None and (value,) not in known:
                _verify_link(plan, link, binding, context)
        for probe in plan.probes:
            if _finds(context, probe.statement):
                refuse(
                    CrossTenantError(
                        f"an expression would set {probe.what} of {probe.table} to another tenant's, while tenant "
                        f"{_told(binding)} is bound",
                        kind="foreign_value",
                        tenant=_told(binding),
                        table=probe.table,
                        statement=_sent(context),
                    )
                )


def _refuse_shared(plan: WritePlan, binding: Binding | None, context: Any) -> None:
    name = plan.placement.name
    if binding is None:
        raise no_tenant(None, f"A write to the shared table {name} was tried")
    refuse(
        CrossTenantError(
            f"{plan.verb} on {name}, a shared table, was tried under tenant {_told(binding)}; shared rows are "
            f'written inside `with bypass(reason="..."):`, or say shared_writable={{"{name}"}}',
            kind="shared_write",
            tenant=_told(binding),
            table=name,
            statement=_sent(context),
        )
    )


def _verify_tenant(plan: WritePlan, name: str, binding: Binding, context: Any) -> None:
    only = binding._tenant
    stamps = plan.verb == "insert" and only is not None
    expected = plan.placement.python_type
    rows = context.compiled_parameters
    for value in _distinct(name, rows):
        if value is None and stamps:
            if expected is not None and type(only) is not expected:
                raise no_tenant(
                    None, f"A {type(only).__name__} is bound for {plan.placement.name} and a write"
                )
            for parameters in rows:
                if parameters.get(name) is None:
                    parameters[name] = only
        elif value not in binding.tenants or (expected is not None and not isinstance(value, expected)):
            refuse(
                CrossTenantError(
                    f"{plan.verb} on {plan.placement.name} names tenant {value!r} while tenant {_told(binding)} is "
                    f"bound; leave {plan.placement.column} out, or bind the tenant you mean",
                    kind="tenant_change" if plan.verb == "update" else "foreign_insert",
                    tenant=_told(binding),
                    attempted=value,
                    table=plan.placement.name,
                    statement=_sent(context),
                )
            )


def _distinct(name: str, rows: Sequence[Any]) -> Iterable[Any]:
    """Return the values of a parameter, each once where that is sure: a bulk insert has thousands of rows."""
    if len(rows) == 1:
        return (rows[0].get(name),)
    values = [parameters.get(name) for parameters in rows]
    if len(set(map(type, values))) == 1:  # 1 and 1.0 are equal, and not the same
        try:
            return dict.fromkeys(values)
        except TypeError:  # a value that cannot be told apart by its hash
            pass
    return values


def _verify_link(plan: WritePlan, link: Link, binding: Binding, context: Any) -> None:
    rows = context.compiled_parameters
    connection = context.root_connection
    if link.required:
        _verify_parent(plan, link, binding, context)
    unknown = connection.tg_unknown(link.parent_key, link.columns, _keys(link, rows), read=link.read)
    if unknown:
        tried = f"{plan.verb} on {plan.placement.name}"
        _verify_keys(link.parent, link.columns, unknown, tried, binding, context, read=link.read)


def _verify_parent(plan: WritePlan, link: Link, binding: Binding, context: Any) -> None:
    """Refuse a row that is given no parent to belong through."""
    rows = context.compiled_parameters
    if any(row.get(name) is None for row in rows for names in link.rows for name in names):
        fault = orphan(plan.placement, ", ".join([ours for ours, _ in plan.placement.link]))
        fault.tenant, fault.statement = _told(binding), _sent(context)
        refuse(fault)


def _verify_keys(
    parent: Any,
    columns: tuple[str, ...],
    keys: list[Any],
    tried: str,
    binding: Binding,
    context: Any,
    *,
    read: bool = False,
) -> None:
    """Refuse a foreign key whose parent is another tenant's; a parent that exists nowhere is the database's."""
    connection = context.root_connection
    single = len(keys) == len(columns) == 1
    query = _parents(parent, columns, context, read, single=single)
    for chunk in _chunks(keys):
        found = connection.tg_probe(query, {"keys": chunk[0][0] if single else _flat(chunk)})
        # row security hides another tenant's parent from us, and not from the database's own constraint
        hidden = context.dialect.tg_guard.raw_sql == "database" and len(found) < len(chunk)
        if hidden or not all(row[-1] for row in found):
            refuse(
                CrossTenantError(
                    f"{tried} points at a row of {parent.name} that "
                    f"{'is not seen' if hidden else 'belongs to another tenant'}, while tenant "
                    f"{_told(binding)} is bound",
                    kind="foreign_key",
                    tenant=_told(binding),
                    table=parent.name,
                    statement=_sent(context),
                )
            )
        connection.tg_known(table_key(parent), columns, read).update([tuple(row[:-1]) for row in found])


def verify_text(checks: Iterable[Any], compiler: Any, rows: Iterable[Any], context: Any) -> None:
    """Verify what SQL text is about to write.

    Args:
        checks: what the reader of the text found.
        compiler: the guarded compiler, or its class.
        rows: the parameters, a set each.
        context: SQLAlchemy's execution context.

    Raises:
        CrossTenantError: a value names another tenant or a row of one.
        NoTenantError: nothing is bound.
    """
    binding = peek()
    if binding is None or binding.mode == "closed":
        raise no_tenant(binding, "A write by SQL text was tried")
    rows = list(rows)
    for check in checks:
        tried = f"{check.verb} on {full_name(check.table_key)}"
        values = [value for row in rows for value in check.values(row)]
        if isinstance(check, TenantUse):
            for value in values:
                if value not in binding.tenants:
                    _refuse_value(tried, value, binding, context)
        elif check.required and any(None in key for key in values):
            _refuse_value(f"{tried}, without the parent it belongs through,", None, binding, context)
        else:
            keys = dict.fromkeys(key for key in values if None not in key)
            unknown = context.root_connection.tg_unknown(check.parent_key, check.parent_columns, keys)
            if unknown:
                parent = compiler.tg_guard.table(check.parent_key)
                _verify_keys(parent, check.parent_columns, unknown, tried, binding, context)


def _refuse_value(tried: str, value: Any, binding: Binding, context: Any) -> None:
    refuse(
        CrossTenantError(
            f"{tried} names tenant {value!r} while tenant {_told(binding)} is bound; leave it out, or bind the "
            "tenant you mean",
            kind="foreign_insert",
            tenant=_told(binding),
            attempted=value,
            statement=_sent(context),
        )
    )


def _keys(link: Link, rows: Sequence[Any]) -> dict[tuple[Any, ...], None]:
    found: dict[tuple[Any, ...], None] = {}
    for names in link.rows:
        if len(names) == 1:
            values = dict.fromkeys([parameters.get(names[0]) for parameters in rows])
            found.update(((value,), None) for value in values if value is not None)
        else:
            keys = dict.fromkeys([tuple([parameters.get(name) for name in names]) for parameters in rows])
            found.update((key, None) for key in keys if None not in key)
    return found


def _flat(keys: list[tuple[Any, ...]]) -> list[Any]:
    return [key[0] for key in keys] if len(keys[0]) == 1 else list(keys)


def _parents(parent: Any, names: tuple[str, ...], context: Any, read: bool, *, single: bool) -> Any:
    """Return the query that tells of each key, where it exists, whether its row is the tenant's, or is shown to it."""
    compiler = context.compiled or context.dialect.statement_compiler
    guard = compiler.tg_guard
    shape = (compiler.tg_mode, table_key(parent), names, read, single)
    cached = guard.parent_queries.get(shape)
    if cached is None:
        source = trusted(parent.alias())
        types = {column.name: column.type for column in parent.c}
        columns = [named(source, name, types[name]) for name in names]
        target = columns[0] if len(columns) == 1 else tuple_(*columns)
        owns = compiler.tg_predicates.owns(source, guard.tenancy.of(parent), read=read)
        keys = bindparam("keys", type_=target.type if single else None, expanding=not single)
        picked = target == keys if single else target.in_(keys)
        cached = select(*columns, owns.label("own")).where(picked)
        guard.parent_queries[shape] = cached
    return cached


def _finds(context: Any, statement: Any) -> bool:
    """Run a probe with the values that this execution has for the parameters it shares with the statement."""
    compiled = context.compiled
    for parameters in context.compiled_parameters:
        values = {
            parameter.key: parameters[name]
            for parameter, name in compiled.bind_names.items()
            if parameter.callable is None
            and name in parameters
            and not isinstance(parameter, TenantParameter)
        }
        if context.root_connection.tg_probe(statement, values)[0][0]:
            return True
    return False


def unmatched(plans: Iterable[WritePlan], context: Any) -> None:
    """Raise our error where the unit of work changed a row by its key and the row is another tenant's.

    Raises:
        CrossTenantError: a row with the key exists, and it is not the tenant's.
    """
    binding = peek()
    for plan in plans:
        if not plan.key or plan.placement.kind == "shared" or binding is None:
            continue
        keys = [
            tuple(parameters[name] for name in plan.key.values())
            for parameters in context.compiled_parameters
        ]
        for chunk in _chunks(keys):
            if context.root_connection.tg_probe(_by_key(plan, context, chunk), {})[0][0]:
                refuse(
                    CrossTenantError(
                        f"{plan.verb} of a row of {plan.placement.name} by its key: the row belongs to another "
                        f"tenant than {_told(binding)}, which is bound",
                        kind="foreign_row",
                        tenant=_told(binding),
                        table=plan.placement.name,
                        statement=_sent(context),
                    )
                )


def _chunks(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]


def _by_key(plan: WritePlan, context: Any, keys: list[tuple[Any, ...]]) -> Any:
    types = {column.name: column.type for column in plan.table.c}

    def picked(source: Any) -> Any:
        columns = [named(source, name, types[name]) for name in plan.key]
        return or_(*(and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys))

    return select(context.compiled.tg_predicates.foreign(picked, plan.table))


def _sent(context: Any) -> str | None:
    """Return the SQL that is about to be sent."""
    compiled = context.compiled
    return str(compiled.string if compiled is not None else context.statement)


def _told(binding: Binding | None) -> str | None:
    return ", ".join(map(str, binding.tenants)) if binding is not None else None
