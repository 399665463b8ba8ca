"""Writes: UPDATE and DELETE reach the tenant's rows only, INSERT is stamped, and nothing is given away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Insert, bindparam, delete, func, insert, literal, null, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from tenantguard import CrossTenantError, NoTenantError, RawSQLError, bind, bypass
from tenantguard.audit import MemorySink
from tests.models import (
    Call,
    CallTag,
    Company,
    Country,
    Document,
    Employee,
    Invoice,
    Label,
    Manager,
    Number,
    Order,
    SessionLog,
    User,
)
from tests.sql.world import TABLES, World, content

CALLS, LABELS, TAGS, NUMBERS, ORDERS = (
    TABLES[name] for name in ("calls", "labels", "call_tags", "numbers", "orders")
)


@pytest.fixture
def connection(world: World) -> Iterator[Connection]:
    """Give a guarded connection whose changes are rolled back."""
    with world.engine.connect() as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """Give a plain session whose changes are rolled back."""
    with Session(world.engine) as session:
        yield session


def owners(on: Any, table: Any = LABELS, **where: Any) -> list[Any]:
    """Return whose the rows are that match, read in a bypass."""
    statement = select(table.c.company_id).where(*(table.c[name] == value for name, value in where.items()))
    connection = on.connection() if isinstance(on, Session) else on
    with bypass(reason="looking at what was written"):
        return sorted(connection.scalars(statement))


# -- UPDATE and DELETE ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["calls", "labels", "call_tags", "tag_notes", "managers", "orders", "companies"]
)
def test_an_update_reaches_the_tenants_rows_only(world: World, connection: Connection, name: str) -> None:
    """Without a WHERE it changes what the tenant has, whatever way the table belongs."""
    table = TABLES[name]
    changed = next(c for c in table.c if not c.primary_key and not c.foreign_keys and c.name != "company_id")
    value: Any = 7 if changed.type.python_type is int else "changed"
    with bind("acme"):
        expected = connection.scalar(select(func.count()).select_from(table))
        connection.execute(update(table).values({changed: value}))
    with bypass(reason="count"):
        count = connection.scalar(select(func.count()).select_from(table).where(changed == value))
    assert 0 < (expected or 0) == count


@pytest.mark.parametrize("name", ["tag_notes", "call_labels", "documents", "order_lines"])
def test_a_delete_reaches_the_tenants_rows_only(connection: Connection, name: str) -> None:
    """Without a WHERE it deletes what the tenant has."""
    table = TABLES[name]
    with bypass(reason="count"):
        before = connection.scalar(select(func.count()).select_from(table)) or 0
    with bind("acme"):
        mine = connection.scalar(select(func.count()).select_from(table)) or 0
        connection.execute(delete(table))
    with bypass(reason="count"):
        after = connection.scalar(select(func.count()).select_from(table))
    assert after == before - mine == 2 * mine


def test_a_bulk_update_by_key_reaches_no_foreign_row(session: Session) -> None:
    """session.execute(update(Model), [...]) by primary key is refused for another tenant's row."""
    with bind("acme"), pytest.raises(CrossTenantError):
        session.execute(update(Label), [{"id": 1, "name": "mine"}, {"id": 101, "name": "theirs"}])


def test_an_orm_update_of_a_joined_child_is_bounded(session: Session) -> None:
    """update(Manager) changes the child's table, of the tenant's rows only."""
    with bind("acme"):
        session.execute(update(Manager).values(level=99))
    with bypass(reason="count"):
        assert session.connection().scalar(
            select(func.count()).select_from(TABLES["managers"]).where(TABLES["managers"].c.level == 99)
        ) == 1  # fmt: skip


def test_the_second_table_of_an_update_is_guarded(world: World, connection: Connection) -> None:
    """UPDATE ... FROM, and MariaDB's update of several tables, read the tenant's rows only."""
    statement = update(CALLS).where(CALLS.c.number_id == NUMBERS.c.id - 100).values(note="x")
    with bind("acme"):
        assert connection.execute(statement).rowcount == 0


