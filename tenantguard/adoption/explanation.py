"""Explanation: one statement's tables, the SQL that is sent, what is refused and why, and its query plans."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import NullPool, create_engine, event, make_url, select, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.sql.elements import ClauseElement

from tenantguard.context import bind
from tenantguard.errors import ConfigurationError, TenantGuardError, TenantId, Violation
from tenantguard.sql import guard
from tenantguard.sql.guard import Guard, RawSQL
from tenantguard.sql.observe.shapes import shape_of, unheard
from tenantguard.tenancy import Tenancy


@dataclass
class Explained:
    """What the guard does with one statement.

    Attributes:
        tables: how each table belongs, by name.
        changes: what the guard changes, a phrase each.
        written: the SQL that would be sent without the guard.
        sent: the SQL that is sent; ``None`` if it is refused.
        kind: the kind of the refusal, if it is refused.
        refusal: its message.
        rewritten: for text that is refused without being read: what ``raw_sql="rewrite"`` would send, or why not.
        plans: the query plans of a live database, by title.
    """

    written: str
    tables: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    sent: str | None = None
    kind: str | None = None
    refusal: str | None = None
    rewritten: str | None = None
    plans: dict[str, list[str]] = field(default_factory=dict)


class _Captured(Exception):
    """The first statement of a function, which is not executed."""


def explain(tenancy: Tenancy, statement: Any, dialect: str, raw_sql: RawSQL = "refuse") -> Explained:
    """Return what the guard does with a statement on a kind of database, without connecting to one.

    Args:
        tenancy: how every table belongs.
        statement: a SQLAlchemy statement, or SQL text.
        dialect: the name of the dialect.
        raw_sql: the guard's mode for SQL text.
    """
    element = text(statement) if isinstance(statement, str) else statement
    plain, guarded = offline(dialect), guard(offline(dialect), tenancy, raw_sql=raw_sql, row_security=False)
    compiled: Any = element.compile(dialect=plain.dialect)
    told = Explained(str(compiled))
    with unheard():
        shape = shape_of(guarded, compiled, ())
        made = _compiled(guarded, element)
    told.changes = shape.changes
    if made is not None:
        told.tables = {placement.name: str(placement) for placement in made.tg.tables.values()}
    if shape.fault is None:
        told.sent = str(made)
    else:
        told.kind, told.refusal = shape.fault.kind, str(shape.fault)
    if getattr(compiled, "isplaintext", False):
        rewritten = _read_text(told, tenancy, guarded, element.text)
        is_read = shape.fault is None or raw_sql == "rewrite"
        told.rewritten = None if is_read else rewritten
    return told


def _compiled(guarded: Any, element: Any) -> Any:
    try:
        return element.compile(dialect=guarded.dialect.tg_variants["tenant"])
    except Violation:
        return None


def _read_text(told: Explained, tenancy: Tenancy, guarded: Engine, written: str) -> str:
    """Add the tables that SQL text names, and return what would be sent if it were read."""
    try:
        found = Guard.of(guarded).rewrite(written, guarded.dialect, "named")
    except TenantGuardError as refusal:
        return f'raw_sql="rewrite" refuses it too: {refusal}'
    placements = [tenancy.find_key(key) for key in found.tables]
    told.tables = {one.name: str(one) for one in placements if one is not None}
    return f'raw_sql="rewrite" would send: {found.text}'


def offline(dialect: str) -> Engine:
    """Return an engine that connects to nothing.

    Raises:
        ConfigurationError: there is no such dialect.
    """
    try:
        url = make_url(f"{dialect}://")
        made = url.get_dialect()()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(
            f"there is no dialect {dialect!r}; use postgresql, mysql or sqlite"
        ) from error

    def connect() -> Any:
        raise ConfigurationError("a statement needs no database, but a row does; pass --url")

    pool = NullPool(connect)
    pool._dialect = made
    return Engine(pool, made, url)


def statements_of(found: Any, name: str) -> Any:
    """Return the statement that a name refers to: a statement, what a function returns, or what it executes first.

    Raises:
        ConfigurationError: the name refers to none of these.
    """
    if isinstance(found, ClauseElement | str):
        return found
    if not callable(found):
        raise ConfigurationError(f"{name} is neither a statement nor a function ({type(found).__name__})")
    try:
        made = _called(found)
    except TypeError:
        made = _executed(found, name)
    except Exception as error:  # an application's function may raise anything
        raise ConfigurationError(f"{name}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(made, ClauseElement | str):
        raise ConfigurationError(f"{name}() returns no statement ({type(made).__name__})")
    return made


def _executed(function: Callable[..., Any], name: str) -> Any:
    """Return the first statement that a function executes in a session; nothing reaches a database."""
    captured: list[Any] = []
    session: Any = AsyncSession() if inspect.iscoroutinefunction(function) else Session(offline("sqlite"))

    def capture(state: ORMExecuteState) -> None:
        captured.append(state.statement)
        raise _Captured

    event.listen(getattr(session, "sync_session", session), "do_orm_execute", capture)
    try:
        _called(function, session)
    except _Captured:
        pass
    except Exception as error:  # an application's function may raise anything
        raise ConfigurationError(f"{name}(session) failed: {type(error).__name__}: {error}") from error
    if not captured:
        raise ConfigurationError(f"{name}(session) executed no statement")
    return captured[0]


def _called(function: Callable[..., Any], *given: Any) -> Any:
    """Return what a function returns, or what a coroutine function does."""
    made = function(*given)
    return asyncio.run(made) if inspect.iscoroutine(made) else made


def plans(
    told: Explained,
    tenancy: Tenancy,
    statement: Any,
    connection: Connection,
    tenant: TenantId,
    raw_sql: RawSQL,
) -> None:
    """Add the query plans of a live database: without the guard, with it, and under row security.

    Args:
        told: takes the plans.
        tenancy: how every table belongs.
        statement: the statement.
        connection: of the database; nothing is changed.
        tenant: the tenant to plan for.
        raw_sql: what becomes of SQL text.
    """
    element = text(statement) if isinstance(statement, str) else statement
    told.plans["without the guard"] = _plan(connection, *_sent(connection.engine, element, None))
    if told.sent is None:
        return
    guarded = guard(_beside(connection.engine), tenancy, raw_sql=raw_sql, row_security=False)
    told.plans["with the guard"] = _plan(connection, *_sent(guarded, element, tenant))
    if connection.dialect.name == "postgresql":
        told.plans |= dict(_secured(connection, element, guarded, tenant, _named(told, tenancy, connection)))


def _named(told: Explained, tenancy: Tenancy, connection: Connection) -> list[str]:
    """Return the tables of a statement as the server spells their names, capitals and quotes included."""
    quote = connection.dialect.identifier_preparer.quote
    return [".".join(quote(part) for part in one.key if part) for one in tenancy if one.name in told.tables]


def _secured(
    connection: Connection, element: Any, guarded: Engine, tenant: TenantId, tables: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the plans under row security, if its policies apply to the role."""
    asked = text(
        "SELECT count(*) FILTER (WHERE relrowsecurity), "
        "(SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) "
        "FROM pg_class WHERE oid IN (SELECT to_regclass(t) FROM unnest(CAST(:tables AS text[])) t)"
    )
    secured, exempt = connection.execute(asked, {"tables": tables}).one()
    if not secured:
        return
    if exempt:
        yield (
            "under row security",
            ["the role that connects is exempt from row security; connect as the application's to see them"],
        )
        return
    set_ = text("SELECT set_config('tenantguard.tenant', :tenant, true)")
    connection.execute(set_, {"tenant": str(tenant)})
    yield "under row security alone", _plan(connection, *_sent(connection.engine, element, None))
    yield "under row security and the guard", _plan(connection, *_sent(guarded, element, tenant))


