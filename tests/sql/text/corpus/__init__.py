"""Statements as applications write them, for the reader of SQL text: in modules, and one a line in ``dashboards``.

Those in ``reports`` are only read, so that they cost next to nothing.
"""

from __future__ import annotations

from pathlib import Path

from tests.sql.text.corpus import mariadb, postgresql, reads, sqlite, writes

_OWN = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb}
_DASHBOARDS = Path(__file__).parent / "dashboards"
_REPORTS = Path(__file__).parent / "reports"


def statements(dialect: str) -> tuple[list[str], list[str]]:
    """Return the queries and the writes that a database takes."""
    own = _OWN[dialect]
    queries, changes = reads.READS + own.READS, writes.WRITES + own.WRITES
    for name in ("every", dialect):
        found, _, writing = (_DASHBOARDS / f"{name}.sql").read_text().partition("-- writes\n")
        queries += found.splitlines()[1:]
        changes += writing.splitlines()
    return queries, changes


def reports(dialect: str) -> list[str]:
    """Return the statements of reports, pages, queues and upserts that a database takes."""
    return [sql for name in ("every", dialect) for sql in (_REPORTS / f"{name}.sql").read_text().splitlines()]