def test_an_update_of_several_tables_changes_none_of_another_tenant(mariadb_world: World) -> None:
    """MariaDB's multi-table UPDATE is bounded for each table that it writes."""
    statement = (
        update(CALLS).where(CALLS.c.id >= NUMBERS.c.id).values({CALLS.c.note: "x", NUMBERS.c.digits: "x"})
    )
    with mariadb_world.engine.connect() as connection:
        with bind("acme"):
            connection.execute(statement)
        with bypass(reason="count"):
            for changed in (CALLS.c.note, NUMBERS.c.digits):
                found = connection.scalars(select(changed.table.c.company_id).where(changed == "x"))
                assert set(found) == {"acme"}
        connection.rollback()


def test_an_update_of_several_tables_gives_no_row_away(mariadb_world: World) -> None:
    """The tenant column of the second table is looked at like that of the first."""
    moved = update(CALLS).where(CALLS.c.number_id == NUMBERS.c.id)
    with mariadb_world.engine.connect() as connection, bind("acme"):
        with pytest.raises(CrossTenantError, match="names tenant 'globex'"):
            connection.execute(moved.values({CALLS.c.note: "x", NUMBERS.c.company_id: "globex"}))
        connection.rollback()


@pytest.fixture
def mariadb_world(world: World) -> World:
    """Give the world on MariaDB."""
    if world.backend != "mariadb":
        pytest.skip("only MariaDB has it")
    return world


def test_the_second_table_of_a_delete_is_guarded(connection: Connection, world: World) -> None:
    """DELETE ... USING reads the tenant's rows only."""
    notes, tags = TABLES["tag_notes"], TAGS
    with bind("acme"):
        inside: Any
        if world.backend == "sqlite":
            inside = notes.c.tag_id.in_(select(tags.c.id - 100))
        else:
            inside = notes.c.tag_id == tags.c.id - 100
        assert connection.execute(delete(notes).where(inside)).rowcount == 0


def test_returning_tells_of_the_tenants_rows_only(connection: Connection, world: World) -> None:
    """What UPDATE ... RETURNING gives back is the tenant's."""
    if world.backend == "mariadb":
        pytest.skip("MariaDB has no UPDATE ... RETURNING")
    with bind("acme"):
        assert sorted(connection.scalars(update(CALLS).values(note="x").returning(CALLS.c.id))) == [1, 2, 3]


def test_a_subquery_in_set_reads_the_tenants_rows(connection: Connection) -> None:
    """What is set by a subquery is computed over the tenant's rows."""
    highest = select(func.max(NUMBERS.c.digits)).scalar_subquery()
    with bind("acme"):
        connection.execute(update(CALLS).values(note=highest))
        assert set(connection.scalars(select(CALLS.c.note))) == {"+491"}


# -- INSERT is stamped ------------------------------------------------------------------------------------


def _by_flush(session: Session) -> None:
    session.add(Label(name="new"))
    session.flush()


def _by_orm_insert(session: Session) -> None:
    session.execute(insert(Label), [{"name": "new"}, {"name": "new"}])


def _by_orm_insert_one(session: Session) -> None:
    session.execute(insert(Label).values(name="new"))


def _by_core(session: Session) -> None:
    session.connection().execute(insert(LABELS), [{"name": "new"}, {"name": "new"}])


def _by_core_one(session: Session) -> None:
    session.connection().execute(insert(LABELS), {"name": "new"})


def _by_values(session: Session) -> None:
    session.connection().execute(insert(LABELS).values([{"name": "new"}, {"name": "new"}]))


def _by_explicit_none(session: Session) -> None:
    session.connection().execute(insert(LABELS), [{"name": "new", "company_id": None}])


def _by_null(session: Session) -> None:
    session.connection().execute(insert(LABELS).values(name="new", company_id=null()))


