"""SQL text that is refused before it reaches the database."""

from __future__ import annotations

from contextlib import suppress

import pytest

from tenantguard.errors import CrossTenantError, RawSQLError, UnknownTableError, Violation
from tenantguard.sql.text import rewrite
from tests.sql.text.world import tenancy

ALL = ("sqlite", "postgresql", "mariadb")
SCHEMAS = {"postgresql": "public", "mariadb": "app", "sqlite": None}


def rewritten(sql: str, dialect: str, style: str = "named") -> str:
    """Return the rewritten text."""
    return rewrite(
        sql, tenancy=tenancy, dialect=dialect, style=style, default_schema=SCHEMAS.get(dialect)
    ).text


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "sql",
    [
        "",
        "   ",
        "-- nothing",
        ";",
        # other kinds of statement
        "DROP TABLE calls",
        "CREATE TABLE x AS SELECT * FROM calls",
        "CREATE VIEW v AS SELECT * FROM calls",
        "ALTER TABLE calls ADD x int",
        "TRUNCATE calls",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "SET x = 1",
        "SET SESSION AUTHORIZATION x",
        "RESET ALL",
        "SHOW TABLES",
        "PRAGMA table_info(calls)",
        "ATTACH 'x' AS y",
        "VACUUM",
        "ANALYZE calls",
        "EXPLAIN SELECT * FROM calls",
        "EXPLAIN ANALYZE DELETE FROM calls",
        "DESCRIBE calls",
        "COPY calls TO STDOUT",
        "DO $$ BEGIN END $$",
        "CALL p()",
        "EXECUTE x",
        "PREPARE x AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT * FROM calls",
        "LOCK TABLE calls",
        "GRANT ALL ON calls TO x",
        "HANDLER calls OPEN",
        "LOAD DATA INFILE 'x' INTO TABLE calls",
        "MERGE INTO calls USING numbers ON 1 = 1 WHEN MATCHED THEN DELETE",
        "REPLACE INTO calls (id) VALUES (1)",
        "WITH x AS (SELECT 1) MERGE INTO calls USING x ON 1 = 1 WHEN MATCHED THEN DELETE",
        "WITH x AS (DROP TABLE calls) SELECT 1",
        "KILL 1",
        "x",
        "'SELECT'",
        '"SELECT" * FROM calls',
        # several, or half a one
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE calls",
        "SELECT 1;;",
        "SELECT * FROM calls WHERE",
        "SELECT * FROM",
        "SELECT",
        "SELECT * FROM calls)",
        "(SELECT * FROM calls",
        "SELECT * FROM calls WHERE (id = 1",
        "SELECT 'x",
        "SELECT * FROM calls WHERE status = 'a' 'b'",
        "SELECT * FROM calls WHERE id = 1 WHERE id = 2",
        "SELECT * FROM calls ORDER BY id WHERE id = 1",
        "SELECT * FROM calls LIMIT 1 FROM numbers",
        "SELECT * FROM calls garbage more garbage",
        "SELECT * FROM calls,",
        "SELECT * FROM calls JOIN",
        "SELECT * FROM calls LEFT numbers",
        "UPDATE calls SET",
        "DELETE calls",
        "INSERT INTO calls",
        # what writes elsewhere
        "SELECT * INTO x FROM calls",
        "SELECT * FROM calls INTO OUTFILE '/tmp/x'",
        "SELECT id INTO @x FROM calls",
        "SELECT @x := id FROM calls",
        "SELECT * FROM calls PROCEDURE ANALYSE()",
        # comments that are executed or hide something
        "SELECT * FROM calls /*! UNION SELECT * FROM numbers */",
        "SELECT * FROM calls /*!50000 WHERE 1=1 */",
        "SELECT * FROM calls /*M! WHERE 1=1 */",
        "SELECT * FROM calls /* /* */ UNION SELECT * FROM numbers */",
        "SELECT * FROM calls /* open",
        "SELECT 1 -- :x",
        # control characters, doubtful spaces, names that are ours
        "SELECT * FROM calls\x00",
        "SELECT * FROM calls\x0bWHERE 1=1",
        "SELECT *\u00a0FROM calls",
        "SELECT * FROM calls \ufeff",
        "SELECT :tenantguard",
        "SELECT * FROM calls tenantguard_1",
        "SELECT * FROM call_tags WHERE id = (SELECT max(id) FROM calls AS tenantguard_1)",
        "SELECT ' :x' FROM calls",
        # names that mean two things
        "SELECT * FROM calls, calls",
        "SELECT * FROM calls c, numbers c",
        "SELECT * FROM calls, (SELECT 'globex' AS company_id) calls",
        "SELECT * FROM calls JOIN (SELECT 'acme' AS company_id) AS calls USING (company_id)",
        "WITH calls AS (SELECT 1 AS id, 'globex' AS company_id) SELECT * FROM call_tags",
        "SELECT * FROM call_tags WHERE id IN (WITH calls AS (SELECT 1 AS id) SELECT id FROM calls)",
        # writes that cannot be told
        "INSERT INTO calls VALUES (1, 'acme', 'x', 1, 1)",
        "INSERT INTO calls (id, company_id) SELECT 1, upper('acme')",
        "INSERT INTO calls (id, company_id) SELECT * FROM calls",
        "INSERT INTO call_tags (id, call_id) VALUES (50, (SELECT max(id) FROM calls))",
        "INSERT INTO call_tags (id, call_id) SELECT 50, max(id) FROM calls",
        "INSERT INTO call_tags (id, call_id) SELECT 2, c.id FROM calls a LEFT JOIN calls c ON c.id = 99",
        "INSERT INTO call_tags (id, call_id) SELECT 2, number_id FROM calls",
        "UPDATE call_tags SET call_id = (SELECT id FROM calls WHERE id = 1)",
        "INSERT INTO calls (id, company_id) SELECT n.id, max(n.company_id, n.number) FROM numbers n GROUP BY n.id",
        "INSERT INTO calls (id, company_id) VALUES (1, lower('ACME'))",
        "INSERT INTO calls (id, company_id) VALUES (1, DEFAULT)",
        "INSERT INTO calls (id, company_id) VALUES (1, (SELECT 'globex'))",
        "INSERT INTO calls (id, company_id, company_id) VALUES (1, 'acme', 'globex')",
        "INSERT INTO calls (id, company_id) VALUES (1, 'acme', 'x')",
        "INSERT INTO calls (id, number_id) SELECT 1, 101 + 0",
        "INSERT INTO calls (id, number_id) VALUES (1, 100 + 1)",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT 101 AS id) x",
        "INSERT INTO call_tags (id, call_id) SELECT n.id, n.id FROM numbers n",
        "INSERT INTO call_tags (id, call_id) SELECT id, mins FROM calls",
        "UPDATE calls SET company_id = lower('GLOBEX')",
        "UPDATE calls SET company_id = NULL",
        "UPDATE calls SET company_id = DEFAULT",
        "UPDATE calls SET company_id = (SELECT 'globex')",
        "UPDATE calls SET company_id = status",
        "UPDATE calls SET number_id = number_id + 100",
        "UPDATE calls SET number_id = (SELECT 101)",
        "UPDATE call_tags SET call_id = id",
        "UPDATE calls SET number_id = (SELECT mins FROM calls c)",
        "UPDATE calls SET number_id = (SELECT id FROM numbers) + 99",
        "UPDATE calls SET number_id = (SELECT id FROM numbers UNION SELECT 101)",
        "UPDATE calls SET company_id = (SELECT company_id FROM numbers)",
        "UPDATE calls SET number_id = x.id FROM (SELECT 101 AS id) x",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT 101 AS id UNION SELECT id FROM calls) x",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT id, mins AS id FROM calls) x",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT mins, id FROM calls) x (id, n)",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT *, 101 AS id FROM countries) x",
        "INSERT INTO call_tags (id, call_id) SELECT 1, x.id FROM (SELECT * FROM numbers) x",
        "INSERT INTO call_tags (id, call_id) SELECT 1, min(id, 101) FROM calls",
        "INSERT INTO call_tags (id, call_id) VALUES (1, (SELECT id FROM calls UNION VALUES (101)))",
        "WITH x AS (SELECT (WITH y AS (SELECT id FROM calls) SELECT 1) AS a, y.id FROM y), y AS (SELECT 101 AS id) "
        "INSERT INTO call_tags (id, call_id) SELECT 1, id FROM x",
        "WITH x AS (SELECT id FROM calls), z AS (WITH x AS (SELECT 101 AS id) SELECT id FROM x) "
        "INSERT INTO call_tags (id, call_id) SELECT 1, id FROM z",
        "WITH RECURSIVE x AS (SELECT id FROM calls UNION SELECT id + 1 FROM x) "
        "INSERT INTO call_tags (id, call_id) SELECT 1, id FROM x",
        # functions
        "SELECT * FROM nothing_known()",
        "SELECT * FROM 'calls'",
    ],
)  # fmt: skip
def test_a_text_is_refused_on_every_database(sql: str, dialect: str) -> None:
    """What cannot be read with certainty, and what is no query and no write of rows, is refused."""
    with pytest.raises(Violation, match=r"refused|outside the tenancy"):
        rewritten(sql, dialect)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT * FROM sqlite_master", "sqlite"),
        ("SELECT * FROM sqlite_schema", "sqlite"),
        ("SELECT * FROM main.sqlite_master", "sqlite"),
        ("SELECT * FROM temp.calls", "sqlite"),
        ("SELECT * FROM other.calls", "sqlite"),
        ("SELECT * FROM pragma_database_list", "sqlite"),
        ("SELECT * FROM dbstat", "sqlite"),
        ("SELECT * FROM pg_class", "postgresql"),
        ("SELECT * FROM pg_catalog.pg_class", "postgresql"),
        ("SELECT * FROM information_schema.tables", "postgresql"),
        ("SELECT * FROM other.calls", "postgresql"),
        ("SELECT * FROM app.public.calls", "postgresql"),
        ('SELECT * FROM "Calls"', "postgresql"),
        ('SELECT * FROM "CALLS"', "postgresql"),
        ("SELECT * FROM mysql.user", "mariadb"),
        ("SELECT * FROM information_schema.tables", "mariadb"),
        ("SELECT * FROM other.calls", "mariadb"),
        ("SELECT * FROM calls JOIN unknown ON 1 = 1", "sqlite"),
        ("SELECT (SELECT max(x) FROM unknown) FROM calls", "sqlite"),
        ("WITH x AS (SELECT * FROM unknown) SELECT 1", "postgresql"),
        ("DELETE FROM unknown", "sqlite"),
        ("INSERT INTO unknown (a) VALUES (1)", "sqlite"),
    ],
)
def test_a_table_outside_the_tenancy_is_refused(sql: str, dialect: str) -> None:
    """A system table, a table of another schema and one that nobody placed are all unknown."""
    with pytest.raises(UnknownTableError, match="outside the tenancy"):
        rewritten(sql, dialect)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT load_extension('x')", "sqlite"),
        ("SELECT * FROM calls WHERE id IN numbers", "sqlite"),
        ("SELECT * FROM pragma_table_info('calls')", "sqlite"),
        ("SELECT * FROM calls WHERE id NOT IN numbers", "sqlite"),
        ("SELECT * FROM calls WHERE id IN main.numbers", "sqlite"),
        ("SELECT * FROM calls WHERE id IN json_each('[1]')", "sqlite"),
        ("INSERT OR REPLACE INTO calls (id) VALUES (1)", "sqlite"),
        ("UPDATE OR REPLACE calls SET id = 2", "sqlite"),
        ("UPDATE main.calls SET mins = 1 FROM unknown", "sqlite"),
        ("SELECT last_insert_rowid()", "sqlite"),
        ("SELECT ?1", "sqlite"),
        ("SELECT $x", "sqlite"),
        ("SELECT @x", "sqlite"),
        ("UPDATE calls SET number_id = number_id FROM (SELECT 101 AS number_id) x", "sqlite"),
        ("SELECT query_to_xml('select * from calls', true, true, '')", "postgresql"),
        ("SELECT ('/etc/passwd'::text).pg_read_file", "postgresql"),
        ("SELECT * FROM dblink('x', 'select 1') AS t (a int)", "postgresql"),
        ("SELECT * FROM ROWS FROM (generate_series(1, 2), my_report()) AS x", "postgresql"),
        ("SELECT * FROM my_report()", "postgresql"),
        ("SELECT * FROM public.unnest(ARRAY[1])", "postgresql"),
        ("INSERT INTO call_tags (id, call_id) SELECT c.id, c.id FROM calls AS c (x, y, z, id)", "postgresql"),
        ("SELECT set_config('x', 'y', false)", "postgresql"),
        ("SELECT pg_catalog.set_config('x', 'y', false)", "postgresql"),
        ("SELECT lastval()", "postgresql"),
        ("SELECT * FROM calls AS c TABLESAMPLE SYSTEM (10) FULL JOIN numbers ON true", "postgresql"),
        ("WITH RECURSIVE x AS (SELECT 1) SEARCH FIRST BY a SET b SELECT * FROM x", "postgresql"),
        ("SELECT * FROM calls *", "postgresql"),
        ("SELECT * FROM GRAPH_TABLE (g MATCH (a) COLUMNS (a.x))", "postgresql"),
        ("DELETE FROM calls WHERE CURRENT OF c", "postgresql"),
        ("SELECT " + "a" * 64 + " FROM calls", "postgresql"),
        (r'SELECT * FROM U&"c\0061lls"', "postgresql"),
        ('UPDATE calls SET number_id = "mins"', "mariadb"),  # a column, with ANSI_QUOTES
        ('INSERT INTO calls (id, company_id) VALUES (1, "acme")', "mariadb"),
        ("SELECT load_file('/etc/passwd')", "mariadb"),
        ("SELECT * FROM calls FOR SYSTEM_TIME ALL", "mariadb"),
        ("SELECT * FROM calls -- \nWHERE 1 = 1 --x", "mariadb"),
        (r"SELECT * FROM calls WHERE status = 'a\' OR 1=1 -- '", "mariadb"),
        ("UPDATE calls c, numbers n SET mins = 1", "mariadb"),
        ("UPDATE calls c JOIN numbers n ON 1 = 1 SET x.mins = 1", "mariadb"),
        ("DELETE x FROM calls c", "mariadb"),
        ("DELETE FROM call_tags USING calls JOIN numbers", "mariadb"),
        ("INSERT INTO call_tags (id, call_id) VALUES (1, 1) ON DUPLICATE KEY UPDATE tag = 'x'", "mariadb"),
        ("SELECT * FROM (calls", "mariadb"),
        ("SELECT {fn now()}", "mariadb"),
        ("WITH a AS (SELECT * FROM calls), b AS (SELECT 1) SELECT * FROM c", "mariadb"),
        ("WITH a AS (SELECT * FROM numbers), numbers AS (SELECT 1) SELECT * FROM a", "mariadb"),
        ("UPDATE calls SET wor\u212a = 1", "mariadb"),
        # names of functions of the users' own, as these databases read them
        ("SELECT COUNT (*) FROM calls", "mariadb"),
        ("SELECT CAST (id AS char) FROM calls", "mariadb"),
        ("SELECT `count`(id) FROM calls", "mariadb"),
        ("SELECT `left`(status, 1) FROM calls", "mariadb"),
        ('SELECT "coalesce"(id, 1) FROM calls', "postgresql"),
        ("SELECT 1 FROM calls", "oracle"),
        ("SELECT 1 FROM calls", "mssql"),
    ],
)  # fmt: skip
def test_a_form_of_one_database_is_refused_there(sql: str, dialect: str) -> None:
    """Forms of one database that reach further, or that the guard does not know, are refused there."""
    with pytest.raises(Violation, match=r"refused|outside the tenancy"):
        rewritten(sql, dialect)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("INSERT INTO countries (code) VALUES ('xx')", "shared_write"),
        ("UPDATE countries SET name = 'x'", "shared_write"),
        ("DELETE FROM countries", "shared_write"),
        ("INSERT INTO call_tags (id, tag) VALUES (1, 'x')", "orphan"),
        ("INSERT INTO call_tags (id, call_id) VALUES (1, NULL)", "orphan"),
        ("UPDATE call_tags SET call_id = NULL", "orphan"),
        ("INSERT INTO call_tags DEFAULT VALUES", "orphan"),
        ("INSERT INTO calls (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET company_id = 'globex'", "upsert"),
        ("INSERT INTO calls (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET company_id = excluded.status", "upsert"),
        ("INSERT INTO calls (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET number_id = 101", "upsert"),
        ("INSERT INTO calls (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET (number_id, mins) = (101, 2)", "upsert"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_a_write_that_no_tenant_may_do_is_refused(sql: str, kind: str, dialect: str) -> None:
    """Shared rows, rows without a parent, and conflict clauses that move a row are refused by their kind."""
    with pytest.raises(CrossTenantError) as caught:
        rewritten(sql, dialect)
    assert caught.value.kind == kind


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "1 + " * 300_000 + "1",
        "SELECT " + "(" * 1000 + "1" + ")" * 1000,
        "SELECT * FROM calls WHERE id IN " + "(SELECT id FROM calls WHERE id IN " * 500 + "(1)" + ")" * 500,
        "SELECT " + "CASE WHEN 1 = 1 THEN " * 1000 + "1" + " END" * 1000,
        "SELECT " + "NOT " * 20_000 + "1",
        "SELECT " + "- " * 40_000 + "1",
        "SELECT 1 FROM " + ", ".join(f"calls a{i}" for i in range(5000)),
        "SELECT 1" + " UNION SELECT 1" * 6000,
        "SELECT 1 WHERE " + " AND ".join(["1 = 1"] * 10_000),
        "SELECT extract(" + "a FROM " * 12_000 + "b)",
        "WITH " + ", ".join(f"x{i} AS (SELECT 1)" for i in range(3000)) + " SELECT 1 FROM calls, unknown",
        "SELECT '" + "x" * 1_000_000 + "'",
        "SELECT " + "'" * 90_000,
        "/*" * 40_000,
    ],
)  # fmt: skip
def test_a_huge_or_deep_text_is_answered_in_bounded_time(sql: str, dialect: str) -> None:
    """A megabyte, a thousand levels and long chains are refused or read, and never exhaust the process."""
    with suppress(Violation):
        assert rewritten(sql, dialect)


def test_a_refusal_tells_no_value() -> None:
    """The message of a refusal names words and tables, never what stands in quotes or as a number."""
    with pytest.raises(RawSQLError) as caught:
        rewritten("SELECT * FROM calls WHERE status = 'secret' '4242'", "sqlite")
    assert "secret" not in str(caught.value)
    assert "4242" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE call_tags SET rowid = 7",
        'UPDATE call_tags SET "OID" = 7',
        "INSERT INTO call_tags (_rowid_, call_id, tag) VALUES (7, 1, 'x')",
        "INSERT INTO call_tags (id, call_id, tag) VALUES (1, 1, 'x') ON CONFLICT (id) DO UPDATE SET rowid = 7",
    ],
)
def test_a_row_is_not_written_by_the_databases_own_name_for_it(sql: str) -> None:
    """SQLite takes rowid for the INTEGER PRIMARY KEY, which may be the key that a row belongs through."""
    with pytest.raises(RawSQLError, match="own name for a row"):
        rewritten(sql, "sqlite")
