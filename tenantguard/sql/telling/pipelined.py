"""psycopg: ``BEGIN``, the settings as bound parameters, and the first statement go to the server in one flight.

The driver begins a transaction by itself, in a flight of its own, unless it is in autocommit. So a connection is that
from the first statement of a transaction to its end, while we send the ``BEGIN``; in between it is as it was.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

Settings = dict[str, str]
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
    """

    tg_values: Settings | None = None
    tg_begun = False
    tg_pipelines = True
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
        self.tg_values, self.tg_pipelines = values, guard.pipelines
        return True

    def tg_is_over(self: Any) -> bool:
        """Tell whether the transaction that we began has ended."""
        return self.tg_begun and not self.closed and self.info.transaction_status == _IDLE

    def tg_begins(self: Any) -> bool:
        """Tell whether a transaction is wanted that has not begun."""
        return not self.autocommit and self.info.transaction_status == _IDLE

    def tg_first(self: Any, begins: bool) -> Iterator[tuple[str, list[str]]]:
        """Yield what goes before the statement: the ``BEGIN`` as the driver would write it, and the settings."""
        if begins:
            words = ["BEGIN"]
            if self.isolation_level is not None:
                words += ["ISOLATION LEVEL", self.isolation_level.name.replace("_", " ")]
            if self.read_only is not None:
                words.append("READ ONLY" if self.read_only else "READ WRITE")
            if self.deferrable is not None:
                words.append("DEFERRABLE" if self.deferrable else "NOT DEFERRABLE")
            yield " ".join(words), []
        values, self.tg_values = self.tg_values, None
        calls = ", ".join(["pg_catalog.set_config(%s, %s, true)"] * len(values))
        yield f"SELECT {calls}", [part for pair in values.items() for part in pair]


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
            pipelines = rides and connection.tg_pipelines
            with self._tg_telling():
                if pipelines:
                    super().execute(query, params, **kw)
            return self if pipelines else super().execute(query, params, **kw)

        def executemany(self, *args: Any, **kw: Any) -> None:
            if self.connection.tg_values is not None:
                with self._tg_telling():
                    pass
            super().executemany(*args, **kw)

        @contextmanager
        def _tg_telling(self) -> Iterator[None]:
            connection = self.connection
            begins = connection.tg_is_over() or connection.tg_begins()
            if begins:
                connection.autocommit = connection.tg_begun = True
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
            pipelines = rides and connection.tg_pipelines
            async with self._tg_telling():
                if pipelines:
                    await super().execute(query, params, **kw)
            return self if pipelines else await super().execute(query, params, **kw)

        async def executemany(self, *args: Any, **kw: Any) -> None:
            if self.connection.tg_values is not None:
                async with self._tg_telling():
                    pass
            await super().executemany(*args, **kw)

        @asynccontextmanager
        async def _tg_telling(self) -> AsyncIterator[None]:
            connection = self.connection
            begins = connection.tg_is_over() or connection.tg_begins()
            if begins:
                await connection.set_autocommit(True)
                connection.tg_begun = True
            async with connection.pipeline():
                for statement, parameters in connection.tg_first(begins):
                    await connection.tg_plain(connection).execute(statement, parameters)
                yield

    return Cursor