def _by_bulk_objects(session: Session) -> None:
    session.bulk_save_objects([Label(name="new"), Label(name="new")])


def _by_bulk_mappings(session: Session) -> None:
    session.bulk_insert_mappings(Label.__mapper__, [{"name": "new"}, {"name": "new"}])


def _by_select(session: Session) -> None:
    session.connection().execute(insert(LABELS).from_select(["name"], select(literal("new"))))


def _by_select_distinct(session: Session) -> None:
    source = select(literal("new")).select_from(CALLS).distinct()
    session.connection().execute(insert(LABELS).from_select(["name"], source))


def _by_merge(session: Session) -> None:
    session.merge(Label(id=5005, name="new"))
    session.flush()


class _Closed(Label):
    """A label as pydantic makes them: its own code may set no field that it did not declare."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "company_id":
            raise ValueError(f'"Closed" object has no field "{name}"')
        super().__setattr__(name, value)


def _by_closed_object(session: Session) -> None:
    session.add(_Closed(name="new"))
    session.flush()


STAMPED = [
    _by_closed_object, _by_flush, _by_orm_insert, _by_orm_insert_one, _by_core, _by_core_one, _by_values,
    _by_explicit_none, _by_null, _by_bulk_objects, _by_bulk_mappings, _by_select, _by_select_distinct, _by_merge,
]  # fmt: skip


@pytest.mark.parametrize("write", STAMPED)
def test_a_new_row_is_stamped(session: Session, write: Any) -> None:
    """However a row is written, the tenant that is bound is its tenant."""
    with bind("globex"):
        write(session)
    assert set(owners(session, name="new")) == {"globex"}


@pytest.mark.parametrize("write", STAMPED)
def test_nothing_is_stamped_with_nothing_bound(session: Session, write: Any) -> None:
    """Without a binding no row is written."""
    with pytest.raises(NoTenantError):
        write(session)


def test_a_flushed_object_knows_its_tenant(session: Session) -> None:
    """The attribute reads right after the flush, inheritance included."""
    made: list[Any] = [
        Label(name="new"),
        Manager(name="m", level=1),
        Invoice(title="i"),
        Order(id=77, title="o"),
    ]
    with bind("acme"):
        session.add_all(made)
        session.flush()
        assert [row.company_id for row in made] == ["acme"] * 4


def test_a_stamped_row_is_returned(connection: Connection) -> None:
    """INSERT ... RETURNING of the stamped column, batches of insertmanyvalues included."""
    returning = insert(LABELS).returning(LABELS.c.company_id)
    with bind("acme"):
        found = connection.scalars(returning, [{"name": f"l{n}"} for n in range(3)]).all()
    assert found == ["acme"] * 3


def test_an_insert_from_a_union_is_stamped(connection: Connection) -> None:
    """A select that cannot take another column is wrapped."""
    both = select(literal("new")).union_all(select(literal("new")))
    with bind("acme"):
        connection.execute(insert(LABELS).from_select(["name"], both))
    assert owners(connection, name="new") == ["acme", "acme"]


def test_an_insert_from_a_select_reads_the_tenants_rows(connection: Connection) -> None:
    """What is copied is the tenant's."""
    with bind("acme"):
        connection.execute(insert(LABELS).from_select(["name"], select(CALLS.c.note)))
        assert connection.scalar(select(func.count()).select_from(LABELS)) == 5


def test_naming_the_own_tenant_is_fine(connection: Connection) -> None:
    """An application that sets the column itself goes on working."""
    with bind("acme"):
        connection.execute(insert(LABELS), [{"name": "new", "company_id": "acme"}])
    assert owners(connection, name="new") == ["acme"]


# -- another tenant is refused ----------------------------------------------------------------------------

THEIRS = {"name": "new", "company_id": "globex"}


def _foreign_flush(session: Session) -> None:
    session.add(Label(**THEIRS))
    session.flush()


