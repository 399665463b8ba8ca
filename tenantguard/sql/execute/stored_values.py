"""Stored values: a write whose values only the database knows is read back, and rolled back if it is refused.

The statement returns the stored values, followed by the columns that its author requested. It runs inside a savepoint,
and the values are verified before the author's code sees a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.types import NullType

from tenantguard.errors import ParentError
from tenantguard.sql.execute.driver_values import given_values
from tenantguard.sql.execute.locks import hold, release
from tenantguard.sql.execute.lookups import has_key, mark
from tenantguard.sql.execute.parent_refusals import refuse_parent
from tenantguard.sql.execute.parents import Missing, as_stored, missing_parents
from tenantguard.sql.execute.storable import is_strange
from tenantguard.sql.execute.stored_rows import (
    is_foreign_key,
    missing_parent,
    refuse_unverifiable,
    verify_stored,
)
from tenantguard.sql.plans import ReadBack
from tenantguard.sql.predicates import named, trusted
from tenantguard.sql.returning import with_columns

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link


_NAME = "tenantguard_stored"
_MARIADB = ("mysql", "mariadb")


class StoredCursor:
    """A driver's cursor that verifies what a write has stored, and returns only the columns that its author requested.

    Args:
        cursor: the driver's cursor.
        context: SQLAlchemy's execution context.
        read: the stored values that the statement returns.
        missing: the keys for which a matched row is refused, if the database returns nothing.
    """

    def __init__(self, cursor: Any, context: Any, read: ReadBack, missing: Missing = ()) -> None:
        self._cursor, self._context, self._read = cursor, context, read
        self._missing = missing
        # the statement is sent in several parts, and finish() ends them
        self._batched = context.execute_style is ExecuteStyle.INSERTMANYVALUES
        self._is_open = self._is_closed = False
        self._rows: deque[Any] = deque()
        self._found: list[Any] = []
        self._count = -1
        self._key: Any = None

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the driver's cursor."""
        return getattr(self._cursor, name)

    @property
    def description(self) -> Any:
        """Return the author's columns, or ``None`` if there are none."""
        found = self._cursor.description
        return None if found is None else found[self._read.width :] or None

    @property
    def rowcount(self) -> int:
        """Return the number of written rows, or the driver's value for a closed cursor."""
        return -1 if self._cursor.rowcount < 0 and self._is_closed else self._count

    @property
    def lastrowid(self) -> Any:
        """Return the generated key, which MariaDB's drivers do not report together with RETURNING."""
        return self._cursor.lastrowid if self._key is None else self._key

    def execute(self, statement: str, *parameters: Any) -> None:
        """Send a statement, and verify what it stored."""
        if self._read.texts and not isinstance(
            statement, str
        ):  # several in one, as psycopg2 may put them, of which one answers
            refuse_unverifiable(self._context, "its driver sends several statements as one")
        with self._savepoint():
            self._send(statement, parameters)

    def executemany(self, statement: str, rows: Any) -> None:
        """Send a statement for each set of parameters, because a driver's ``executemany`` returns no rows."""
        with self._savepoint():
            for place, row in enumerate(rows):
                self._send(statement, (row,), place)

    def fetchone(self) -> Any:
        """Return the next of the author's rows."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int = 1) -> list[Any]:
        """Return some of the author's rows."""
        return [self._rows.popleft() for _ in range(min(size, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        """Return the rest of the author's rows."""
        found = list(self._rows)
        self._rows.clear()
        return found

    def close(self) -> None:
        """Close the driver's cursor."""
        self._is_closed = True
        self._cursor.close()

    def finish(self) -> None:
        """Keep the results of several parts."""
        if self._is_open:
            self._is_open = False
            self._do(f"RELEASE SAVEPOINT {_NAME}")

    def abandon(self) -> None:
        """Leave a statement that failed between two of its parts."""
        if self._is_open:
            self._is_open = False
            self._do(f"RELEASE SAVEPOINT {_NAME}")

    def _send(self, statement: str, parameters: tuple[Any, ...], place: int = 0) -> None:
        answer = self._execute(statement, parameters, place)
        if answer is not None:
            self._undo()
            raise answer  # without what the database or the look-up said, which would tell them apart
        rows = self._found
        self._count = max(self._count, 0) + (len(rows) if self._read.texts else self._cursor.rowcount)
        if rows and self._read.key and self._key is None:
            self._key = rows[0][self._read.width - 1]
        if self.description is not None:
            self._rows.extend(tuple(row[self._read.width :]) for row in rows)

    def _execute(self, statement: str, parameters: tuple[Any, ...], place: int) -> ParentError | None:
        """Send a statement and verify what it stored; return the error for a missing parent."""
        try:
            self._cursor.execute(statement, *parameters)
        except self._context.dialect.loaded_dbapi.Error as error:
            if not (self._read.links and is_foreign_key(error)):
                raise
            return missing_parent(self._context, self._read, recorded=False)
        try:
            self._verify(place)
        except ParentError:
            return missing_parent(self._context, self._read, recorded=True)
        except Exception:
            self._undo()
            raise
        return None

    def _verify(self, place: int) -> None:
        """Verify what a set of parameters has stored."""
        if self._read.texts:
            self._found = self._cursor.fetchall()
            verify_stored(self._context, self._read, self._found)
        elif self._cursor.rowcount:
            self._refuse_missing(place)

    def _refuse_missing(self, place: int) -> None:
        """Refuse a set of parameters that was written to a row and has a key without a parent."""
        context, values = self._context, given_values(self._context)
        marks = {mark(key) for _, key in self._missing}
        for link in self._read.plan.links:
            for names in link.rows:
                key = as_stored(tuple([values(name)[place] for name in names]), link, context.dialect)
                if mark(key) in marks and not (is_strange(key) and self._leads_well(link, place)):
                    refuse_parent(context, link, key, self._read.plan.tried, context.tg_binding)

    def _leads_well(self, link: Link, place: int) -> bool:
        """Return whether the row selected by a set of parameters now references the tenant's rows."""
        context, plan, values = self._context, self._read.plan, given_values(self._context)
        source = trusted(link.child.alias())
        try:
            given = {column: values(name)[place] for column, name in plan.key.items()}
        except KeyError:  # it was written into the text
            return False
        if not given:
            return False
        query = select(*[named(source, name, NullType()) for name in link.ours])
        query = query.where(has_key(source, list(given), list(given.values())))
        rows = [tuple(row) for row in context.root_connection.tg_probe(query, {})]
        return bool(rows) and not missing_parents(context, [(link, rows)], plan.tried)

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        if not self._is_open:
            _begin(self._context, self._do)
            self._is_open = True
        try:
            yield
        except Exception:
            if (
                self._is_open
            ):  # an error of the database: what it left of the statement is as it would be anyway
                self._is_open = False
                self._leave()
            raise
        if not self._batched:
            self.finish()

    def _leave(self) -> None:
        """Leave the savepoint after a database error, after which PostgreSQL requires a rollback."""
        if self._context.dialect.name == "postgresql":
            return
        with suppress(self._context.dialect.loaded_dbapi.Error):  # it may have rolled everything back
            compiled = self._context.compiled
            # OR FAIL keeps the rows before the one that failed
            if getattr(getattr(compiled, "statement", None), "_prefixes", None):
                self._do(f"ROLLBACK TO SAVEPOINT {_NAME}")
            self._do(f"RELEASE SAVEPOINT {_NAME}")

    def _undo(self) -> None:
        """Roll back the write; a connection that cannot do so is not reused."""
        self._is_open = False
        connection = self._context.root_connection
        try:
            self._do(f"ROLLBACK TO SAVEPOINT {_NAME}")
            self._do(f"RELEASE SAVEPOINT {_NAME}")
            release(self._context, commit=False)
        except Exception:
            connection.invalidate()
        connection.tg_forget()

    def _do(self, statement: str) -> None:
        """Send one of the guard's statements, without parameters, through a separate cursor."""
        cursor = self._context._dbapi_connection.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()


def store(context: Any, made: Callable[[Any], StoredCursor]) -> None:
    """Wrap a statement's cursor in one that verifies what it stores."""
    if context._is_server_side:  # what is written has no cursor on the server
        context.cursor.close()
        context.cursor = context.create_default_cursor()
    context.cursor = context.tg_stored = made(context.cursor)


def store_instead(context: Any, read: ReadBack, missing: Missing) -> None:
    """Make a statement return what it stores although it was not compiled to, because its parameters do not show it.

    Args:
        context: SQLAlchemy's execution context.
        read: what it is to return.
        missing: the keys for which it is asked to.
    """
    if read.texts:
        try:
            text = with_columns(context.statement, read.texts, context.compiled.tg_returning)
        except ValueError:  # its own RETURNING holds parameters, which are written out by now
            link, key = missing[0]
            refuse_parent(context, link, key, read.plan.tried, context.tg_binding)
        context.statement = context.unicode_statement = text
    store(context, lambda cursor: StoredCursor(cursor, context, read, missing))


def _begin(context: Any, do: Callable[[str], None]) -> None:
    """Begin the savepoint to which a refusal rolls back."""
    hold(context)
    do(f"SAVEPOINT {_NAME}")
    if context.dialect.name not in _MARIADB:
        return
    try:  # where each statement is its own transaction, MariaDB keeps no savepoint and says so only now
        do(f"ROLLBACK TO SAVEPOINT {_NAME}")
    except context.dialect.loaded_dbapi.Error:
        refuse_unverifiable(context, "each statement is a transaction of its own, and cannot be taken back")
