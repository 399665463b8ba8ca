"""psycopg: ``BEGIN``, the settings as bound parameters, and the first statement go to the server in one flight.

Server-side cursors and ``executemany`` do not fit into a pipeline: there, as with ``flights="begin"``, ``BEGIN`` and
the settings are a flight of their own. psycopg's ``pipeline()`` sends a packet for each command; our flight is one.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Generator
from functools import partial
from typing import Any

from tenantguard.errors import ConfigurationError
from tenantguard.sql.telling.literals import Settings

_IDLE = 0  # of libpq's states of a transaction
_BAD = 1  # of libpq's states of a connection
_BITS = 64  # of the number in a prepared statement's name
_SENT = Generator[Any, Any, None]  # what psycopg waits for, in its own way of waiting
# the generators that psycopg's synchronous and asynchronous classes share, and in which a transaction begins
_RELIED = {
    "connection": ("_start_query", "_get_tx_start_command", "_exec_command"),
    "cursor": ("_execute_gen",),
    "pipeline": ("_communicate_gen", "_fetch_gen", "_sync_gen", "_enqueue_sync"),
}


def verify_names(psycopg: Any) -> None:
    """Refuse a psycopg in which a transaction begins in another way than the one that takes settings along.

    Raises:
        ConfigurationError: a name is missing.
    """
    classes = {"connection": psycopg.Connection, "cursor": psycopg.Cursor, "pipeline": psycopg.Pipeline}
    for kind, names in _RELIED.items():
        for name in names:
            if not hasattr(classes[kind], name):
                raise ConfigurationError(
                    f"psycopg {psycopg.__version__} has no {classes[kind].__name__}.{name}, which passes the tenant "
                    "to PostgreSQL; use psycopg 3.2 or 3.3, or guard(..., row_security=False)"
                )


@functools.cache
def telling_connection(base: Any, psycopg: Any) -> Any:
    """Return a subclass of psycopg's connection, synchronous or not, that takes settings along."""
    verify_names(psycopg)
    members = {"__module__": base.__module__, "tg_flight": _flight(psycopg), "tg_psycopg": psycopg}
    return type(f"Telling{base.__name__}", (_Telling, base), members)


@functools.cache
def _telling_cursor(base: Any) -> Any:
    """Return a subclass of a cursor, synchronous or not, whose statement carries its connection's settings."""
    return type(base.__name__, (_Riding, base), {"__module__": base.__module__})


