"""Comparing: a statement's result without and with the guard, from a second execution that changes nothing.

It runs on a connection of its own, in a thread of its own and in a transaction that may only read; few statements, few
rows, and a small part of the time. Where another connection would see another database (SQLite in memory), or the
caller asks for it, it runs on the statement's own connection.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Literal

from sqlalchemy import and_, func, literal, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import await_only, greenlet_spawn

from tenantguard.context import bind
from tenantguard.errors import TenantId, Violation
from tenantguard.sql.observe.records import Record
from tenantguard.sql.observe.shadow import Shadow
from tenantguard.sql.observe.shapes import Shape, unheard

How = Literal["beside", "inline", "never"]
_ROWS = 500  # that are compared
_EACH = 256  # first executions of a place that are all compared in a test suite, where each may be of another case
_KEYS = 50  # of parents that are looked for
_WAITING = 100  # statements that wait to be compared; more are left out
_SECONDS = 1.0  # for one statement
_EVERY = 10.0  # seconds between two writes of the records
_NAME = "tenantguard-observe"
_SHARE = 9  # of the thread's time that it rests, for each part that it works
_TIED = "If that is intended, use bypass(reason=..., ties=True)"
_READ_ONLY = {
    "postgresql": ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = 1000", "SET LOCAL lock_timeout = 100"),
    "mysql": ("SET SESSION max_execution_time = 1000", "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION"),
    "mariadb": ("SET SESSION max_statement_time = 1", "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION"),
    "sqlite": ("PRAGMA query_only = ON",),
}  # fmt: skip
_AGAIN = {
    "mysql": ("SET SESSION TRANSACTION READ WRITE",),
    "mariadb": ("SET SESSION TRANSACTION READ WRITE",),
    "sqlite": ("PRAGMA query_only = OFF",),
}


@dataclass(slots=True)
class Job:
    """An execution to compare.

    Attributes:
        shape: what the guard would do.
        record: where the answer goes.
        entry: where the application's work began.
        tenant: who was bound.
        rows: the parameters as the caller gave them.
        options: what the execution was told, of which the translation of schemas counts.
        is_bypass: it wrote rows of this tenant inside a bypass, which may not tie them to another's.
    """

    shape: Shape
    record: Record
    entry: str
    tenant: TenantId
    rows: list[dict[str, Any]]
    options: dict[str, Any]
    is_bypass: bool = False


class Comparing:
    """The comparison of executed statements.

    Args:
        shadow: the engines.
        how: ``"beside"`` the application, ``"inline"`` on its own connection, or ``"never"``.
        failed: takes what goes wrong.
        write: writes what was seen, every few seconds.
    """

    def __init__(
        self, shadow: Shadow, how: How, failed: Callable[[BaseException], None], write: Callable[[], None]
    ) -> None:
        self.shadow = shadow
        self.is_inline = how == "inline" or (how == "beside" and shadow.is_in_memory)
        self.is_off = how == "never"
        self._each = _EACH if how == "inline" else 1
        self._failed, self._write = failed, write
        self._write_at = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin with nothing waiting and no thread, as in a process that was forked."""
        self._waiting: queue.Queue[Job] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread if it is not running."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    told = weakref.ref(self), self._waiting
                    self._thread = threading.Thread(target=_work, args=told, name=_NAME, daemon=True)
                    self._thread.start()

    def is_due(self, seen: int) -> bool:
        """Tell whether to compare an execution: the first ones of a place, then the 2nd, the 4th, the 8th and so on."""
        return seen <= self._each or seen & (seen - 1) == 0

    def offer(self, job: Job, connection: Any) -> None:
        """Compare an execution now or later; or not, where too many wait."""
        if self.is_off:
            return
        if self.is_inline:
            self._inline(job, connection)
            return
        with suppress(queue.Full):
            self._waiting.put_nowait(job)
        self.start()

    def drop(self) -> None:
        """Discard waiting jobs, and wait for the running one."""
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
                self._waiting.task_done()
        self.settle(_SECONDS)

    def settle(self, seconds: float) -> bool:
        """Wait until no job is waiting; return whether that happened in time."""
        until = monotonic() + seconds
        while self._waiting.unfinished_tasks and monotonic() < until:
            sleep(0.005)
        return not self._waiting.unfinished_tasks

    def _inline(self, job: Job, connection: Any) -> None:
        driver = connection._dbapi_connection
        if driver is None:
            return
        dialect = self.shadow.plain.dialect
        if dialect.name == "sqlite":
            with _bound(job), unheard():
                _compare(job, *self.shadow.connections(driver))
            return
        if not connection.in_transaction() or connection._is_autocommit_isolation():
            return
        with _bound(job), unheard(), _savepoint(driver, dialect):
            _compare(job, *self.shadow.connections(driver))

    def work(self, job: Job | None) -> None:
        """Compare one execution and write the result; no error leaves this function."""
        try:
            if job is not None:
                self._beside(job)
        except Exception as error:  # whatever it is, the next one is compared
            self._failed(error)
        finally:
            if job is not None:
                self._waiting.task_done()
        if self._write_at < monotonic():
            began = monotonic()
            self._write()
            # what takes long, as that of many records, is done less often
            self._write_at = monotonic() + max(_EVERY, 100 * (monotonic() - began))

    def _beside(self, job: Job) -> None:
        if not self.shadow.is_asynchronous:
            self._on_own_connection(job)
            return

        async def compare() -> None:
            try:
                await greenlet_spawn(self._on_own_connection, job)
            finally:
                await greenlet_spawn(self.shadow.guarded.dispose)  # connections end with their event loop

        asyncio.run(compare())

    def _on_own_connection(self, job: Job) -> None:
        driver = self.shadow.connect()
        try:
            with _read_only(driver, self.shadow.plain.dialect), bind(job.tenant), unheard():
                _compare(job, *self.shadow.connections(driver))
        finally:
            driver.close()


