"""Parents: what a write names is found to be the tenant's, current and held, or it is refused with one answer."""

from __future__ import annotations

import contextvars
import pickle
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Connection,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from tenantguard import CrossTenantError, ParentError, Tenancy, bind, bypass, guard
from tenantguard.audit import MemorySink
from tests.servers import Database
from tests.sql.world import statements

metadata = MetaData()
calls = Table(
    "calls", metadata,
    Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
)  # fmt: skip
tags = Table(
    "tags", metadata,
    Column("id", Integer, primary_key=True), Column("call_id", ForeignKey("calls.id"), nullable=False),
)  # fmt: skip
notes = Table(
    "notes", metadata,
    Column("id", Integer, primary_key=True), Column("tag_id", ForeignKey("tags.id"), nullable=False),
)  # fmt: skip


def _tenancy() -> Tenancy:
    return Tenancy(metadata, column="company_id", through={"tags": "call_id", "notes": "tag_id"})


def _seed(plain: Engine) -> None:
    metadata.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        rows = [{"id": 1, "company_id": "acme"}, {"id": 7, "company_id": "globex"}]
        connection.execute(insert(calls), rows)
        connection.execute(insert(tags), [{"id": 1, "call_id": 1}, {"id": 7, "call_id": 7}])


class Two:
    """A guarded engine, and a plain one on the same rows."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.plain = database.create_engine()
        _seed(self.plain)
        self.engine = guard(database.create_engine(**options), _tenancy())

    def rows(self, table: Table) -> list[Any]:
        with self.plain.connect() as connection:
            return [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]


@pytest.fixture
def two(database: Database) -> Two:
    """Give the world of this module on each database."""
    return Two(database)


def _as(tenant: str, work: Any) -> Any:
    """Do some work as another request of another company does."""

    def run() -> Any:
        with bind(tenant):
            return work()

    return contextvars.Context().run(run)


@pytest.mark.parametrize("table", [tags, notes], ids=["owned parent", "through parent"])
@pytest.mark.parametrize("verb", ["insert", "update"])
def test_one_answer_for_another_tenants_row_and_for_none(
    two: Two, record: MemorySink, table: Table, verb: str
) -> None:
    """The class, the text and the statement are the same; the record tells them apart."""
    key = table.c[1].name
    if table is notes:
        with two.plain.begin() as plain:
            plain.execute(insert(notes).values(id=1, tag_id=1))
    errors = []
    for value in (7, 777):
        statement: Any = insert(table).values({"id": 9, key: value})
        if verb == "update":
            statement = update(table).values({key: value})
        with bind("acme"), two.engine.connect() as connection, pytest.raises(ParentError) as caught:
            connection.execute(statement)
        errors.append(caught.value)
    mine, none = errors
    assert isinstance(mine, IntegrityError)
    assert isinstance(mine, CrossTenantError)
    assert (str(mine), mine.statement, mine.orig.args) == (str(none), none.statement, none.orig.args)  # type: ignore[union-attr]
    reasons = [event.reason for event in record.events if event.kind == "foreign_key"]
    assert reasons == ["the row is another tenant's", "the row is not there"]


def test_the_answer_survives_a_journey() -> None:
    """A worker pickles what it could not write."""
    error = ParentError("no", tenant="acme", table="calls", statement="INSERT")
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), found.table, found.kind) == (ParentError, "no", "calls", "foreign_key")
    assert found.orig.sqlstate == "23503"


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_parent_is_held_until_the_write(database: Database, level: str) -> None:
    """Nobody takes a parent away between the look-up and the write that names it."""
    if level == "REPEATABLE READ" and database.backend == "sqlite":
        pytest.skip("SQLite is serializable")
    options: dict[str, Any] = {"connect_args": {"timeout": 0}} if database.backend == "sqlite" else {}
    two = Two(database, isolation_level=level, **options)
    waits = {"postgresql": "SET lock_timeout = '50ms'", "mariadb": "SET innodb_lock_wait_timeout = 1"}
    other = database.create_engine(**options)
    seen: list[str] = []

    def meddle(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO tags"):
            with other.connect() as beside:
                if database.backend in waits:
                    beside.execute(text(waits[database.backend]))
                with pytest.raises(OperationalError):
                    beside.execute(delete(calls).where(calls.c.id == 1))
            seen.append(statement)

    with two.plain.begin() as connection:
        connection.execute(delete(tags).where(tags.c.id == 1))
    event.listen(two.engine, "before_cursor_execute", meddle)
    with bind("acme"), two.engine.connect() as connection:
        connection.execute(insert(tags).values(id=9, call_id=1))
        connection.commit()
    assert seen
    assert (9, 1) in two.rows(tags)


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
@pytest.mark.parametrize("begins", ["driver", "DEFERRED", "autocommit"])
def test_sqlite_holds_a_parent_by_its_transaction(tmp_path: Path, mode: str, begins: str) -> None:
    """In WAL mode and with a rollback journal, whoever begins the transaction: nobody writes in between."""
    url = f"sqlite:///{tmp_path / 'one.sqlite'}"
    plain, other = (create_engine(url, connect_args={"timeout": 0}) for _ in range(2))
    with plain.connect() as connection:
        connection.execute(text(f"PRAGMA journal_mode = {mode}"))
    _seed(plain)
    engine = create_engine(url, connect_args={"timeout": 0})
    if begins != "driver":
        event.listen(engine, "connect", lambda driver, _: setattr(driver, "isolation_level", None))
    if begins == "DEFERRED":
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    guard(engine, _tenancy())
    met = []

    def meddle(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO tags"):
            try:
                with other.begin() as beside:
                    beside.execute(delete(tags))
                    beside.execute(update(calls).where(calls.c.id == 1).values(company_id="globex"))
                met.append("written")
            except OperationalError:
                met.append("locked")

    event.listen(engine, "before_cursor_execute", meddle)
    outcome = "written"
    with bind("acme"):
        try:
            with engine.connect() as connection:
                connection.execute(insert(tags).values(id=9, call_id=1))
                connection.commit()
        except OperationalError:
            outcome = "refused by SQLite"
    # a transaction that only reads holds its snapshot: the write is refused where somebody wrote in between
    assert (met, outcome) in ((["locked"], "written"), (["written"], "refused by SQLite"))
    for each in (plain, other, engine):
        each.dispose()


def test_autocommit_keeps_what_it_wrote_and_leaves_nothing_open(two: Two) -> None:
    """The look-up and the write are one transaction, which is over with the statement."""
    with bind("acme"), two.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(insert(tags).values(id=8, call_id=1))
        with pytest.raises(ParentError):
            connection.execute(insert(tags).values(id=9, call_id=7))
        with pytest.raises(IntegrityError):
            connection.execute(insert(tags).values(id=8, call_id=1))
        if two.engine.dialect.insert_returning:
            added = insert(tags).values(id=10, call_id=1).returning(tags.c.id)
            assert connection.execute(added).all() == [(10,)]
        connection.execute(insert(tags), [{"id": 11, "call_id": 1}, {"id": 12, "call_id": 1}])
        assert {8, 11, 12} < {row[0] for row in two.rows(tags)} | {0}
    assert (9, 7) not in two.rows(tags)


LATE: Any = {"deferrable": True, "initially": "DEFERRED"}


def _deferred(
    database: Database, *more: Any, shared: Collection[str] = (), **options: Any
) -> tuple[Engine, Engine, Table, Table]:
    """Return a guarded and a plain engine, and tables whose foreign key is checked when the transaction ends."""
    schema = MetaData()
    key, company = Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False)
    parents = Table("calls", schema, key, company)
    named: Column[Any] = Column("call_id", ForeignKey("calls.id", **LATE), nullable=False)
    children = Table("tags", schema, Column("id", Integer, primary_key=True), named, *more)
    for name in shared:
        Table(name, schema, Column("id", Integer, primary_key=True))
    plain = database.create_engine()
    schema.create_all(plain, checkfirst=False)
    tenancy = Tenancy(schema, column="company_id", through={"tags": "call_id"}, shared=shared)
    return guard(database.create_engine(**options), tenancy), plain, parents, children


@pytest.fixture
def deferred(postgresql_database: Database) -> tuple[Engine, Engine, Table, Table]:
    """Give tables whose foreign key the database checks when the transaction ends."""
    return _deferred(postgresql_database)


def test_a_deferred_key_may_come_before_its_parent(deferred: Any) -> None:
    """The parent is the tenant's when the transaction ends."""
    engine, plain, parents, children = deferred
    with bind("acme"), engine.begin() as connection:
        connection.execute(insert(children).values(id=1, call_id=50))
        connection.execute(insert(parents).values(id=50))
    with plain.connect() as connection:
        assert connection.execute(select(children)).all() == [(1, 50)]