def _foreign_orm(session: Session) -> None:
    session.execute(insert(Label), [{"name": "new", "company_id": "acme"}, THEIRS])


def _foreign_core(session: Session) -> None:
    session.connection().execute(insert(LABELS), [{"name": "new", "company_id": "acme"}, THEIRS])


def _foreign_values(session: Session) -> None:
    session.connection().execute(insert(LABELS).values([{"name": "new", "company_id": "acme"}, THEIRS]))


def _foreign_second_of_unstamped(session: Session) -> None:
    session.connection().execute(insert(LABELS).values([{"name": "new"}, THEIRS]))


def _foreign_bulk(session: Session) -> None:
    session.bulk_save_objects([Label(**THEIRS)])


def _foreign_mappings(session: Session) -> None:
    session.bulk_insert_mappings(Label.__mapper__, [THEIRS])


def _foreign_expression(session: Session) -> None:
    session.connection().execute(insert(LABELS).values(name="new", company_id=literal("glo") + "bex"))


def _foreign_select(session: Session) -> None:
    source = select(literal("new"), literal("globex"))
    session.connection().execute(insert(LABELS).from_select(["name", "company_id"], source))


def _foreign_case(session: Session) -> None:
    session.connection().execute(insert(LABELS), [{"name": "new", "company_id": "ACME"}])


def _foreign_space(session: Session) -> None:
    session.connection().execute(insert(LABELS), [{"name": "new", "company_id": "acme "}])


def _foreign_company(session: Session) -> None:
    session.add(Company(id="umbrella", name="new"))
    session.flush()


def _foreign_merge(session: Session) -> None:
    session.merge(Label(id=9009, **THEIRS))
    session.flush()


@pytest.mark.parametrize(
    "write",
    [_foreign_flush, _foreign_orm, _foreign_core, _foreign_values, _foreign_second_of_unstamped, _foreign_bulk,
     _foreign_mappings, _foreign_expression, _foreign_select, _foreign_case, _foreign_space, _foreign_company,
     _foreign_merge],
)  # fmt: skip
def test_an_insert_for_another_tenant_is_refused(session: Session, write: Any, record: MemorySink) -> None:
    """Whatever way the tenant is named, and whichever row of several names it; and it is on record."""
    with bind("acme"), pytest.raises(CrossTenantError):
        write(session)
    assert record.events[-1].tenant == "acme"


def _move_by_attribute(session: Session) -> None:
    session.get_one(Label, 1).company_id = "globex"
    session.flush()


def _move_by_statement(session: Session) -> None:
    session.execute(update(Label).where(Label.id == 1).values(company_id="globex"))


def _move_by_parameters(session: Session) -> None:
    statement = update(LABELS).where(LABELS.c.id == bindparam("key"))
    session.connection().execute(statement, [{"key": 1, "company_id": "globex"}])


def _move_by_expression(session: Session) -> None:
    session.connection().execute(update(LABELS).values(company_id=func.lower("GLOBEX")))


def _move_by_bulk(session: Session) -> None:
    session.bulk_update_mappings(Label.__mapper__, [{"id": 1, "company_id": "globex"}])


def _move_to_nobody(session: Session) -> None:
    session.connection().execute(update(LABELS).values(company_id=None))


@pytest.mark.parametrize(
    "write",
    [_move_by_attribute, _move_by_statement, _move_by_parameters, _move_by_expression, _move_by_bulk, _move_to_nobody],
)  # fmt: skip
def test_changing_the_tenant_of_a_row_is_refused(session: Session, write: Any) -> None:
    """A row is neither given away nor set free."""
    with bind("acme"), pytest.raises(CrossTenantError):
        write(session)


