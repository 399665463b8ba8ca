"""SQL text is refused by default, wherever it stands; fragments pass only if they hold no query and no table."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    DDL,
    Boolean,
    ColumnElement,
    Integer,
    Numeric,
    StaticPool,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import TypeDecorator, UserDefinedType

from tenantguard import CrossTenantError, RawSQLError, UnknownTableError, bind, bypass, guard
from tests.models import Call, CallTag, Country, make_tenancy
from tests.sql.world import World


class Hidden(ColumnElement[int]):
    """Render a table of a tenant by text of its own."""

    inherit_cache = True
    type = Integer()


@compiles(Hidden)
def _hidden(element: Any, compiler: Any, **kw: Any) -> str:
    return "(SELECT count(*) FROM calls)"


class Loud(ColumnElement[int]):
    """Render no table."""

    inherit_cache = True
    type = Integer()


@compiles(Loud)
def _loud(element: Any, compiler: Any, **kw: Any) -> str:
    return "(1 + 1)"


class Escaping(UserDefinedType[Any]):
    """Leave its place in the statement by its name."""

    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        """Return more than a type."""
        return "TEXT) || CAST((SELECT max(note) FROM calls) AS TEXT"


_STOLEN: Any = DDL("CREATE TABLE stolen AS SELECT * FROM calls")  # type: ignore[no-untyped-call]  # SQLAlchemy's


class Telling(TypeDecorator[str]):
    """Render more than a value where a literal is asked for."""

    impl = String
    cache_ok = True

    def literal_processor(self, dialect: Any) -> Any:
        """Return what renders a query."""
        return lambda value: "(SELECT max(note) FROM calls)"


LONG: Any = "5)) || (SELECT max(note) FROM calls) || CAST('a' AS VARCHAR(5"

WEAK = text("1 = 2 OR 1 = 1")  # binds weaker than the AND that SQLAlchemy writes before it


def _tags() -> Any:
    return select(CallTag.id).distinct().select_from(Call).order_by(CallTag.id)


REFUSED: dict[str, Any] = {
    "literal of a type": lambda: select(literal("x", Telling(), literal_execute=True)),
    "literal of a type, at execution": lambda: select(Country).where(
        Country.name.in_(bindparam("names", ["x"], Telling(), expanding=True, literal_execute=True))
    ),
    "precision of a type": lambda: select(cast(1, Numeric(LONG))),
    "text": lambda: text("SELECT * FROM calls"),
    "text with columns": lambda: text("SELECT id FROM calls").columns(column("id")),
    "text in a subquery": lambda: select(text("SELECT id FROM calls").columns(column("id")).subquery()),
    "text in a cte": lambda: select(text("SELECT id FROM calls").columns(column("id")).cte()),
    "from statement": lambda: select(Call).from_statement(text("SELECT * FROM calls")),
    "query in a where": lambda: select(CallTag).where(text("id IN (SELECT id FROM calls)")),
    "query in a literal column": lambda: select(literal_column("(SELECT count(*) FROM calls)")),
    "query in an order": lambda: select(Country).order_by(text("(SELECT max(note) FROM calls)")),
    "table as text": lambda: select(literal_column("id")).select_from(text("calls")),
    "breaking out": lambda: select(Call).where(text("1 = 1) OR (1 = 1")),
    "comment": lambda: select(Call).where(text("1 = 1 /*! OR 1 = 1 */")),
    "comment at the end": lambda: select(Call).where(text("1 = 1 --"), Call.id == 1),
    "prefix": lambda: select(Country).prefix_with("(SELECT max(note) FROM calls),"),
    "suffix": lambda: select(Country.code).suffix_with(", calls"),
    "operator": lambda: select(Country).where(Country.code.op("= 'x' OR (SELECT 1) =")(literal("x"))),
    "collation": lambda: select(Country.name.collate("NOCASE, (SELECT max(note) FROM calls)")),
    "function that runs SQL": lambda: select(func.load_extension("x")),
    "function name": lambda: select(
        getattr(func, quoted_name("(SELECT max(note) FROM calls) || trim", False))("")
    ),
    "type": lambda: select(cast(Country.name, Escaping())),
    "construct": lambda: select(Hidden()),
    "construct beside its table": lambda: select(Call.id, Hidden()),
    "construct beside an IN": lambda: select(Call.id, Hidden()).where(Call.id.in_([1, 2])),
}
PASSED: dict[str, Any] = {
    "constant": (lambda: text("SELECT 1"), [(1,)]),
    "where": (lambda: select(Call.id).where(text("seconds > :least")).params(least=15), [(2,), (3,)]),
    "or": (lambda: select(Call.id).where(text("1 = 1 OR 1 = 1")), [(1,), (2,), (3,)]),
    "order": (lambda: select(Call.id).order_by(text("id DESC")), [(3,), (2,), (1,)]),
    "literal column": (lambda: select(literal_column("1 + 1")), [(2,)]),
    "prefix": (lambda: select(Call.user_id).prefix_with("DISTINCT").where(Call.id < 3), [(1,)]),
    "operator": (lambda: select(Call.id).where(Call.id.op("%")(2) == 0), [(2,)]),
    "construct": (lambda: select(Loud()), [(2,)]),
    "construct beside an IN": (lambda: select(Loud()).where(Call.id.in_([1, 99])), [(2,)]),
    "case": (lambda: select(case((Call.id > 1, literal_column("1")), else_=0)).where(Call.id == 1), [(0,)]),
    "in a case": (
        lambda: select(case((text("id=1 OR id=2"), 1), else_=0)).select_from(Call).order_by(Call.id),
        [(1,), (1,), (0,)],
    ),
    "beside another condition": (lambda: select(Call.id).where(Call.id == 99, WEAK), [(1,), (2,), (3,)]),
    "beside the parent": (lambda: _tags().where(CallTag.call_id == Call.id, WEAK), [(1,), (2,)]),
    "beside the parent, joined by and_": (
        lambda: _tags().where(and_(CallTag.call_id == Call.id, WEAK)),
        [(1,), (2,)],
    ),
    "a literal beside the parent": (
        lambda: _tags().where(and_(CallTag.call_id == Call.id, literal_column("1 = 2 OR 1 = 1", Boolean))),
        [(1,), (2,)],
    ),
    "beside the parent in a join": (
        lambda: (
            select(CallTag.id).distinct().join_from(CallTag, Call, and_(CallTag.call_id == Call.id, WEAK))
        ),
        [(1,), (2,)],
    ),
    "beside the parent in an outer join": (
        lambda: (
            select(CallTag.id)
            .distinct()
            .outerjoin_from(Call, CallTag, and_(CallTag.call_id == Call.id, WEAK))
            .where(CallTag.id.is_not(None))
        ),
        [(1,), (2,)],
    ),
}


@pytest.mark.parametrize("statement", ["BEGIN", "begin immediate transaction;"])
@pytest.mark.parametrize("send", ["text", "driver"])
def test_a_listener_may_begin_on_sqlite(memory: World, statement: str, send: str) -> None:
    """The BEGIN that SQLAlchemy's documentation sends from a listener passes, with nothing bound too."""
    begun: list[str] = []

    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement) if send == "driver" else connection.execute(text(statement))
        begun.append(statement)

    event.listen(memory.engine, "begin", begin)
    try:
        with memory.engine.connect() as connection:
            connection.begin()
    finally:
        event.remove(memory.engine, "begin", begin)
    assert begun == [statement]


