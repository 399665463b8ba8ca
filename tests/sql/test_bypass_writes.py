"""Writes in a bypass: rows of two tenants are not tied together, by whichever form of a statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, func, insert, literal, select, text, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from tenantguard import CrossTenantError, bypass, guard
from tenantguard.audit import MemorySink
from tenantguard.sql.execute.commits import verify_ending
from tenantguard.sql.text import Texts
from tests.models import Call, Comment, Number, call_labels, create_schema, make_tenancy, seed
from tests.servers import Database
from tests.sql.world import World

OWN, OTHER = 1, 101  # the ids of a number, a call and a label of acme's, and of globex's
CALL = {"company_id": "acme", "country_code": "DE", "seconds": 1, "note": "tied"}
Form = Callable[[Connection, int], Any]
FORMS: dict[str, Form] = {}


def form(write: Form) -> Form:
    """Add a way of writing a row of acme's that leads to a number, a call or a label with an id."""
    FORMS[write.__name__] = write
    return write


def _picked(key: int) -> Any:
    return select(Number.id).where(Number.id == key).scalar_subquery()


def _upsert(connection: Connection) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Return the INSERT of a dialect, and what gives it a conflict clause."""
    if connection.dialect.name in ("mysql", "mariadb"):
        return mysql.insert, lambda i, names: i.on_duplicate_key_update({n: i.inserted[n] for n in names})
    made: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return made, lambda i, names: i.on_conflict_do_update(
        index_elements=["id"], set_={n: i.excluded[n] for n in names}
    )


@form
def insert_values(connection: Connection, key: int) -> None:
    """Give the key by itself."""
    connection.execute(insert(Call).values(**CALL, number_id=key))


@form
def insert_parameter_of_another_name(connection: Connection, key: int) -> None:
    """Give the key by a parameter that is not called as the column is."""
    connection.execute(insert(Call).values(**CALL, number_id=bindparam("which")), {"which": key})


@form
def insert_scalar_subquery(connection: Connection, key: int) -> None:
    """Let the database find the key."""
    connection.execute(insert(Call).values(**CALL, number_id=_picked(key)))


@form
def insert_function(connection: Connection, key: int) -> None:
    """Let the database compute the key, and return the row."""
    connection.execute(insert(Call).values(**CALL, number_id=func.abs(-key)).returning(Call.id))


@form
def insert_many(connection: Connection, key: int) -> None:
    """Give several sets of parameters, the last of which matters."""
    connection.execute(insert(Call), [{**CALL, "number_id": OWN}, {**CALL, "number_id": key}])


@form
def insert_rows(connection: Connection, key: int) -> None:
    """Give several rows in one VALUES, one of them by an expression."""
    rows = [{**CALL, "number_id": OWN}, {**CALL, "number_id": key}]
    connection.execute(insert(Call).values(rows))
    connection.execute(insert(Call).values([rows[0], {**CALL, "number_id": _picked(key)}]))


@form
def insert_from_select(connection: Connection, key: int) -> None:
    """Insert what a query finds."""
    found = select(literal("acme"), Number.id, literal("DE"), literal(1), literal("tied")).where(
        Number.id == key
    )
    names = ["company_id", "number_id", "country_code", "seconds", "note"]
    connection.execute(insert(Call).from_select(names, found))


@form
def insert_association(connection: Connection, key: int) -> None:
    """Tie a label to a call."""
    connection.execute(call_labels.delete())
    connection.execute(insert(call_labels).values(call_id=OWN, label_id=key))


@form
def upsert(connection: Connection, key: int) -> None:
    """Meet a row of acme's, which gets another key."""
    made, meeting = _upsert(connection)
    statement = made(Call).values(**CALL, id=OWN, number_id=key)
    connection.execute(meeting(statement, ["number_id"]))


