"""Stored values: a write whose values only the database knows is read back, and taken back where it is refused.

The statement returns what it stored, before the columns that its author asked for. It runs inside a savepoint; what
it returned is verified before the author's code sees a row of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from sqlalchemy import select
from sqlalchemy.engine.interfaces import ExecuteStyle
from sqlalchemy.types import NullType

from tenantguard.audit import refuse
from tenantguard.audit.events import masked
from tenantguard.errors import CrossTenantError, ParentError, PermissionDeniedError, RawSQLError
from tenantguard.sql.execute.driver_values import given_values
from tenantguard.sql.execute.locks import hold, release
from tenantguard.sql.execute.lookups import has_key, mark
from tenantguard.sql.execute.parent_refusals import parent_error, refuse_parent
from tenantguard.sql.execute.parents import Missing, as_stored, missing_parents, verify_parents
from tenantguard.sql.execute.storable import is_strange
from tenantguard.sql.plans import ReadBack
from tenantguard.sql.predicates import named, trusted
from tenantguard.sql.refusals import sent, told
from tenantguard.sql.returning import with_columns
from tenantguard.sql.text import orphan

if TYPE_CHECKING:
    from tenantguard.sql.plans import Link


_NAME = "tenantguard_stored"
_MARIADB = ("mysql", "mariadb")


class StoredCursor:
    """A driver's cursor that verifies what a write has stored, and shows only what its author asked for.

    Args:
        cursor: the driver's own.
        context: SQLAlchemy's execution context.
        read: what the statement returns of what it stores.
        missing: the keys for which a row that it meets is refused, where the database returns nothing.
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
        """Answer whatever else a dialect asks of its driver's cursor."""
        return getattr(self._cursor, name)

    @property
    def description(self) -> Any:
        """Return the author's own columns, ``None`` where there are none."""
        found = self._cursor.description
        return None if found is None else found[self._read.width :] or None

    @property
    def rowcount(self) -> int:
        """Return how many rows were written, or what a driver says of a cursor that it has closed."""
        return -1 if self._cursor.rowcount < 0 and self._is_closed else self._count

    @property
    def lastrowid(self) -> Any:
        """Return the key that the database generated, which MariaDB's drivers do not tell beside RETURNING."""
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
        """Send a statement for each set of parameters: a driver's own way returns no rows."""
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
        """Keep what several parts have stored."""
        if self._is_open:
            self._is_open = False
            self._do(f"RELEASE SAVEPOINT {_NAME}")

    def abandon(self) -> None:
        """Leave a statement that failed between two of its parts: those before are as they would be anyway."""
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
        """Send a statement and verify what it stored; return the one answer for a parent that is not there."""
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
        """Refuse a set of parameters that was written to a row and names a key which no look-up found."""
        context, values = self._context, given_values(self._context)
        marks = {mark(key) for _, key in self._missing}
        for link in self._read.plan.links:
            for names in link.rows:
                key = as_stored(tuple([values(name)[place] for name in names]), link, context.dialect)
                if mark(key) in marks and not (is_strange(key) and self._leads_well(link, place)):
                    refuse_parent(context, link, key, self._read.plan.tried, context.tg_binding)

    def _leads_well(self, link: Link, place: int) -> bool:
        """Tell whether the row that a set of parameters picks by its key has come to lead to the tenant's rows."""
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
        """Leave the savepoint after an error of the database, after which PostgreSQL waits for a rollback."""
        if self._context.dialect.name == "postgresql":
            return
        with suppress(self._context.dialect.loaded_dbapi.Error):  # it may have rolled everything back
            compiled = self._context.compiled
            # OR FAIL keeps the rows before the one that failed
            if getattr(getattr(compiled, "statement", None), "_prefixes", None):
                self._do(f"ROLLBACK TO SAVEPOINT {_NAME}")
            self._do(f"RELEASE SAVEPOINT {_NAME}")

    def _undo(self) -> None:
        """Take back what was written; a connection that cannot do so is not used again."""
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
        """Send a statement of our own, which has no parameters, by a cursor of its own."""
        cursor = self._context._dbapi_connection.cursor()
        try:
            cursor.execute(statement)
        finally:
            cursor.close()


def store(context: Any, made: Callable[[Any], StoredCursor]) -> None:
    """Give a statement that is about to be sent a cursor which verifies what it stores, made of the driver's."""
    if context._is_server_side:  # what is written has no cursor on the server
        context.cursor.close()
        context.cursor = context.create_default_cursor()
    context.cursor = context.tg_stored = made(context.cursor)


