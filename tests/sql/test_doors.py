"""One door: what reaches a driver's cursor was admitted, whichever way it came."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ColumnDefault,
    Engine,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    column,
    event,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm import Session

from tenantguard import CrossTenantError, NoTenantError, RawSQLError, Tenancy, bind, bypass, guard
from tenantguard.audit import MemorySink
from tests.models import Call, Number
from tests.servers import Database, wait_for
from tests.sql.world import World, content

SECRETS = "SELECT group_concat(note) FROM calls"
CALLS: Any = Call.__table__


@contextmanager
def listening(target: Any, name: str, function: Callable[..., Any], **options: Any) -> Iterator[None]:
    """Let a listener hear for the block."""
    event.listen(target, name, function, **options)
    try:
        yield
    finally:
        event.remove(target, name, function)


# -- defaults and sequences, which SQLAlchemy executes by themselves --


def test_a_default_of_text_that_is_executed_is_refused(memory: World) -> None:
    """It has no statement around it whose compilation would have read it."""
    with (
        bind("acme"),
        memory.engine.connect() as connection,
        pytest.raises(RawSQLError, match="text inside a statement was refused"),
    ):
        connection.scalar(ColumnDefault(text(f"({SECRETS})")))


@pytest.mark.parametrize("tenants", [("acme",), ("acme", "initech")])
def test_a_default_of_a_query_that_is_executed_reads_the_tenants_rows(
    memory: World, tenants: tuple[str, ...]
) -> None:
    """For one tenant and for several, of whom the parameter is a list."""
    default = ColumnDefault(select(func.count(CALLS.c.id)).scalar_subquery())
    with memory.plain.connect() as connection:
        expected = connection.scalar(select(func.count(CALLS.c.id)).where(CALLS.c.company_id.in_(tenants)))
    with bind(tenants), memory.engine.connect() as connection:
        assert connection.scalar(default) == expected


def test_a_default_that_is_executed_needs_a_tenant(memory: World, record: MemorySink) -> None:
    """Nothing is bound."""
    default = ColumnDefault(select(func.count(CALLS.c.id)).scalar_subquery())
    with memory.engine.connect() as connection, pytest.raises(NoTenantError, match="no tenant bound"):
        connection.scalar(default)
    assert [recorded.kind for recorded in record.events] == ["no_tenant"]


def test_a_default_reads_everything_in_a_bypass(memory: World) -> None:
    """As the statement does that it is a default of."""
    with bypass(reason="test"), memory.engine.connect() as connection:
        assert "," in connection.scalar(ColumnDefault(text(f"({SECRETS})")))


@pytest.mark.parametrize(
    ("default", "refused"),
    [
        (text("(SELECT group_concat(company_id) FROM calls)"), True),
        (select(func.group_concat(column("company_id"))).select_from(CALLS).scalar_subquery(), False),
        (func.lower("ACME"), False),
    ],
)
def test_a_key_that_is_executed_first_is_guarded(memory: World, default: Any, refused: bool) -> None:
    """Without RETURNING a default of SQL is executed before its INSERT, and the result tells its value."""
    keys = Table(
        "keys",
        metadata := MetaData(),
        Column("id", String(80), primary_key=True, default=default),
        Column("company_id", String(40), nullable=False),
        implicit_returning=False,
    )
    Table(
        "calls",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
    )
    engine = memory.plain
    keys.create(engine)
    guarded = guard(engine, Tenancy(metadata, column="company_id"))
    with bind("acme"), guarded.begin() as connection:
        if refused:
            with pytest.raises(RawSQLError, match="text inside a statement was refused"):
                connection.execute(insert(keys))
        else:
            key = (connection.execute(insert(keys)).inserted_primary_key or ("",))[0]
            assert set(key.split(",")) == {"acme"}


def test_sequences_are_let_through(database: Database) -> None:
    """The dialect composes the text for one from its name."""
    if database.backend == "sqlite":
        pytest.skip("SQLite has no sequences")
    numbers = Sequence("numbers", metadata=(metadata := MetaData()))
    table = Table(
        "tickets",
        metadata,
        Column("id", Integer, numbers, primary_key=True),
        Column("company_id", String(40), nullable=False),
        implicit_returning=False,
    )
    engine = database.create_engine()
    metadata.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(metadata, column="company_id"))
    with bind("acme"), engine.begin() as connection:
        first = connection.scalar(numbers)
        assert connection.scalar(select(numbers.next_value())) == first + 1
        assert connection.execute(insert(table)).inserted_primary_key == (first + 2,)
    metadata.drop_all(database.create_engine())


# -- what SQLAlchemy composes itself is trusted a statement at a time --


def test_a_listener_of_reflection_is_not_trusted(memory: World) -> None:
    """What it executes on the connection it was given is its own."""

    def listen(connection: Any, _cursor: Any, statement: str, *_args: Any) -> None:
        if "sqlite_master" in statement:
            connection.execute(theft)

    theft = text(SECRETS)
    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen),
        pytest.raises(RawSQLError, match="SQL text was refused"),
    ):
        inspect(connection).get_table_names()


def test_a_listener_of_a_savepoint_is_not_trusted(memory: World) -> None:
    """It hears the statement that begins it, and reads by SQL text."""

    def listen(connection: Any, _cursor: Any, statement: str, *_args: Any) -> None:
        if statement.startswith("SAVEPOINT"):
            connection.exec_driver_sql(SECRETS)

    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen),
        pytest.raises(RawSQLError, match="straight to the driver"),
    ):
        connection.begin_nested()


def test_a_listener_that_rewrites_reflection_is_refused(memory: World) -> None:
    """The trust is in the text that the dialect composed."""

    def listen(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_args: Any) -> Any:
        return "SELECT note FROM calls", parameters

    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen, retval=True),
        pytest.raises(RawSQLError, match="rewrote a statement"),
    ):
        inspect(connection).get_table_names()


def test_reflection_and_savepoints_work_beside_a_listener(memory: World) -> None:
    """One that only listens, or adds a comment, changes nothing."""

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_args: Any) -> Any:
        return f"{statement} /* traced */", parameters

    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen, retval=True),
    ):
        assert "calls" in inspect(connection).get_table_names()
        assert inspect(connection).get_columns("calls")
        with connection.begin_nested():
            assert connection.scalars(select(Call.id)).all() == [1, 2, 3]


def test_trust_ends_with_its_statement(memory: World) -> None:
    """The same connection is asked for the same text once more, by somebody else."""
    with bind("acme"), memory.engine.connect() as connection:
        inspect(connection).get_table_names()
        with pytest.raises(RawSQLError, match="straight to the driver"):
            connection.exec_driver_sql("SELECT name FROM sqlite_master")


# -- listeners --


def rewriting(**changed: Any) -> Callable[..., Any]:
    """Return a listener that sends something else."""

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_args: Any) -> Any:
        if "calls" not in statement:
            return statement, parameters
        return changed.get("statement", statement), changed.get("parameters", parameters)

    return listen


@pytest.mark.parametrize(
    ("statement", "options"),
    [
        (select(Call.note), {}),
        (select(Call.note), {"no_parameters": True}),
        (insert(Call).values(id=70, number_id=1), {}),
    ],
)
def test_a_rewritten_statement_is_refused_wherever_it_is_sent(
    memory: World, statement: Any, options: dict[str, Any]
) -> None:
    """Also where it is sent without parameters."""
    with (
        bind("acme"),
        memory.engine.connect().execution_options(**options) as connection,
        listening(
            memory.engine, "before_cursor_execute", rewriting(statement="DELETE FROM calls"), retval=True
        ),
        pytest.raises(RawSQLError, match="rewrote a statement"),
    ):
        connection.execute(statement)


def test_a_statement_that_is_exchanged_in_its_context_is_refused(memory: World) -> None:
    """A listener that assigns to the execution context changes what the guard would compare with."""

    def listen(_connection: Any, _cursor: Any, _text: str, _given: Any, context: Any, _many: bool) -> Any:
        context.statement, context.parameters = "SELECT note FROM calls", [()]
        return context.statement, context.parameters[0]

    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen, retval=True),
        pytest.raises(RawSQLError, match="rewrote a statement"),
    ):
        connection.execute(select(Call.note))


@pytest.mark.parametrize(
    "execute",
    [
        lambda connection: connection.exec_driver_sql("SELECT note FROM calls"),
        lambda connection: connection.execute(update(Call).values(note="x")),
        lambda connection: connection.execute(
            insert(Number), [{"id": 90, "company_id": "globex", "number": "+9"}] * 2
        ),
    ],
    ids=["text", "update", "many"],
)
@pytest.mark.parametrize(
    "members",
    [
        None,
        {"create_cursor": DefaultExecutionContext.create_cursor},
        {
            "create_cursor": DefaultExecutionContext.create_cursor,
            "pre_exec": DefaultExecutionContext.pre_exec,
        },
    ],
    ids=["SQLAlchemy's", "its cursor", "its cursor and hook"],
)
def test_a_context_in_place_of_the_guards_admits_nothing(
    memory: World, members: Any, execute: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives the dialect another class of contexts meets the door behind it, and changes no row."""
    before, guarded = content(memory.plain), memory.engine.dialect.execution_ctx_cls
    own: Any = DefaultExecutionContext if members is None else type("Own", (guarded,), members)
    monkeypatch.setattr(memory.engine.dialect, "execution_ctx_cls", own)
    with bind("acme"), memory.engine.connect() as connection, pytest.raises((RawSQLError, StatementError)):
        execute(connection)
    assert content(memory.plain) == before


