"""Tables: a file with one line a day for each person, company and set of tables used in a statement."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event

from tenantguard.context import peek
from tenantguard.review.subjects import MOST, append, now

NOBODY = "nobody who is known"
SQL_TEXT = "(SQL text)"


class ReachedBook:
    """A file of the tables that people use through a guarded engine; call ``watch`` to fill it.

    It reads what the guard has compiled, and no rows. For SQL text, it records only that there was some.

    Args:
        path: the file, with one JSON object per line; several processes may share it.
        clock: the time; for tests.

    Example:
        >>> import tempfile
        >>> from sqlalchemy import MetaData, create_engine
        >>> from tenantguard import Tenancy, guard
        >>> book = ReachedBook(f"{tempfile.mkdtemp()}/reached.jsonl")
        >>> book.watch(guard(create_engine("sqlite://"), Tenancy(MetaData(), column="company_id")))
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], datetime] = now) -> None:
        self._path, self._clock = Path(path), clock
        self._noted: set[tuple[Any, ...]] = set()
        self._lock = threading.Lock()

    def watch(self, engine: Any) -> None:
        """Record the statements of a synchronous or asynchronous engine from now on."""
        event.listen(getattr(engine, "sync_engine", engine), "after_cursor_execute", self._note)

    def _note(self, _conn: Any, _cursor: Any, _sql: Any, _parameters: Any, context: Any, _many: Any) -> None:
        binding = peek()
        if binding is None:
            return
        tables = _tables(context)
        principal = binding.principal
        who = NOBODY if principal is None else (principal.actor or principal).subject
        companies = ("*",) if binding.bypassed else binding.tenants
        noted = (self._clock().date(), who, companies, tables)
        with self._lock:
            if not tables or noted in self._noted:
                return
            if len(self._noted) >= MOST:
                self._noted.clear()
            line = {
                "day": noted[0].isoformat(),
                "who": who,
                "companies": sorted(map(str, companies)),
                "tables": tables,
            }
            append(self._path, json.dumps(line, sort_keys=True))
            self._noted.add(noted)


def _tables(context: Any) -> tuple[str, ...]:
    """Return the tables of a statement, as the guard has compiled it."""
    compiled = getattr(context, "compiled", None)
    placed = getattr(compiled, "tg", None)
    if compiled is None or compiled.isplaintext or placed is None:
        return () if getattr(compiled, "isddl", False) else (SQL_TEXT,)
    return tuple(sorted(placement.name for placement in placed.tables.values()))