def test_an_update_that_leaves_the_tenant_as_it_is_passes(connection: Connection) -> None:
    """Setting the column to what it is changes nothing."""
    with bind("acme"):
        connection.execute(update(LABELS).values(company_id="acme", name="same"))
        connection.execute(update(LABELS).values(company_id=LABELS.c.company_id))
    assert owners(connection, name="same") == ["acme", "acme"]


# -- a unit of work meets another tenant's row ------------------------------------------------------------


def _stub(session: Session, model: Any, key: Any) -> Any:
    from sqlalchemy.orm import make_transient_to_detached

    made = model(**key)
    make_transient_to_detached(made)
    session.add(made)
    return made


@pytest.mark.parametrize("model", [Label, Call, CallTag])
def test_a_changed_row_that_is_anothers_or_gone_is_one_answer(
    session: Session, model: Any, record: MemorySink
) -> None:
    """A detached stub with another tenant's key, or with nobody's: only the record tells them apart."""
    attribute = {Label: "name", Call: "note", CallTag: "tag"}[model]
    told = []
    for key in (101, 424242):
        with bind("acme"), session.begin_nested() as savepoint:
            setattr(_stub(session, model, {"id": key}), attribute, "stolen")
            with pytest.raises(StaleDataError) as caught:
                session.flush()
            savepoint.rollback()
        assert isinstance(caught.value, CrossTenantError)
        told.append((type(caught.value), str(caught.value), caught.value.statement))
        session.expunge_all()
    assert told[0] == told[1]
    assert [event.reason for event in record.events] == [
        "the row is another tenant's",
        "the row is not there",
    ]


def test_a_deleted_row_that_is_anothers_or_gone_is_one_answer(session: Session, record: MemorySink) -> None:
    """SQLAlchemy warns of either; the record tells of another tenant's row, which stays."""
    for key in (102, 424242):
        with bind("acme"):
            session.delete(_stub(session, Label, {"id": key, "name": "x", "company_id": "acme"}))
            with pytest.warns(SAWarning, match="0 were matched"):
                session.flush()
    assert [(event.kind, event.reason) for event in record.events] == [
        ("foreign_row", "the row is another tenant's")
    ]
    with bypass(reason="looking"):
        assert session.scalar(select(func.count()).select_from(Label).where(Label.id == 102)) == 1


def test_an_update_by_key_on_a_condition_meets_whom_it_meets(session: Session) -> None:
    """SQLAlchemy counts no rows there, of another tenant's or of nobody's."""
    for key in (101, 424242):
        with bind("acme"):
            statement = update(Label).where(Label.name != "")
            rows: list[dict[str, Any]] = [{"id": 1, "name": "mine"}, {"id": key, "name": "theirs"}]
            session.execute(statement, rows, execution_options={"synchronize_session": None})
    with bypass(reason="looking"):
        assert session.scalar(select(Label.name).where(Label.id == 101)) != "theirs"


# -- shared tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [insert(Country).values(code="XX", name="x"), update(Country).values(name="x"), delete(Country)],
    ids=["insert", "update", "delete"],
)
def test_shared_rows_are_not_written_under_a_tenant(session: Session, statement: Any) -> None:
    """Shared tables are read-only outside a bypass."""
    with bind("acme"), pytest.raises(CrossTenantError, match="shared"):
        session.execute(statement)


def test_a_flush_does_not_write_shared_rows(session: Session) -> None:
    """Nor does a unit of work."""
    with bind("acme"):
        session.add(Country(code="XX", name="x"))
        with pytest.raises(CrossTenantError, match="shared"):
            session.flush()


def test_shared_rows_are_written_in_a_bypass(connection: Connection) -> None:
    """There they are what a migration writes."""
    with bypass(reason="a new country"):
        connection.execute(insert(Country).values(code="XX", name="x"))
        assert connection.scalar(select(Country.name).where(Country.code == "XX")) == "x"


def test_what_is_declared_writable_is_written(session: Session) -> None:
    """shared_writable is the exception, said out loud."""
    with bind("acme"):
        session.add(SessionLog(what="x"))
        session.flush()
        session.execute(update(SessionLog).values(what="y"))