def _bound(job: Job) -> AbstractContextManager[object]:
    """Return what binds the tenant of a comparison, where the application's own binding is another."""
    return bind(job.tenant) if job.is_bypass else nullcontext()


def _work(known: weakref.ref[Comparing], waiting: queue.Queue[Job]) -> None:
    """Run the thread until its owner is gone."""
    while True:
        try:
            job: Job | None = waiting.get(timeout=_EVERY)
        except queue.Empty:
            job = None
        comparing = known()
        if comparing is None:
            return
        began = monotonic()
        comparing.work(job)
        del comparing
        if job is not None:
            sleep(min((monotonic() - began) * _SHARE, 5.0))


@contextmanager
def _read_only(driver: Any, dialect: Any) -> Iterator[None]:
    """Let a connection do nothing but read, for a second, in a block."""
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    until = monotonic() + _SECONDS
    try:
        if name == "sqlite":
            _interrupt(driver, dialect, lambda: monotonic() > until)
        for statement in _READ_ONLY.get(name, ()):
            _send(driver, statement)
        yield
    finally:
        if name == "sqlite":
            _interrupt(driver, dialect, None)
        driver.rollback()
        for statement in _AGAIN.get(name, ()):
            _send(driver, statement)


def _interrupt(driver: Any, dialect: Any, when: Callable[[], bool] | None) -> None:
    """Let SQLite, which knows no time limit, ask from time to time whether to go on."""
    handle = getattr(driver.driver_connection, "set_progress_handler", None)
    if handle is not None:
        told = handle(when, 10_000)
        if dialect.is_async:
            await_only(told)


