"""Constructs of the user's own (``@compiles``): what they render is read in its place, and with the whole statement."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Insert,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    create_engine,
    func,
    literal,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement, Join

from tenantguard import RawSQLError, bind, guard
from tests.models import Call, Country, make_tenancy
from tests.sql.world import World, content

CALLS: Any = Call.__table__
COUNTRIES: Any = Country.__table__


class Rendered(ColumnElement[Any]):
    """Render what it is given: a text, or a function of the compiler."""

    inherit_cache = False

    def __init__(self, text: str | Callable[[Any], str], type_: Any = Integer) -> None:
        self.text = text
        self.type = type_()


@compiles(Rendered)
def _rendered(element: Rendered, compiler: Any, **kw: Any) -> str:
    return element.text if isinstance(element.text, str) else element.text(compiler)


class LongInsert(Insert):
    """An INSERT with more behind it."""

    inherit_cache = False
    more = ""


@compiles(LongInsert)
def _long_insert(element: LongInsert, compiler: Any, **kw: Any) -> str:
    return str(compiler.visit_insert(element, **kw)) + element.more


class LongSelect(Select):  # type: ignore[type-arg]  # of anything
    """A SELECT with more behind it."""

    inherit_cache = False
    more = ""


@compiles(LongSelect)
def _long_select(element: LongSelect, compiler: Any, **kw: Any) -> str:
    return str(compiler.visit_select(element, **kw)) + element.more


class LongUpdate(Update):
    """An UPDATE with more behind it."""

    inherit_cache = False
    more = ""


@compiles(LongUpdate)
def _long_update(element: LongUpdate, compiler: Any, **kw: Any) -> str:
    return str(compiler.visit_update(element, **kw)) + element.more


class Twice(Join):
    """A join that reads its left table once more."""

    inherit_cache = False


@compiles(Twice)
def _twice(element: Twice, compiler: Any, **kw: Any) -> str:
    again = compiler.process(element.left, asfrom=True)
    return f"{compiler.visit_join(element, **kw)} JOIN (SELECT note AS n FROM {again}) AS again ON 1 = 1"


def with_more(statement: Any, more: str) -> Any:
    """Return a statement that renders more behind it."""
    statement.more = more
    return statement


def notes(compiler: Any) -> str:
    """Render the table beside the statement's own."""
    return f"(SELECT group_concat(note) FROM {compiler.process(CALLS, asfrom=True)})"


def counted(compiler: Any) -> str:
    """Render a query of SQLAlchemy's own."""
    return str(compiler.process(select(func.count(CALLS.c.id)).scalar_subquery()))


@pytest.mark.parametrize(
    "statement",
    [
        select(CALLS.c.id).where(Rendered(notes, String).like("%globex%")),
        select(CALLS.c.id, Rendered("note FROM calls --")),
        select(CALLS.c.id).where(Rendered("1 = 1) OR (1 = 1")),
        select(CALLS.c.id).where(Rendered("1 = 1 UNION SELECT 4")),
        select(CALLS.c.id).where(Rendered("1 = 1 /* more */")),
        CALLS.update().values(note=Rendered("'x', company_id = 'globex'")),
        select(CALLS.c.id).select_from(Twice(CALLS, COUNTRIES, CALLS.c.country_code == COUNTRIES.c.code)),
        with_more(LongInsert(CALLS).values(id=4, number_id=1), " ON CONFLICT (id) DO UPDATE SET note = 'x'"),
        with_more(LongInsert(CALLS).values(id=4, number_id=1), " ON CONFLICT DO NOTHING"),
        with_more(LongSelect(CALLS.c.id), " OR 1 = 1"),
        with_more(LongSelect(CALLS.c.id), " UNION SELECT 4"),
        with_more(LongSelect(CALLS.c.id), "; more"),
        with_more(LongSelect(CALLS.c.id), " -- more"),
        with_more(LongUpdate(CALLS).values(note="x"), " OR 1 = 1"),
        with_more(LongUpdate(CALLS).values(note="x"), "; DELETE FROM calls"),
    ],
)
def test_what_leaves_its_place_is_refused(memory: World, statement: Any) -> None:
    """A table beside the statement's own, more than one expression, a conflict clause, a set operation, an OR."""
    before = content(memory.plain, "calls")
    with (
        bind("acme"),
        memory.engine.begin() as connection,
        pytest.raises(RawSQLError, match=r"of your own|does not know"),
    ):
        connection.execute(statement)
    assert content(memory.plain, "calls") == before