def test_a_deferred_key_is_verified_before_the_commit(deferred: Any) -> None:
    """Whoever's the parent is by then; a row that was taken back names none."""
    engine, plain, parents, children = deferred
    for value in (50, 51):
        with bind("acme"), engine.connect() as connection:
            connection.execute(insert(children).values(id=1, call_id=value))
            nested = connection.begin_nested()
            connection.execute(insert(children).values(id=2, call_id=60))
            nested.rollback()
            _as("globex", lambda: _write(engine, parents))
            with pytest.raises(ParentError):
                connection.commit()
            connection.rollback()
    with bind("acme"), engine.begin() as connection:
        nested = connection.begin_nested()
        connection.execute(insert(children).values(id=2, call_id=60))
        nested.rollback()
    with plain.connect() as connection:
        assert connection.execute(select(children)).all() == []


@pytest.mark.parametrize("is_taken_back", [True, False])
def test_a_deferred_key_that_anothers_row_names_counts_where_the_tenants_row_does(
    sqlite_database: Database, is_taken_back: bool
) -> None:
    """What was taken back names nobody's row, whoever else names it."""
    schema = MetaData()
    parents, children = (
        Table(
            name,
            schema,
            Column("id", Integer, primary_key=True),
            Column("company_id", String(9), nullable=False),
        )
        for name in ("calls", "tags")
    )
    children.append_column(Column("call_id", ForeignKey("calls.id", **LATE)))
    plain = sqlite_database.create_engine()
    schema.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        connection.execute(insert(parents).values(id=7, company_id="globex"))
        connection.execute(insert(children).values(id=70, company_id="globex", call_id=7))
    engine = guard(sqlite_database.create_engine(), Tenancy(schema, column="company_id"))
    with bind("acme"), engine.connect() as connection:
        connection.execute(insert(children).values(id=1, call_id=7))
        if is_taken_back:
            connection.execute(delete(children))
        with nullcontext() if is_taken_back else pytest.raises(ParentError):
            connection.commit()
    with plain.connect() as connection:
        assert connection.execute(select(children)).all() == [(70, "globex", 7)]


