"""psycopg: ``BEGIN``, the settings as bound parameters, and the first statement go to the server in one flight.

Where the server is near, the settings go with the ``BEGIN`` alone, as one message: a pipeline costs more than a flight.
The driver begins a transaction by itself, in a flight of its own, unless it is in autocommit. So a connection is that
from the first statement of a transaction to its end, while we send the ``BEGIN``; in between it is as it was.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tenantguard.sql.telling.literals import MOST_PADDING, Settings, made

_IDLE = 0  # of libpq's states of a transaction


@functools.cache
def telling_connection(base: Any, plain: Any) -> Any:
    """Return a subclass of psycopg's connection, synchronous or not, that takes settings along.

    Args:
        base: its class.
        plain: the class of cursor that executes our own statements.
    """
    ending = _ending_later if inspect.iscoroutinefunction(base.commit) else _ending
    members = {"__module__": base.__module__, "tg_plain": plain}
    return ending(type(f"Telling{base.__name__}", (_Telling, base), members))


@functools.cache
def _telling_cursor(base: Any) -> Any:
    """Return a subclass of a cursor that sends what its connection was told with the first statement."""
    executing = _executing_later if inspect.iscoroutinefunction(base.execute) else _executing
    return executing(base, rides="name" not in inspect.signature(base.__init__).parameters)


class _Telling:
    """What both kinds of connection have in common.

    Attributes:
        tg_values: the settings that the next statement takes along.
        tg_begun: the transaction was begun by us, on a connection in autocommit.
        tg_pipelines: the first statement travels in the same flight.
        tg_padding: how many bytes of a statement the server shows to others.
    """

    tg_values: Settings | None = None
    tg_begun = False
    tg_pipelines = True
    tg_padding = 0
    _tg_cursors = False

    @property
    def tg_process(self: Any) -> int:
        """Return the server's process."""
        return int(self.info.backend_pid)

    def tg_tell(self: Any, values: Settings, guard: Any) -> bool:
        """Let the next statement take settings along; tell whether it will."""
        if not self._tg_cursors:
            self.cursor_factory = _telling_cursor(self.cursor_factory)
            self.server_cursor_factory = _telling_cursor(self.server_cursor_factory)
            self._tg_cursors = True
        self.tg_values, self.tg_pipelines, self.tg_padding = values, guard.pipelines, guard.padding
        return True

    def tg_is_over(self: Any) -> bool:
        """Tell whether the transaction that we began has ended."""
        return self.tg_begun and not self.closed and self.info.transaction_status == _IDLE

    def tg_begins(self: Any) -> bool:
        """Tell whether a transaction is wanted that has not begun."""
        return not self.autocommit and self.info.transaction_status == _IDLE

    def tg_first(self: Any, begins: bool) -> Iterator[tuple[str, list[str]]]:
        """Yield what goes before the statement: the ``BEGIN`` and the settings."""
        if begins:
            yield self.tg_begin, []
        values, self.tg_values = self.tg_values, None
        calls = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(values))
        yield f"SELECT {calls}", [part for pair in values.items() for part in pair]

    def tg_one_message(self: Any, begins: bool) -> str | None:
        """Return the ``BEGIN`` and the settings as one text, where the server hides what it says from others."""
        if not 0 < self.tg_padding <= MOST_PADDING:
            return None
        values, self.tg_values = self.tg_values, None
        return (
            f"{self.tg_begin}; {made(values, self.tg_padding)}" if begins else made(values, self.tg_padding)
        )

    @property
    def tg_begin(self: Any) -> str:
        """Return the statement by which the driver would begin."""
        words = ["BEGIN"]
        if self.isolation_level is not None:
            words += ["ISOLATION LEVEL", self.isolation_level.name.replace("_", " ")]
        if self.read_only is not None:
            words.append("READ ONLY" if self.read_only else "READ WRITE")
        if self.deferrable is not None:
            words.append("DEFERRABLE" if self.deferrable else "NOT DEFERRABLE")
        return " ".join(words)


