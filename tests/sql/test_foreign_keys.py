"""Foreign keys: no row points at another tenant's parent, and the look-ups are as few as promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    Uuid,
    delete,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantguard import CrossTenantError, Tenancy, bind, bypass, guard
from tests.models import (
    Call,
    CallTag,
    Comment,
    Label,
    Manager,
    Number,
    Order,
    OrderLine,
    TagNote,
    create_schema,
    make_tenancy,
    seed,
)
from tests.servers import Database
from tests.sql.world import TABLES, World, memory_engine, statements

CALLS, TAGS, LINKS = (TABLES[name] for name in ("calls", "call_tags", "call_labels"))
NEW = {"country_code": "DE", "seconds": 1, "note": "new"}


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """Give a plain session whose changes are rolled back."""
    with Session(world.engine) as session:
        yield session


def _core(statement: Any, *rows: dict[str, Any]) -> Any:
    return lambda session: session.connection().execute(statement, list(rows) or None)


def _flush(make: Any) -> Any:
    def write(session: Session) -> None:
        session.add(make())
        session.flush()

    return write


def _point(session: Session) -> None:
    session.get_one(Call, 1).number_id = 101
    session.flush()


def _secondary(session: Session) -> None:
    session.execute(insert(LINKS), [{"call_id": 2, "label_id": 2}, {"call_id": 2, "label_id": 101}])


def _merge(session: Session) -> None:
    session.merge(CallTag(id=1, call_id=101, tag="moved"))
    session.flush()


PATHS = {
    "flush": _flush(lambda: Call(number_id=101, **NEW)),
    "flush of a row with a second parent": _flush(lambda: Call(number_id=1, user_id=101, **NEW)),
    "flush of a row with a first parent": _flush(lambda: Call(number_id=101, user_id=1, **NEW)),
    "flush of a row with a parent that nobody has": _flush(lambda: Call(number_id=4242, user_id=101, **NEW)),
    "flush of a through row": _flush(lambda: CallTag(call_id=101, tag="x")),
    "flush of a grandchild": _flush(lambda: TagNote(tag_id=101, body="x")),
    "flush of a self-reference": _flush(lambda: Comment(call_id=1, parent_id=101, body="x")),
    "attribute": _point,
    "merge": _merge,
    "association row": _secondary,
    "association row, other side": _core(insert(LINKS), {"call_id": 101, "label_id": 1}),
    "one association row": _core(insert(LINKS), {"call_id": 2, "label_id": 101}),
    "bulk insert": _core(insert(CALLS), {"number_id": 1, **NEW}, {"number_id": 101, **NEW}),
    "several values": _core(insert(CALLS).values([{"number_id": 1, **NEW}, {"number_id": 101, **NEW}])),
    "expression": _core(insert(CALLS).values(number_id=literal(100) + 1, **NEW)),
    "insert from select": _core(
        insert(TAGS).from_select(["call_id", "tag"], select(literal(101), literal("x")))
    ),
    "update": _core(update(CALLS).values(number_id=101)),
    "update by expression": _core(update(CALLS).values(number_id=CALLS.c.number_id + 100)),
    "update of a through row": _core(update(TAGS).values(call_id=101)),
    "child of an inheritance": _core(insert(TABLES["managers"]).values(id=101, level=1)),
}


@pytest.mark.parametrize("path", list(PATHS))
def test_another_tenants_parent_is_refused(session: Session, path: str) -> None:
    """On every path that writes a key."""
    with bind("acme"), pytest.raises(CrossTenantError):
        PATHS[path](session)


@pytest.mark.parametrize("path", list(PATHS))
def test_another_tenants_parent_is_refused_where_somebody_listens(world: World, path: str) -> None:
    """A listener sees the look-ups like any statement: they take another way, to the same end."""
    with (
        Session(world.engine) as session,
        bind("acme"),
        statements(world.engine),
        pytest.raises(CrossTenantError),
    ):
        PATHS[path](session)


class _Code(TypeDecorator[str]):
    """A text that the database holds in another form."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else f"<{value}>"

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[1:-1]


