"""Two companies' rows for the tests of SQL text, and the slice that holds the first company's alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, String, Table, select

from tenantguard import Tenancy

metadata = MetaData()
companies = Table(
    "companies", metadata, Column("id", String(20), primary_key=True), Column("name", String(20))
)
numbers = Table(
    "numbers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("company_id", String(20), nullable=False),
    Column("number", String(20)),
)
calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("company_id", String(20), nullable=False),
    Column("status", String(20)),
    Column("mins", Integer),
    Column("number_id", ForeignKey("numbers.id")),
)
call_tags = Table(
    "call_tags",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", ForeignKey("calls.id"), nullable=False),
    Column("tag", String(20)),
)
tag_notes = Table(
    "tag_notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tag_id", ForeignKey("call_tags.id"), nullable=False),
    Column("note", String(20)),
)
countries = Table(
    "countries", metadata, Column("code", String(2), primary_key=True), Column("name", String(20))
)

tenancy = Tenancy(
    metadata,
    column="company_id",
    columns={"companies": "id"},
    through={"call_tags": "call_id", "tag_notes": "tag_id"},
    shared={"countries"},
)

MINE, THEIRS = "acme", "globex"
Rows = dict[str, list[dict[str, Any]]]


def _of(company: str, base: int) -> Rows:
    """Return rows of one company, whose keys begin at ``base``; the values are the same for both."""
    return {
        "companies": [{"id": company, "name": company.title()}],
        "numbers": [{"id": base + n, "company_id": company, "number": f"+1{n}"} for n in (1, 2, 3)],
        "calls": [
            {
                "id": base + n,
                "company_id": company,
                "status": ("open", "done", None)[n % 3],
                "mins": n * 7 % 11,
                "number_id": base + n if n < 3 else None,
            }
            for n in (1, 2, 3, 4, 5)
        ],
        "call_tags": [
            {"id": base + n, "call_id": base + 1 + n % 3, "tag": ("red", "blue")[n % 2]} for n in (1, 2, 3, 4)
        ],
        "tag_notes": [{"id": base + n, "tag_id": base + n, "note": f"note {n}"} for n in (1, 2)],
    }


SHARED: Rows = {"countries": [{"code": "de", "name": "Germany"}, {"code": "fr", "name": "France"}]}


def fill(engine: Engine, *companies: str) -> None:
    """Make the tables and put the rows of these companies in; one number is interleaved with the other's."""
    metadata.drop_all(engine)
    metadata.create_all(engine, checkfirst=False)
    bases = {MINE: 0, THEIRS: 100}
    with engine.begin() as connection:
        for rows in (SHARED, *(_of(company, bases[company]) for company in companies)):
            for name, values in rows.items():
                connection.execute(metadata.tables[name].insert(), values)


def dump(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    return {
        name: [tuple(row) for row in connection.execute(select(table))]
        for name, table in metadata.tables.items()
    }


def belongs(connection: Connection, company: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return the rows of one company, found by following every foreign key in Python."""
    found = dump(connection)
    mine = {row[0] for row in found["calls"] if row[1] == company}
    tags = {row[0] for row in found["call_tags"] if row[1] in mine}
    return {
        "companies": {row for row in found["companies"] if row[0] == company},
        "numbers": {row for row in found["numbers"] if row[1] == company},
        "calls": {row for row in found["calls"] if row[1] == company},
        "call_tags": {row for row in found["call_tags"] if row[1] in mine},
        "tag_notes": {row for row in found["tag_notes"] if row[1] in tags},
        "countries": set(found["countries"]),
    }