@pytest.mark.parametrize("parent", [61, None])
def test_a_commit_that_was_refused_is_over(database: Database, parent: int | None) -> None:
    """The next tenant on the connection does not commit what was refused, by the guard or by the database."""
    if database.backend == "mariadb":
        pytest.skip("MariaDB defers no constraint")
    kind: Column[Any] = Column("kind_id", ForeignKey("kinds.id", **LATE))
    engine, plain, parents, children = _deferred(database, kind, shared={"kinds"})
    with bind("acme"), engine.connect() as connection:
        if parent is None:
            connection.execute(insert(parents).values(id=1))
            connection.execute(insert(children).values(id=1, call_id=1, kind_id=5))
        else:
            connection.execute(insert(children).values(id=1, call_id=parent))
            with bypass(reason="a repair"):
                connection.execute(insert(parents).values(id=parent, company_id="globex"))
        with pytest.raises(IntegrityError):
            connection.commit()
    with bind("globex"), engine.begin() as connection:
        connection.execute(insert(parents).values(id=99))
    with plain.connect() as connection:
        assert connection.execute(select(children)).all() == []
        assert connection.execute(select(parents)).all() == [(99, "globex")]


@pytest.mark.parametrize("level", ["SERIALIZABLE", "AUTOCOMMIT"])
@pytest.mark.parametrize("parent", [60, 61])
def test_the_release_of_a_savepoint_commits_nothing_unverified(
    sqlite_database: Database, level: str, parent: int
) -> None:
    """SQLite's driver begins no transaction for one, and its release would commit; under AUTOCOMMIT it does."""
    engine, plain, parents, children = _deferred(sqlite_database, isolation_level=level)
    with plain.begin() as connection:
        connection.execute(insert(parents).values(id=60, company_id="globex"))

    def write(connection: Connection) -> None:
        with connection.begin_nested(), connection.begin_nested():
            connection.execute(insert(children).values(id=1, call_id=parent))
        connection.commit()

    with bind("acme"), engine.connect() as connection:
        with pytest.raises(ParentError):
            write(connection)
        connection.rollback()
    with plain.connect() as connection:
        assert connection.execute(select(children)).all() == []


def test_what_follows_a_savepoint_is_rolled_back_with_it(sqlite_database: Database) -> None:
    """As on every other database: what was released belongs to the transaction."""
    two = Two(sqlite_database)
    before = two.rows(calls)
    with bind("acme"), two.engine.connect() as connection:
        with connection.begin_nested():
            connection.execute(insert(calls).values(id=77))
        connection.rollback()
    assert two.rows(calls) == before


