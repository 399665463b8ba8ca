"""Enforcing some tables while the others are observed: the first are guarded in full, the others as without a guard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, text, update
from sqlalchemy.orm import Session

from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    Guard,
    NoTenantError,
    RawSQLError,
    UnknownTableError,
    bind,
    bypass,
    guard,
)
from tenantguard.sql import Observing
from tests.models import Call, CallTag, Comment, Number, User, create_schema, make_tenancy, seed
from tests.sql.world import memory_engine


def enforcing(tmp_path: Path, *tables: str, **options: Any) -> Engine:
    """Return an engine in memory with the rows of three tenants, of which some tables are enforced."""
    made = memory_engine()
    create_schema(made)
    seed(made)
    return guard(
        made,
        make_tenancy(),
        mode="observe",
        enforce=set(tables),
        observing=Observing(directory=tmp_path),
        **options,
    )


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Give an engine on which calls and their tags are enforced."""
    return enforcing(tmp_path, "calls", "call_tags")


def test_what_is_enforced_is_filtered_and_the_rest_is_not(engine: Engine) -> None:
    """In one statement too: the predicate stands for the table that is enforced alone."""
    with bind("acme"), engine.connect() as connection:
        assert len(connection.execute(select(Call)).all()) == 3
        assert len(connection.execute(select(CallTag)).all()) == 2
        assert len(connection.execute(select(Number)).all()) == 6
        both = connection.execute(select(Call.id, Number.id).join(Number, Number.id == Call.number_id)).all()
        outer = connection.execute(select(Number.id, Call.id).outerjoin(Call)).all()
    assert len(both) == 3
    assert (len({number for number, _ in outer}), {call for _, call in outer}) == (6, {1, 2, 3, None})


@pytest.mark.parametrize(
    "statement",
    [
        insert(Call).values(number_id=101, seconds=1, country_code="DE"),
        insert(Call).values(company_id="globex", number_id=1, seconds=1, country_code="DE"),
        update(Call).where(Call.id == 1).values(number_id=101),
    ],
)
def test_a_write_to_an_enforced_table_is_verified_in_full(engine: Engine, statement: Any) -> None:
    """Its tenant and its keys, though the parents are not enforced themselves."""
    with bind("acme"), engine.connect() as connection, pytest.raises(CrossTenantError):
        connection.execute(statement)


def test_a_row_of_an_enforced_table_is_stamped(engine: Engine) -> None:
    """As by the whole guard."""
    with bind("acme"), Session(engine) as session:
        call = Call(number_id=1, seconds=1, country_code="DE")
        session.add(call)
        session.flush()
        assert call.company_id == "acme"


@pytest.mark.parametrize(
    "run",
    [
        lambda c: c.execute(select(Number)).all(),
        lambda c: c.execute(insert(Number).values(company_id="globex", digits="1")),
        lambda c: c.execute(update(User).values(email=User.email + "x")),
        lambda c: c.execute(insert(Comment).values(company_id="acme", id=77, call_id=101, body="x")),
        lambda c: c.execute(delete(Comment)),
        lambda c: c.execute(text("SELECT * FROM numbers")).all(),
        lambda c: c.execute(text("UPDATE users SET email = email || :e").bindparams(e="x")),
        lambda c: c.exec_driver_sql("SELECT * FROM numbers").all(),
    ],
)
@pytest.mark.parametrize("bound", [True, False])
def test_what_is_observed_goes_through_whoever_is_bound(
    engine: Engine, run: Callable[[Connection], object], *, bound: bool
) -> None:
    """Rows of others, keys to them, text, and no binding at all: nothing is refused."""
    with engine.connect() as connection:
        if bound:
            with bind("acme"):
                run(connection)
        else:
            run(connection)


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (lambda c: c.execute(text("SELECT * FROM calls")), RawSQLError),
        (lambda c: c.execute(text("SELECT * FROM numbers, calls")), RawSQLError),
        (lambda c: c.execute(text("SELECT * FROM numbers WHERE EXISTS (SELECT 1 FROM calls)")), RawSQLError),
        (lambda c: c.execute(text("SELECT * FROM nowhere")), RawSQLError),
        (lambda c: c.exec_driver_sql("SELECT * FROM calls"), RawSQLError),
        (
            lambda c: c.exec_driver_sql("WITH numbers AS (SELECT * FROM calls) SELECT * FROM numbers"),
            RawSQLError,
        ),
        (lambda c: c.connection, RawSQLError),
        (lambda c: c.execute(select(text("*")).select_from(text("calls"))), (RawSQLError, UnknownTableError)),
    ],
)
def test_text_that_may_reach_an_enforced_table_is_refused(
    engine: Engine, run: Callable[[Connection], object], error: Any
) -> None:
    """Only text that can be read, and names observed tables alone, goes through."""
    with bind("acme"), engine.connect() as connection, pytest.raises(error):
        run(connection)


def test_nothing_bound_reaches_no_enforced_table(engine: Engine) -> None:
    """Also beside a table that is observed."""
    with engine.connect() as connection, pytest.raises(NoTenantError):
        connection.execute(select(Number.id).where(Number.id.in_(select(Call.number_id))))


def test_the_rest_is_recorded(engine: Engine) -> None:
    """What is enforced already changes no more, and is no finding."""
    with bind("acme"), engine.connect() as connection:
        connection.execute(select(Call))
        connection.execute(select(Number))
        connection.execute(select(Call.id).join(Number, Number.id == Call.number_id))
    records = Guard.of(engine).observer.records.all()
    assert [record.tables for record in records] == [["numbers"], ["numbers"]]


def test_rewritten_text_is_filtered_by_what_is_enforced(tmp_path: Path) -> None:
    """A text that names both carries the predicate of the one."""
    engine = enforcing(tmp_path, "calls", raw_sql="rewrite")
    joined = "SELECT calls.id, numbers.id FROM numbers LEFT JOIN calls ON calls.number_id = numbers.id"
    with bind("acme"), engine.connect() as connection:
        rows = connection.execute(text(joined)).all()
    assert {call for call, _ in rows} == {1, 2, 3, None}
    assert len({number for _, number in rows}) == 6


def test_a_bypass_reaches_all(engine: Engine) -> None:
    """As with the whole guard."""
    with bypass(reason="a test"), engine.connect() as connection:
        assert len(connection.execute(select(Call)).all()) == 9


def test_a_table_is_enforced_after_the_one_it_belongs_through(tmp_path: Path) -> None:
    """Otherwise the start names what to add."""
    with pytest.raises(
        ConfigurationError, match="belongs through calls, which is not enforced: name 'calls' too"
    ):
        enforcing(tmp_path, "call_tags")


def test_it_says_at_the_start_what_is_not_enforced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The tables are named, so that nobody takes the part for the whole."""
    enforcing(tmp_path, "calls")
    (said,) = [entry.getMessage() for entry in caplog.records]
    assert "enforces calls AND NOTHING ELSE" in said