@form
def upsert_many(connection: Connection, key: int) -> None:
    """Meet several rows."""
    made, meeting = _upsert(connection)
    rows = [{**CALL, "id": OWN, "number_id": key}, {**CALL, "id": OWN + 1, "number_id": OWN}]
    connection.execute(meeting(made(Call), ["number_id"]), rows)


@form
def update_value(connection: Connection, key: int) -> None:
    """Set the key where a query finds the row."""
    rows = aliased(Call)
    where = Call.id.in_(select(select(rows.id).where(rows.id == OWN).subquery().c.id))
    connection.execute(update(Call).where(where).values(number_id=key))


@form
def update_column(connection: Connection, key: int) -> None:
    """Set the key by what the row holds."""
    connection.execute(update(Call).where(Call.id == OWN).values(number_id=Call.id + (key - OWN)))


@form
def update_from(connection: Connection, key: int) -> None:
    """Set the key by another table's row."""
    where = Number.id == key, Call.id == OWN, Call.id <= Number.id
    connection.execute(update(Call).where(*where).values(number_id=Number.id))


@form
def update_many(connection: Connection, key: int) -> None:
    """Set the key by several sets of parameters."""
    statement = update(Call).where(func.abs(Call.id) == bindparam("which")).values(number_id=bindparam("n"))
    connection.execute(statement, [{"which": OWN, "n": key}, {"which": OWN + 1, "n": OWN}])


@form
def text_insert(connection: Connection, key: int) -> None:
    """Insert by SQL text."""
    names, values = ", ".join([*CALL, "number_id"]), ", ".join(f":{name}" for name in [*CALL, "number_id"])
    connection.execute(
        text(f"INSERT INTO calls ({names}) VALUES ({values}); -- a row"),
        {**CALL, "number_id": key},
    )


@form
def text_update(connection: Connection, key: int) -> None:
    """Update by SQL text, several times."""
    statement = text("UPDATE calls SET number_id = :number WHERE id = :id")
    connection.execute(statement, [{"number": key, "id": OWN}, {"number": OWN, "id": OWN + 1}])


@form
def flush_expression(connection: Connection, key: int) -> None:
    """Flush an object whose key the database finds."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.add(Call(**CALL, number_id=_picked(key)))
        session.commit()


@form
def flush_change(connection: Connection, key: int) -> None:
    """Flush an object that was loaded."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.get_one(Call, OWN).number_id = key
        session.commit()


@form
def bulk_insert(connection: Connection, key: int) -> None:
    """Insert mappings by a session."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.bulk_insert_mappings(Call.__mapper__, [{**CALL, "number_id": key}])
        session.commit()


@form
def bulk_update(connection: Connection, key: int) -> None:
    """Update by primary keys."""
    with Session(connection, join_transaction_mode="create_savepoint") as session:
        session.execute(update(Call), [{"id": OWN, "number_id": key}])
        session.commit()


@form
def update_of_the_tenant(connection: Connection, key: int) -> None:
    """Give a call to another company, whose number it does not have."""
    tenant = "acme" if key == OWN else "globex"
    connection.execute(update(Call).where(func.abs(Call.id) == OWN).values(company_id=tenant, number_id=OWN))


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def write(request: pytest.FixtureRequest) -> Form:
    """Give each form in turn."""
    chosen: Form = request.param
    return chosen


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    """Give a connection whose transaction is rolled back."""
    with world.engine.connect() as connection:
        yield connection


def _rows(connection: Connection) -> list[Any]:
    return [
        *map(tuple, connection.execute(select(Call.__table__).order_by(Call.id))),
        *map(tuple, connection.execute(select(call_labels).order_by(*call_labels.c))),
    ]


def test_a_tie_is_refused_and_leaves_nothing(connection: Connection, write: Form) -> None:
    """Whatever form it has, the code that catches the refusal finds nothing changed, and goes on."""
    with bypass(reason="a repair"):
        if write is insert_association:
            connection.execute(call_labels.delete())
        if write is insert_rows:  # of which only the first statement is looked at
            connection.begin_nested()
        before = _rows(connection)
        with pytest.raises(CrossTenantError, match="link rows of two tenants"):
            write(connection, OTHER)
        assert _rows(connection) == before


def test_a_row_of_one_tenant_is_written(connection: Connection, write: Form) -> None:
    """The same form with the tenant's own key passes."""
    with bypass(reason="a repair"):
        write(connection, OWN)