@pytest.mark.parametrize(
    ("type_", "mine", "others"), [(_Code(), "a", "b"), (Uuid(), UUID(int=1), UUID(int=2))]
)
def test_keys_are_looked_up_as_the_database_holds_them(
    database: Database, type_: Any, mine: Any, others: Any
) -> None:
    """Keys of a type that converts, UUIDs among them, by every driver."""
    metadata = MetaData()
    owners = Table(
        "owners",
        metadata,
        Column("id", type_, primary_key=True),
        Column("company_id", String(9), nullable=False),
    )
    things = Table(
        "things", metadata,
        Column("id", Integer, primary_key=True), Column("company_id", String(9), nullable=False),
        Column("owner_id", ForeignKey("owners.id")), Column("other_id", ForeignKey("owners.id")),
    )  # fmt: skip
    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        rows = [{"id": mine, "company_id": "acme"}, {"id": others, "company_id": "globex"}]
        connection.execute(insert(owners), rows)
    engine = guard(database.create_engine(), Tenancy(metadata, column="company_id"))
    with bind("acme"):
        for _ in range(2):  # the first look-up is compiled, the second is sent as it is
            with engine.begin() as connection:
                connection.execute(select(owners))
                connection.execute(insert(things), {"owner_id": mine, "other_id": mine})
            for row in ({"owner_id": others}, {"owner_id": mine, "other_id": others}):
                with engine.begin() as connection:
                    connection.execute(select(owners))
                    with pytest.raises(CrossTenantError):
                        connection.execute(insert(things), row)
    engine.dispose()
    plain.dispose()


def test_the_own_parents_are_accepted(session: Session) -> None:
    """The same paths with the tenant's own rows."""
    with bind("acme"):
        session.add_all([Call(number_id=1, **NEW), CallTag(call_id=1, tag="x"), Manager(name="m", level=1)])
        session.flush()
        session.execute(insert(LINKS), [{"call_id": 3, "label_id": 1}])
        session.execute(update(CALLS).values(number_id=2))


def test_a_parent_that_does_not_exist_is_an_integrity_error(session: Session) -> None:
    """As the database would raise it; the look-up raises it before."""
    with bind("acme"), pytest.raises(IntegrityError):
        session.connection().execute(insert(TAGS), [{"call_id": 424242, "tag": "x"}])


def test_two_parents_of_which_one_does_not_exist(session: Session) -> None:
    """It is refused, and the look-up of both does not count it as known."""
    with bind("acme"), pytest.raises(IntegrityError):
        session.connection().execute(insert(CALLS), [{"number_id": 1, "user_id": 424242, **NEW}])
    session.rollback()
    with bind("acme"):
        connection: Any = session.connection()
        nested = connection.begin_nested()
        with pytest.raises(IntegrityError):
            connection.execute(insert(CALLS), [{"number_id": 424242, "user_id": 1, **NEW}])
        known = {shape[0]: keys for (shape, _), keys in connection._tg_learnt.keys.items()}
        assert known == {(None, "numbers"): set(), (None, "users"): {(1,)}}
        nested.rollback()


def test_two_parents_under_several_tenants(session: Session) -> None:
    """Each may be of any of the tenants that are bound, and of no other."""
    row = {"company_id": "acme", "number_id": 101, "user_id": 1, **NEW}
    with bind({"acme", "globex"}):
        session.connection().execute(insert(CALLS), [row])
    session.rollback()
    session.expunge_all()
    with bind({"acme", "initech"}), pytest.raises(CrossTenantError):
        session.connection().execute(insert(CALLS), [row])


def _selects(seen: list[str]) -> list[str]:
    return [sql for sql in seen if sql.startswith("SELECT")]


def test_a_parent_that_was_loaded_is_looked_up(memory: World) -> None:
    """An object in a session vouches for no key: the row may be another one, or gone."""
    with bind("acme"), Session(memory.engine) as session:
        assert session.get_one(Number, 1)
        session.get_one(Label, 1)
        with statements(memory.engine) as seen:
            session.add(Comment(call=session.get_one(Call, 1), body="x"))
            session.flush()
        assert len(_selects(seen)) == 2  # the call itself, and the look-up of it


def test_a_key_with_the_tenant_costs_no_query(memory: World) -> None:
    """A composite key (tenant, id) is checked by the database."""
    with bind("acme"), Session(memory.engine) as session, statements(memory.engine) as seen:
        session.add(OrderLine(order_id=1, line=9, item="x"))
        session.flush()
    assert _selects(seen) == []


