"""One row of the table of statement forms, and the hands that a row is given to run its statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.engine import Row
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import Executable

from tests.servers import BACKENDS, Backend


class Does(StrEnum):
    """Say what the guard does; the value is what the page says."""

    WHERE = "predicate in `WHERE`"
    ON = "predicate in `ON`"
    DERIVED = "derived table"
    CONFLICT = "predicate in the conflict clause"
    STAMPED = "stamped"
    CHECKED = "checked"
    NOTHING = "unchanged"
    REFUSED = "refused"
    LIMIT = "not guarded"


class Hands:
    """Run a row's statements in one database, inside a transaction that is rolled back.

    Attributes:
        connection: a connection in a transaction.
        stamp: the tenant, to be given where nobody stamps: empty under the guard.
        backend: the kind of database.
    """

    def __init__(self, connection: Connection, stamp: dict[str, str], backend: Backend) -> None:
        self.connection = connection
        self.stamp = stamp
        self.backend = backend
        self._sessions: list[Session] = []

    def session(self, cls: type[Session] = Session, **options: Any) -> Any:
        """Return a session on the connection."""
        made = cls(self.connection, join_transaction_mode="create_savepoint", **options)
        self._sessions.append(made)
        return made

    def close(self) -> None:
        """Close every session."""
        while self._sessions:
            self._sessions.pop().close()

    def rows(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        """Execute on the connection; return rows, or how many were matched."""
        return told(self.connection.execute(statement, *arguments, **options))

    def orm(self, statement: Any, *arguments: Any, **options: Any) -> Any:
        """Execute on a session; return what comes, each object once."""
        return told(self.session().execute(statement, *arguments, **options))

    def flush(self, *objects: Any) -> Any:
        """Add objects to a session, flush, and return them."""
        session = self.session()
        session.add_all(objects)
        session.flush()
        return plain(objects)


Run = Callable[[Hands], Any]


@dataclass(frozen=True)
class Form:
    """Be one row.

    Attributes:
        name: what the form is called, on the page too.
        written: how it is written, in short.
        does: what the guard does with it.
        run: runs it and returns what is compared, or returns the statement to be executed.
        names: the SQLAlchemy names that the row stands for.
        on: the databases on which the form exists.
        attacks: the same form reaching for another tenant's row: each must raise a violation.
        why: why it is refused; a part of the message.
        ordered: the order of rows counts.
        lines: this form comes with these versions of SQLAlchemy only, such as ``"2.1"``.
    """

    name: str
    written: str
    does: tuple[Does, ...]
    run: Run
    names: tuple[str, ...] = ()
    on: tuple[Backend, ...] = BACKENDS
    attacks: tuple[Run, ...] = ()
    why: str = ""
    ordered: bool = False
    lines: tuple[str, ...] = ("2.0", "2.1")


@dataclass(frozen=True)
class Elsewhere:
    """Be a row whose proof stands elsewhere: attack vectors, or tests of their own.

    Attributes:
        name: what the form is called.
        written: how it is written, in short.
        does: what the guard does.
        names: the SQLAlchemy names that the row stands for.
        vectors: the attack vectors that prove it.
        tests: ``"tests/sql/test_guard.py::test_the_guard_survives_a_fork"``.
        why: a word on what is refused, or on the limit.
    """

    name: str
    written: str
    does: tuple[Does, ...]
    names: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    why: str = ""


@dataclass
class Group:
    """Be a heading of the page, with its rows."""

    title: str
    forms: list[Form] = field(default_factory=list)
    elsewhere: list[Elsewhere] = field(default_factory=list)

    def add(
        self, name: str, written: str, does: Does | Iterable[Does], run: Run, *names: str, **options: Any
    ) -> None:
        """Add a row that runs."""
        self.forms.append(Form(name, written, _does(does), run, names, **options))

    def point(
        self, name: str, written: str, does: Does | Iterable[Does], *names: str, **options: Any
    ) -> None:
        """Add a row that is proven elsewhere."""
        self.elsewhere.append(Elsewhere(name, written, _does(does), names, **options))

    def __iter__(self) -> Iterator[Form | Elsewhere]:
        yield from self.forms
        yield from self.elsewhere


def _does(does: Does | Iterable[Does]) -> tuple[Does, ...]:
    return (does,) if isinstance(does, Does) else tuple(does)


def told(result: Any) -> Any:
    """Return the rows of a result, or its row count."""
    if not isinstance(result, Iterable) and not hasattr(result, "returns_rows"):
        return result
    try:
        return plain(result.unique().all()) if getattr(result, "returns_rows", True) else result.rowcount
    except ResourceClosedError:  # a bulk INSERT of the ORM
        return None


def plain(value: Any) -> Any:
    """Return a value in which objects are their class and their columns."""
    if isinstance(value, Executable):
        raise TypeError("a statement was returned from within a value")
    if isinstance(value, Row | tuple | list | set | frozenset):
        return tuple(plain(part) for part in value)
    state = inspect(value, raiseerr=False) if hasattr(value, "__mapper__") else None
    if state is None:
        return value
    columns = [attribute.key for attribute in state.mapper.column_attrs if attribute.key in state.dict]
    return (type(value).__name__, *((key, getattr(value, key)) for key in sorted(columns)))
