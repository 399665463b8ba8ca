"""The rewritten text: its parameters in each style, and what it says must be checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, String, Table, or_, text

from tenantguard import Tenancy
from tenantguard.errors import RawSQLError, UnknownTableError
from tenantguard.sql.text import ForeignKeyUse, Rewritten, TenantUse, Texts, rewrite
from tests.servers import Backend, Database
from tests.sql.text.world import MINE, THEIRS, fill, tenancy


def done(sql: str, style: str = "named", dialect: str = "sqlite", of: Tenancy = tenancy) -> Rewritten:
    """Return the text rewritten."""
    return rewrite(sql, tenancy=of, dialect=dialect, style=style)


@pytest.mark.parametrize(
    ("style", "dialect", "sql", "expected", "given", "bound"),
    [
        ("named", "sqlite", "mins > :m", "mins > :m) AND calls.\"company_id\" = :tenantguard",
         {"m": 1}, {"m": 1, "tenantguard": "acme"}),
        ("qmark", "sqlite", "mins > ?", 'mins > ?) AND calls."company_id" = ?', (1,), (1, "acme")),
        ("qmark", "sqlite", "mins > :m", 'mins > :m) AND calls."company_id" = :tenantguard',
         {"m": 1}, {"m": 1, "tenantguard": "acme"}),
        ("qmark", "sqlite", "mins > 1", 'mins > 1) AND calls."company_id" = ?', None, ("acme",)),
        ("format", "mariadb", "mins %% 2 > %s", "mins %% 2 > %s) AND (CAST(CONVERT(calls.`company_id` "
         "USING utf8mb4) AS BINARY) = %s AND calls.`company_id` = %s)", (1,), (1, "acme", "acme")),
        ("format", "mariadb", "mins > %(m)s", "mins > %(m)s) AND (CAST(CONVERT(calls.`company_id` "
         "USING utf8mb4) AS BINARY) = %(tenantguard)s AND calls.`company_id` = %(tenantguard)s)",
         {"m": 1}, {"m": 1, "tenantguard": "acme"}),
        ("format", "mariadb", "mins > 1", "USING utf8mb4) AS BINARY) = %s AND calls.`company_id` = %s)",
         {}, ("acme", "acme")),
        ("pyformat", "postgresql", "mins > %s", 'mins > %s) AND calls."company_id" = %s', (1,), (1, "acme")),
        ("pyformat", "postgresql", "status LIKE '5%%' AND mins > %(m)s",
         "mins > %(m)s) AND calls.\"company_id\" = %(tenantguard)s", {"m": 1}, {"m": 1, "tenantguard": "acme"}),
        ("numeric_dollar", "postgresql", "mins > $1 OR mins < $1", '$1) AND calls."company_id" = $2',
         (1,), (1, "acme")),
        ("numeric", "postgresql", "mins > :1", ':1) AND calls."company_id" = :2', (1,), (1, "acme")),
    ],
)  # fmt: skip
def test_the_tenant_is_a_parameter_in_the_style_of_the_text(
    style: str, dialect: str, sql: str, expected: str, given: Any, bound: Any
) -> None:
    """The tenant's placeholder is written as the others are, and its value stands where it belongs."""
    rewritten = done(f"SELECT id FROM calls WHERE {sql}", style, dialect)
    assert rewritten.text.endswith(expected)
    assert rewritten.bind(given, "acme") == bound


def test_positional_values_follow_the_placeholders() -> None:
    """A predicate in the middle of the text takes the tenant's value into the middle of the parameters."""
    rewritten = done(
        "SELECT ?, (SELECT count(*) FROM numbers WHERE id > ?) FROM calls c LEFT JOIN numbers n ON n.id = ? WHERE ?",
        "qmark",
    )
    assert rewritten.bind((1, 2, 3, 4), "t") == (1, 2, "t", 3, "t", 4, "t")


def test_several_sets_of_parameters_are_each_given_the_tenant() -> None:
    """What executemany gets is a list of sets, each with the tenant."""
    rewritten = done("INSERT INTO calls (id, mins) VALUES (?, ?)", "qmark")
    assert rewritten.bind([(1, 2), (3, 4)], "t") == [(1, 2, "t"), (3, 4, "t")]


