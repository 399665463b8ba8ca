"""Definitions that come later: what is attached to the metadata after the first write is known from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, registry

from tenantguard import (
    CrossTenantError,
    Guard,
    Tenancy,
    UnknownTableError,
    Violation,
    bind,
    bypass,
    guard,
)
from tests.servers import Database


def _company() -> Any:
    return Column("company_id", String(40), nullable=False)


class World:
    """Calls of two companies, and notes whose key to them the metadata does not know yet."""

    def __init__(self) -> None:
        self.metadata, self.other = MetaData(), MetaData()
        self.calls = Table("calls", self.metadata, Column("id", Integer, primary_key=True), _company())
        self.notes = Table(
            "notes",
            self.metadata,
            Column("id", Integer, primary_key=True),
            _company(),
            Column("call_id", Integer),
        )
        self.engine = create_engine("sqlite://")
        self.metadata.create_all(self.engine, checkfirst=False)
        with self.engine.begin() as connection:
            connection.execute(
                insert(self.calls), [{"id": 1, "company_id": "acme"}, {"id": 7, "company_id": "globex"}]
            )
            connection.execute(text("CREATE TABLE later (id INTEGER, company_id TEXT, call_id INTEGER)"))
            connection.execute(text("INSERT INTO later VALUES (7, 'globex', 7)"))
        self.guarded: Engine = guard(
            self.engine, Tenancy(self.metadata, self.other, column="company_id"), raw_sql="rewrite"
        )


@pytest.fixture
def world() -> World:
    """Give them on SQLite, whose own foreign keys are off."""
    return World()


def _constraint(world: World) -> None:
    world.notes.append_constraint(ForeignKeyConstraint(["call_id"], ["calls.id"]))


def _key(world: World) -> None:
    world.notes.c.call_id.append_foreign_key(ForeignKey("calls.id"))


def _column(world: World) -> None:
    world.notes.append_column(Column("call_id", ForeignKey("calls.id")), replace_existing=True)


def _extended(world: World) -> None:
    Table("notes", world.metadata, Column("call_id", ForeignKey("calls.id")), extend_existing=True)


def _elsewhere(world: World) -> None:
    Table("notes", world.other, Column("call_id", ForeignKey("calls.id")), Column("company_id", String(40)))


LATER: list[Callable[[World], None]] = [_constraint, _key, _column, _extended, _elsewhere]


def _core(world: World, connection: Connection, at: int, key: int) -> None:
    connection.execute(insert(world.notes).values(id=at, call_id=key))


def _changed(world: World, connection: Connection, at: int, key: int) -> None:
    connection.execute(update(world.notes).values(call_id=key))


def _sql(world: World, connection: Connection, at: int, key: int) -> None:
    connection.exec_driver_sql("INSERT INTO notes (id, company_id, call_id) VALUES (?, 'acme', ?)", (at, key))


def _kept(world: World, connection: Connection, at: int, key: int) -> None:
    options = {"compiled_cache": world.metadata.info.setdefault("cache", {})}
    connection.execute(insert(world.notes).values(id=at, call_id=key), execution_options=options)


@pytest.mark.parametrize("write", [_core, _changed, _sql, _kept])
@pytest.mark.parametrize("define", LATER)
def test_a_key_that_is_defined_later_is_verified(
    world: World, define: Callable[[World], None], write: Callable[..., None]
) -> None:
    """Whatever was compiled, kept or read before: on a connection that goes on, and on the next."""
    with bind("acme"), world.guarded.connect() as connection:
        connection.execute(insert(world.notes).values(id=100))
        write(world, connection, 1, 1)
        define(world)
        with pytest.raises(Violation):
            write(world, connection, 2, 7)
        connection.commit()
    with bind("acme"), world.guarded.connect() as connection:
        with pytest.raises(CrossTenantError):
            write(world, connection, 3, 7)
        write(world, connection, 4, 1)
        assert set(connection.scalars(select(world.notes.c.call_id))) <= {1, None}


@pytest.mark.parametrize("how", ["compiled", "text"])
@pytest.mark.parametrize("define", LATER)
def test_a_key_that_is_defined_after_a_bypass_is_verified(
    world: World, define: Callable[[World], None], how: str
) -> None:
    """What a seed or a migration was the first to execute says nothing of it, to a tenant or to the next bypass."""
    with bypass(reason="seed"), world.guarded.begin() as connection:
        if how == "compiled":
            connection.execute(insert(world.notes).values(id=1, company_id="acme", call_id=1))
        else:
            connection.exec_driver_sql("INSERT INTO notes (id, company_id, call_id) VALUES (1, 'acme', 1)")
    define(world)
    wrong = insert(world.notes).values(id=2, company_id="acme", call_id=7)
    for who in (bypass(reason="the next"), bind("acme")):
        with who, world.guarded.connect() as connection, pytest.raises(CrossTenantError):
            connection.execute(wrong)


def test_a_flush_verifies_a_key_that_is_defined_later(world: World) -> None:
    """Mapped classes keep statements of their own."""
    mapped = registry(metadata=world.metadata)
    note: Any = mapped.map_imperatively(type("Note", (), {}), world.notes).class_
    with bind("acme"), Session(world.guarded) as session:
        for at, key in ((1, 1), (2, 7)):
            added = note()
            added.id, added.call_id = at, key
            session.add(added)
            if key == 1:
                session.flush()
                _constraint(world)
        with pytest.raises(CrossTenantError):
            session.flush()
    mapped.dispose()


def test_a_table_that_is_defined_later_is_guarded(world: World) -> None:
    """It is placed as the others are: by its tenant column."""
    with bind("acme"), world.guarded.connect() as connection:
        connection.execute(select(world.calls))
        later = Table(
            "later", world.metadata, Column("id", Integer), Column("company_id", String(40), nullable=False)
        )
        assert connection.execute(select(later)).all() == []


def test_a_class_that_is_mapped_later_is_guarded(world: World) -> None:
    """Its table gets its columns while the class is half mapped; another whose mapping failed stays so."""
    mapped = registry(metadata=world.metadata)
    with bind("acme"), Session(world.guarded) as session:
        session.execute(select(world.calls))
        with pytest.raises(ArgumentError, match="primary key"):
            mapped.map_declaratively(type("Broken", (), {"__table__": Table("broken", MetaData())}))
        members = {
            "__tablename__": "later",
            "id": Column(Integer, primary_key=True),
            "company_id": _company(),
        }
        later: Any = mapped.map_declaratively(type("Later", (), members)).class_
        session.add(later(id=8))
        session.commit()
        assert session.scalars(select(later.id)).all() == [8]
    mapped.dispose()


def test_a_table_that_is_not_placed_is_refused(world: World) -> None:
    """Nothing is guessed; the others go on."""
    with bind("acme"), world.guarded.connect() as connection:
        connection.execute(select(world.calls))
        later = Table("later", world.metadata, Column("id", Integer))
        with pytest.raises(UnknownTableError, match="outside the tenancy"):
            connection.execute(select(later))
        assert connection.scalars(select(world.calls.c.id)).all() == [1]


def test_a_tenant_column_that_comes_later_places_its_table(world: World) -> None:
    """Until then the table is none of the tenancy's."""
    later = Table("later", world.metadata, Column("id", Integer))
    with bind("acme"), world.guarded.connect() as connection:
        with pytest.raises(UnknownTableError):
            connection.execute(select(later.c.id))
        later.append_column(Column("company_id", String(40), nullable=False))
        assert connection.execute(select(later.c.id)).all() == []