# -- upserts ----------------------------------------------------------------------------------------------


def _upsert(backend: str, rows: list[dict[str, Any]], **changes: Any) -> Insert:
    if backend == "mariadb":
        return mysql.insert(LABELS).values(rows).on_duplicate_key_update(**changes)
    dialect: Any = sqlite if backend == "sqlite" else postgresql
    made: Insert = (
        dialect.insert(LABELS).values(rows).on_conflict_do_update(index_elements=["id"], set_=changes)
    )
    return made


def test_an_upsert_overwrites_the_own_row(world: World, connection: Connection) -> None:
    """A conflict with the tenant's own row updates it."""
    with bind("acme"):
        connection.execute(_upsert(world.backend, [{"id": 1, "name": "new"}], name="again"))
    assert owners(connection, id=1, name="again") == ["acme"]


def test_an_upsert_leaves_another_tenants_row(world: World, connection: Connection) -> None:
    """A conflict with another tenant's row changes nothing of it."""
    with bind("acme"):
        connection.execute(_upsert(world.backend, [{"id": 101, "name": "new"}], name="again"))
    assert owners(connection, id=101, name="urgent") == ["globex"]


def test_an_upsert_does_not_move_a_row(world: World, connection: Connection) -> None:
    """The conflict clause may not set another tenant."""
    with bind("acme"), pytest.raises(CrossTenantError):
        connection.execute(_upsert(world.backend, [{"id": 1, "name": "new"}], company_id="globex"))


def test_replace_into_is_refused(connection: Connection, world: World) -> None:
    """INSERT OR REPLACE deletes whatever row holds the key."""
    if world.backend != "sqlite":
        pytest.skip("a prefix of SQLite")
    with bind("acme"), pytest.raises(RawSQLError, match="REPLACE"):
        connection.execute(insert(LABELS).prefix_with("OR REPLACE").values(id=101, name="stolen"))


# -- several tenants --------------------------------------------------------------------------------------


def test_a_set_of_tenants_writes_what_names_one(connection: Connection) -> None:
    """Of several tenants that are bound, an INSERT names the one it means."""
    with bind(["acme", "globex"]):
        connection.execute(insert(LABELS), [{"name": "new", "company_id": "globex"}])
    assert owners(connection, name="new") == ["globex"]


@pytest.mark.parametrize("row", [{"name": "new"}, {"name": "new", "company_id": "initech"}])
def test_a_set_of_tenants_does_not_guess(connection: Connection, row: dict[str, Any]) -> None:
    """A row that names none, or one that is not bound, is refused."""
    with bind(["acme", "globex"]), pytest.raises(CrossTenantError):
        connection.execute(insert(LABELS), [row])


def test_a_set_of_tenants_updates_the_union(connection: Connection) -> None:
    """And no third tenant's rows."""
    with bind(["acme", "globex"]):
        connection.execute(update(LABELS).values(name="both"))
    assert owners(connection, name="both") == ["acme", "acme", "globex", "globex"]


def test_refused_writes_leave_other_tenants_as_they_were(memory: World) -> None:
    """After all these, a commit keeps nothing of the refused."""
    before = content(memory.plain)
    for write in (_foreign_flush, _foreign_core, _move_by_statement, _move_by_expression):
        with bind("acme"), Session(memory.engine) as session:
            with pytest.raises(CrossTenantError):
                write(session)
            session.rollback()
            session.commit()
    assert content(memory.plain) == before


def test_the_unused_models_are_places_of_rows(session: Session) -> None:
    """Documents, employees and users are stamped like the rest."""
    with bind("initech"):
        session.add_all([Document(title="d"), Employee(name="e"), User(email="u"), Number(digits="n")])
        session.flush()
    for name in ("documents", "employees", "users", "numbers"):
        assert owners(session, TABLES[name]).count("initech") == 3
