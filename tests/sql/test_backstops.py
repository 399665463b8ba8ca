"""What stands behind the rules that usually act: each holds where the rule before it would not be asked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    ColumnElement,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    StaticPool,
    String,
    Table,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy import Column as Col
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session

from tenantguard import (
    CrossTenantError,
    NoTenantError,
    RawSQLError,
    Tenancy,
    TenantSwitchError,
    bind,
    guard,
)
from tenantguard.audit import MemorySink
from tests.models import Call, Number, make_tenancy
from tests.sql.world import memory_engine, memory_world


class CountOf(ColumnElement[int]):
    """Render a count of a table in a place that no SELECT of SQLAlchemy's has."""

    inherit_cache = False
    type = Integer()

    def __init__(self, table: Any) -> None:
        self.table_counted = table


class Loose(ColumnElement[bool]):
    """Render a condition that binds weaker than AND."""

    inherit_cache = True
    type = Boolean()


@compiles(Loose)
def _loose(element: Loose, compiler: Any, **kw: Any) -> str:
    return "1 = 1 OR 1 = 1"


@compiles(CountOf)
def _count_of(element: CountOf, compiler: Any, **kw: Any) -> str:
    table = compiler.process(element.table_counted, asfrom=True)
    return f"(SELECT count(*) FROM {table})"


def test_a_table_in_a_place_of_its_own_is_refused() -> None:
    """The compiler itself renders the table there, so no predicate was found for it."""
    engine = memory_world().engine
    with bind("acme"), engine.connect() as connection, pytest.raises(RawSQLError, match="does not know"):
        connection.execute(select(CountOf(Call.__table__)))


@pytest.mark.parametrize("loose", [Loose(), text("1 = 1 OR 1 = 1"), literal_column("1 = 1 OR 1 = 1")])
def test_no_criterion_binds_weaker_than_the_predicate(loose: Any) -> None:
    """What renders an OR of its own stands in parentheses."""
    engine = memory_world().engine
    with bind("acme"), engine.connect() as connection:
        assert connection.scalars(select(Call.id).where(loose).order_by(Call.id)).all() == [1, 2, 3]
        assert connection.execute(update(Call).where(loose).values(note="x")).rowcount == 3


def test_a_refusal_is_looked_for_after_a_plain_statement_too() -> None:
    """A statement of the same connection and binding that was let through opens no way for the next one."""
    engine = memory_world().engine
    refused = select(Call.id).where(literal_column("EXISTS (SELECT 1 FROM calls)"))
    with bind("acme"), engine.connect() as connection:
        for _ in range(2):
            connection.execute(select(Call.id)).all()
            with pytest.raises(RawSQLError):
                connection.execute(refused)


def test_a_listener_that_changes_parameters_is_refused() -> None:
    """What the guard looked at is what is sent."""
    engine = memory_world().engine

    def change(conn: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> Any:
        return sql, tuple("globex" if value == "acme" else value for value in parameters)

    event.listen(engine, "before_cursor_execute", change, retval=True)
    with bind("acme"), engine.connect() as connection, pytest.raises(RawSQLError, match="parameters"):
        connection.execute(select(Call.id))


def test_an_upsert_that_meets_a_foreign_row_says_so() -> None:
    """The row stays as it is, and whoever tried is told."""
    engine = memory_world().engine
    statement = sqlite_insert(Number).values(id=101, digits="1")
    changed = statement.on_conflict_do_update(index_elements=["id"], set_={"digits": "2"})
    with (
        bind("acme"),
        engine.connect() as connection,
        pytest.raises(CrossTenantError, match="that row was not changed"),
    ):
        connection.execute(changed)


def test_text_to_the_driver_may_not_name_another_tenant() -> None:
    """Rewritten text is verified where it goes straight to the driver, too."""
    plain = memory_world().plain
    with plain.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: driver)
    guard(engine, make_tenancy(), raw_sql="rewrite")
    text = "INSERT INTO numbers (id, company_id, digits) VALUES (?, ?, ?)"
    with bind("acme"), engine.connect() as connection, pytest.raises(CrossTenantError, match="names tenant"):
        connection.exec_driver_sql(text, (9001, "globex", "1"))
    orphan = "INSERT INTO call_tags (id, call_id, tag) VALUES (?, ?, 'x')"
    with (
        bind("acme"),
        engine.connect() as connection,
        pytest.raises(CrossTenantError, match="must name its parent"),
    ):
        connection.exec_driver_sql(orphan, (9001, None))


