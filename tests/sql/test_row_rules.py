"""Row rules: what they show is read, by one tenant or by several, and never written."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import Session, registry

from tenantguard import CrossTenantError, NoTenantError, RawSQLError, Tenancy, bind, bypass, guard
from tests.servers import Database

metadata = MetaData()
templates = Table(
    "templates",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("company_id", String(40), nullable=True),
    Column("published", Boolean, nullable=False),
    Column("body", String(40), nullable=False),
)
uses = Table(
    "uses",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("company_id", String(40), nullable=False),
    Column("template_id", ForeignKey("templates.id"), nullable=False),
)
parts = Table(
    "parts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("template_id", ForeignKey("templates.id"), nullable=False),
)
ROWS: list[tuple[int, str | None, bool]] = [
    (1, "acme", False),
    (2, "globex", False),
    (3, "globex", True),
    (4, None, False),
    (5, "initech", False),
    (6, "Acme", False),
    (7, "Acme", True),
]


class Template:
    """Be a mapped template."""

    id: int
    company_id: str | None
    body: str


registry(metadata=metadata).map_imperatively(Template, templates)


def _visible(table: Any, tenant: Any) -> Any:
    return or_(table.c.company_id == tenant, table.c.company_id.is_(None), table.c.published)


@pytest.fixture
def engine(database: Database) -> Engine:
    """Give a guarded engine on templates of three companies, of nobody, and of a company that differs in case."""
    return shown(database)


def shown(database: Database) -> Engine:
    """Return a guarded engine on the templates, which are made first."""
    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        for number, company, published in ROWS:
            row = {"id": number, "company_id": company, "published": published, "body": "old"}
            connection.execute(templates.insert(), row)
    tenancy = Tenancy(
        metadata,
        column="company_id",
        through={"parts": "template_id"},
        nullable={"templates"},
        visible={"templates": _visible},
    )
    return guard(database.create_engine(), tenancy)


def _read(engine: Engine, *tenants: str) -> list[int]:
    with bind(tenants), engine.connect() as connection:
        return list(connection.scalars(select(templates.c.id).order_by(templates.c.id)))


@pytest.mark.parametrize(
    ("tenants", "expected"),
    [
        (("acme",), [1, 3, 4, 7]),
        (("globex",), [2, 3, 4, 7]),
        (("acme", "globex"), [1, 2, 3, 4, 7]),
        (("acme", "globex", "initech"), [1, 2, 3, 4, 5, 7]),
        (("Acme", "nobody"), [3, 4, 6, 7]),
        (tuple(f"t{n}" for n in range(16)), [3, 4, 7]),
    ],
)
def test_a_rule_is_read_for_each_tenant(
    engine: Engine, tenants: tuple[str, ...], expected: list[int]
) -> None:
    """What is visible to one of the tenants that are bound is read, byte by byte."""
    assert _read(engine, *tenants) == expected


def test_sets_of_each_size_share_one_text(engine: Engine) -> None:
    """One statement is executed for sets that grow and shrink, and holds nothing of the one before."""
    assert _read(engine, "acme", "globex", "initech") == [1, 2, 3, 4, 5, 7]
    assert _read(engine, "acme", "globex") == [1, 2, 3, 4, 7]
    assert _read(engine, "initech", "nobody") == [3, 4, 5, 7]
    assert _read(engine, "initech") == [3, 4, 5, 7]


def test_more_tenants_than_places_are_refused(engine: Engine) -> None:
    """The refusal says how many; tables without a rule are read for any number."""
    tenants = [f"t{n}" for n in range(17)]
    with bind(tenants), engine.connect() as connection:
        with pytest.raises(NoTenantError, match="17 tenants are bound"):
            connection.execute(select(templates))
        assert connection.scalar(select(func.count()).select_from(uses)) == 0
    with bind(tenants[:2]), engine.connect() as connection:
        assert len(connection.execute(select(templates)).all()) == 3


@pytest.mark.parametrize("tenants", [("acme",), ("acme", "globex")])
@pytest.mark.parametrize("number", [4, 7])
def test_what_a_rule_shows_is_not_written(engine: Engine, tenants: tuple[str, ...], number: int) -> None:
    """Rows of nobody and published rows are not matched by a statement, and refused to a unit of work."""
    mine = templates.c.id == number
    with bind(tenants), Session(engine) as session:
        assert session.connection().execute(templates.update().where(mine).values(body="new")).rowcount == 0
        assert session.connection().execute(templates.delete().where(mine)).rowcount == 0
        shown = session.get_one(Template, number)
        shown.body = "new"
        with pytest.raises(CrossTenantError):
            session.flush()
        session.rollback()
        session.delete(session.get_one(Template, number))
        with pytest.warns(SAWarning, match="expected to delete 1 row"):  # as for a row that is gone
            session.flush()
    with bypass(reason="looking"), engine.connect() as connection:
        assert connection.scalar(select(templates.c.id).where(mine)) == number


def test_what_a_rule_shows_is_not_taken_over(engine: Engine) -> None:
    """No INSERT is of nobody, and no UPDATE gives a shown row an owner."""
    with bind("acme"), engine.begin() as connection:
        taken = templates.update().where(templates.c.id == 4).values(company_id="acme")
        assert connection.execute(taken).rowcount == 0
        connection.execute(
            templates.insert(), {"id": 90, "company_id": None, "published": False, "body": "x"}
        )
        assert connection.scalar(select(templates.c.company_id).where(templates.c.id == 90)) == "acme"


def test_no_expression_gives_a_row_to_nobody(engine: Engine) -> None:
    """A row of nobody is shown to everybody."""
    nobody = func.nullif(templates.c.company_id, templates.c.company_id)
    with bind("acme"), engine.connect() as connection, pytest.raises(CrossTenantError):
        connection.execute(update(templates).values(company_id=nobody))


@pytest.mark.parametrize("tenants", [("acme",), ("acme", "nobody")])
def test_what_is_shown_may_be_pointed_at(engine: Engine, tenants: tuple[str, ...]) -> None:
    """A foreign key leads to a shown row as to a shared one, and not to one that is hidden."""
    mine = {"company_id": "acme"}
    with bind(tenants), engine.begin() as connection:
        connection.execute(
            uses.insert(), [{"id": 1, "template_id": 1, **mine}, {"id": 2, "template_id": 3, **mine}]
        )
        connection.execute(uses.insert().values(id=9, template_id=literal(3) + 1, **mine))
        for hidden in (2, literal(1) + 1, select(func.min(templates.c.id) + 1).scalar_subquery()):
            with pytest.raises(CrossTenantError):
                connection.execute(uses.update().values(template_id=hidden))
            with pytest.raises(CrossTenantError):
                connection.execute(uses.insert().values(id=3, template_id=hidden, **mine))


@pytest.mark.parametrize("number", [3, 4])
def test_nothing_belongs_through_what_is_only_shown(engine: Engine, number: int) -> None:
    """A row that belongs through a shown row would be another tenant's; that the row was loaded changes nothing."""
    with bind("acme"), Session(engine) as session:
        session.execute(parts.insert().values(id=1, template_id=1))
        session.execute(uses.insert().values(id=1, template_id=number))  # is learnt as shown, not as owned
        assert session.get(Template, number) is not None
        with pytest.raises(CrossTenantError):
            session.execute(parts.insert().values(id=2, template_id=number))
        with pytest.raises(CrossTenantError):
            session.execute(parts.update().values(template_id=literal(number)))
        with pytest.raises(CrossTenantError):
            session.execute(parts.update().values(template_id=literal(number - 1) + 1))


