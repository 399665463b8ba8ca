"""Refusals: the errors for refused statements, connections and compiled statements."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

from tenantguard.audit import refuse
from tenantguard.binding import is_bypass
from tenantguard.context import Binding, peek
from tenantguard.errors import RawSQLError, Violation


def told(binding: Binding | None) -> str | None:
    """Return the tenants that are bound, for a message."""
    return ", ".join(map(str, binding.tenants)) if binding is not None else None


def sent(context: Any) -> str | None:
    """Return the SQL that is about to be sent."""
    compiled = context.compiled
    statement = compiled.string if compiled is not None else context.statement
    return None if statement is None else str(statement)


def refuse_again(violation: Violation, statement: str) -> NoReturn:
    """Record and raise a fresh copy: a compiled statement keeps its fault and is executed many times."""
    refuse(
        type(violation)(
            str(violation),
            kind=violation.kind,
            tenant=told(peek()),
            attempted=violation.attempted,
            table=violation.table,
            statement=violation.statement or statement,
        )
    )


def refuse_by_hand() -> NoReturn:
    """Refuse a connection that did not come from the guarded engine."""
    refuse_raw("A Connection or an Engine that was constructed by hand on a guarded dialect")


def refuse_compiled(compiled: Any) -> NoReturn:
    """Refuse a compiled statement that another dialect, or the one of another mode, has made."""
    made = getattr(compiled, "tg_mode", None)
    how = f"made for {made!r} and executed under another binding" if made else "compiled without the guard"
    refuse(
        RawSQLError(
            f"a compiled statement was {how}; execute the statement itself",
            kind="foreign_compiled",
            statement=str(compiled),
        )
    )


def refuse_outdated(compiled: Any) -> NoReturn:
    """Refuse a statement that was compiled before a table was defined or altered."""
    refuse(
        RawSQLError(
            "a table of the tenancy was defined or altered after the statement was compiled. Execute the "
            "statement again, and clear a compiled_cache of your own",
            kind="foreign_compiled",
            tenant=told(peek()),
            statement=str(compiled),
        )
    )


def refuse_told(why: str) -> NoReturn:
    """Refuse work for which the settings of row security cannot be made."""
    refuse(RawSQLError(f"row security: {why}", kind="row_security", tenant=told(peek())))


def refuse_raw(what: str) -> NoReturn:
    """Refuse a way to the driver."""
    refuse(
        RawSQLError(
            f"{what} reaches the driver, where the guard cannot read SQL. Use the engine's own connections, or do it "
            'inside `with bypass(reason="..."):`',
            kind="raw_connection",
            tenant=told(peek()),
        )
    )


def only_sqlalchemy(what: str, dialect: Any) -> None:
    """Refuse a raw connection to anyone but SQLAlchemy, outside a bypass."""
    installed = getattr(dialect, "tg_guard", None)
    if is_bypass(peek()) or (installed is not None and not installed.enforces):
        return
    try:
        caller = sys._getframe(2).f_globals.get("__name__", "")
    except ValueError:  # no frame below: a greenlet that was handed the method itself
        caller = ""
    if not (caller == "sqlalchemy" or caller.startswith(("sqlalchemy.", "tenantguard.sql."))):
        refuse_raw(what)
