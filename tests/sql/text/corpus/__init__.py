"""Statements as applications write them, for the reader of SQL text: in modules, and one a line in ``dashboards``."""

from __future__ import annotations

from pathlib import Path

from tests.sql.text.corpus import mariadb, postgresql, reads, sqlite, writes

_OWN = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mariadb}
_DASHBOARDS = Path(__file__).parent / "dashboards"


def statements(dialect: str) -> tuple[list[str], list[str]]:
    """Return the queries and the writes that a database takes."""
    own = _OWN[dialect]
    queries, changes = reads.READS + own.READS, writes.WRITES + own.WRITES
    for name in ("every", dialect):
        found, _, writing = (_DASHBOARDS / f"{name}.sql").read_text().partition("-- writes\n")
        queries += found.splitlines()[1:]
        changes += writing.splitlines()
    return queries, changes