@pytest.mark.parametrize("statement", ["BEGIN; SELECT * FROM calls", "SELECT 1 FROM calls", "COMMIT"])
def test_what_only_begins_harmlessly_is_refused(memory: World, statement: str) -> None:
    """The whole text is what passes, and nothing that follows it."""
    with bind("acme"), memory.engine.connect() as connection, pytest.raises(RawSQLError):
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("name", REFUSED)
def test_text_is_refused(memory: World, name: str) -> None:
    """Text that the guard cannot read is refused under a tenant, and lets nothing of another's out."""
    with bind("acme"), Session(memory.engine) as session, pytest.raises((RawSQLError, UnknownTableError)):
        session.execute(REFUSED[name]()).all()


@pytest.mark.parametrize("name", PASSED)
def test_a_harmless_fragment_passes(memory: World, name: str) -> None:
    """A fragment that holds no query and names no table works, beside the predicate."""
    make, expected = PASSED[name]
    with bind("acme"), Session(memory.engine) as session:
        assert [tuple(row) for row in session.execute(make())] == expected


def test_text_is_let_through_in_a_bypass(memory: World) -> None:
    """The way out is said out loud."""
    with bypass(reason="test"), Session(memory.engine) as session:
        assert session.scalar(text("SELECT count(DISTINCT company_id) FROM calls")) > 1