def test_a_comment_that_is_executed_counts_as_a_rewrite(memory: World) -> None:
    """MariaDB executes what stands in these."""
    for comment in ("/*! OR 1 = 1 */", "/*M! OR 1 = 1 */"):
        listener = rewriting(statement=f"SELECT calls.note FROM calls WHERE calls.company_id = ? {comment}")
        with (
            bind("acme"),
            memory.engine.connect() as connection,
            listening(memory.engine, "before_cursor_execute", listener, retval=True),
            pytest.raises(RawSQLError, match="rewrote a statement"),
        ):
            connection.execute(select(Call.note))


def test_parameters_that_are_changed_in_place_are_noticed(database: Database) -> None:
    """Some drivers take a dictionary, and a listener can put another tenant into it."""
    table = Table(
        "calls",
        metadata := MetaData(),
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
    )
    engine = database.create_engine()
    metadata.create_all(engine, checkfirst=False)
    guard(engine, Tenancy(metadata, column="company_id"))

    def listen(_connection: Any, _cursor: Any, _statement: str, parameters: Any, *_args: Any) -> None:
        if isinstance(parameters, dict):
            for name in parameters:
                parameters[name] = "globex"

    changeable = engine.dialect.paramstyle in ("named", "pyformat")
    with (
        bind("acme"),
        engine.connect() as connection,
        listening(engine, "before_cursor_execute", listen),
        pytest.raises(RawSQLError, match="rewrote parameters") if changeable else nullcontext(),
    ):
        connection.execute(select(table))


