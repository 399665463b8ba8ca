"""Writes docs/statements.md from the table of forms: ``python -m tests.sql.forms.page``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.servers import BACKENDS
from tests.sql.forms.form import Does, Elsewhere, Form
from tests.sql.forms.table import GROUPS

PAGE = Path(__file__).parents[3] / "docs" / "statements.md"
_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "mariadb": "MariaDB"}
_HEAD = """# Every form of statement

<!-- made from the table in tests/sql/forms by `make statements` -->

What the guard does with every form of statement in SQLAlchemy 2.1. The page is generated from a table in the tests,
`tests/sql/forms`. Each row runs on every database that supports the form: once for a tenant among others, and once without
the guard in a database with that tenant's rows only. Results and changes must be equal, and the SQL that was sent must show
what the row says. The last rows of some groups cannot be compared this way; attack vectors or separate tests cover them. A test
walks SQLAlchemy's packages and fails if a construct, a function or a method has no row.

| entry | meaning |
|---|---|
| predicate in `WHERE` | the statement sees no rows of other tenants |
| predicate in `ON` | the same, on the null-extended side of an outer join |
| derived table | a `FULL JOIN` reads `(SELECT * FROM t WHERE ...) AS t` |
| predicate in the conflict clause | an upsert changes no row of another tenant |
| stamped | the tenant column is filled with the bound tenant |
| checked | a tenant or a foreign key is verified before the statement is sent, or read back afterwards and rolled back if it is wrong |
| unchanged | no row of a tenant is read or written |
| refused | an error is raised before anything reaches the database |
"""


def written() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_groups()])


def _groups() -> Iterator[str]:
    for group in GROUPS:
        yield f"## {group.title}\n"
        yield "| form | example | the guard |"
        yield "|---|---|---|"
        for row in group:
            yield f"| {row.name} | {_cell(row.written)} | {_cell(_does(row))} |"
        yield ""


def _does(row: Form | Elsewhere) -> str:
    said = ", ".join(row.does)
    if row.why and (Does.REFUSED in row.does or isinstance(row, Elsewhere)):
        said += f": {row.why}"
    on = getattr(row, "on", BACKENDS)
    if set(on) != set(BACKENDS):
        said += f" ({', '.join(_TITLES[name] for name in on)})"
    return said


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(written())
