"""Results: rows that were selected under one tenant are not fetched under another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

from sqlalchemy.engine import ChunkedIteratorResult
from sqlalchemy.engine import cursor as _cursor

from tenantguard.audit import refuse
from tenantguard.binding import same_tenants
from tenantguard.context import Binding, peek
from tenantguard.errors import TenantSwitchError
from tenantguard.sql.execute.authorization import permit_reading

_FETCHONE: Any = ChunkedIteratorResult._fetchone_impl  # before Python 3.12, a super() costs more than it
REWOUND_FETCH = _cursor.FullyBufferedCursorFetchStrategy  # of rows that were fetched already
DEFAULT_FETCH: Any = _cursor._DEFAULT_FETCH


def _watched_fetch(base: Any) -> Any:
    """Return a fetch strategy that checks, before each call, that the statement's binding is current."""

    class WatchedFetch(base):  # type: ignore[misc]  # whichever it is
        """A fetch strategy that requires the binding under which the statement was executed."""

        __slots__ = ()

        def fetchone(self, result: Any, dbapi_cursor: Any, hard_close: bool = False) -> Any:
            """Fetch one row."""
            if peek() is not result.context.tg_binding:
                _verify(result.context)
            return base.fetchone(self, result, dbapi_cursor, hard_close)

        def fetchmany(self, result: Any, dbapi_cursor: Any, size: Any = None) -> Any:
            """Fetch several rows."""
            if peek() is not result.context.tg_binding:
                _verify(result.context)
            return base.fetchmany(self, result, dbapi_cursor, size)

        def fetchall(self, result: Any, dbapi_cursor: Any) -> Any:
            """Fetch every row."""
            if peek() is not result.context.tg_binding:
                _verify(result.context)
            return base.fetchall(self, result, dbapi_cursor)

    return WatchedFetch


# in chunks, as server-side cursors do; and of rows that were fetched already, as those of RETURNING
GuardedBuffer = _watched_fetch(_cursor.BufferedRowCursorFetchStrategy)
GuardedRewind = _watched_fetch(_cursor.FullyBufferedCursorFetchStrategy)


class GuardedFetch(_watched_fetch(_cursor.CursorFetchStrategy)):  # type: ignore[misc]  # made above
    """Fetch from the driver's cursor."""

    __slots__ = ()

    def yield_per(self, result: Any, dbapi_cursor: Any, num: int) -> None:
        """Fetch in chunks from now on, still watched."""
        super().yield_per(result, dbapi_cursor, num)
        result.cursor_strategy.__class__ = GuardedBuffer


class WatchedResult(ChunkedIteratorResult[Any]):
    """The result of a session's query, whose rows and objects are read only under the original binding.

    It checks before a row is taken, so that a refused reader does not consume other readers' rows.
    """

    def _fetchiter_impl(self) -> Any:
        return _watched(super()._fetchiter_impl(), _context_of(self))

    def _raw_row_iterator(self) -> Any:
        return _watched(super()._raw_row_iterator(), _context_of(self))

    def _fetchone_impl(self, hard_close: bool = False) -> Any:
        try:
            same = peek() is self.raw.context.tg_binding  # type: ignore[union-attr]  # or there is none
        except AttributeError:
            same = False
        if not same:
            _verify(getattr(self.raw, "context", None))
        return _FETCHONE(self, hard_close)

    def _fetchmany_impl(self, size: int | None = None) -> Any:
        _verify(_context_of(self))
        return super()._fetchmany_impl(size)

    def _fetchall_impl(self) -> Any:
        _verify(_context_of(self))
        return super()._fetchall_impl()


def _watched(rows: Iterator[Any], context: Any) -> Iterator[Any]:
    binding = getattr(context, "tg_binding", None)
    while True:
        if peek() is not binding:
            _verify(context)
        try:
            row = next(rows)
        except StopIteration:
            return
        yield row


class _Resumed:
    """The rows of a result, restarted after each refused reader, because an exception ends a generator."""

    def __init__(self, context: Any, rows: Callable[[], Iterator[Any]]) -> None:
        self._context, self._rows = context, rows
        self._is_begun = False

    def __iter__(self) -> _Resumed:
        return self

    def __next__(self) -> Iterator[Any]:
        if self._is_begun and not self._context.tg_refused:
            raise StopIteration
        self._is_begun, self._context.tg_refused = True, False
        return self._rows()


def resuming(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Let a way of reading rows go on after a reader who was refused."""

    def rows(self: Any, *args: Any) -> Iterator[Any]:
        context = _context_of(self)
        if getattr(context, "tg_binding", None) is None:
            return original(self, *args)
        return chain.from_iterable(_Resumed(context, partial(original, self, *args)))

    return rows


def _context_of(result: Any) -> Any:
    """Return the execution context of a result, ``None`` where it has none: it was merged, or thawed."""
    real = result if result._real_result is None else result._real_result
    return getattr(getattr(real, "raw", real), "context", None)


GUARDED_FETCH = GuardedFetch()  # the strategy of every execution, unless it is asked to stream


def watch_stream(result: Any) -> Any:
    """Return a streaming result with a fetch strategy that watches the binding."""
    strategy = result.cursor_strategy
    if strategy is DEFAULT_FETCH:
        result.cursor_strategy = GUARDED_FETCH
    elif type(strategy) is _cursor.BufferedRowCursorFetchStrategy:
        strategy.__class__ = GuardedBuffer
    return watch_rewound(result)


def watch_rewound(result: Any) -> Any:
    """Return a prefetched result with a fetch strategy that watches the binding."""
    strategy = result.cursor_strategy
    if type(strategy) is REWOUND_FETCH:
        strategy.__class__ = GuardedRewind
    return result


def _verify(context: Any) -> None:
    """Refuse rows of another tenant; code with nothing bound may continue to read its result."""
    now, then = peek(), getattr(context, "tg_binding", None)  # of an engine that is not guarded there is none
    if now is then or now is None or then is None or now.mode in ("bypass", "closed"):
        return
    if same_tenants(now.tenants, then.tenants):
        if now.principal is not then.principal:
            _verify_person(context, now, then)
        return
    context.tg_refused = True
    told = ", ".join(map(str, then.tenants)) or "a bypass"
    refuse(
        TenantSwitchError(
            f"a result that was executed under {told} is read under {', '.join(map(str, now.tenants))}; fetch its "
            "rows before the next tenant is bound",
            tenant=", ".join(map(str, now.tenants)),
            attempted=told,
        )
    )


def _verify_person(context: Any, now: Binding, then: Binding) -> None:
    """Refuse a result of another person of the tenant, if the reader lacks permissions or would see other rows.

    Raises:
        PermissionDeniedError: a permission is missing, or a permission rule grants other rows.
    """
    try:
        permit_reading(context, now, then)
    except BaseException:  # a rule of the application's own may raise anything
        context.tg_refused = True
        raise