@pytest.mark.parametrize(
    "rendered", ["set_config('tenantguard.tenant', 'globex', true)", "set_config(%(x)s, 'y', true)"]
)
def test_a_setting_is_refused(rendered: str) -> None:
    """What sets a setting sets a harmless one, written out."""
    dialect: Any = guard(create_engine("postgresql+psycopg://"), make_tenancy()).dialect
    compiled: Any = select(CALLS.c.id, Rendered(rendered)).compile(dialect=dialect.tg_variants["tenant"])
    assert "set_config" in str(compiled.tg.fault)


def test_what_keeps_its_place_passes(memory: World) -> None:
    """One expression, with queries that the compiler renders, and what may stand behind a query."""
    with bind("acme"), memory.engine.begin() as connection:
        for statement, expected in (
            (select(Rendered("(1 + 1)")), [2]),
            (select(Rendered(counted)), [3]),
            (select(CALLS.c.id).where(Rendered("id = 1 OR id = 4")), [1]),
            (select(CALLS.c.id).where(CALLS.c.id.in_([1, 4]), Rendered("coalesce(1, 2) = 1")), [1]),
            (select(CALLS.c.id).order_by(Rendered("calls.id DESC")).limit(1), [3]),
            (with_more(LongSelect(CALLS.c.id).order_by(CALLS.c.id), " LIMIT 1 OFFSET 1"), [2]),
            (with_more(LongSelect(CALLS.c.id).where(CALLS.c.id == 1), " /* more */"), [1]),
        ):
            assert connection.scalars(statement).all() == expected
        changed = with_more(LongUpdate(CALLS).values(note="x"), " AND id = 1")
        assert connection.execute(changed).rowcount == 1


@pytest.mark.parametrize("url", ["sqlite://", "postgresql+psycopg://", "mariadb+pymysql://"])
def test_what_it_renders_is_composed_anew(url: str) -> None:
    """What is sent is what was read, with the parameters in their places."""

    def either(compiler: Any) -> str:
        return (
            f"coalesce( {compiler.process(literal(3))},\n\t{compiler.process(Call.id.in_([1, 2]))} )  ||'%%'"
        )

    dialect: Any = guard(create_engine(url), make_tenancy()).dialect
    compiled: Any = select(Rendered(either)).compile(dialect=dialect.tg_variants["tenant"])
    assert compiled.tg.fault is None
    assert re.search(r"coalesce\(.+, calls.id IN \(__\[POSTCOMPILE_\w+\]\)\) \|\| '%%'", str(compiled))
    long: Any = with_more(LongSelect(Call.id).where(Call.id == 1), "\n/* more */ LIMIT  1")
    sent = str(long.compile(dialect=dialect.tg_variants["tenant"]))
    assert sent.endswith(" LIMIT 1")
    assert "\n" not in sent
    for write in (
        LongInsert(CALLS).values(id=9, number_id=1, note="'x\n"),
        LongUpdate(CALLS).values(note="x"),
    ):
        again: Any = with_more(write, "\n/* more */  ")
        compiled = again.compile(dialect=dialect.tg_variants["tenant"])
        assert compiled.tg.fault is None
        assert "more" not in compiled.string
        assert not {"\n", "  "} & set(re.findall(r"\n|  ", compiled.string))


def test_rows_of_a_write_of_ones_own_are_sent_together(memory: World) -> None:
    """SQLAlchemy finds the values that it repeats in an INSERT that was composed anew."""
    insert = with_more(LongInsert(CALLS).values(note=func.lower(bindparam("said"))), "  /* more */ ")
    rows = [
        {"id": at, "number_id": 1, "country_code": "DE", "seconds": 1, "said": f"N{at}"}
        for at in (90, 91, 92)
    ]
    with bind("acme"), memory.engine.begin() as connection:
        found = connection.scalars(insert.returning(CALLS.c.note), rows)
        assert sorted(found) == ["n90", "n91", "n92"]


@pytest.mark.parametrize("rendered", ["upper('%(x)s')", "'a", "1 -- more"])
def test_what_cannot_be_split_is_refused(memory: World, rendered: str) -> None:
    """A parameter in quotes, an open quote and a comment are refused."""
    with bind("acme"), memory.engine.connect() as connection, pytest.raises(RawSQLError, match="of your own"):
        connection.execute(select(Rendered(rendered)))