def test_a_batch_of_rows_is_sent_as_it_was_made(memory: World) -> None:
    """SQLAlchemy sends many rows in batches of its own text, which a listener may not exchange either."""
    rows = [{"id": 700 + number, "number_id": 1, "seconds": 1, "country_code": "DE"} for number in range(5)]
    with bind("acme"), memory.engine.begin() as connection:
        found = connection.scalars(insert(Call).returning(Call.id), rows).all()
        assert sorted(found) == [700, 701, 702, 703, 704]

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_args: Any) -> Any:
        if not statement.startswith("INSERT"):
            return statement, parameters
        return statement, tuple("globex" if value == "acme" else value for value in parameters)

    later = [{"id": 800 + number, "number_id": 1, "seconds": 1, "country_code": "DE"} for number in range(5)]
    with (
        bind("acme"),
        memory.engine.connect() as connection,
        listening(memory.engine, "before_cursor_execute", listen, retval=True),
        pytest.raises(RawSQLError, match="rewrote parameters"),
    ):
        connection.execute(insert(Call).returning(Call.id), later)


# -- two-phase transactions --


@pytest.fixture
def prepared(database: Database) -> Iterator[tuple[Engine, Table, str]]:
    """Give a guarded engine with a transaction of globex's that is prepared and not ended."""
    if database.backend == "sqlite":
        pytest.skip("SQLite has no two-phase transactions")
    table = Table(
        "calls",
        metadata := MetaData(),
        Column("id", Integer, primary_key=True),
        Column("company_id", String(40), nullable=False),
    )
    engine = database.create_engine()
    metadata.create_all(engine, checkfirst=False)
    if database.backend == "postgresql":
        with engine.connect() as connection:
            if connection.scalar(text("SHOW max_prepared_transactions")) == "0":
                pytest.skip("the server has no prepared transactions")
    guard(engine, Tenancy(metadata, column="company_id"))
    name = f"tg_{uuid.uuid4().hex}"
    with bind("globex"):
        connection = engine.connect()
        begun = connection.begin_twophase(xid=name)
        connection.execute(insert(table).values(id=50))
        begun.prepare()
        connection.invalidate()
    yield engine, table, name
    _roll_back(engine, name)