class _Telling:
    """A connection whose next statement carries settings.

    Attributes:
        tg_values: the settings.
        tg_pipelines: the statement travels in the same flight.
    """

    tg_values: Settings | None = None
    tg_pipelines = True
    tg_flight: Any
    tg_psycopg: Any
    _tg_cursors = False

    def __init__(self: Any, *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        # SQL that knew the name of a prepared statement could put another in its place, for whoever is served next;
        # adding, and not assigning, fails where psycopg numbers them otherwise
        self._prepared._prepared_idx += secrets.randbits(_BITS)

    @property
    def tg_process(self: Any) -> int:
        """Return the server's process."""
        return int(self.pgconn.backend_pid)

    def tg_tell(self: Any, values: Settings, guard: Any) -> bool:
        """Send settings with the next statement; return whether it will carry them."""
        if not self._tg_cursors:
            self.cursor_factory = _telling_cursor(self.cursor_factory)
            self._tg_cursors = True
        self.tg_values, self.tg_pipelines = values, guard.pipelines
        return True

    def commit(self: Any) -> Any:
        """Commit, and forget what no statement took along."""
        self.tg_values = None
        return super().commit()  # type: ignore[misc]  # psycopg's; a coroutine where the connection is asynchronous

    def rollback(self: Any) -> Any:
        """Roll back, and forget what no statement took along."""
        self.tg_values = None
        return super().rollback()  # type: ignore[misc]  # the same

    def _start_query(self: Any) -> _SENT:
        """Begin a transaction where one is wanted, with the settings."""
        values = self.tg_values
        if values is None:
            yield from super()._start_query()  # type: ignore[misc]  # psycopg's
            return
        begins = not self._autocommit and self.pgconn.transaction_status == _IDLE
        begin = self._get_tx_start_command() if begins else b""
        self.tg_values = None
        if isinstance(self._pipeline, self.tg_flight):
            self._pipeline.tg_lead(begin, values)
        elif self._pipeline is None:
            with self.tg_flight(self) as flight:
                flight.tg_lead(begin, values)
                yield from flight._communicate_gen()
        else:  # many sets of parameters, in a pipeline of psycopg's own
            self.tg_flight.tg_lead(self._pipeline, begin, values)
            yield from self._pipeline._sync_gen()


class _Riding:
    """A cursor whose statement travels in the flight of the settings."""

    def _execute_gen(self: Any, *args: Any, **kw: Any) -> _SENT:
        connection = self._conn
        if connection.tg_values is None or not connection.tg_pipelines or connection._pipeline is not None:
            yield from super()._execute_gen(*args, **kw)  # type: ignore[misc]  # psycopg's
            return
        with connection.tg_flight(connection) as flight:
            yield from super()._execute_gen(*args, **kw)  # type: ignore[misc]  # psycopg's
            if flight.command_queue:  # it had to forget a prepared statement
                yield from flight._communicate_gen()


class _Statement:
    """The statement that makes settings, as psycopg represents one: its preparation and its result.

    Attributes:
        query: its text.
        types: of its parameters, which the server finds out.
    """

    types: tuple[int, ...] = ()

    def __init__(self, connection: Any, settings: int) -> None:
        self._conn, self.query = connection, _query(settings)

    def _check_results(self, results: list[Any]) -> None:
        psycopg, result = self._conn.tg_psycopg, results[0]
        if result.status == psycopg.pq.ExecStatus.PIPELINE_ABORTED:
            raise psycopg.errors.PipelineAborted("pipeline aborted")
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.errors.error_from_result(result, encoding=self._conn.pgconn._encoding)

    def _set_results(self, _results: list[Any]) -> None:
        """Leave what set_config() returns."""


@functools.cache
def _query(settings: int) -> bytes:
    calls = [
        f"pg_catalog.set_config(${2 * number + 1}, ${2 * number + 2}, true)" for number in range(settings)
    ]
    return f"SELECT {', '.join(calls)}".encode()


@functools.cache
def _flight(psycopg: Any) -> Any:
    """Return a subclass of psycopg's pipeline that sends all that it was given as one packet."""

    class Flight(psycopg.Pipeline):  # type: ignore[misc]  # of whatever psycopg
        """Commands that are sent together, while their connection is locked."""

        def __init__(self, connection: Any) -> None:
            super().__init__(connection)
            self.tg_values = connection.tg_values

        def __enter__(self) -> Any:
            self.pgconn.enter_pipeline_mode()
            self._conn._pipeline = self
            return self

        def __exit__(self, *raised: object) -> None:
            self._conn._pipeline = None
            if (
                self.command_queue
            ):  # a parameter could not be sent: the next statement takes the settings along
                self._conn.tg_values = self.tg_values
                for prepared in [queued[1] for queued in self.result_queue if queued is not None]:
                    if prepared is not None:  # nor was what should have been prepared
                        self._conn._prepared.validate(*prepared, [])
            if self.pgconn.status != _BAD:
                try:
                    self.pgconn.exit_pipeline_mode()
                except psycopg.Error:  # COPY, of which libpq does not recover in a pipeline
                    self.pgconn.finish()
                    raise

        def tg_lead(self, begin: bytes, values: Settings) -> None:
            """Append ``BEGIN`` and the settings, by a statement that is prepared where the application's are."""
            connection, pgconn, told = self._conn, self.pgconn, _Statement(self._conn, len(values))
            parameters = [part.encode(pgconn._encoding) for pair in values.items() for part in pair]
            if begin:
                self.command_queue.append(partial(pgconn.send_query_params, begin, None))
                self.result_queue.append(None)
            prepare, name = connection._prepared.get(told, True)
            if prepare.name == "NO":
                send = partial(pgconn.send_query_params, told.query, parameters)
            else:
                send = partial(pgconn.send_query_prepared, name, parameters)
            if prepare.name == "SHOULD":
                self.command_queue.append(partial(pgconn.send_prepare, name, told.query))
                self.result_queue.append(None)
            self.command_queue.append(send)
            key = connection._prepared.maybe_add_to_cache(told, prepare, name)
            self.result_queue.append((told, None if key is None else (key, prepare, name)))

        def _communicate_gen(self) -> _SENT:
            self._enqueue_sync()
            for command in self.command_queue:
                command()
            self.command_queue.clear()
            yield from psycopg.generators.send(self.pgconn)
            yield from self._fetch_gen(flush=False)

    return Flight
