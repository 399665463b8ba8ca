"""Fuzz the reader of SQL text: whatever is accepted shows and changes the bound tenant's rows only."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from tenantguard import bind, guard
from tenantguard.errors import TenantGuardError
from tests.fuzz import grammar
from tests.sql.text.world import MINE, THEIRS, belongs, dump, fill, tenancy

PARAMETERS = {"low": 2, "state": "open", "mine": MINE, "call": 2}
_UNORDERED = re.compile(r"LIMIT|OFFSET|GROUP_CONCAT|GROUP\s+BY|COUNT|MAX|MIN|OVER|ROWID", re.IGNORECASE)
_THEIRS = re.compile(r"\b10\d\b|globex", re.IGNORECASE)  # the keys and the name of the other company
_NAMES_THEM = re.compile(
    r"\b10\d\b|globex|99|INSERT", re.IGNORECASE
)  # or a new row has a key like one of theirs


class TextFuzzer:
    """Run texts by their seeds, on two companies' rows and on the slice, in memory.

    Attributes:
        counts: how many were refused, failed in the database, read, and wrote.
    """

    name = "SQL text"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._engines: list[Engine] = []
        self._whole, driver = self._open(MINE, THEIRS)
        self._slice, _ = self._open(MINE)
        engine = create_engine("sqlite://", poolclass=StaticPool, creator=lambda: driver)
        self._engines.append(guard(engine, tenancy, raw_sql="rewrite"))
        self._guarded = self._engines[-1].connect()
        self._theirs = belongs(self._whole, THEIRS)

    def _open(self, *companies: str) -> tuple[Connection, Any]:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        self._engines.append(engine)
        fill(engine, *companies)
        connection = engine.connect()
        driver: Any = connection.connection.dbapi_connection
        driver.isolation_level = None  # its transactions are begun here
        driver.execute("PRAGMA foreign_keys = ON")
        return connection, driver

    def close(self) -> None:
        """Close what was opened."""
        for connection in (self._guarded, self._whole, self._slice):
            connection.close()
        for engine in self._engines:
            engine.dispose()

    def run(self, seed: int) -> str | None:
        """Run the text of a seed; return what is wrong, or ``None``."""
        sql = grammar.text(seed)
        self._driver(self._whole).execute("BEGIN")
        try:
            rows = self._send(sql, seed)
            fault = self._fault(sql, rows)
        finally:
            driver = self._driver(self._whole)
            if driver.in_transaction:
                driver.execute("ROLLBACK")
        return fault and f"{fault}: {sql!r}"

    def _driver(self, connection: Connection) -> Any:
        return connection.connection.dbapi_connection

    def _send(self, sql: str, seed: int) -> Counter[str] | None:
        try:
            with bind(MINE):
                if seed % 3:
                    result = self._guarded.execute(text(sql), PARAMETERS)
                else:
                    result = self._guarded.exec_driver_sql(sql, PARAMETERS)
                found = Counter(map(repr, result.fetchmany(5000))) if result.returns_rows else Counter()
                result.close()
        except TenantGuardError:
            self.counts["refused"] += 1
            return None
        except (SQLAlchemyError, ValueError, OverflowError, MemoryError):
            self.counts["failed in the database"] += 1
            return None
        self.counts["accepted"] += 1
        return found

    def _fault(self, sql: str, rows: Counter[str] | None) -> str | None:
        after = belongs(self._whole, THEIRS)
        if after != self._theirs:
            return "another tenant's rows were changed"
        if rows is None:
            return None
        mine, every = belongs(self._whole, MINE), dump(self._whole)
        owned = {name: len(mine[name]) + len(after[name]) for name in mine if name != "countries"}
        if any(len(every[name]) != count for name, count in owned.items()):
            return "a row was made that is nobody's"
        if any(row[4] in {number[0] for number in after["numbers"]} for row in mine["calls"]):
            return "a row points at another tenant's"
        if _THEIRS.search(str(rows)) and not _NAMES_THEM.search(sql):
            return f"another tenant's rows were returned ({rows})"
        return self._differs(sql, rows)

    def _differs(self, sql: str, rows: Counter[str]) -> str | None:
        """Compare with the slice, where the order of rows decides nothing and nothing was written."""
        if re.search(r"INSERT|UPDATE|DELETE", sql, re.IGNORECASE) or _UNORDERED.search(sql):
            return None
        self.counts["compared with the slice"] += 1
        try:
            result = self._slice.execute(text(sql), PARAMETERS)
            expected = Counter(map(repr, result.fetchmany(5000)))
        except SQLAlchemyError:
            return None
        return None if rows == expected else f"the slice returns {expected}, and here came {rows}"