def _roll_back(engine: Engine, name: str) -> None:
    """End the prepared transaction, which holds its table, as soon as the server knows that its session is gone."""

    def rolled_back() -> bool:
        with bypass(reason="clean up"), engine.connect() as connection, suppress(DBAPIError):
            connection.execution_options(isolation_level="AUTOCOMMIT").rollback_prepared(name, recover=True)
            return True
        return False

    wait_for(rolled_back, "the end of a prepared transaction")


def test_a_tenant_sees_no_prepared_transaction_of_another(prepared: tuple[Engine, Table, str]) -> None:
    """The server lists every one; its owner's stays in the list."""
    engine, _, name = prepared
    for tenant, seen in (("acme", False), ("globex", True)):
        with bind(tenant), engine.connect() as connection:
            assert any(name in str(found) for found in connection.recover_twophase()) is seen


@pytest.mark.parametrize("verb", ["rollback_prepared", "commit_prepared"])
@pytest.mark.parametrize("recover", [True, False])
def test_a_tenant_ends_no_prepared_transaction_of_another(
    prepared: tuple[Engine, Table, str], verb: str, recover: bool
) -> None:
    """Nor by beginning one of the same name."""
    engine, _, name = prepared
    with (
        bind("acme"),
        engine.connect() as connection,
        pytest.raises(RawSQLError, match="not prepared here for the tenant"),
    ):
        getattr(connection, verb)(name, recover=recover)
    with bypass(reason="look"), engine.connect() as connection:
        assert any(name in str(found) for found in connection.recover_twophase())


def test_a_two_phase_transaction_is_committed(prepared: tuple[Engine, Table, str]) -> None:
    """By the connection that began it, under its binding."""
    engine, table, _ = prepared
    with bind("acme"), engine.connect() as connection:
        with connection.begin_twophase() as begun:
            connection.execute(insert(table).values(id=51))
            begun.prepare()
        assert connection.scalars(select(table.c.id)).all() == [51]


# -- small doors --


def test_the_last_key_is_ones_own(memory: World) -> None:
    """SQLite answers with the last row that was inserted on the connection, whoever inserted it."""
    with bind("globex"), memory.engine.begin() as connection:
        assert connection.execute(insert(Number).values(id=4321, digits="+1")).lastrowid == 4321
    nobody = select(Number.id, Number.digits).where(Number.id < 0)
    with bind("acme"), memory.engine.begin() as connection:
        for statement in (
            select(Number.id),
            update(Number).values(digits="+2").where(Number.id == 1),
            insert(Number).from_select(["id", "digits"], nobody),
        ):
            assert connection.execute(statement).lastrowid is None
        assert connection.execute(insert(Number).values(id=4400, digits="+3")).lastrowid == 4400


@pytest.mark.parametrize("cache", [None, {}])
def test_a_cache_of_ones_own_changes_no_answer(memory: World, cache: Any) -> None:
    """A key that is another tenant's and one that is nobody's match nothing, both."""
    before = content(memory.plain, "calls")
    with bind("acme"), memory.engine.connect().execution_options(compiled_cache=cache) as connection:
        for key in (4, 777):
            assert connection.execute(update(CALLS).where(CALLS.c.id == key).values(note="z")).rowcount == 0
            assert connection.execute(CALLS.delete().where(CALLS.c.id == key)).rowcount == 0
        connection.commit()
    assert content(memory.plain, "calls") == before


def test_a_unit_of_work_is_told_with_a_cache_of_ones_own(memory: World) -> None:
    """The session's own statements use their class's cache, whatever the connection was given."""
    engine = memory.engine.execution_options(compiled_cache={})
    with Session(engine) as session, bind("acme"):
        call = session.get_one(Call, 1)
        with memory.plain.begin() as connection:
            connection.execute(update(CALLS).where(CALLS.c.id == 1).values(company_id="globex"))
        call.note = "mine"
        with pytest.raises(CrossTenantError):
            session.flush()
        session.rollback()


def test_classes_answer_as_sqlalchemys_do(memory: World) -> None:
    """polars and others tell by the module of a class what they were given."""
    engine: Any = memory.engine
    with engine.connect() as connection:
        for guarded, plain in (
            (engine, memory.plain),
            (engine.execution_options(x=1), memory.plain),
            (connection, memory.plain),
            (engine.dialect, memory.plain.dialect),
            (engine.pool, memory.plain.pool),
        ):
            assert type(guarded).__module__.partition(".")[0] == type(plain).__module__.partition(".")[0]
