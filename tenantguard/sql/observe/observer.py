"""The observer of one engine: it inspects each statement before it is sent, and keeps a record."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import weakref
from collections.abc import Collection
from typing import Any

from sqlalchemy.util import LRUCache

from tenantguard.binding import Binding, is_bypass, same_tenants
from tenantguard.context import peek
from tenantguard.errors import RawSQLError
from tenantguard.sql.execute.admission import is_schema_ddl
from tenantguard.sql.execute.driver_values import with_whole_lists
from tenantguard.sql.observe.comparison import Comparing, How, Job
from tenantguard.sql.observe.records import Record, Records
from tenantguard.sql.observe.shadow import Shadow
from tenantguard.sql.observe.shapes import Shape, shape_of, text_shape
from tenantguard.sql.observe.sites import Sites, is_composed

log = logging.getLogger("tenantguard.observe")
_TOLD = 3  # failures that are logged; the others are counted
_ROWS = 1000  # of one execution whose tenant is looked at
_SWITCHED = "its session was used under another tenant, and was not closed since"
_PLACES = 256  # of one statement that are found by their code


class Observer:
    """The observer of one engine.

    Args:
        shadow: the engines of our own.
        records: where it is kept.
        how: how results are compared.
        enforced: the tables that are guarded already.
    """

    def __init__(self, shadow: Shadow, records: Records, how: How, enforced: Collection[str]) -> None:
        self.shadow = shadow
        self.records = records
        self.enforced = frozenset(enforced)
        self.comparing = Comparing(shadow, how, self.failed, self.write)
        self._sites = Sites()
        self._texts: Any = LRUCache(1000)
        self._lock = threading.RLock()
        self._looking = threading.local()
        self._is_writable = True
        alive = weakref.ref(self)
        atexit.register(_close, alive)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _reborn(alive))

    def see(self, context: Any) -> None:
        """Look at a statement that is about to be sent; whatever goes wrong here is kept here."""
        try:
            binding = peek()
            is_bypass = binding is not None and binding.mode == "bypass"
            if binding is not None and is_bypass and (binding.ties or not _inserts(context)):
                return
            try:
                shape = context.compiled.tg_shape
                is_known = shape.era.alive
            except AttributeError:  # it was not seen before
                is_known = False
            if not is_known:
                shape = self._shape(context, context.compiled, binding)
                if shape is None:
                    return
            if shape.links and shape.tenant if is_bypass else shape.needs or shape.fault is not None:
                self._note(shape, context, binding)
        except Exception as error:  # the statement goes out all the same
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Count a failure of our own, and log the first ones."""
        self.records.failures += 1
        if self.records.failures <= _TOLD:
            log.warning("observing a statement failed; the application is not affected", exc_info=error)

    def see_raw(self, what: str) -> None:
        """Record the use of a raw driver connection, whose statements cannot be seen."""
        try:
            binding = peek()
            frame = self._sites.frame([])
            if frame is None or is_bypass(binding):
                return
            shape = self._texts.get(what)
            if shape is None:
                self._texts[what] = shape = Shape("driver", what, self.shadow.guard.era)
                shape.fault = RawSQLError(
                    f"{what} reaches the driver without the guard", kind="raw_connection"
                )
            place = id(frame.f_code), frame.f_lasti
            known = shape.sites.get(place)
            record = known[0] if known is not None else self._record(shape, frame, place)
            if record is not None:
                record.seen += 1
                record.refused += 1
        except Exception as error:  # the connection is given all the same
            self.failed(error)

    def settle(self, seconds: float = 10.0) -> bool:
        """Wait until everything is compared and written; return whether that happened in time."""
        done = self.comparing.settle(seconds)
        self.write()
        return done

    def write(self) -> None:
        """Write the records; if that fails, log it once and keep them in memory."""
        try:
            self.records.write()
        except OSError as error:
            if self._is_writable:
                self._is_writable = False
                log.warning("the observations cannot be written to %s: %s", self.records.directory, error)

    def dispose(self, close: bool) -> None:
        """Dispose of connections as the application's engine does; with ``close=False``, another process has them."""
        try:
            if close:
                self.comparing.drop()
            self.shadow.dispose(close)
        except Exception as error:  # the application's engine is disposed of already
            self.failed(error)

    def restart(self) -> None:
        """Start again in a forked process."""
        self._lock = threading.RLock()
        self.records.forget()
        self._texts.clear()
        self.comparing.restart()

    def _note(self, shape: Shape, context: Any, binding: Binding | None) -> None:
        """Note an execution with the line that it comes from."""
        frame = self._sites.frame(shape.depths)
        if frame is None:
            return
        place = id(frame.f_code), frame.f_lasti
        try:
            record = shape.sites[place][0]
        except KeyError:
            record = self._record(shape, frame, place)
        if record is None:
            return
        record.seen += 1
        was_affected = record.is_affected
        if self._count(shape, record, context, binding, frame) and not was_affected:
            record.entry = self._entry(frame)  # where the work began that is in danger, and not any other's

    def _count(self, shape: Shape, record: Record, context: Any, binding: Binding | None, frame: Any) -> bool:
        """Count an execution; return whether the guard would change it, as far as is known without a comparison."""
        if binding is not None and binding.mode == "bypass":
            if self.comparing.is_due(record.seen):
                self._compare_ties(shape, record, context, frame)
            return False
        if shape.fault is not None:
            record.refused += 1
        elif binding is None or binding.mode == "closed" or not _fits(binding, shape):
            record.unbound += 1
        elif shape.asks is not None and not _is_permitted(binding, shape.asks):
            record.refused += 1
            record.kind = "permission"
            record.refusal = f"it needs the permission {', '.join(sorted(shape.asks))}"
        elif not _is_sessions_own(context.root_connection, binding):
            record.refused += 1
            record.kind, record.refusal = "tenant_switch", _SWITCHED
        else:
            is_foreign = bool(shape.tenant) and _names_another(shape, context.compiled_parameters, binding)
            record.foreign += is_foreign
            if self.comparing.is_due(record.seen):
                self._compare(shape, record, context, binding, frame)
            return is_foreign
        return True

    def _shape(self, context: Any, compiled: Any, binding: Binding | None) -> Shape | None:
        """Return what the guard would do to a new statement."""
        if getattr(self._looking, "now", False):
            return None
        if compiled is None:
            text = getattr(context, "statement", None)
            return None if not text else self._text(str(text))
        if context.isddl:
            return _ddl_shape(compiled, self.shadow.guard) if _is_refused(compiled, binding) else None
        return self._compiled(compiled)

    def _text(self, text: str) -> Shape:
        shape: Shape | None = self._texts.get(text)
        if shape is None or not shape.era.alive:
            self._make_ready()
            self._texts[text] = shape = text_shape(self.shadow.guarded, text)
        return shape

    def _compiled(self, compiled: Any) -> Shape:
        key = (compiled.string, type(compiled.statement), compiled.for_executemany)
        shape: Shape | None = self._texts.get(key)
        if shape is None or not shape.era.alive:
            self._make_ready()
            self._looking.now = True
            try:
                shape = shape_of(self.shadow.guarded, compiled, self.enforced)
            finally:
                self._looking.now = False
            self._texts[key] = shape
        compiled.tg_shape = shape
        return shape

    def _make_ready(self) -> None:
        if not self.shadow.is_ready:
            with self._lock:
                if not self.shadow.is_ready:
                    self.shadow.make_ready()

    def _record(self, shape: Shape, frame: Any, place: tuple[int, int]) -> Record | None:
        code = frame.f_code
        record: Record | None = None
        if not (shape.fault is not None and is_composed(frame_of_caller())):
            fault = shape.fault
            record = self.records.keep(
                Record(
                    file=code.co_filename,
                    line=frame.f_lineno or 0,
                    function=code.co_qualname if hasattr(code, "co_qualname") else code.co_name,
                    entry=self._entry(frame),
                    verb=shape.verb,
                    statement=shape.statement,
                    fingerprint=shape.fingerprint,
                    tables=list(shape.tables),
                    changes=list(shape.changes),
                    depends=shape.depends,
                    kind=None if fault is None else fault.kind,
                    refusal=None if fault is None else str(fault),
                )
            )
            if record is None:
                self.records.lost += 1
            self.comparing.start()
        if len(shape.sites) < _PLACES:
            shape.sites[place] = (record, code)  # the code is held, so that its id is no other's
        return record

    def _entry(self, frame: Any) -> str:
        """Return where the application's work began that came to a frame."""
        entry = self._sites.entry(frame)
        return f"{entry.f_code.co_filename}:{entry.f_lineno} {entry.f_code.co_name}"

    def _compare(self, shape: Shape, record: Record, context: Any, binding: Binding, frame: Any) -> None:
        if (shape.compared is None and not shape.links) or binding._tenant is None:
            return
        rows = [with_whole_lists(context, row) for row in context.compiled_parameters[:50]]
        options = dict(context.execution_options)
        job = Job(shape, record, self._entry(frame), binding._tenant, rows, options)
        self.comparing.offer(job, context.root_connection)

    def _compare_ties(self, shape: Shape, record: Record, context: Any, frame: Any) -> None:
        """Compare the rows that a bypass inserts, those of each tenant for itself."""
        rows: dict[Any, list[dict[str, Any]]] = {}
        for row in context.compiled_parameters[:50]:
            for name, _ in shape.tenant:
                rows.setdefault(row.get(name), []).append(dict(row))
        for tenant, own in rows.items():
            if tenant is not None and _fits(Binding((tenant,)), shape):
                options = dict(context.execution_options)
                job = Job(shape, record, self._entry(frame), tenant, own, options, is_bypass=True)
                self.comparing.offer(job, context.root_connection)