def _ending(telling: Any) -> Any:
    class Connection(telling):  # type: ignore[misc]  # of whatever psycopg
        """A connection that is in autocommit no longer than its transaction."""

        def commit(self) -> None:
            try:
                super().commit()
            finally:
                self.tg_end()

        def rollback(self) -> None:
            try:
                super().rollback()
            finally:
                self.tg_end()

        def tg_end(self) -> None:
            self.tg_values = None
            if self.tg_is_over():
                self.tg_begun = self.autocommit = False

    return Connection


def _ending_later(telling: Any) -> Any:
    class Connection(telling):  # type: ignore[misc]  # of whatever psycopg
        """A connection that is in autocommit no longer than its transaction."""

        async def commit(self) -> None:
            try:
                await super().commit()
            finally:
                await self.tg_end()

        async def rollback(self) -> None:
            try:
                await super().rollback()
            finally:
                await self.tg_end()

        async def tg_end(self) -> None:
            self.tg_values = None
            if self.tg_is_over():
                self.tg_begun = False
                await self.set_autocommit(False)

    return Connection


def _executing(base: Any, *, rides: bool) -> Any:
    class Cursor(base):  # type: ignore[misc]  # of whatever psycopg
        """A cursor whose first statement takes the settings along, unless the cursor is the server's."""

        def execute(self, query: Any, params: Any = None, **kw: Any) -> Any:
            connection = self.connection
            if connection.tg_values is None:
                if connection.tg_is_over():
                    connection.tg_end()
                return super().execute(query, params, **kw)
            if rides and connection.tg_pipelines:
                with self._tg_telling(self._tg_begins()):
                    super().execute(query, params, **kw)
                return self
            self._tg_tell()
            return super().execute(query, params, **kw)

        def executemany(self, *args: Any, **kw: Any) -> None:
            if self.connection.tg_values is not None:
                self._tg_tell()
            super().executemany(*args, **kw)

        def _tg_tell(self) -> None:
            begins = self._tg_begins()
            message = self.connection.tg_one_message(begins)
            if message is not None:
                self.connection.tg_plain(self.connection).execute(message, prepare=False)
                return
            with self._tg_telling(begins):
                pass

        def _tg_begins(self) -> bool:
            connection = self.connection
            begins = connection.tg_is_over() or connection.tg_begins()
            if begins:
                connection.autocommit = connection.tg_begun = True
            return bool(begins)

        @contextmanager
        def _tg_telling(self, begins: bool) -> Iterator[None]:
            connection = self.connection
            with connection.pipeline():
                for statement, parameters in connection.tg_first(begins):
                    connection.tg_plain(connection).execute(statement, parameters)
                yield

    return Cursor


def _executing_later(base: Any, *, rides: bool) -> Any:
    class Cursor(base):  # type: ignore[misc]  # of whatever psycopg
        """A cursor whose first statement takes the settings along, unless the cursor is the server's."""

        async def execute(self, query: Any, params: Any = None, **kw: Any) -> Any:
            connection = self.connection
            if connection.tg_values is None:
                if connection.tg_is_over():
                    await connection.tg_end()
                return await super().execute(query, params, **kw)
            if rides and connection.tg_pipelines:
                async with self._tg_telling(await self._tg_begins()):
                    await super().execute(query, params, **kw)
                return self
            await self._tg_tell()
            return await super().execute(query, params, **kw)

        async def executemany(self, *args: Any, **kw: Any) -> None:
            if self.connection.tg_values is not None:
                await self._tg_tell()
            await super().executemany(*args, **kw)

        async def _tg_tell(self) -> None:
            begins = await self._tg_begins()
            message = self.connection.tg_one_message(begins)
            if message is not None:
                await self.connection.tg_plain(self.connection).execute(message, prepare=False)
                return
            async with self._tg_telling(begins):
                pass

        async def _tg_begins(self) -> bool:
            connection = self.connection
            begins = connection.tg_is_over() or connection.tg_begins()
            if begins:
                await connection.set_autocommit(True)
                connection.tg_begun = True
            return bool(begins)

        @asynccontextmanager
        async def _tg_telling(self, begins: bool) -> AsyncIterator[None]:
            connection = self.connection
            async with connection.pipeline():
                for statement, parameters in connection.tg_first(begins):
                    await connection.tg_plain(connection).execute(statement, parameters)
                yield

    return Cursor
