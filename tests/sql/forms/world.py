"""Two databases of one kind: three tenants under the guard, and one tenant alone without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Sequence, event, select
from sqlalchemy.schema import CreateSequence

from tenantguard import Tenancy, bind, guard
from tests.models import FIRST_ID, TENANTS, Base, create_schema, seed
from tests.servers import Backend, Database
from tests.sql.forms import extra
from tests.sql.forms.form import Hands, Run, told

TABLES = [*Base.metadata.sorted_tables, *extra.metadata.sorted_tables]
_STORED = [table for table in TABLES if not table.info.get("is_view")]
_READS = {table.name: select(table) for table in _STORED}


def make_tenancy(**more: Any) -> Tenancy:
    """Place every table of the rows."""
    return Tenancy(
        Base.metadata,
        extra.metadata,
        column="company_id",
        columns={"companies": "id"},
        through={
            "call_tags": "call_id",
            "tag_notes": "tag_id",
            "call_labels": "call_id",
            "pages": "paper_id",
        },
        shared={"countries"},
        shared_writable={"sessions_log"},
        **more,
    )


def fill(engine: Engine, backend: Backend, tenants: tuple[str, ...]) -> None:
    """Create the tables of the forms, and the rows of some tenants in them."""
    create_schema(engine)
    if tenants:
        seed(engine, *tenants)
    with engine.begin() as connection:
        if backend != "sqlite":
            connection.execute(CreateSequence(Sequence("forms_seq")))
        extra.metadata.create_all(connection)
        for tenant in tenants:
            for table, rows in extra.rows_of(tenant, FIRST_ID[tenant]).items():
                connection.execute(extra.metadata.tables[table].insert(), rows)


@dataclass
class Ran:
    """Hold what came of a row.

    Attributes:
        found: what it returned.
        sent: the SQL that was sent, with its parameters.
        mine: every row that acme sees afterwards, where it wrote.
        everybody: every row, where it wrote.
    """

    found: Any
    sent: list[tuple[str, Any]]
    mine: dict[str, Any] | None = None
    everybody: dict[str, Any] | None = None


@dataclass
class Worlds:
    """Hold both databases.

    Attributes:
        backend: their kind.
        guarded: the engine on the rows of all tenants.
        own: an engine without a guard on the rows of acme alone.
        before: every row of the guarded database, as it was filled.
    """

    backend: Backend
    guarded: Engine
    own: Engine
    before: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def make(cls, make_database: Callable[[Backend, str], Database], backend: Backend) -> Worlds:
        """Create and fill both."""
        engines = []
        for name, tenants in (("forms", TENANTS), ("forms_own", ("acme",))):
            database = make_database(backend, name)
            options: dict[str, Any] = {"paramstyle": "named"} if backend == "sqlite" else {}
            engine = database.create_engine(**options)
            fill(engine, backend, tenants)
            engines.append(engine)
        made = cls(backend, guard(engines[0], make_tenancy()), engines[1])
        made.before = made.everything()
        return made

    def run_guarded(self, run: Run) -> Ran:
        """Run a row under the guard."""
        sent: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
            sent.append((statement, parameters))

        with hands_on(self.guarded, {}, self.backend) as hands:
            event.listen(self.guarded, "before_cursor_execute", note)
            try:
                with bind("acme"):
                    found = outcome(run, hands)
            finally:
                event.remove(self.guarded, "before_cursor_execute", note)
            if not wrote(sent):
                return Ran(found, sent)
            with bind("acme"):
                mine = content(hands.connection)
            return Ran(found, sent, mine, everybody(hands.connection))

    def run_own(self, run: Run, *, rows: bool) -> Ran:
        """Run a row where acme is alone, and read every row afterwards where that is asked for."""
        with hands_on(self.own, {"company_id": "acme"}, self.backend) as hands:
            found = outcome(run, hands)
            return Ran(found, [], content(hands.connection) if rows else None)

    def everything(self) -> dict[str, Any]:
        """Return every row of the guarded database."""
        with self.guarded.connect() as connection:
            return everybody(connection)


def wrote(sent: list[tuple[str, Any]]) -> bool:
    """Tell whether any statement may have changed a row."""
    return any(re.search("INSERT|UPDATE|DELETE", statement) for statement, _ in sent)


@contextmanager
def hands_on(engine: Engine, stamp: dict[str, str], backend: Backend) -> Iterator[Hands]:
    with engine.connect() as connection, connection.begin() as transaction:
        hands = Hands(connection, stamp, backend)
        if backend == "sqlite":  # its driver would begin with the first change, and a savepoint end there
            _driver(connection).cursor().execute("BEGIN")
        try:
            yield hands
        finally:
            hands.close()
            transaction.rollback()


def outcome(run: Run, hands: Hands) -> Any:
    """Run a row; a statement that it returns is executed."""
    found = run(hands)
    if isinstance(found, Executable):
        return hands.orm(found) if _needs_session(found) else hands.rows(found)
    return told(found) if hasattr(found, "cursor") else found


def _needs_session(statement: Any) -> bool:
    plugin = getattr(statement, "_propagate_attrs", {}).get("compile_state_plugin")
    return plugin == "orm" or "FromStatement" in type(statement).__name__ or hasattr(statement, "_resolved")


def content(connection: Connection) -> dict[str, Any]:
    """Return every row that the connection sees, by table."""
    return {name: sorted(map(tuple, connection.execute(read)), key=repr) for name, read in _READS.items()}


def everybody(connection: Connection) -> dict[str, Any]:
    """Return every row of all, by table, as the driver gives it: past the guard, in a tenth of the time."""
    found, cursor = {}, _driver(connection).cursor()
    quoted = connection.dialect.identifier_preparer.format_table
    for table in _STORED:
        cursor.execute(f"SELECT * FROM {quoted(table)}")
        found[table.name] = sorted(map(tuple, cursor.fetchall()), key=repr)
    cursor.close()
    return found


def _driver(connection: Connection) -> Any:
    """Return the driver's connection, which the guard does not give."""
    return connection._dbapi_connection
