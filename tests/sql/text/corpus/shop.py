"""The tables that the everyday statements are about: a call centre with agents, invoices and counters."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    DefaultClause,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import NullType

from tenantguard import Tenancy

MINE, THEIRS = "acme", "globex"
metadata = MetaData()
_strings = JSON().with_variant(postgresql.ARRAY(Text), "postgresql")
_object = JSON().with_variant(postgresql.JSONB(), "postgresql")


def _owner() -> Column[Any]:
    return Column("company_id", String(20), ForeignKey("companies.id"), nullable=False)


companies = Table(
    "companies",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("name", String(40)),
    Column("plan", String(20)),
)
agents = Table(
    "agents",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner(),
    Column("name", String(40), nullable=False),
    Column("email", String(80)),
    Column("manager_id", ForeignKey("agents.id")),
    Column("hired", Date),
    Column("active", Boolean, nullable=False),
    Column("salary", Numeric(10, 2)),
    Column("skills", _strings),
)
calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner(),
    Column("agent_id", ForeignKey("agents.id")),
    Column("caller", String(20)),
    Column("status", String(20)),
    Column("seconds", Integer),
    Column("cost", Numeric(10, 4)),
    Column("started_at", DateTime),
    Column("meta", _object),
)
call_tags = Table(
    "call_tags",
    metadata,
    Column("call_id", ForeignKey("calls.id"), primary_key=True),
    Column("tag", String(20), primary_key=True),
    Column("weight", Integer),
)
transcripts = Table(
    "transcripts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("call_id", ForeignKey("calls.id"), nullable=False),
    Column("lang", ForeignKey("languages.code")),
    Column("body", Text),
)
invoices = Table(
    "invoices",
    metadata,
    Column("id", Integer, primary_key=True),
    _owner(),
    Column("month", Date, nullable=False),
    Column("total", Numeric(10, 2)),
    Column("paid", Boolean, nullable=False),
    UniqueConstraint("company_id", "month"),
)
counters = Table(
    "counters",
    metadata,
    Column("company_id", ForeignKey("companies.id"), primary_key=True),
    Column("name", String(20), primary_key=True),
    Column("value", Integer, nullable=False, default=0),
)
languages = Table(
    "languages", metadata, Column("code", String(5), primary_key=True), Column("name", String(20))
)

tenancy = Tenancy(
    metadata,
    column="company_id",
    columns={"companies": "id"},
    through={"call_tags": "call_id", "transcripts": "call_id"},
    shared={"languages"},
)

Rows = list[tuple[Table, list[dict[str, Any]]]]


def rows_of(company: str, base: int) -> Rows:
    """Return rows of one company, whose keys begin at ``base``; other values are the same for both."""
    start = dt.datetime(2026, 1, 30, 8, 15)  # noqa: DTZ001 - databases store it without a zone
    return [
        (companies, [{"id": company, "name": "The Company", "plan": "pro"}]),
        (agents, [_agent(company, base, n) for n in range(1, 5)]),
        (calls, [_call(company, base, n, start) for n in range(1, 13)]),
        (
            call_tags,
            [
                {"call_id": base + n, "tag": tag, "weight": n % 5 or None}
                for n in range(1, 9)
                for tag in ("vip", "complaint", "sales")[: n % 4]
            ],
        ),
        (
            transcripts,
            [
                {
                    "id": base + n,
                    "call_id": base + n * 2,
                    "lang": ("en", "de", None)[n % 3],
                    "body": f"Hello {n}",
                }
                for n in range(1, 6)
            ],
        ),
        (
            invoices,
            [
                {
                    "id": base + n,
                    "company_id": company,
                    "month": dt.date(2026, n, 1),
                    "total": n * 10,
                    "paid": n < 2,
                }
                for n in range(1, 4)
            ],
        ),
        (counters, [{"company_id": company, "name": name, "value": 7} for name in ("calls", "minutes")]),
    ]


def _agent(company: str, base: int, n: int) -> dict[str, Any]:
    return {
        "id": base + n,
        "company_id": company,
        "name": ("Ann", "Bob", "Cleo", "Dan")[n - 1],
        "email": f"agent{n}@Example.com",
        "manager_id": base + 1 if n > 1 else None,
        "hired": dt.date(2020 + n, n, 28),
        "active": n != 3,
        "salary": Decimal(1000 * n) if n != 4 else None,
        "skills": ["en", "de"][: n % 3],
    }


def _call(company: str, base: int, n: int, start: dt.datetime) -> dict[str, Any]:
    return {
        "id": base + n,
        "company_id": company,
        "agent_id": base + n % 4 + 1 if n % 5 else None,
        "caller": f"+49{n % 4}",
        "status": ("answered", "missed", "queued")[n % 3],
        "seconds": n * 37 % 100 if n % 6 else None,
        "cost": Decimal(n) / 8,
        "started_at": start + dt.timedelta(hours=n * 9),
        "meta": {"source": ("web", "phone")[n % 2], "score": n, "path": ["a", str(n)]},
    }


def build(engine: Engine, *, alone: bool) -> None:
    """Make the tables and rows: of both companies, or of one alone, whose column then fills itself."""
    made = metadata
    if alone:
        made = MetaData()
        for table in metadata.tables.values():
            copied = table.to_metadata(made)
            if "company_id" in copied.c:
                copied.c.company_id.server_default = DefaultClause(MINE)
    made.create_all(engine)
    with engine.begin() as connection:
        connection.execute(languages.insert(), [{"code": c, "name": c.upper()} for c in ("en", "de", "fr")])
        for company, base in ((MINE, 0), (THEIRS, 100)):
            if alone and company == THEIRS:
                continue
            for table, rows in rows_of(company, base):
                connection.execute(table.insert(), rows)


def content(connection: Connection, company: str) -> dict[str, list[Any]]:
    """Return what a company owns, told by the ranges of its keys and its name."""
    low, high = (0, 99) if company == MINE else (100, 10_000)
    found: dict[str, list[Any]] = {}
    for table in metadata.sorted_tables:
        key = next((c for c in table.primary_key if isinstance(c.type, Integer)), None)
        query = select(*(type_coerce(column, NullType()) for column in table.c))  # as the driver gives them
        if key is not None:
            query = query.where(key.between(low, high))
        elif "company_id" in table.c:
            query = query.where(table.c.company_id == company)
        elif table is companies:
            query = query.where(table.c.id == company)
        found[table.name] = sorted(repr(tuple(row)) for row in connection.execute(query))
    return found
