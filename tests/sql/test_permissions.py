"""Permissions of tables: whoever acts has them, or the statement is refused; rules of rows hold for each person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    exists,
    func,
    insert,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, aliased, registry, relationship, selectinload
from sqlalchemy.orm.exc import ObjectDeletedError

from tenantguard import (
    ConfigurationError,
    NoTenantError,
    PermissionDeniedError,
    Principal,
    RawSQLError,
    Tenancy,
    bind,
    bypass,
    guard,
)
from tenantguard.audit import Event, add_sink, remove_sink
from tests.servers import Database

metadata = MetaData()
calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("company_id", String(40), nullable=False),
    Column("owner", String(40), nullable=False),
    Column("note", String(40), nullable=False, default=""),
)
invoices = Table(
    "invoices",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("company_id", String(40), nullable=False),
    Column("call_id", ForeignKey("calls.id")),
    Column("amount", Integer, nullable=False, default=0),
)
countries = Table("countries", metadata, Column("code", String(2), primary_key=True))


class Call:
    """Be a call, of which each agent reaches their own."""

    owner: Any
    invoices: Any


class Invoice:
    """Be an invoice, which takes a permission."""


mapping = registry(metadata=metadata)
mapping.map_imperatively(Call, calls, properties={"invoices": relationship(Invoice)})
mapping.map_imperatively(Invoice, invoices)


def own_calls(principal: Principal, table: Any) -> Any:
    """Show the supervisor every call, a team its own, and an agent theirs."""
    if "calls:all" in principal.permissions:
        return True
    team = principal.claims.get("team")
    if isinstance(team, tuple):
        return table.c.owner.in_(team)
    return table.c.owner == principal.subject


PERMISSIONS: dict[str, Any] = {
    "invoices": {"read": "billing:read", "write": "billing:write"},
    "countries": {"read": "countries:read"},
    "calls": own_calls,
}


def someone(subject: str, *permissions: str, **claims: Any) -> Principal:
    """Return a principal of acme."""
    return Principal(subject, "acme", frozenset(permissions), claims)


@pytest.fixture
def engine(database: Database) -> Engine:
    """Give a guarded engine on calls of two agents, and of another company's agent of the same name."""
    made: Engine = filled(database, raw_sql="rewrite")
    return made


def filled(database: Database, permissions: Any = None, **options: Any) -> Any:
    """Return a guarded engine on the rows."""
    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    with plain.begin() as connection:
        connection.execute(countries.insert(), {"code": "de"})
        for number, company, owner in ((1, "acme", "ada"), (2, "acme", "bob"), (3, "globex", "ada")):
            connection.execute(calls.insert(), {"id": number, "company_id": company, "owner": owner})
            row = {"id": number, "company_id": company, "call_id": number, "amount": number}
            connection.execute(invoices.insert(), row)
    tenancy = Tenancy(
        metadata, column="company_id", shared={"countries"}, permissions=permissions or PERMISSIONS
    )
    return guard(database.create_engine(), tenancy, **options)


@contextmanager
def _acting(engine: Engine, who: Any) -> Iterator[Any]:
    with bind(who), engine.connect() as connection:
        yield connection