def store_instead(context: Any, read: ReadBack, missing: Missing) -> None:
    """Let a statement return what it stores, though it was not compiled to, since its parameters do not tell.

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


def verify_stored(context: Any, read: ReadBack, rows: Sequence[Any]) -> None:
    """Refuse what a write has stored unless it is the tenant's, and leads to its rows.

    Args:
        context: SQLAlchemy's execution context.
        read: what the columns of the rows hold.
        rows: what the statement returned.

    Raises:
        CrossTenantError: a row, or a row that one points at, is not the tenant's.
    """
    tried, place = read.plan.tried, 0
    if read.tenant:
        if not all(row[0] == 1 for row in rows):
            _refuse_tenant(context, read, tried)
        place = 1
    if read.granted:
        if not all(row[place] == 1 for row in rows):
            _refuse_row(context, read, tried)
        place += 1
    wanted = []
    for link in read.links:
        end = place + len(link.columns)
        keys = [tuple(row[place:end]) for row in rows]
        if link.required and any(value is None for key in keys for value in key):
            _refuse_orphan(context, read, link)
        wanted.append((link, keys))
        place = end
    verify_parents(context, wanted, tried, context.tg_binding)


def is_foreign_key(error: Exception) -> bool:
    """Tell whether a database's own constraint found no parent, or its row security no parent that the tenant sees."""
    if error.args and error.args[0] == 1452:  # MariaDB
        return True
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if code == "42501" and "row-level security" in str(error):
        return True
    return code == "23503" or "FOREIGN KEY constraint failed" in str(error)  # PostgreSQL, SQLite


def missing_parent(context: Any, read: ReadBack, *, recorded: bool) -> ParentError:
    """Return the one answer for a key that leads to another tenant's row, or to none, whoever found out.

    Args:
        context: SQLAlchemy's execution context.
        read: what the statement returns.
        recorded: the look-up found out, and has recorded it.
    """
    parents = list(dict.fromkeys(link.parent.name for link in read.links))
    answer = parent_error(context, read.plan.tried, parents, context.tg_binding)
    if recorded:
        answer.statement = masked(answer.statement)
        return answer
    try:
        refuse(answer, reason="the row is not there")
    except ParentError:
        answer.__context__ = None  # the database's error
    return answer


def _refuse_tenant(context: Any, read: ReadBack, tried: str) -> NoReturn:
    placement, bound = read.plan.placement, told(context.tg_binding)
    refuse(
        CrossTenantError(
            f"{tried} gives {placement.column} a value that is not tenant {bound}, which is bound; leave the column "
            "out, or bind the tenant you mean",
            kind="foreign_insert",
            tenant=bound,
            table=placement.name,
            statement=sent(context),
        )
    )


def _refuse_row(context: Any, read: ReadBack, tried: str) -> NoReturn:
    table = read.plan.placement.name
    refuse(
        PermissionDeniedError(
            f"{tried} writes a row that the permission rule of {table} does not grant to whoever acts",
            tenant=told(context.tg_binding),
            table=table,
            statement=sent(context),
        )
    )


def _refuse_orphan(context: Any, read: ReadBack, link: Link) -> NoReturn:
    fault = orphan(read.plan.placement, ", ".join(link.ours))
    fault.tenant, fault.statement = told(context.tg_binding), sent(context)
    refuse(fault)


def _begin(context: Any, do: Callable[[str], None]) -> None:
    """Begin the savepoint that a refusal goes back to."""
    hold(context)
    do(f"SAVEPOINT {_NAME}")
    if context.dialect.name not in _MARIADB:
        return
    try:  # where each statement is its own transaction, MariaDB keeps no savepoint and says so only now
        do(f"ROLLBACK TO SAVEPOINT {_NAME}")
    except context.dialect.loaded_dbapi.Error:
        refuse_unverifiable(context, "each statement is a transaction of its own, and cannot be taken back")


def refuse_unverifiable(context: Any, why: str) -> NoReturn:
    """Refuse a write whose rows cannot be read back."""
    refuse(
        RawSQLError(
            f"what this write stores cannot be verified: {why}. Execute it in a transaction, or give the value itself",
            kind="unverifiable",
            tenant=told(context.tg_binding),
            statement=sent(context),
        )
    )