def _write(engine: Engine, parents: Table) -> None:
    with engine.begin() as connection:
        if not connection.execute(select(parents)).all():
            connection.execute(insert(parents).values(id=50))


class _Guid(TypeDecorator[UUID]):
    """A UUID, by the recipe that most services copy: it takes the id as text as well."""

    impl = CHAR(36)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else str(value if isinstance(value, UUID) else UUID(value))

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else UUID(value)


def test_the_tenant_in_another_spelling_is_the_tenant(database: Database) -> None:
    """What the column's type binds to the same stored value is accepted; another tenant's id is refused."""
    schema = MetaData()
    rows = Table(
        "rows", schema, Column("id", Integer, primary_key=True), Column("company_id", _Guid, nullable=False)
    )
    plain = database.create_engine()
    schema.create_all(plain, checkfirst=False)
    engine = guard(database.create_engine(), Tenancy(schema, column="company_id"))
    mine, other = UUID(int=10), UUID(int=20)
    with bind(mine), engine.begin() as connection:
        for at, spelled in enumerate((mine, str(mine), str(mine).upper(), mine.hex), 1):
            connection.execute(insert(rows).values(id=at, company_id=spelled))
        with pytest.raises(CrossTenantError, match="names tenant"):
            connection.execute(insert(rows).values(id=9, company_id=str(other)))
        assert connection.execute(select(func.count()).select_from(rows)).scalar() == 4


def test_a_value_is_asked_for_once(two: Two) -> None:
    """A callable parameter is computed for the statement, and not again for the look-up."""
    given = iter([1, 7, 7])
    asked = bindparam("asked", callable_=lambda: next(given), type_=Integer)
    with bind("acme"), two.engine.begin() as connection:
        connection.execute(insert(tags).values(id=9, call_id=asked))
    assert (9, 1) in two.rows(tags)


def test_rows_of_one_statement_may_name_each_other(database: Database) -> None:
    """A tree that is written at once; a conflict clause vouches for none of its rows."""
    schema = MetaData()
    nodes = Table(
        "nodes", schema, Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
        Column("parent_id", ForeignKey("nodes.id")),
    )  # fmt: skip
    plain = database.create_engine()
    schema.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        connection.execute(insert(nodes).values(id=7, company_id="globex"))
    engine = guard(database.create_engine(), Tenancy(schema, column="company_id"))
    tree: list[dict[str, Any]] = [
        {"id": 1, "parent_id": None},
        {"id": 2, "parent_id": 1},
        {"id": 3, "parent_id": 2},
    ]
    with bind("acme"), engine.begin() as connection:
        connection.execute(insert(nodes), tree)
        connection.execute(insert(nodes).values([{"id": 4, "parent_id": 3}, {"id": 5, "parent_id": 4}]))
        with pytest.raises(ParentError):
            connection.execute(insert(nodes), [{"id": 8, "parent_id": 7}, {"id": 9, "parent_id": 8}])
        ignored = insert(nodes).prefix_with(
            {"sqlite": "OR IGNORE", "mariadb": "IGNORE"}.get(database.backend, "")
        )
        if database.backend != "postgresql":
            with pytest.raises(ParentError):
                connection.execute(ignored, [{"id": 7, "parent_id": None}, {"id": 8, "parent_id": 7}])


def test_a_key_of_two_columns_is_looked_up_whole(database: Database) -> None:
    """Each column alone is somebody's; a part that is NULL leads nowhere."""
    schema = MetaData()
    Table(
        "pairs", schema, Column("a", Integer, primary_key=True, autoincrement=False),
        Column("b", Integer, primary_key=True, autoincrement=False), Column("company_id", String(9), nullable=False),
    )  # fmt: skip
    users = Table(
        "users", schema, Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
        Column("a", Integer), Column("b", Integer), ForeignKeyConstraint(["a", "b"], ["pairs.a", "pairs.b"]),
    )  # fmt: skip
    plain = database.create_engine()
    schema.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        pairs = [{"a": 1, "b": 1, "company_id": "acme"}, {"a": 1, "b": 7, "company_id": "globex"}]
        connection.execute(insert(schema.tables["pairs"]), pairs)
    engine = guard(database.create_engine(), Tenancy(schema, column="company_id"))
    with bind("acme"), engine.begin() as connection:
        connection.execute(insert(users), [{"id": at, "a": 1, "b": 1} for at in (1, 2)])
        connection.execute(insert(users).values(id=3, a=7, b=None))
        for rows in ([{"id": 9, "a": 1, "b": 7}], [{"id": 9, "a": 1, "b": 1}, {"id": 8, "a": 1, "b": 7}]):
            with pytest.raises(ParentError):
                connection.execute(insert(users), rows)