def test_a_text_without_a_tenant_leaves_its_parameters_alone() -> None:
    """Where no predicate was needed, nothing is added."""
    rewritten = done("SELECT * FROM countries WHERE code = :code")
    assert not rewritten.tenanted
    assert rewritten.bind({"code": "de"}, "t") == {"code": "de"}


@pytest.mark.parametrize(
    ("sql", "style", "given"),
    [
        ("SELECT ? FROM calls", "qmark", ()),
        ("SELECT ? FROM calls", "qmark", (1, 2)),
        ("SELECT ? FROM calls", "qmark", {"a": 1}),
        ("SELECT :a FROM calls", "named", (1,)),
    ],
)
def test_parameters_that_do_not_fit_are_refused(sql: str, style: str, given: Any) -> None:
    """Too few or too many parameters would shift the tenant's value: they are refused."""
    with pytest.raises(RawSQLError, match="given"):
        done(sql, style).bind(given, "t")


@pytest.mark.parametrize(
    ("sql", "style", "dialect"),
    [
        ("SELECT %s, %(a)s FROM calls", "pyformat", "postgresql"),
        ("SELECT '%s' FROM calls", "format", "mariadb"),
        ("SELECT id FROM calls -- %s", "format", "mariadb"),
        ("SELECT mins % 2 FROM calls", "format", "mariadb"),
        ("SELECT %(tenantguard)s FROM calls", "pyformat", "postgresql"),
        ("SELECT ?, :a FROM calls", "qmark", "sqlite"),
        ("SELECT ?0 FROM calls", "qmark", "sqlite"),
        ("SELECT ?1, :a FROM calls", "qmark", "sqlite"),
        ("SELECT :a(1) FROM calls", "qmark", "sqlite"),
        ("SELECT $a::b(1) FROM calls", "qmark", "sqlite"),
        ("SELECT $1a FROM calls", "numeric_dollar", "postgresql"),
        ("SELECT 1", "odd", "sqlite"),
    ],
)
def test_placeholders_that_can_be_read_in_two_ways_are_refused(sql: str, style: str, dialect: str) -> None:
    """Styles that are mixed, and placeholders in quotes or comments, are refused."""
    with pytest.raises(RawSQLError):
        done(sql, style, dialect)


def test_a_repeated_text_is_read_once() -> None:
    """The second time a text comes, the first answer is given."""
    texts = Texts(tenancy)
    first, second = (
        texts.rewrite("SELECT mins FROM calls", dialect="sqlite", style="named") for _ in range(2)
    )
    assert first is second


def test_the_tables_and_verbs_are_told() -> None:
    """What a text names and does can be read from the answer, parents of predicates included."""
    rewritten = done("INSERT INTO numbers (id) SELECT id FROM call_tags")
    assert rewritten.tables == {(None, "numbers"), (None, "call_tags"), (None, "calls")}
    assert rewritten.verbs == ("insert", "select")


def test_a_tenant_that_is_given_is_told() -> None:
    """Each value for the tenant column is told, a literal as well as a parameter, row by row."""
    (check,) = done("INSERT INTO numbers (id, company_id) VALUES (1, 'globex'), (2, :c)").checks
    assert isinstance(check, TenantUse)
    assert (check.table_key, check.column, check.verb) == ((None, "numbers"), "company_id", "insert")
    assert check.values([{"c": "acme"}, {"c": "x"}]) == ["globex", "acme", "globex", "x"]


def test_a_foreign_key_that_is_given_is_told() -> None:
    """Each value for a foreign key is told with its parent, as a tuple."""
    (check,) = done("INSERT INTO call_tags (call_id, tag) VALUES (?, 'a'), (-7, ?)", "qmark").checks
    assert isinstance(check, ForeignKeyUse)
    assert (check.parent_key, check.parent_columns, check.required) == ((None, "calls"), ("id",), True)
    assert check.values((5, "b")) == [(5,), (-7,)]


def test_an_update_tells_what_it_sets() -> None:
    """A tenant and a foreign key in SET are told as they are in VALUES."""
    checks = done("UPDATE calls SET company_id = :c, number_id = '3', mins = 1").checks
    assert {type(check): check.values({"c": "x"}) for check in checks} == {
        TenantUse: ["x"],
        ForeignKeyUse: [("3",)],
    }


