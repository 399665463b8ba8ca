"""Fuzz the reader by splices: statements as applications write them, with odd pieces put in, on three databases."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, Table, select, text, type_coerce
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType

from tenantguard import bind, bypass, guard
from tenantguard.errors import TenantGuardError
from tenantguard.sql.text import Rewritten, rewrite
from tests.fuzz.judges import parser_fault, plan_fault, sqlite_fault
from tests.servers import Database
from tests.sql.text.corpus import reads, shop, statements

_PIECES = (
    "#a(')", ":a(')", ":a::b(", "@a", "?1", "$a", "1.", "1.FROM calls", "1.e5", ".5", "0x1", "1_0", "\u0662", "\r",
    "\n", "--", "-- ", "/*", "*/", "/**/", "/*!", "/* x */", "#", "''", "'", '"', "`", "[", "]", "\\", "$$", "$a$",
    "E'", "X'", "U&'", "N'", "_utf8", ";", ",", ".", "*", "(", ")", ")) --", "()", "::int", "\\:\\:int", "::", "\\:",
    "||", "{", "}", " OR 1 = 1 ", " AND ", " NOT ", " UNION SELECT 101, 102 ", " UNION ALL ",
    "(SELECT id FROM calls)", " AS 'id' ", " AS id ", " rowid ", " ctid ", ") OR (1 = 1",
    " LEFT JOIN agents z ON 1 = 1 ", " FULL JOIN calls y USING (id) ", " RIGHT JOIN calls y ON 1 = 1 ",
    " JOIN invoices ", " CROSS JOIN calls y ", " NATURAL JOIN calls ", " , calls y ",
    " WITH calls AS (SELECT 101 AS id) ", " WITH x AS (", " TABLE calls ", " VALUES (101) ", " IN calls ",
    " LATERAL ", " USING (id) ", " RETURNING * ", " ON CONFLICT DO NOTHING ", " DEFAULT ", " NULL ", " CAST(",
    " LIMIT 1 ", " FROM calls ", " FROM ", " WHERE ", " SELECT ", " SET company_id = 'globex' ", " agent_id = 101 ",
    "company_id", "'globex'", "101", " IS NOT DISTINCT FROM ", " BETWEEN ", " CASE ", " END ", " ORDER BY 1 ",
    " GROUP BY 1 ", " HAVING ", " WINDOW w AS (", " OVER (", " FILTER (WHERE ", " INTO x ", " ONLY ", " DISTINCT ",
    "\xa0", "\u2028", "\ufeff", "\x1f", "\x00", "\xe9", "\u212a", "\u017f", "%", "%%", "%s", ":one", " calls ",
    " agents a ", ".id", "c.", " EXCEPT SELECT 1 ", " FOR UPDATE ", " = ANY ", " EXISTS ", " ARRAY",
    " json_each('[101]') ", " unnest(", "tenantguard",
)  # fmt: skip
_TOKENS = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|:?\w+|\s+|.", re.DOTALL)
_UNSTEADY = re.compile(
    r"\b(?:LIMIT|OFFSET|FETCH|now|random|rand|uuid\w*|gen_random_uuid|current_\w+|datetime|date|strftime|julianday|"
    r"unixepoch|curdate|curtime|utc_\w+|sleep|pg_\w+|group_concat|string_agg|array_agg|json\w*_agg\w*|json_group\w+|"
    r"json_arrayagg|json_objectagg|rowid|ctid|oid|over|any_value|tablesample|version|database|user|ARRAY|xmin|tableoid)\b",
    re.IGNORECASE,
)


@cache
def _known(dialect: str) -> list[str]:
    queries, writes = statements(dialect)
    return queries + writes


def spliced(seed: int, dialect: str) -> str:
    """Return the text of a seed."""
    dice = random.Random(seed)
    known = _known(dialect)
    sql: str = dice.choice(known)
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        parts = _TOKENS.findall(sql)
        at = dice.randrange(len(parts))
        piece = dice.choice(_PIECES)
        match dice.randrange(8):
            case 0:
                parts[at] = piece
            case 1:
                del parts[at]
            case 2:
                other = _TOKENS.findall(dice.choice(known))
                begun = dice.randrange(len(other))
                parts[at:at] = other[begun : begun + dice.randint(1, 6)]
            case 3:
                half = dice.randrange(len(parts[at]) + 1)
                parts[at] = parts[at][:half] + piece + parts[at][half:]
            case 4:
                parts = [part for part in parts if not part.isspace() or dice.random() < 0.7]
            case _:
                parts.insert(at, piece)
        sql = "".join(parts)
    return sql


class SpliceFuzzer:
    """Run texts by their seeds, beside another company's rows and alone.

    Attributes:
        counts: how many were refused, failed in the database, and were accepted.
    """

    def __init__(self, whole: Database, alone: Database) -> None:
        self.counts: Counter[str] = Counter()
        self._plain, self._alone_engine = whole.create_engine(), alone.create_engine()
        shop.build(self._plain, alone=False)
        shop.build(self._alone_engine, alone=True)
        self._engine: Engine = guard(whole.create_engine(), shop.tenancy, raw_sql="rewrite")
        self._guarded, self._alone = self._engine.connect(), self._alone_engine.connect()
        self.dialect = self._engine.dialect.name
        # foreign keys are off there, whose enforcement reads other tables
        place = self._alone_engine.url.database if self.dialect == "sqlite" else None
        self._lite = sqlite3.connect(place or ":memory:")
        self.name = f"splices on {self.dialect}"
        with bypass(reason="compare"):
            self._theirs = self._theirs_now()
            self._guarded.rollback()

    def close(self) -> None:
        """Close what was opened."""
        for connection in (self._guarded, self._alone, self._lite):
            connection.close()
        for engine in (self._engine, self._plain, self._alone_engine):
            engine.dispose()

    def run(self, seed: int) -> str | None:
        """Run the text of a seed; return what is wrong, or ``None``."""
        sql = spliced(seed, self.dialect)
        read = self._read(sql)
        if read is None:
            self.counts["refused"] += 1
            return None
        fault = self._structure(read) or self._behaviour(sql)
        return fault and f"{fault}: {sql!r}"

    def _read(self, sql: str) -> Rewritten | None:
        dialect = self._engine.dialect
        try:
            return rewrite(
                sql,
                tenancy=shop.tenancy,
                dialect=dialect.name,
                style="named",
                default_schema=dialect.default_schema_name,
            )
        except TenantGuardError:
            return None

    def _structure(self, read: Rewritten) -> str | None:
        """Ask the judges what the database sees in a text."""
        values = {**reads.PARAMETERS, "tenantguard": shop.MINE}
        if self.dialect == "sqlite":
            return sqlite_fault(self._lite, read, values, shop.tenancy)
        if self.dialect == "postgresql" and (fault := parser_fault(read, values)):
            return fault
        try:
            with bypass(reason="judge"):
                return plan_fault(self._alone, read, values, shop.tenancy)
        finally:
            self._alone.rollback()

    def _behaviour(self, sql: str) -> str | None:
        """Run a text in both worlds, and compare."""
        self._begin(self._alone, self._guarded)
        try:
            with bind(shop.MINE):
                mine = _outcome(self._guarded, sql)
            if mine == "refused":
                self.counts["refused"] += 1
                return None
            if mine == "failed":
                self.counts["failed in the database"] += 1
                return None
            self.counts["accepted"] += 1
            with bypass(reason="compare"):
                if self._theirs_now() != self._theirs:
                    return "another tenant's rows were changed"
            return None if _UNSTEADY.search(sql) else self._differs(sql, mine)
        finally:
            self._guarded.rollback()
            self._alone.rollback()

    def _theirs_now(self) -> dict[str, list[str]]:
        """Return the other company's rows, found by its name and by the keys of its calls."""
        found = {}
        calls = {
            row.id for row in self._guarded.execute(_as_stored(shop.calls)) if row.company_id == shop.THEIRS
        }
        for table in shop.metadata.sorted_tables:
            rows = self._guarded.execute(_as_stored(table)).mappings().all()
            found[table.name] = sorted(
                repr(row)
                for row in rows
                if shop.THEIRS in (row.get("company_id"), row.get("id")) or row.get("call_id") in calls
            )
        return found

    def _differs(self, sql: str, mine: Any) -> str | None:
        single = _outcome(self._alone, sql)
        if single == "failed" and "ON CONFLICT" in sql:
            return None  # SQLite takes an ON behind a FROM for a join's, unless a WHERE stands between: here one does
        if single == "failed":
            return f"alone it fails, and here came {str(mine)[:200]}"
        self.counts["compared"] += 1
        if self.dialect == "mariadb" and isinstance(mine, tuple) and isinstance(single, tuple) and ":" in sql:
            mine, single = mine[1], single[1]  # its names of columns have the values in them
        if mine != single:
            return f"alone it gives {str(single)[:200]}, and here came {str(mine)[:200]}"
        with bypass(reason="compare"):
            mine, single = (shop.content(one, shop.MINE) for one in (self._guarded, self._alone))
        if "INSERT" in sql:  # keys that the database counts for everybody differ
            return None
        return None if mine == single else "the tenant's rows are others than alone"

    def _begin(self, *connections: Connection) -> None:
        for connection in connections:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")


def _outcome(connection: Connection, sql: str) -> Any:
    try:
        result = connection.execute(text(sql), reads.PARAMETERS)
        if not result.returns_rows:
            return result.rowcount
        found = Counter(map(repr, result.fetchmany(3000)))
        result.close()
        return list(result.keys()), found
    except TenantGuardError:
        return "refused"
    except (SQLAlchemyError, ValueError, OverflowError, MemoryError, TypeError):
        return "failed"


def _as_stored(table: Table) -> Any:
    """Return the query of all rows as the driver gives them: SQLite keeps a number where a time is declared."""
    return select(*(type_coerce(column, NullType()).label(column.name) for column in table.c))
