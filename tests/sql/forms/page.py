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

What the guard does with each form of statement that SQLAlchemy 2.1 has. The page is made from a table in the tests,
`tests/sql/forms`. There each row runs on each database that has the form, for a tenant among others and for the
same tenant alone in a database without a guard: what comes back and what is changed must be equal, and the SQL
that was sent must show what the row says. Rows at the end of a group, which no comparison can settle, are proven
by attack vectors or by tests of their own. A test walks SQLAlchemy's packages and fails where a construct, a
function or a method has no row.

| what it says | means |
|---|---|
| predicate in `WHERE` | the rows of other tenants are not there for the statement |
| predicate in `ON` | the same, on the null-extended side of an outer join |
| derived table | a `FULL JOIN` reads `(SELECT * FROM t WHERE ...) AS t` |
| predicate in the conflict clause | an upsert changes no row of another tenant |
| stamped | the tenant column is filled with the tenant that is bound |
| checked | a tenant or a foreign key is verified before it is sent, or by what was stored, which is then taken back |
| passes as it is | no row of a tenant is read or written |
| refused | it raises before it reaches the database |
"""


def written() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_groups()])


def _groups() -> Iterator[str]:
    for group in GROUPS:
        yield f"## {group.title}\n"
        yield "| form | written | the guard |"
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
