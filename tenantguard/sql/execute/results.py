"""Results: rows that were asked for under one tenant are not fetched under another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.engine import ChunkedIteratorResult
from sqlalchemy.engine import cursor as _cursor
from sqlalchemy.orm import loading

from tenantguard.audit import refuse
from tenantguard.binding import same_tenants
from tenantguard.context import Binding, peek
from tenantguard.errors import TenantSwitchError

DEFAULT_FETCH: Any = _cursor._DEFAULT_FETCH


def _watched_fetch(base: Any) -> Any:
    """Return a way of fetching that looks, before each call, at whether the statement's own binding is in force."""

    class WatchedFetch(base):  # type: ignore[misc]  # whichever it is
        """A way of fetching, under the binding that the statement was executed under."""

        __slots__ = ()

        def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
            """Fetch one row."""
            if peek() is not result.context.tg_binding:
                _verify(peek(), result.context.tg_binding)
            return base.fetchone(self, result, dbapi_cursor, hard_close)

        def fetchmany(self, result: Any, dbapi_cursor: Any, size: Any = None) -> Any:
            """Fetch several rows."""
            if peek() is not result.context.tg_binding:
                _verify(peek(), result.context.tg_binding)
            return base.fetchmany(self, result, dbapi_cursor, size)

        def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
            """Fetch every row."""
            if peek() is not result.context.tg_binding:
                _verify(peek(), result.context.tg_binding)
            return base.fetchall(self, result, dbapi_cursor)

    return WatchedFetch


# in chunks, as server-side cursors do; and of rows that were fetched already, as those of RETURNING
GuardedBuffer = _watched_fetch(_cursor.BufferedRowCursorFetchStrategy)
GuardedRewind = _watched_fetch(_cursor.FullyBufferedCursorFetchStrategy)


class GuardedFetch(_watched_fetch(_cursor.CursorFetchStrategy)):  # type: ignore[misc]  # made above
    """Fetch from the driver's cursor."""

    __slots__ = ()

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Fetch in chunks from here on, watched all the same."""
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy.__class__ = GuardedBuffer


class WatchedResult(ChunkedIteratorResult[Any]):
    """The result of a session's query, whose rows and objects are read under the binding that asked for them.

    It looks before a row is taken, so that a reader who is refused costs the others none.
    """

    @property
    def _tg_binding(self) -> Binding | None:
        raw: Any = self.raw
        try:
            binding: Binding | None = raw.context.tg_binding
        except AttributeError:  # of an engine that is not guarded
            return None
        return binding

    def _fetchiter_impl(self) -> Any:
        return _watched(super()._fetchiter_impl(), self._tg_binding)

    def _raw_row_iterator(self) -> Any:
        return _watched(super()._raw_row_iterator(), self._tg_binding)

    def _fetchone_impl(self, hard_close: bool = False) -> Any:
        if peek() is not self._tg_binding:
            _verify(peek(), self._tg_binding)
        return super()._fetchone_impl(hard_close)

    def _fetchmany_impl(self, size: int | None = None) -> Any:
        _verify(peek(), self._tg_binding)
        return super()._fetchmany_impl(size)

    def _fetchall_impl(self) -> Any:
        _verify(peek(), self._tg_binding)
        return super()._fetchall_impl()


def _watched(rows: Iterator[Any], binding: Binding | None) -> Iterator[Any]:
    while True:
        if peek() is not binding:
            _verify(peek(), binding)
        try:
            row = next(rows)
        except StopIteration:
            return
        yield row


GUARDED_FETCH = GuardedFetch()  # the strategy of every execution, unless it is asked to stream


def watch_stream(result: Any) -> Any:
    """Return a result that was asked to stream with a fetch strategy that watches the binding."""
    strategy = result.cursor_strategy
    if strategy is DEFAULT_FETCH:
        result.cursor_strategy = GUARDED_FETCH
    elif type(strategy) is _cursor.BufferedRowCursorFetchStrategy:
        strategy.__class__ = GuardedBuffer
    return watch_rewound(result)


def watch_rewound(result: Any) -> Any:
    """Return a result whose rows were fetched already with a fetch strategy that watches the binding."""
    strategy = result.cursor_strategy
    if type(strategy) is _cursor.FullyBufferedCursorFetchStrategy:
        strategy.__class__ = GuardedRewind
    return result


def watch_results() -> None:
    """Let the results of sessions be watched ones: a patch, which nothing but ``guard()`` makes."""
    # the name that loading.instances() makes them by
    loading.ChunkedIteratorResult = WatchedResult  # type: ignore[attr-defined]


def _verify(now: Binding | None, then: Binding | None) -> None:
    """Refuse rows of another tenant; code that is bound to nothing may go on reading what it was given."""
    if now is then or now is None or then is None or now.mode in ("bypass", "closed"):
        return
    if same_tenants(now.tenants, then.tenants):
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