def test_a_cast_that_could_change_the_value_is_no_value() -> None:
    """``'acme1'::varchar(4)`` is another tenant than it says."""
    with pytest.raises(RawSQLError, match="by an expression"):
        done("UPDATE calls SET company_id = 'acme1'::varchar(4)", dialect="postgresql")


def _composite() -> Tenancy:
    metadata = MetaData()
    Table("a", metadata, Column("id", Integer, primary_key=True), Column("n", Integer, primary_key=True),
          Column("company_id", String, nullable=False))  # fmt: skip
    Table("b", metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False),
          Column("a_id", Integer), Column("a_n", Integer),
          ForeignKeyConstraint(["a_id", "a_n"], ["a.id", "a.n"]))  # fmt: skip
    return Tenancy(metadata, column="company_id")


def test_a_key_of_two_columns_is_told_as_one() -> None:
    """A composite key is checked as a whole, and NULL stands for a column that is left out."""
    of = _composite()
    (check,) = done("INSERT INTO b (id, a_n, a_id) VALUES (1, 2, :x)", of=of).checks
    assert check.values({"x": 3}) == [(3, 2)]
    (check,) = done("INSERT INTO b (id, a_n) VALUES (1, 2)", of=of).checks
    assert check.values({}) == [(None, 2)]


def test_half_of_a_key_cannot_be_set() -> None:
    """With one column of a composite key set, the other one of the row is not known."""
    with pytest.raises(RawSQLError, match="only part of a key"):
        done("UPDATE b SET a_n = 2", of=_composite())


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1, x.id, y.n FROM a x, a y",
        "SELECT 1, min(x.id), min(x.n) FROM a x",
        "SELECT 1, v.id, v.n FROM (SELECT x.id, y.n FROM a x, a y) v",
    ],
)
def test_a_key_is_not_put_together_from_two_rows(query: str) -> None:
    """Two parents' halves of a key may be the whole key of another tenant's parent."""
    with pytest.raises(RawSQLError, match="by an expression"):
        done(f"INSERT INTO b (id, a_id, a_n) {query}", of=_composite())
    assert not done("INSERT INTO b (id, a_id, a_n) SELECT 1, x.id, x.n FROM a x", of=_composite()).checks


def test_each_of_several_tables_tells_what_it_is_given() -> None:
    """MariaDB sets columns of one name in two tables, or twice in one."""
    sql = "UPDATE calls a JOIN calls b ON b.id = a.id + 1 SET a.{0} = 'one', b.{0} = 'two'"
    for column in ("company_id", "number_id"):
        checks = done(sql.format(column), dialect="mariadb").checks
        told = [[str(value).strip("(),'") for value in check.values({})] for check in checks]
        assert told == [["one"], ["two"]]
    with pytest.raises(RawSQLError, match="number_id is given twice"):
        done("UPDATE calls SET number_id = 101, mins = number_id, number_id = 1", dialect="mariadb")


def test_a_table_with_a_row_rule_is_refused() -> None:
    """A rule is made of SQLAlchemy's constructs; text cannot carry it."""
    metadata = MetaData()
    Table(
        "t", metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False)
    )
    of = Tenancy(
        metadata,
        column="company_id",
        visible={"t": lambda t, tenant: or_(t.c.company_id == tenant, t.c.company_id.is_(None))},
    )
    with pytest.raises(RawSQLError, match="row rule"):
        done("SELECT * FROM t", of=of)


def test_a_schema_is_part_of_the_name() -> None:
    """A table of a schema is found by it, or without it where the schema is the default one."""
    metadata = MetaData(schema="app")
    Table(
        "t", metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False)
    )
    of = Tenancy(metadata, column="company_id")
    read = {"tenancy": of, "dialect": "postgresql", "style": "named"}
    for sql, schema in (
        ("SELECT * FROM app.t", None),
        ("SELECT * FROM t", "app"),
        ("SELECT * FROM APP.T", None),
    ):
        assert "company_id" in rewrite(sql, default_schema=schema, **read).text  # type: ignore[arg-type]
    for sql, schema in (
        ("SELECT * FROM t", None),
        ("SELECT * FROM t", "public"),
        ('SELECT * FROM "APP".t', None),
    ):
        with pytest.raises(UnknownTableError):
            rewrite(sql, default_schema=schema, **read)  # type: ignore[arg-type]


