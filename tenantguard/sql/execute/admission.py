"""Admission: before a statement gets a cursor, it is admitted under the current binding, or refused."""

from __future__ import annotations

from typing import Any

from sqlalchemy import schema
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.sql.selectable import SelectBase

from tenantguard.audit import refuse
from tenantguard.binding import is_bypass
from tenantguard.context import Binding, peek
from tenantguard.errors import CrossTenantError, RawSQLError
from tenantguard.sql.execute.authorization import acts, end_in_time, permit, refuse_read_only
from tenantguard.sql.execute.bypass_writes import BYPASSED, is_writing
from tenantguard.sql.execute.connections import GuardedConnection
from tenantguard.sql.execute.direct_text import admit_text
from tenantguard.sql.execute.doors import ask_again, ask_in_time, takes_trust
from tenantguard.sql.execute.leftovers import find_left, note_calls, note_text
from tenantguard.sql.execute.orphans import watch_text
from tenantguard.sql.execute.told_tenant import tell
from tenantguard.sql.execute.verification import verify
from tenantguard.sql.predicates import set_tenants
from tenantguard.sql.refusals import refuse_again, refuse_by_hand, refuse_compiled, refuse_outdated
from tenantguard.sql.servers.catalogue import verify_asked
from tenantguard.tenancy import Placement, full_name


def admit(context: Any, connection: Any, compiled: Any, binding: Binding | None) -> None:
    """Admit a statement with the tenant added to its parameters, or refuse it.

    Args:
        context: SQLAlchemy's execution context.
        connection: the connection that it runs on.
        compiled: the compiled statement; ``None`` for SQL text straight to the driver.
        binding: the current binding.
    """
    guard = context.dialect.tg_guard
    if not guard.enforces or takes_trust(context, connection):
        return
    if not isinstance(connection, GuardedConnection):
        refuse_by_hand()
    if acts(binding):
        end_in_time(binding)
    if guard.left:
        connection.tg_left = find_left(connection)
    connection.tg_serve(binding)
    if guard.tells:
        tell(connection)
    if compiled is None:
        connection.tg_names = None
        admit_text(context, guard, binding)
    elif context.isddl:
        _admit_ddl(context, compiled)
    else:
        _admit_compiled(context, connection, compiled, binding)


def _admit_compiled(context: Any, connection: Any, compiled: Any, binding: Binding | None) -> None:
    mode = "tenant" if binding is None or binding.mode == "closed" else binding.mode
    if getattr(compiled, "tg_mode", None) != mode or compiled.tg_guard is not context.dialect.tg_guard:
        refuse_compiled(compiled)
    if mode == "bypass":
        if not isinstance(compiled.statement, SelectBase) or compiled.ctes:
            connection.tg_forget()
        if compiled.isplaintext:
            ask_again(context)
            note_text(context)
        else:
            note_calls(context, compiled)
        if is_writing(context, compiled):
            context.tg_given = BYPASSED
        return
    if not compiled.tg.era.alive:
        refuse_outdated(compiled)
    if compiled.tg.asks is not None:
        permit(context, compiled.tg, binding)
    if compiled.tg.kinds:
        _refuse_many_texts(context, compiled)
    if compiled.tg.kinds or compiled.tg.rules:
        set_tenants(context.compiled_parameters, compiled, binding)
    if ask_in_time(connection, compiled.tg_guard, calls=compiled.tg.calls):
        compiled.tg.era = compiled.tg_guard.era  # it is verified by the new answer right now
        verify_asked(compiled)
        compiled.tg.settle(translated=bool(compiled.schema_translate_map))
    if compiled.tg.fault is not None:
        refuse_again(compiled.tg.fault, compiled.string)
    if compiled.schema_translate_map:
        _verify_translation(compiled, context.execution_options)
        connection.tg_translate(context.execution_options)
    if compiled.tg.writes:
        verify(compiled.tg.writes, context)
    if compiled.tg.changes:
        refuse_read_only(context, binding)
        watch_text(context)
    if compiled.tg.checks or compiled.tg.verified:
        context.tg_given = compiled.tg


def _refuse_many_texts(context: Any, compiled: Any) -> None:
    """Refuse SQL text with many sets of parameters under several tenants, whose list is expanded each time."""
    if context.executemany and compiled.tg_mode == "tenants" and compiled.tg.parameters:
        refuse_again(
            RawSQLError(
                "SQL text with many sets of parameters serves one tenant, and several are bound; execute it once for "
                "each set, or bind one"
            ),
            compiled.string,
        )


def _admit_ddl(context: Any, compiled: DDLCompiler) -> None:
    """Admit schema DDL while no tenant is bound, as at an application's start."""
    binding = peek()
    if is_bypass(binding):
        ask_again(context)
        note_text(context)
        return
    element = compiled.statement
    if binding is None and is_schema_ddl(element):
        return
    name = type(element).__name__
    refuse_again(
        RawSQLError(
            f"{name} was tried {'with no tenant bound' if binding is None else 'under a tenant'}; schema changes "
            'go inside `with bypass(reason="..."):`',
            kind="ddl",
        ),
        str(compiled),
    )


def is_schema_ddl(element: Any) -> bool:
    """Return whether a DDL element belongs to a schema, which an application may create before it serves requests."""
    if isinstance(element, schema.DDL) or hasattr(element, "selectable"):
        return False
    return type(element).__module__.startswith("sqlalchemy.")


def _verify_translation(compiled: Any, options: Any) -> None:
    """Refuse a schema translation that changes how a table belongs."""
    names = options.get("schema_translate_map") or {}
    for key, placement in compiled.tg.tables.items():
        translated = (names.get(key[0], key[0]), key[1])
        other = compiled.tg_guard.tenancy.find_key(translated)
        if other is not None and _way(other) != _way(placement):
            refuse(
                CrossTenantError(
                    f"schema_translate_map turns {placement.name} into {full_name(translated)}, which belongs "
                    "in another way",
                    kind="schema_translate",
                    table=full_name(translated),
                )
            )


def _way(placement: Placement) -> tuple[Any, ...]:
    """Return the parts of a placement that determine its predicate."""
    return placement.kind, placement.column, placement.visible
