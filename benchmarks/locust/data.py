"""The rows of the load test, written into a database, and put back as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert

from benchmarks.locust.companies import CALLS, COMPANIES, NUMBERS, TAGS, company_id, seconds_of
from examples.fastapi_app.models import Base, Call, CallTag, Comment, Company, Country, Number, User

AGENTS, DAYS = 6, 30  # of each company
START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)

Row = dict[str, Any]


def fill(engine: Engine, companies: Sequence[int] = range(COMPANIES), calls: int = CALLS) -> None:
    """Create the tables and write the rows of the companies; ids of calls take turns among them."""
    rng = random.Random(20260302)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Country), [{"code": "DE", "name": "Germany", "prefix": "+49"}])
        connection.execute(
            insert(Company),
            [
                {"id": company_id(i), "name": f"Company {company_id(i)}", "country_code": "DE"}
                for i in companies
            ],
        )
        connection.execute(insert(User), list(_agents(companies)))
        connection.execute(insert(Number), list(_numbers(companies)))
        connection.execute(insert(Call), list(_calls(companies, calls, rng)))
        total = len(companies) * calls
        connection.execute(insert(CallTag), list(_tags(total)))
        connection.execute(insert(Comment), list(_comments(companies, total)))


def restore(connection: Connection, companies: Sequence[int], calls: int) -> None:
    """Take away the rows that a load has added: whoever answers fastest must not end with the longest lists."""
    total = len(companies) * calls
    connection.execute(delete(CallTag))
    connection.execute(delete(Comment).where(Comment.id > len(range(1, total + 1, 5))))
    connection.execute(delete(Call).where(Call.id > total))
    connection.execute(insert(CallTag), list(_tags(total)))


def _agents(companies: Sequence[int]) -> Iterator[Row]:
    for i in companies:
        for n in range(AGENTS):
            name = f"Agent {n} {company_id(i)}"
            yield {"company_id": company_id(i), "name": name, "email": f"{n}@{company_id(i)}.example"}


def _numbers(companies: Sequence[int]) -> Iterator[Row]:
    for i in companies:
        for n in range(NUMBERS):
            number = f"+4930{i:04}{n:02}"
            yield {
                "company_id": company_id(i),
                "number": number,
                "label": f"Line {n} {company_id(i)}",
                "country_code": "DE",
            }


def _calls(companies: Sequence[int], calls: int, rng: random.Random) -> Iterator[Row]:
    for n in range(calls):
        for place, i in enumerate(companies):
            yield {
                "company_id": company_id(i),
                "number_id": place * NUMBERS + rng.randrange(NUMBERS) + 1,
                "agent_id": place * AGENTS + rng.randrange(AGENTS) + 1,
                "direction": rng.choice(("inbound", "outbound")),
                "status": rng.choices(("answered", "missed", "voicemail"), (8, 1, 1))[0],
                "caller": f"+4917{n:08}",
                "started_at": START + timedelta(days=n % DAYS, seconds=rng.randrange(36_000)),
                "seconds": seconds_of(i, rng),
            }


def _tags(total: int) -> Iterator[Row]:
    rng = random.Random(total)
    for key in range(1, total + 1, 2):
        yield {"call_id": key, "tag": rng.choice(TAGS)}


def _comments(companies: Sequence[int], total: int) -> Iterator[Row]:
    for key in range(1, total + 1, 5):
        company = company_id(companies[(key - 1) % len(companies)])
        yield {"company_id": company, "call_id": key, "text": f"Noted for {company}", "written_at": START}