@contextmanager
def _savepoint(driver: Any, dialect: Any) -> Iterator[None]:
    """Take back whatever happens on the application's own connection, and leave its transaction as it was."""
    _send(driver, "SAVEPOINT tenantguard_observe")
    try:
        if dialect.name == "postgresql":
            _send(driver, "SET LOCAL transaction_read_only = on")
            _send(driver, "SET LOCAL statement_timeout = 1000")
        yield
    finally:
        _send(driver, "ROLLBACK TO SAVEPOINT tenantguard_observe")
        _send(driver, "RELEASE SAVEPOINT tenantguard_observe")


def _send(driver: Any, statement: str) -> None:
    cursor = driver.cursor()
    try:
        cursor.execute(statement)
    finally:
        cursor.close()


def _compare(job: Job, plain: Any, guarded: Any) -> None:
    record, shape = job.record, job.shape
    try:
        told = None if job.is_bypass else _told(job, plain, guarded)
        if told is None and shape.links:
            told = _foreign_parent(job, plain, guarded)
    except Violation as refusal:  # one that only the server's own answers tell of
        record.refused += 1
        record.kind, record.refusal = refusal.kind, str(refusal)
        return
    except SQLAlchemyError:  # out of time, a function that writes, a row that another connection does not see
        return
    record.compared += 1
    if told is not None and job.is_bypass:
        record.refused += 1
        record.kind, record.refusal = "tie", f"{told}, which ties the rows of two tenants together. {_TIED}"
    elif told is not None:
        record.entry = record.entry if record.is_affected else job.entry
        record.differed += 1
        record.told = told


def _told(job: Job, plain: Any, guarded: Any) -> str | None:
    """Tell how the result differs, or return ``None``."""
    statement = job.shape.compared
    if statement is None:
        return None
    without, within = _rows(plain, statement, job), _rows(guarded, statement, job)
    if job.shape.counts:
        met, own = without[0][0], within[0][0]
        return None if met == own else f"it meets {met} row{_s(met)}, of which the tenant owns {own}"
    if Counter(map(repr, without)) == Counter(map(repr, within)):
        return None
    if len(without) != len(within):
        count, own = min(len(without), _ROWS), min(len(within), _ROWS)
        more = " or more" if len(without) > _ROWS else ""
        what = "its query" if job.shape.verb == "insert" else "it"
        return f"{what} returns {count}{more} row{_s(count)}, with the guard {own}"
    if len(without) > _ROWS or Counter(map(repr, without)) != Counter(
        map(repr, _rows(plain, statement, job))
    ):
        return None  # too many to tell, or it differs from one time to the next by itself
    return "it returns as many rows, with other values"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _rows(connection: Any, statement: Any, job: Job) -> list[Any]:
    names = job.options.get("schema_translate_map")
    options = {"schema_translate_map": names} if names else {}
    result = connection.execute(statement, job.rows[0] if job.rows else {}, execution_options=options)
    try:
        return [tuple(row) for row in result.fetchmany(_ROWS + 1)]
    finally:
        result.close()


def _foreign_parent(job: Job, plain: Any, guarded: Any) -> str | None:
    """Tell which key of a write names another tenant's row, or return ``None``."""
    placements = guarded.dialect.tg_guard.tenancy
    for plan, link in job.shape.links:
        if job.is_bypass and placements.of(link.parent).kind == "shown":
            continue  # whom its rows belong to is not told, so a bypass may name each
        columns = [link.parent.c[_key(link.parent, name)] for name in link.columns]
        named = [tuple(row.get(name) for name in names) for names in link.rows for row in job.rows[:_KEYS]]
        keys = {key for key in named if None not in key}
        if not keys:
            continue
        picked = or_(
            *(and_(*(c == literal(v, c.type) for c, v in zip(columns, key, strict=True))) for key in keys)
        )
        counted = select(func.count()).select_from(link.parent).where(picked)
        there, own = (connection.execute(counted).scalar_one() for connection in (plain, guarded))
        if there > own:
            return f"{plan.placement.name}.{', '.join(link.ours)} names a row that is not the tenant's"
    return None


def _key(table: Any, name: str) -> str:
    key: str = next(column.key for column in table.c if column.name == name)
    return key