def _inserts(context: Any) -> bool:
    return context.compiled is not None and bool(context.compiled.isinsert)


def _is_permitted(binding: Binding, asks: frozenset[str]) -> bool:
    return binding.principal is not None and asks <= binding.principal.permissions


def _is_sessions_own(connection: Any, binding: Binding) -> bool:
    """Tell whether the session that uses a connection, if any, serves the tenant that it served before.

    Its identity map remembers that, as the guard's own does: ``close()`` and ``expunge_all()`` make another one. A
    transaction serves who was bound when it began.
    """
    known = getattr(connection, "tg_session", None)
    session = None if known is None else known()
    if session is None:
        return True
    held = session.identity_map
    owner = getattr(held, "tg_observed", None)
    if owner is None:
        held.tg_observed = owner = connection.tg_began or binding.tenants
    return owner is binding.tenants or same_tenants(owner, binding.tenants)


def _fits(binding: Binding, shape: Shape) -> bool:
    """Tell whether those who are bound are of the type that the tenant columns hold."""
    kinds = shape.kinds
    if not kinds:
        return True
    if binding._tenant is not None and len(kinds) == 1:
        return type(binding._tenant) in kinds
    return all(type(tenant) is kind for kind in kinds for tenant in binding.tenants)


def _names_another(shape: Shape, rows: Any, binding: Binding) -> bool:
    """Tell whether a write names a tenant that is not bound."""
    tenants = binding.tenants
    for name, placement in shape.tenant:
        expected = placement.python_type
        for row in rows[:_ROWS]:
            value = row.get(name)
            if value is None or value is binding._tenant:
                continue
            if value not in tenants or expected not in (None, type(value)):
                return True
    return False


def _is_refused(compiled: Any, binding: Binding | None) -> bool:
    return binding is not None or not is_schema_ddl(compiled.statement)


def _ddl_shape(compiled: Any, guard: Any) -> Shape:
    shape = Shape("ddl", str(compiled), guard.era)
    shape.fault = RawSQLError("a schema change outside of a bypass", kind="ddl")
    return shape


def frame_of_caller() -> Any:
    """Return the frame of SQLAlchemy's that sends the statement."""
    return sys._getframe(3)


def _close(alive: weakref.ref[Observer]) -> None:
    observer = alive()
    if observer is not None:
        observer.write()


def _reborn(alive: weakref.ref[Observer]) -> None:
    observer = alive()
    if observer is not None:
        observer.restart()