def _beside(engine: Engine) -> Engine:
    """Return a second engine on the same database."""
    return create_engine(engine.url, poolclass=NullPool)


@contextmanager
def _bound(tenant: TenantId | None) -> Iterator[None]:
    if tenant is None:
        yield
        return
    with bind(tenant):
        yield


def _sent(engine: Engine, element: Any, tenant: TenantId | None) -> tuple[str, Any]:
    """Return the SQL and parameters that an engine would send for a statement, without executing it."""
    found: list[tuple[str, Any]] = []

    def capture(
        _connection: Any, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
    ) -> None:
        if getattr(context, "invoked_statement", None) is element:
            found.append((statement, parameters))
            raise _Captured

    event.listen(engine, "before_cursor_execute", capture)
    try:
        with _bound(tenant), unheard(), engine.connect() as connection:
            connection.execute(element, _parameters(element, engine))
    except _Captured:
        pass
    finally:
        event.remove(engine, "before_cursor_execute", capture)
    return found[0]


def _parameters(element: Any, engine: Engine) -> dict[str, Any]:
    """Return the parameters with NULL for each missing value, because a plan needs one."""
    variants = getattr(engine.dialect, "tg_variants", None)
    compiled = element.compile(dialect=engine.dialect if variants is None else variants["bypass"])
    return {
        name: None
        for parameter, name in getattr(compiled, "bind_names", {}).items()
        if parameter.required and parameter.value is None
    }


def _plan(connection: Connection, statement: str, parameters: Any) -> list[str]:
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    try:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    except SQLAlchemyError as error:
        connection.rollback()
        return [f"the database does not plan it: {str(getattr(error, 'orig', error)).partition(chr(10))[0]}"]
    if connection.dialect.name == "sqlite":
        return [str(row[-1]) for row in rows]
    return [" | ".join("" if cell is None else str(cell) for cell in row) for row in rows]


def first_tenant(tenancy: Tenancy, connection: Connection) -> TenantId:
    """Return any tenant that has rows, to plan a statement for.

    Raises:
        ConfigurationError: no tenant has rows.
    """
    for placement in tenancy:
        if placement.kind != "owned" or placement.mapping is None:
            continue
        column = next(one for one in placement.mapping.columns if one.name == placement.column)
        try:
            found = connection.scalar(select(column).where(column.is_not(None)).limit(1))
        except SQLAlchemyError:
            connection.rollback()
            continue
        if found is not None:
            return found  # type: ignore[no-any-return]  # of the tenant column
    raise ConfigurationError("no company has a row in the database; pass --tenant")