def test_a_new_parent_of_the_same_flush_is_known(memory: World) -> None:
    """Parents and children that are written together."""
    with bind("acme"), Session(memory.engine) as session:
        session.add(Order(id=9, title="o", lines=[OrderLine(line=1, item="x")]))
        session.add(Number(digits="n", calls=[Call(**NEW, tags=[CallTag(tag="t")])]))
        session.flush()


def test_one_query_for_each_parent_table_and_flush(memory: World) -> None:
    """Ten new rows with unknown parents in two tables: two look-ups."""
    with bind("acme"), Session(memory.engine) as session, statements(memory.engine) as seen:
        session.add_all([Call(number_id=1 + n % 2, user_id=1 + n % 2, **NEW) for n in range(10)])
        session.flush()
    assert len(_selects(seen)) == 2


def test_one_query_for_the_parents_of_one_row(memory: World) -> None:
    """Of several parents that are not known yet, in as many tables; afterwards they are."""
    with bind("acme"), Session(memory.engine) as session, statements(memory.engine) as seen:
        session.add(Call(number_id=1, user_id=1, **NEW))
        session.flush()
        assert len(_selects(seen)) == 1
        session.add(Call(number_id=1, user_id=1, **NEW))
        session.flush()
        assert len(_selects(seen)) == 1


def test_many_rows_cost_one_query(memory: World) -> None:
    """A bulk insert looks its parents up together."""
    rows = [{"call_id": 1 + n % 3, "tag": "x"} for n in range(100)]
    with bind("acme"), memory.engine.connect() as connection, statements(memory.engine) as seen:
        connection.execute(insert(TAGS), rows)
    assert len(_selects(seen)) == 1


def test_a_stub_vouches_for_nothing(session: Session) -> None:
    """An object that was attached by its key was not read from the database."""
    from sqlalchemy.orm import make_transient_to_detached

    with bind("acme"):
        stub = Number(id=101)
        make_transient_to_detached(stub)
        session.add(stub)
        session.add(Call(number_id=101, **NEW))
        with pytest.raises(CrossTenantError):
            session.flush()


_GIVEN = update(Number).where(Number.id == 2).values(company_id="globex")


@pytest.mark.parametrize(
    "give",
    [
        lambda session: session.execute(_GIVEN.execution_options(synchronize_session=False)),
        lambda session: session.connection().execute(_GIVEN),
        lambda session: session.connection().execute(
            text("UPDATE numbers SET company_id = 'globex' WHERE id = 2")
        ),
        lambda session: session.connection().exec_driver_sql(
            "UPDATE numbers SET company_id = 'globex' WHERE id = 2"
        ),
    ],
)
def test_a_parent_that_a_bypass_gave_away_vouches_for_nothing(session: Session, give: Any) -> None:
    """What was loaded or looked up before a bypass wrote on the connection is looked up anew."""
    with bind("acme"):
        assert session.get(Number, 2) is not None
        session.connection().execute(insert(CALLS).values(number_id=2, **NEW))
        with bypass(reason="a number is moved"):
            give(session)
        with pytest.raises(CrossTenantError):
            session.connection().execute(insert(CALLS).values(number_id=2, **NEW))


def test_a_key_of_one_tenant_is_looked_up_for_the_next(memory: World) -> None:
    """In the same transaction, what was found for one says nothing of another."""
    added = insert(CALLS).values(number_id=1, **NEW)
    with memory.engine.connect() as connection:
        with bind("acme"):
            connection.execute(added)
        with bind("globex"), pytest.raises(CrossTenantError):
            connection.execute(added)


_TAKEN = {"id": 900, "digits": "1"}


def _take_by_text(connection: Connection) -> None:
    for number in (899, 900):  # the second is sent without another look at the text
        connection.exec_driver_sql("INSERT INTO numbers (id, digits) VALUES (?, ?)", (number, "1"))


def _take_by_session(connection: Connection) -> None:
    with Session(connection) as session:
        session.add(Number(**_TAKEN))
        session.commit()