def test_a_parent_hidden_by_a_with_is_refused() -> None:
    """A predicate that reads ``calls`` must not read a common table expression of that name."""
    with pytest.raises(RawSQLError, match="hides a table"):
        done("WITH calls AS (SELECT 1 AS id, 'acme' AS company_id) SELECT * FROM call_tags")


def test_a_foreign_key_to_a_shared_table_is_free() -> None:
    """Keys of shared rows need no check."""
    metadata = MetaData()
    Table("s", metadata, Column("id", Integer, primary_key=True))
    Table("t", metadata, Column("id", Integer, primary_key=True), Column("company_id", String, nullable=False),
          Column("s_id", ForeignKey("s.id")))  # fmt: skip
    of = Tenancy(metadata, column="company_id", shared={"s"})
    assert done("INSERT INTO t (id, s_id) VALUES (1, 2 + 3)", of=of).checks == ()


ROUND_TRIPS: list[tuple[str, str, Any]] = [
    ("sqlite", "SELECT id FROM calls WHERE id > ? AND (id < ? OR 1 = 1)", (1, 3)),
    ("sqlite", "SELECT id FROM calls WHERE id > :low", {"low": 1}),
    ("sqlite", "SELECT id FROM calls", None),
    ("postgresql", "SELECT id FROM calls WHERE id > %s AND status LIKE 'o%%'", (1,)),
    ("postgresql", "SELECT id FROM calls WHERE id > %(low)s", {"low": 1}),
    ("postgresql", "SELECT id FROM calls LEFT JOIN call_tags USING (id)", None),
    ("mariadb", "SELECT id FROM calls WHERE id > %s AND id %% 2 = 1", (1,)),
    ("mariadb", "SELECT id FROM calls WHERE id > %(low)s", {"low": 1}),
    ("mariadb", "SELECT id FROM calls", None),
]


@pytest.mark.parametrize(("backend", "sql", "given"), ROUND_TRIPS)
def test_a_text_for_the_driver_is_executed_in_its_own_style(
    make_database: Callable[[Backend, str], Database], backend: Backend, sql: str, given: Any
) -> None:
    """``exec_driver_sql`` gets the text and the parameters as the driver wants them."""
    database = make_database(backend, "text_driver")
    engine = database.create_engine()
    fill(engine, MINE, THEIRS)
    style = engine.dialect.paramstyle
    rewritten = rewrite(sql, tenancy=tenancy, dialect=engine.dialect.name, style=style)
    with engine.connect() as connection:
        found = connection.exec_driver_sql(rewritten.text, rewritten.bind(given, MINE)).scalars().all()
        everything = connection.exec_driver_sql(sql, given or {}).scalars().all()
    assert set(found) == {id_ for id_ in everything if id_ < 100} < set(everything)
    database.close()


async def test_a_text_for_asyncpg_has_numbered_parameters(async_database: Database) -> None:
    """asyncpg's ``$1`` goes on with ``$2`` for the tenant, which may stand for several types of columns."""
    if "asyncpg" not in async_database.async_url:
        pytest.skip("a style of asyncpg")
    engine = async_database.create_engine(async_database.url)
    fill(engine, MINE, THEIRS)
    sql = "INSERT INTO calls (id, mins) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET mins = $2 RETURNING id, mins"
    rewritten = rewrite(sql, tenancy=tenancy, dialect="postgresql", style="numeric_dollar")
    async with async_database.async_engine() as asynchronous, asynchronous.begin() as connection:
        for key, expected in ((1, [(1, 77)]), (101, []), (50, [(50, 77)])):
            found = await connection.exec_driver_sql(rewritten.text, rewritten.bind((key, 77), MINE))
            assert [tuple(row) for row in found] == expected


@pytest.mark.parametrize("tenant", ["ACME", "acme ", "\u00e4cme", "acm\u00e9"])
def test_a_tenant_that_differs_in_case_or_spaces_is_another_one(database: Database, tenant: str) -> None:
    """MariaDB's usual collation takes them for the same; the predicate does not."""
    engine = database.create_engine()
    fill(engine, MINE, THEIRS)
    with engine.begin() as connection:
        for sql in ("SELECT id FROM calls", "SELECT id FROM call_tags", "UPDATE calls SET mins = 0"):
            rewritten = done(sql, dialect=engine.dialect.name)
            found = connection.execute(text(rewritten.text), rewritten.bind({}, tenant))
            assert not (found.fetchall() if found.returns_rows else found.rowcount)