def test_what_guard_would_refuse_is_refused_later(world: World) -> None:
    """A tenancy that has become faulty serves nobody, and says why."""
    with bind("acme"), world.guarded.connect() as connection:
        connection.execute(select(world.calls))
        Table("later", world.metadata, Column("id", Integer), Column("company_id", String(40)))
        with pytest.raises(UnknownTableError, match=r"defined after guard.*nullable"):
            connection.execute(select(world.calls))


def test_a_table_of_no_tenancy_changes_nothing(world: World) -> None:
    """A data frame makes a MetaData of its own each time; nothing is compiled anew for it."""
    with bind("acme"), world.guarded.connect() as connection:
        connection.execute(select(world.calls))
        era = world.guarded.dialect.tg_guard.era  # type: ignore[attr-defined]
        Table("frame", MetaData(), Column("id", Integer))
        assert world.guarded.dialect.tg_guard.era is era  # type: ignore[attr-defined]


def test_a_parent_that_is_removed_from_its_metadata_is_missed(world: World) -> None:
    """A foreign key still leads to it, and nothing says any more whose its rows are."""
    world.notes.append_constraint(ForeignKeyConstraint(["call_id"], ["calls.id"]))
    with bind("acme"), world.guarded.begin() as connection:
        connection.execute(insert(world.notes).values(id=5, call_id=1))
        world.metadata.remove(world.calls)
        with pytest.raises(UnknownTableError, match=r"calls, to which notes\.call_id leads, was removed"):
            connection.execute(insert(world.notes).values(id=6, company_id="acme", call_id=7))


def test_a_key_is_compared_in_the_type_that_its_column_has_now(mariadb_database: Database) -> None:
    """A statement that was compiled before a migration meets the column as the migration left it."""
    metadata = MetaData()
    number = Numeric(3, 1)
    Table("calls", metadata, Column("id", number, primary_key=True, autoincrement=False), _company())
    notes = Table("notes", metadata, Column("id", Integer, primary_key=True), _company())
    notes.append_column(Column("call_id", number, ForeignKey("calls.id")))
    engine = mariadb_database.create_engine()
    metadata.create_all(engine, checkfirst=False)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO calls VALUES (6.6, 'acme'), (7, 'globex')"))
    guard(engine, Tenancy(metadata, column="company_id"))
    known = insert(notes)
    with bind("acme"), engine.begin() as connection:
        connection.execute(known, {"id": 5, "call_id": 6.6})
    with bypass(reason="migration"), engine.begin() as connection:
        connection.execute(text("ALTER TABLE notes DROP FOREIGN KEY notes_ibfk_1"))
        connection.execute(text("DELETE FROM notes"))
        connection.execute(text("ALTER TABLE notes MODIFY call_id NUMERIC(3, 0)"))
    notes.c.call_id.type = Numeric(3, 0)
    with bind("acme"), engine.begin() as connection, pytest.raises(CrossTenantError):
        connection.execute(known, {"id": 6, "call_id": 6.6})


def test_a_column_that_gets_another_type_is_known_by_it(world: World) -> None:
    """A tenant is compared as the new type is, from the next statement on."""
    with bind("acme"), world.guarded.begin() as connection:
        connection.execute(insert(world.notes).values(id=5, call_id=1))
        world.notes.c.company_id.type = String(60)
        connection.execute(insert(world.notes).values(id=6, company_id="acme"))
    assert Guard.of(world.guarded).tenancy.of(world.notes).type is world.notes.c.company_id.type