@pytest.mark.parametrize(
    "take",
    [lambda connection: connection.execute(insert(Number), _TAKEN), _take_by_text, _take_by_session],
)
def test_a_key_that_another_tenant_took_over_is_looked_up_again(take: Callable[[Connection], Any]) -> None:
    """What one connection found for a tenant says nothing after it has served another."""
    engine = memory_engine()
    create_schema(engine)
    seed(engine)
    added = {"id": 900, "number_id": 900, **NEW}
    with guard(engine, make_tenancy(), raw_sql="rewrite").connect() as connection:
        with bind("acme"):
            connection.execute(insert(Number), _TAKEN)
            connection.execute(insert(CALLS), added)
            connection.execute(delete(CALLS).where(CALLS.c.id == 900))
            connection.execute(delete(Number).where(Number.id == 900))
        with bind("globex"):
            take(connection)
        with bind("acme"), pytest.raises(CrossTenantError, match="references a row of numbers"):
            connection.execute(insert(CALLS), added)


def test_a_key_is_looked_up_in_the_schema_that_the_statement_writes_to() -> None:
    """The row of that key in another schema, known or not, says nothing of it."""
    metadata = MetaData()
    owners = Table("owners", metadata, *_owned("id"))
    things = Table("things", metadata, *_owned("id"), Column("owner_id", ForeignKey("owners.id")))
    engine, away = memory_engine(), {"schema_translate_map": {None: "away"}}
    with engine.begin() as connection:
        connection.exec_driver_sql("ATTACH ':memory:' AS away")
        for names, mine, other in ({None: "main"}, 1, 2), ({None: "away"}, 2, 1):
            options: dict[str, Any] = {"schema_translate_map": names}
            metadata.create_all(connection.execution_options(**options))
            rows = [{"id": mine, "company_id": "acme"}, {"id": other, "company_id": "globex"}]
            connection.execute(insert(owners), rows)
    engine = guard(engine, Tenancy(metadata, column="company_id"))
    with bind("acme"), engine.connect() as connection:
        connection.execute(insert(things), {"owner_id": 1})
        connection.execute(insert(things), {"owner_id": 2}, execution_options=away)
        for key, options in (1, away), (2, {}):
            with pytest.raises(CrossTenantError):
                connection.execute(insert(things), {"owner_id": key}, execution_options=options)
        with pytest.raises(CrossTenantError):
            connection.execute(insert(things).values(owner_id=literal(0) + 1), execution_options=away)


@pytest.mark.parametrize("first", [True, False])
def test_a_key_that_one_mapping_of_a_table_leaves_out_is_verified_for_the_other(first: bool) -> None:
    """Rows without the key are written as well."""
    fewer, more = MetaData(), MetaData()
    bare = Table("things", fewer, *_owned("id"))
    owners = Table("owners", more, *_owned("id"))
    things = Table("things", more, *_owned("id"), Column("owner_id", ForeignKey("owners.id")))
    engine, both = memory_engine(), (fewer, more) if first else (more, fewer)
    more.create_all(engine)
    with engine.begin() as connection:
        rows = [{"id": 1, "company_id": "acme"}, {"id": 2, "company_id": "globex"}]
        connection.execute(insert(owners), rows)
    engine = guard(engine, Tenancy(*both, column="company_id"), raw_sql="rewrite")
    by_text = text("INSERT INTO things (owner_id) VALUES (:owner_id)")
    with bind("acme"), engine.connect() as connection:
        connection.execute(insert(bare), {"id": 1})
        for write in insert(things), by_text:
            connection.execute(write, {"owner_id": 1})
            with pytest.raises(CrossTenantError, match="references a row of owners"):
                connection.execute(write, {"owner_id": 2})
    with bypass(reason="test"), engine.connect() as connection:
        connection.execute(insert(bare), {"id": 9, "company_id": "acme"})
        with pytest.raises(CrossTenantError):
            connection.execute(insert(things), {"company_id": "acme", "owner_id": 2})


def _owned(key: str) -> list[Column[Any]]:
    return [Column(key, Integer, primary_key=True), Column("company_id", String, nullable=False)]


def test_a_key_is_looked_up_again_in_the_next_transaction(memory: World) -> None:
    """Meanwhile the row may have been given away by somebody else."""
    added = insert(CALLS).values(number_id=2, **NEW)
    with bind("acme"), memory.engine.connect() as connection:
        connection.execute(added)
        connection.rollback()
        with memory.plain.begin() as other:
            other.execute(_GIVEN)
        with pytest.raises(CrossTenantError):
            connection.execute(added)