def test_text_is_refused_after_the_dialects_own() -> None:
    """What reflection may send ends with it."""
    engine = memory_world().engine
    with bind("acme"), engine.connect() as connection:
        assert "calls" in inspect(connection).get_table_names()
        with pytest.raises(RawSQLError):
            connection.exec_driver_sql("SELECT id FROM calls")


def test_an_object_is_not_merged_unread_for_another_tenant() -> None:
    """``merge(load=False)`` sends no statement that could be narrowed."""
    engine = memory_world().engine
    with bind("acme"), Session(engine) as session:
        call = session.scalars(select(Call)).first()
    with bind("globex"), Session(engine) as session, pytest.raises(TenantSwitchError):
        session.merge(call, load=False)


def test_a_tenant_in_another_spelling_is_written_as_it_is_stored() -> None:
    """What the column stores is compared: 1.0 is stored as 1, and 1.5 as another tenant's id."""
    metadata = MetaData()
    bills = Table(
        "bills", metadata, Col("id", Integer, primary_key=True), Col("firm", Integer, nullable=False)
    )
    engine = guard(memory_engine(), Tenancy(metadata, column="firm"))
    metadata.create_all(engine, checkfirst=False)
    with bind(1), engine.begin() as connection:
        connection.execute(insert(bills).values(id=1, firm=1.0))
        assert [(type(firm), firm) for firm in connection.scalars(select(bills.c.firm))] == [(int, 1)]
        with pytest.raises(CrossTenantError, match="names tenant"):
            connection.execute(insert(bills).values(id=2, firm=1.5))


def test_a_row_of_nobody_is_not_everybodys() -> None:
    """Where the tenant column may be empty, an empty one is no tenant's."""
    metadata = MetaData()
    notes = Table(
        "notes", metadata, Col("id", Integer, primary_key=True), Col("firm", String(20), nullable=True)
    )
    engine = memory_engine()
    metadata.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        connection.execute(insert(notes), [{"id": 1, "firm": "acme"}, {"id": 2, "firm": None}])
    guard(engine, Tenancy(metadata, column="firm", nullable={"notes"}))
    with bind("acme"), engine.connect() as connection:
        assert connection.execute(select(notes.c.id)).scalars().all() == [1]
        assert connection.scalar(select(func.count()).select_from(notes).where(column("firm").is_(None))) == 0


def test_half_of_a_composite_key_proves_nothing() -> None:
    """A row that belongs through a key of two columns is guarded itself where a join follows one of them."""
    metadata = MetaData()
    orders = Table(
        "orders",
        metadata,
        Col("region", Integer, primary_key=True),
        Col("number", Integer, primary_key=True),
        Col("company_id", String(20), nullable=False),
    )
    lines = Table(
        "lines",
        metadata,
        Col("id", Integer, primary_key=True),
        Col("region", Integer, nullable=False),
        Col("number", Integer, nullable=False),
        ForeignKeyConstraint(["region", "number"], ["orders.region", "orders.number"]),
    )
    engine = memory_engine()
    metadata.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        connection.execute(
            insert(orders),
            [{"region": n, "number": 1, "company_id": c} for n, c in ((1, "acme"), (2, "globex"))],
        )
        connection.execute(insert(lines), [{"id": n, "region": n, "number": 1} for n in (1, 2)])
    guard(engine, Tenancy(metadata, column="company_id", through={"lines": "region"}))
    half = select(lines.c.id).join(orders, lines.c.number == orders.c.number)
    with bind("acme"), engine.connect() as connection:
        assert connection.scalars(half).all() == [1]


@pytest.mark.parametrize(
    "statement", [select(Call.id), insert(Call).values(id=77), update(Call).values(note="x"), delete(Call)]
)
def test_a_statement_without_a_tenant_is_recorded(statement: Any, record: MemorySink) -> None:
    """A read and each kind of write that nobody is bound for leaves one event."""
    engine = memory_world().engine
    with engine.connect() as connection, pytest.raises(NoTenantError, match="no tenant bound"):
        connection.execute(statement)
    assert [event.kind for event in record.events] == ["no_tenant"]


def test_a_tenant_of_another_type_is_recorded(record: MemorySink) -> None:
    """The column holds text, and a number is bound."""
    engine = memory_world().engine
    with bind(7), engine.connect() as connection, pytest.raises(NoTenantError, match="int is bound"):
        connection.execute(select(Call.id))
    assert [event.kind for event in record.events] == ["no_tenant"]