def test_driver_sql_is_refused(memory: World) -> None:
    """SQL that goes straight to the driver is refused, with and without a tenant."""
    with memory.engine.connect() as connection:
        with bind("acme"), pytest.raises(RawSQLError):
            connection.exec_driver_sql("SELECT * FROM calls")
        with pytest.raises(RawSQLError):
            connection.exec_driver_sql("SELECT * FROM calls")


def test_ddl_under_a_tenant_is_refused(memory: World) -> None:
    """A schema change is no tenant's to make, and DDL as text is read by nobody."""
    with memory.engine.connect() as connection:
        with bind("acme"), pytest.raises(RawSQLError):
            connection.execute(_STOLEN)
        with pytest.raises(RawSQLError):
            connection.execute(_STOLEN)


def test_rewritten_text_is_the_tenants(memory: World) -> None:
    """In the mode "rewrite" text reads, changes and stamps the tenant's rows, and verifies what it is given."""
    with memory.plain.connect() as connection:
        driver_connection: Any = connection.connection.dbapi_connection
    bare = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: driver_connection)
    engine = guard(bare, make_tenancy(), raw_sql="rewrite")
    with bind("acme"), Session(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM calls")) == 3
        session.execute(text("INSERT INTO labels (name) VALUES (:name)"), {"name": "new"})
        assert session.scalar(text("SELECT company_id FROM labels WHERE name = 'new'")) == "acme"
        with pytest.raises(CrossTenantError):
            session.execute(text("INSERT INTO call_tags (call_id, tag) VALUES (:c, 'x')"), {"c": 101})
        driver = session.connection().exec_driver_sql("SELECT id FROM call_tags WHERE id > ?", (0,))
        assert [row.id for row in driver] == [1, 2]
        with pytest.raises(RawSQLError):
            session.execute(text("PRAGMA table_info(calls)"))
        assert session.execute(insert(CallTag), [{"call_id": 1, "tag": "y"}])


def test_text_among_the_columns_of_an_insert_is_one_value(world: World) -> None:
    """INSERT ... SELECT names its columns by position: a text() there is verified as the column it stands for."""
    target: Any = CallTag.__table__
    with bind("acme"), world.engine.connect() as connection:
        for value in (text("101"), text("1, 2"), text("*")):
            statement = insert(target).from_select(
                ["id", "call_id", "tag"], select(literal(900), value, literal("x"))
            )
            with pytest.raises((CrossTenantError, RawSQLError)):
                connection.execute(statement)
            connection.rollback()
        own = select(literal(900), text("1"), literal("x"))
        connection.execute(insert(target).from_select(["id", "call_id", "tag"], own))
        connection.rollback()


def test_a_long_text_that_is_refused_leaves_no_statement_behind(world: World) -> None:
    """It is refused while it is compiled, so that no cache keeps it."""
    long = "1 IN (" + "11," * 9_000 + "(SELECT 1))"
    with bind("acme"), world.engine.connect() as connection:
        for statement in (select(Call).where(text(long)), select(literal_column(long))):
            kept = len(world.engine._compiled_cache or ())
            with pytest.raises(RawSQLError, match="SELECT"):
                connection.execute(statement)
            assert len(world.engine._compiled_cache or ()) == kept