def test_a_rule_stands_in_every_place(engine: Engine) -> None:
    """Joins, subqueries and aliases read by the rule too."""
    other = templates.alias()
    join = select(uses.c.id, other.c.id).select_from(uses.outerjoin(other, other.c.published))
    with bind(["acme", "globex"]), engine.begin() as connection:
        connection.execute(uses.insert(), {"id": 1, "template_id": 1, "company_id": "acme"})
        assert sorted(connection.execute(join).all()) == [(1, 3), (1, 7)]
        inner = select(func.count()).select_from(templates).scalar_subquery()
        assert connection.execute(select(uses.c.id, inner)).all() == [(1, 5)]
        with pytest.raises(RawSQLError):
            connection.exec_driver_sql("SELECT * FROM templates")


@pytest.mark.parametrize("outer", [False, True])
def test_a_rule_widens_no_second_table_that_is_written(mariadb_database: Database, outer: bool) -> None:
    """MariaDB writes several tables in one UPDATE; a shown row is joined to, and stays as it is."""
    engine = shown(mariadb_database)
    linked = uses.c.template_id == templates.c.id
    with bind("acme"), engine.begin() as connection:
        rows = [{"id": n, "template_id": n, "company_id": "acme"} for n in (1, 4, 7)]
        connection.execute(uses.insert(), rows)
        statement = update(uses.outerjoin(templates, linked)) if outer else update(uses).where(linked)
        connection.execute(statement.values({uses.c.id: uses.c.id + 10, templates.c.body: "new"}))
        changed = select(templates.c.id).where(templates.c.body == "new")
        assert connection.scalars(changed).all() == [1]
