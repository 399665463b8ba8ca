"""Results: rows that were asked for under one tenant are not fetched under another."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import cursor as _cursor

from tenantguard.audit import refuse
from tenantguard.context import Binding, peek
from tenantguard.errors import TenantSwitchError

_FETCH = _cursor.CursorFetchStrategy
DEFAULT_FETCH: Any = _cursor._DEFAULT_FETCH


class GuardedFetch(_FETCH):
    """Fetch from the driver's cursor, under the binding that the statement was executed under."""

    __slots__ = ()

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Fetch in chunks from here on, watched all the same."""
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy.__class__ = GuardedBuffer

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        """Fetch one row; written out, since a call of the plain method would cost more than the watching."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        try:
            row = dbapi_cursor.fetchone()
            if row is None:
                result._soft_close(hard=hard_close)
        except BaseException as error:
            self.handle_exception(result, dbapi_cursor, error)
        return row

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: Any = None) -> Any:
        """Fetch several rows."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        return _FETCH.fetchmany(self, result, dbapi_cursor, size)

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """Fetch every row; written out as well."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        try:
            rows = dbapi_cursor.fetchall()
            result._soft_close()
        except BaseException as error:
            self.handle_exception(result, dbapi_cursor, error)
        return rows


class GuardedBuffer(_cursor.BufferedRowCursorFetchStrategy):
    """Fetch in chunks, as server-side cursors do, under the binding that the statement was executed under."""

    __slots__ = ()

    def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
        """Fetch one row."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        return super().fetchone(result, dbapi_cursor, hard_close)

    def fetchmany(self, result: Any, dbapi_cursor: Any, size: Any = None) -> Any:
        """Fetch several rows."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        return super().fetchmany(result, dbapi_cursor, size)

    def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
        """Fetch every row."""
        if peek() is not result.context.tg_binding:
            _verify(peek(), result.context.tg_binding)
        return super().fetchall(result, dbapi_cursor)


GUARDED_FETCH = GuardedFetch()  # the strategy of every execution, unless it is asked to stream


def watch_stream(result: Any) -> Any:
    """Return a result that was asked to stream with a fetch strategy that watches the binding."""
    strategy = result.cursor_strategy
    if strategy is DEFAULT_FETCH:
        result.cursor_strategy = GUARDED_FETCH
    elif type(strategy) is _cursor.BufferedRowCursorFetchStrategy:
        strategy.__class__ = GuardedBuffer
    return result


def _verify(now: Binding | None, then: Binding | None) -> None:
    """Refuse rows of another tenant; code that is bound to nothing may go on reading what it was given."""
    if now is None or now.mode in ("bypass", "closed") or then is None or now.tenants == then.tenants:
        return
    told = ", ".join(map(str, then.tenants)) or "a bypass"
    refuse(
        TenantSwitchError(
            f"a result that was asked for under {told} is read under {', '.join(map(str, now.tenants))}; fetch its "
            "rows before the next tenant is bound",
            tenant=", ".join(map(str, now.tenants)),
            attempted=told,
        )
    )