def test_a_tie_that_is_meant_is_recorded(connection: Connection, write: Form, record: MemorySink) -> None:
    """With ``ties=True`` it passes, and the record names the table."""
    with bypass(reason="a repair", ties=True):
        write(connection, OTHER)
    tables = {event.table for event in record.events if event.kind == "tie"}
    assert tables == {"call_labels" if write is insert_association else "calls"}


def test_a_tie_is_taken_back_under_autocommit(database: Database) -> None:
    """Where each statement is a transaction of its own, a refused one leaves nothing either."""
    plain = database.create_engine()
    create_schema(plain)
    seed(plain)
    engine = guard(database.create_engine(), make_tenancy()).execution_options(isolation_level="AUTOCOMMIT")
    with bypass(reason="a repair"), engine.connect() as connection:
        before = _rows(connection)
        with pytest.raises(CrossTenantError):
            update_column(connection, OTHER)
        with pytest.raises(CrossTenantError):
            text_insert(connection, OTHER)
        assert _rows(connection) == before
        text_insert(connection, OWN)
    with plain.connect() as connection:
        assert len(_rows(connection)) == len(before) + 1


@pytest.mark.parametrize("write", [text_insert, text_update])
def test_sql_text_that_cannot_be_read_is_looked_at(
    connection: Connection, write: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tied rows of the tables that it names are compared."""
    monkeypatch.setattr(Texts, "written", lambda *_args, **_kw: None)
    with bypass(reason="a repair"):
        write(connection, OWN)
        with pytest.raises(CrossTenantError, match="link rows of two tenants"):
            write(connection, OTHER)


async def test_a_tie_is_refused_through_an_asynchronous_driver(async_database: Database) -> None:
    """A key that an expression or SQL text gives is looked at there, too."""
    plain = async_database.create_engine()
    create_schema(plain)
    seed(plain)
    async with async_database.async_engine() as engine:
        guard(engine, make_tenancy())
        for write in (insert_scalar_subquery, update_column, text_insert, flush_expression):
            with bypass(reason="a repair"):
                async with engine.connect() as connection:
                    await connection.run_sync(write, OWN)
                    with pytest.raises(CrossTenantError):
                        await connection.run_sync(write, OTHER)


def test_the_generated_key_of_sql_text_is_told(connection: Connection) -> None:
    """What is read back hides nothing of what a driver tells beside."""
    if connection.dialect.name == "postgresql":
        pytest.skip("its drivers tell none")
    with bypass(reason="a repair"):
        statement = "INSERT INTO calls (company_id, number_id, country_code, seconds, note) VALUES"
        found = connection.exec_driver_sql(f"{statement} ('acme', 1, 'DE', 1, 'x')")
        assert found.rowcount == 1
        assert not found.returns_rows
        assert connection.scalar(select(Call.note).where(Call.id == found.lastrowid)) == "x"


def test_one_statement_is_not_judged_by_the_places_of_another(memory: World) -> None:
    """Inserts with parameters in other places follow one another; the last one ties, and is refused."""
    with bypass(reason="a repair"), memory.engine.begin() as connection:
        call = connection.execute(select(Call.id, Call.company_id, Call.number_id).order_by(Call.id)).first()
        assert call is not None
        row = {"company_id": call.company_id, "call_id": call.id, "body": "first"}
        connection.execute(insert(Comment).values(**row))
        number = connection.scalar(select(Number.id).where(Number.company_id != call.company_id))
        with pytest.raises(CrossTenantError):
            connection.execute(
                insert(Call).values(
                    seconds=1, country_code="AT", number_id=number, company_id=call.company_id
                )
            )
        connection.execute(insert(Comment).values(body="second", company_id=call.company_id, call_id=call.id))


_NUMBERS: Any = Number.__table__
MOVES: dict[str, Callable[[Connection], Any]] = {
    "value": lambda c: c.execute(update(Number).where(Number.id == OWN).values(company_id="globex")),
    "where": lambda c: c.execute(
        update(Number).where(func.abs(Number.id) == OWN).values(company_id=func.lower("GLOBEX"))
    ),
    "many": lambda c: c.execute(
        update(_NUMBERS).where(Number.id == bindparam("which")).values(company_id=bindparam("whose")),
        [{"which": OWN, "whose": "globex"}, {"which": OTHER, "whose": "globex"}],
    ),
    "flush": lambda c: _flush_move(c),
    "upsert": lambda c: _upsert_move(c),
    "text": lambda c: c.execute(text("UPDATE numbers SET company_id = 'globex' WHERE id = 1")),
    "driver": lambda c: c.exec_driver_sql("UPDATE numbers SET company_id = 'globex' WHERE id = 1"),
    "parent of a parent": lambda c: c.execute(update(Call).where(Call.id == OWN).values(company_id="globex")),
}


def _flush_move(connection: Connection) -> None:
    session = Session(connection, join_transaction_mode="control_fully")
    session.get_one(Number, OWN).company_id = "globex"
    session.flush()


def _upsert_move(connection: Connection) -> None:
    made, meeting = _upsert(connection)
    number = connection.execute(select(Number.__table__).where(Number.id == OWN)).one()._mapping
    connection.execute(meeting(made(Number).values({**number, "company_id": "globex"}), ["company_id"]))


def _committed(connection: Connection, move: Callable[[Connection], Any]) -> None:
    move(connection)
    connection.commit()


def test_a_row_that_moves_leaves_none_behind(connection: Connection, record: MemorySink) -> None:
    """What names a row that is given to another tenant goes with it, or the transaction does not end."""
    for move in MOVES.values():
        with bypass(reason="a repair"):
            before = _rows(connection)
            with pytest.raises(CrossTenantError, match="link rows of two tenants"):
                _committed(connection, move)
            connection.rollback()
            assert _rows(connection) == before
            record.events.clear()
        with bypass(reason="a repair", ties=True):
            connection.rollback()
            move(connection)
            verify_ending(connection)
        assert "tie" in {event.kind for event in record.events}
        connection.rollback()


def test_a_family_moves_by_several_statements(connection: Connection) -> None:
    """In the order of its keys, or as many as are taken back; what keeps its tenant moves nothing."""
    with bypass(reason="a repair"):
        spare = {"id": 900, "company_id": "acme"}
        row = connection.execute(select(Number.__table__).where(Number.id == OWN)).one()._mapping
        connection.execute(insert(Number).values({**row, **spare}))
        call = insert(Call).values(**CALL, id=900, number_id=900)
        connection.execute(call)
        connection.execute(update(Number).where(Number.id == 900).values(company_id="globex"))
        connection.execute(update(Call).where(Call.id == 900).values(company_id="globex"))
        verify_ending(connection)
        savepoint = connection.begin_nested()
        MOVES["value"](connection)
        savepoint.rollback()
        connection.execute(update(Number).where(Number.id == OWN).values(company_id="acme"))
        verify_ending(connection)


def test_a_row_that_moves_under_autocommit_leaves_none_behind(database: Database) -> None:
    """A statement of its own is taken back."""
    plain = database.create_engine()
    create_schema(plain)
    seed(plain)
    engine = guard(database.create_engine(), make_tenancy()).execution_options(isolation_level="AUTOCOMMIT")
    for move in (MOVES["value"], MOVES["where"], MOVES["text"]):
        with bypass(reason="a repair"), engine.connect() as connection:
            with pytest.raises(CrossTenantError):
                move(connection)
            assert connection.scalar(select(Number.company_id).where(Number.id == OWN)) == "acme"