def test_one_statement_finds_the_parents_of_many_rows(two: Two) -> None:
    """However many they are, and however many keys; the database's own spelling of a key costs one more."""
    with two.plain.begin() as connection:
        connection.execute(insert(calls), [{"id": at, "company_id": "acme"} for at in range(100, 300)])
    rows = [{"id": at, "call_id": at} for at in range(100, 300)]
    with bind("acme"), two.engine.begin() as connection, statements(two.engine) as seen:
        connection.execute(insert(tags), rows)
    assert len([sql for sql in seen if sql.startswith("SELECT")]) == 1


def test_no_orphan_is_left_where_sqlite_does_not_look(tmp_path: Path) -> None:
    """Its foreign keys are off: rows that belong through a deleted one go with it, or the commit is refused."""
    engine = create_engine(f"sqlite:///{tmp_path / 'one.sqlite'}")
    _seed(engine)
    guard(engine, _tenancy())
    with bind("acme"):
        with engine.connect() as connection:
            connection.execute(delete(calls).where(calls.c.id == 1))
            with pytest.raises(CrossTenantError, match="would belong to whichever tenant"):
                connection.commit()
        with engine.begin() as connection:
            connection.execute(delete(tags).where(tags.c.call_id == 1))
            connection.execute(delete(calls).where(calls.c.id == 1))
    with bypass(reason="look"), engine.connect() as connection:
        assert connection.execute(select(calls)).all() == [(7, "globex")]
    engine.dispose()


@pytest.mark.parametrize("key", [7, 777])
def test_a_write_that_meets_no_row_points_nowhere(two: Two, key: int) -> None:
    """An UPDATE that matches nothing is answered as it would be alone, whatever key it names."""
    with bind("acme"), two.engine.begin() as connection:
        assert connection.execute(update(tags).where(tags.c.id == 99).values(call_id=key)).rowcount == 0
        assert connection.execute(update(tags).values(call_id=1)).rowcount == 1
    assert two.rows(tags) == [(1, 1), (7, 7)]


@pytest.mark.parametrize("key", [7, 777])
def test_an_update_of_many_rows_stops_at_one_that_points_elsewhere(two: Two, key: int) -> None:
    """With many sets of parameters, each row is looked at, and nothing is kept."""
    rows = [{"b_id": 1, "call_id": 1}, {"b_id": 99, "call_id": key}, {"b_id": 1, "call_id": key}]
    statement = update(tags).where(tags.c.id == bindparam("b_id"))
    with bind("acme"), two.engine.begin() as connection:
        assert connection.execute(statement, rows[:2]).rowcount in (1, -1)
        with pytest.raises(ParentError):
            connection.execute(statement, rows)
        assert connection.execute(select(tags)).all() == [(1, 1)]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda c: c.execute(insert(tags).values(id=9, call_id=1)), id="one"),
        pytest.param(
            lambda c: c.execute(insert(tags), [{"id": 8, "call_id": 1}, {"id": 9, "call_id": 3}]), id="many"
        ),
        pytest.param(lambda c: c.execute(insert(notes).values(id=9, tag_id=1)), id="grandchild"),
    ],
)
def test_a_parent_that_moved_since_the_snapshot_is_no_parent(
    database: Database, level: str, write: Any
) -> None:
    """A transaction that reads from a snapshot finds the row its tenant's no more, or is told that it is outdated."""
    if database.backend == "sqlite":
        pytest.skip("SQLite lets one transaction write")
    plain = database.create_engine()
    _seed(plain)
    with plain.begin() as connection:
        connection.execute(insert(calls).values(id=3, company_id="acme"))
    engine = guard(database.create_engine(), _tenancy())
    with bind("acme"), engine.connect().execution_options(isolation_level=level) as connection:
        write(connection)
        connection.rollback()
        connection.execute(select(calls)).all()
        if level == "SERIALIZABLE" and database.backend == "mariadb":
            connection.rollback()  # where a query locks what it reads
        with plain.begin() as other:
            other.execute(update(calls).where(calls.c.id == 1).values(company_id="globex"))
        with pytest.raises((ParentError, OperationalError)):
            write(connection)