READER, WRITER, BOTH = (
    someone("ada", *permissions)
    for permissions in (("billing:read",), ("billing:write",), ("billing:read", "billing:write"))
)
READS: dict[str, Callable[[], Any]] = {
    "Core": lambda: select(invoices),
    "an alias": lambda: select(invoices.alias().c.id),
    "an aggregate": lambda: select(func.count()).select_from(invoices),
    "a subquery": lambda: select(calls).where(exists().where(invoices.c.call_id == calls.c.id)),
    "a CTE": lambda: select(select(invoices.c.id).cte("x").c.id),
    "a union": lambda: union_all(select(calls.c.id), select(invoices.c.id)),
    "a lateral": lambda: select(select(invoices.c.id).subquery("x")),
    "an INSERT from it": lambda: insert(calls).from_select(
        ["id", "company_id", "owner"],
        select(invoices.c.id + 90, invoices.c.company_id, literal_column("'ada'")),
    ),
    "an UPDATE from it": lambda: update(calls).values(
        note=select(invoices.c.company_id).where(invoices.c.id == 1).scalar_subquery()
    ),
    "the condition of a write": lambda: update(invoices).where(invoices.c.amount > 1).values(amount=2),
    "the values of a write": lambda: update(invoices).values(amount=invoices.c.amount + 1),
    "text": lambda: text("SELECT count(*) FROM invoices"),
    "text that writes": lambda: text("DELETE FROM invoices WHERE amount > 0"),
    "a shared table": lambda: select(countries),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_takes_its_permission(engine: Engine, name: str) -> None:
    """Whoever may write alone does not read, by whatever statement."""
    with _acting(engine, WRITER) as connection, pytest.raises(PermissionDeniedError, match="read of"):
        connection.execute(READS[name]())


def test_a_write_takes_its_permission(engine: Engine) -> None:
    """Core, the ORM, bulk and text alike; and its own permission is enough where it names rows by their key."""
    writes: list[Any] = [
        invoices.insert().values(id=9, amount=1),
        update(invoices).where(invoices.c.id == 1).values(amount=5),
        invoices.delete().where(invoices.c.id == 1),
        text("INSERT INTO invoices (id, call_id) VALUES (9, NULL)"),
    ]
    for statement in writes:
        with _acting(engine, READER) as connection, pytest.raises(PermissionDeniedError, match="write of"):
            connection.execute(statement)
    for statement in writes[:3]:
        with _acting(engine, WRITER) as connection:
            assert connection.execute(statement).rowcount in (1, -1)  # psycopg's INSERT tells none
    with _acting(engine, READER) as connection, pytest.raises(PermissionDeniedError, match="write of"):
        connection.execute(invoices.insert(), [{"id": number} for number in range(20, 30)])
    with bind(READER), Session(engine) as session:
        session.add(Invoice(id=9, amount=1))  # type: ignore[call-arg]  # imperatively mapped
        with pytest.raises(PermissionDeniedError, match="write of invoices"):
            session.flush()
    with (
        bind(READER),
        Session(engine) as session,
        pytest.raises(PermissionDeniedError, match="write of invoices"),
    ):
        session.execute(insert(Invoice), [{"id": 9, "amount": 1}, {"id": 10, "amount": 1}])


def test_what_a_write_returns_is_read(engine: Engine) -> None:
    """The key may be returned; another column takes the permission to read."""
    if not engine.dialect.insert_returning:
        pytest.skip("no RETURNING")
    with _acting(engine, WRITER) as connection:
        assert connection.scalar(invoices.insert().values(id=9).returning(invoices.c.id)) == 9
        for returned in (invoices.c.amount, invoices, invoices.c.amount + 1, literal_column("amount")):
            with pytest.raises(PermissionDeniedError, match="read of invoices"):
                connection.execute(invoices.insert().values(id=10).returning(returned))


@pytest.mark.parametrize("options", [(), (selectinload(Call.invoices),)])
def test_a_relationship_takes_the_permission_of_what_it_loads(engine: Engine, options: Any) -> None:
    """A lazy load and an eager one are reads of the table behind."""
    refused = pytest.raises(PermissionDeniedError, match="read of invoices")
    with bind(someone("ada")), Session(engine) as session, refused:
        _ = session.scalars(select(Call).options(*options)).one().invoices
    with bind(READER), Session(engine) as session:
        assert len(session.scalars(select(Call).options(*options)).one().invoices) == 1


def test_the_refusal_says_what_and_is_recorded(engine: Engine) -> None:
    """It names the table, the permission and the person, and the record has it before it is raised."""
    events: list[Event] = []
    add_sink(events.append)
    try:
        with _acting(engine, WRITER) as connection, pytest.raises(PermissionDeniedError) as refused:
            connection.execute(select(invoices))
    finally:
        remove_sink(events.append)
    assert (refused.value.needed, refused.value.table) == (("billing:read",), "invoices")
    assert [(one.kind, one.table, one.subject, one.tenant) for one in events] == [
        ("permission", "invoices", "ada", "acme")
    ]


@pytest.mark.parametrize(
    "permission",
    ["billing:*", "*", "BILLING:READ", " billing:read", "billing:read ", "billing:re\u0430d", "billing"],
)
def test_a_permission_is_the_very_text(engine: Engine, permission: str) -> None:
    """Wildcards, other cases, spaces and letters that look alike grant nothing."""
    with _acting(engine, someone("ada", permission)) as connection, pytest.raises(PermissionDeniedError):
        connection.execute(select(invoices))


@pytest.mark.parametrize("statement", [select(invoices), select(calls), update(calls).values(note="x")])
def test_a_binding_without_a_person_has_no_permission(engine: Engine, statement: Any) -> None:
    """A tenant alone is refused; a bypass is the system itself, and reads all."""
    with (
        _acting(engine, "acme") as connection,
        pytest.raises(PermissionDeniedError, match="no principal with known"),
    ):
        connection.execute(statement)
    with engine.connect() as connection, pytest.raises(NoTenantError):
        connection.execute(select(countries))
    with bypass(reason="a report"), engine.connect() as connection:
        assert len(connection.execute(select(calls)).all()) == 3


def _owners(engine: Engine, who: Principal) -> list[str]:
    with _acting(engine, who) as connection:
        return list(connection.scalars(select(calls.c.owner).order_by(calls.c.id)))


def test_a_rule_holds_for_each_person(engine: Engine) -> None:
    """One statement serves them in turn, whatever their condition is, and however many values it has."""
    for _ in range(2):
        assert _owners(engine, someone("ada")) == ["ada"]
        assert _owners(engine, someone("bob")) == ["bob"]
        assert _owners(engine, someone("eve")) == []
        assert _owners(engine, someone("eve", "calls:all")) == ["ada", "bob"]
        assert _owners(engine, someone("eve", team=["bob", "ada", "x"])) == ["ada", "bob"]
        assert _owners(engine, someone("eve", team=["bob"])) == ["bob"]
        assert _owners(engine, someone("eve", team=[])) == []


def test_a_rule_is_compiled_once_for_each_shape(engine: Engine) -> None:
    """A hundred people share what was compiled for one."""
    _owners(engine, someone("ada"))
    cache: Any = engine._compiled_cache
    before = len(cache)
    for number in range(100):
        _owners(engine, someone(f"agent-{number}"))
    assert len(cache) == before


def test_a_rule_holds_for_writes(engine: Engine) -> None:
    """What it hides is neither changed nor deleted, one row or many, and stays what it was."""
    with bind(someone("ada")), engine.begin() as connection:
        assert connection.execute(calls.update().values(note="mine")).rowcount == 1
        assert connection.execute(calls.delete().where(calls.c.id == 2)).rowcount == 0
        with pytest.raises(RawSQLError, match="straight to the driver"):
            connection.exec_driver_sql("UPDATE calls SET note = 'x'")
        assert connection.execute(text("UPDATE calls SET note = :note"), {"note": "mine"}).rowcount == 1
    with bypass(reason="look"), engine.connect() as connection:
        assert list(connection.scalars(select(calls.c.note).order_by(calls.c.id))) == ["mine", "", ""]


OF_ADA = {
    "SELECT c.id FROM calls c WHERE c.id = 2 OR 1 = 1": [1],
    "SELECT CC.id FROM calls AS CC": [1],
    "SELECT c.id FROM invoices i LEFT JOIN calls c ON c.id = i.call_id ORDER BY i.id": [1, None],
    "SELECT c.id FROM calls c RIGHT JOIN invoices i ON c.id = i.call_id ORDER BY i.id": [1, None],
    "WITH x AS (SELECT id FROM calls) SELECT id FROM x": [1],
    "SELECT id FROM calls UNION SELECT id + 10 FROM calls ORDER BY 1": [1, 11],
    "SELECT count(*) FROM invoices WHERE call_id IN (SELECT id FROM calls)": [1],
    "SELECT a.id FROM calls a JOIN calls b ON a.id = b.id": [1],
}


def test_a_rule_holds_in_sql_text(engine: Engine) -> None:
    """Whatever its form, for each person in turn, whatever their condition is."""
    for statement, expected in OF_ADA.items():
        with _acting(engine, someone("ada", "billing:read")) as connection:
            assert list(connection.scalars(text(statement))) == expected, statement
    asked = text("SELECT owner FROM calls WHERE id > :least ORDER BY id")
    for who, expected in (
        (someone("bob"), ["bob"]),
        (someone("eve", "calls:all"), ["ada", "bob"]),
        (someone("eve", team=["bob", "ada"]), ["ada", "bob"]),
        (someone("eve", team=[]), []),
        (someone("ada"), ["ada"]),
    ):
        with _acting(engine, who) as connection:
            assert list(connection.scalars(asked.columns(calls.c.owner), {"least": 0})) == expected
            given = {"least": 0, "tenantguard_row_1": 1, "tenantguard_rule_1": "bob"}
            assert list(connection.scalars(asked, given)) == expected
            with pytest.raises(RawSQLError, match="the guard's own"):
                connection.execute(text("SELECT id FROM calls WHERE id = :tenantguard_row_1"), given)


def test_sql_text_hides_nothing_that_a_rule_reads(database: Database) -> None:
    """Neither by a WITH of that name, nor by giving the rule's own table the name."""

    def of_a_team(principal: Principal, table: Any) -> Any:
        return exists().where(countries.c.code == principal.subject, table.c.id > 0)

    engine = filled(database, {"calls": of_a_team}, raw_sql="rewrite")
    with _acting(engine, someone("de")) as connection:
        assert list(connection.scalars(text("SELECT id FROM calls ORDER BY id"))) == [1, 2]
    for statement in (
        "WITH Countries AS (SELECT 'fr' AS code) SELECT id FROM calls",
        "SELECT countries.id FROM calls AS countries",
    ):
        with (
            _acting(engine, someone("fr")) as connection,
            pytest.raises(RawSQLError, match="cannot stand in this statement"),
        ):
            connection.execute(text(statement))


def test_a_caller_cannot_give_the_values_of_a_rule(engine: Engine) -> None:
    """A parameter of the same name is overwritten, one value and a list."""
    for who in (someone("ada"), someone("ada", team=["ada"])):
        with _acting(engine, who) as connection:
            given = {f"tenantguard_rule_{number}": "bob" for number in range(4)}
            assert list(connection.scalars(select(calls.c.owner), given)) == ["ada"]
            given_lists = {name: ["bob"] for name in given}
            assert list(connection.scalars(select(calls.c.owner), given_lists)) == ["ada"]


def test_a_session_that_another_person_takes_over_serves_what_they_may_see(engine: Engine) -> None:
    """What it holds is asked for again: by permission, and by rule."""
    with Session(engine, expire_on_commit=False) as session:
        with bind(someone("ada", "billing:read")):
            call = session.get(Call, 1)
            invoice = session.get(Invoice, 1)
        with bind(someone("bob")):
            assert session.get(Call, 1) is None
            with pytest.raises(PermissionDeniedError):
                session.get(Invoice, 1)
            with pytest.raises((PermissionDeniedError, ObjectDeletedError)):
                _ = call and call.owner
        assert invoice is not None


READ_ON: dict[str, tuple[Any, Principal, Principal, bool]] = {
    "a permission is missing": (select(invoices.c.id), BOTH, someone("ada"), False),
    "a permission less, which it does not take": (select(invoices.c.id), BOTH, READER, True),
    "text": (text("SELECT id FROM invoices"), READER, WRITER, False),
    "text, by who may": (text("SELECT id FROM invoices"), READER, BOTH, True),
    "text with a rule": (text("SELECT id FROM calls"), someone("ada"), someone("bob"), False),
    "text for the driver": ("SELECT id FROM invoices", READER, WRITER, False),
    "another's rows": (select(calls.c.id), someone("ada"), someone("bob"), False),
    "the same rows": (select(calls.c.id), someone("ada"), someone("ada", "x"), True),
    "all rows": (select(calls.c.id), someone("eve", "calls:all"), someone("ada"), False),
    "other values": (select(calls.c.id), someone("x", team=["ada"]), someone("x", team=["bob"]), False),
}


@pytest.mark.parametrize("options", [{}, {"stream_results": True}])
def test_rows_are_read_on_by_who_would_be_given_them(engine: Engine, options: dict[str, Any]) -> None:
    """A result that is handed on gives nothing to who lacks the permission, and its owner goes on with it."""
    for statement, asks, reads, passes in READ_ON.values():
        with engine.connect() as connection:
            execute: Any = connection.exec_driver_sql if isinstance(statement, str) else connection.execute
            with bind(asks):
                result = execute(statement, execution_options=options)
            with bind(reads):
                for way in () if passes else (result.fetchone, result.fetchmany, result.all):
                    with pytest.raises(PermissionDeniedError, match=r"read of|under another principal"):
                        way()
            with bind(reads if passes else asks):
                assert result.all()


def test_objects_are_read_on_by_who_would_be_given_them(engine: Engine) -> None:
    """The same for what a session's query gives, and for a tenant that is bound without a person."""
    with Session(engine) as session:
        with bind(someone("eve", "calls:all")):
            result = session.scalars(select(Call).order_by(calls.c.id).execution_options(yield_per=1))
            assert next(result).owner == "ada"
        for who in (someone("ada"), "acme"):
            with bind(who), pytest.raises(PermissionDeniedError):
                next(result)
        with bind(someone("eve", "calls:all")):
            assert [call.owner for call in result] == ["bob"]


def test_a_rule_is_asked_once_for_a_binding(database: Database) -> None:
    """A decision point elsewhere is asked once for a request, whatever it executes."""
    asked: list[str] = []

    def rule(principal: Principal, table: Any) -> Any:
        asked.append(principal.subject)
        return aliased(Call, table).owner == principal.subject

    plain = database.create_engine()
    metadata.create_all(plain, checkfirst=False)
    tenancy = Tenancy(metadata, column="company_id", shared={"countries"}, permissions={"calls": rule})
    engine = guard(database.create_engine(), tenancy)
    for _ in range(2):
        with bind(someone("ada")):
            for _ in range(3):
                with engine.connect() as connection:
                    other = calls.alias()
                    connection.execute(select(calls, other).join_from(calls, other, other.c.id == calls.c.id))
    assert asked == ["ada", "ada"]


@pytest.mark.parametrize("answer", [None, "owner = 'ada'", 1, [], text("1 = 1"), calls])
def test_what_is_no_condition_grants_nothing(database: Database, answer: Any) -> None:
    """A rule that forgets to return, or returns text, refuses; one that raises lets its error through."""
    tenancy = Tenancy(
        metadata,
        column="company_id",
        shared={"countries"},
        permissions={"calls": lambda _who, _table: answer},
    )
    engine = guard(database.create_engine(), tenancy)
    with (
        _acting(engine, someone("ada")) as connection,
        pytest.raises(PermissionDeniedError, match="no condition"),
    ):
        connection.execute(select(calls))


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"invoices": "billing:read"}, "write permissions="),
        ({"invoices": {}}, "write permissions="),
        ({"invoices": {"raed": "billing:read"}}, "write permissions="),
        ({"invoices": {"read": ""}}, "a permission is a single word"),
        ({"invoices": {"read": []}}, "is empty"),
        ({"invoices": {"read": "a b"}}, "a permission is a single word"),
        ({"invoices": {"read": " a"}}, "a permission is a single word"),
        ({"invoices": {"read": 7}}, "a permission is a single word"),
        ({"invoices": {"rows": "own"}}, "write permissions="),
        (["invoices"], "permissions is a dictionary"),
        ({"invoyces": {"read": "a"}}, "not a table of the metadata"),
    ],
)
def test_permissions_in_another_form_are_refused_at_the_start(said: Any, fault: str) -> None:
    """A misspelt act would otherwise guard nothing."""
    with pytest.raises(ConfigurationError, match=fault):
        Tenancy(metadata, column="company_id", shared={"countries"}, permissions=said).verify()


async def test_people_at_once_do_not_share(async_database: Database) -> None:
    """Tasks in parallel on one asynchronous engine see their own rows."""
    filled(async_database).dispose()
    tenancy = Tenancy(metadata, column="company_id", shared={"countries"}, permissions=PERMISSIONS)
    engine = guard(create_async_engine(async_database.async_urls[0]), tenancy)

    async def owners(who: Principal) -> list[str]:
        with bind(who):
            async with AsyncSession(engine) as session:
                await asyncio.sleep(0)
                return list(await session.scalars(select(calls.c.owner).order_by(calls.c.id)))

    people = [someone("ada"), someone("bob"), someone("eve", "calls:all"), someone("eve")] * 3
    found = await asyncio.gather(*map(owners, people))
    assert found == [["ada"], ["bob"], ["ada", "bob"], []] * 3
    await engine.dispose()
