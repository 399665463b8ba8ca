"""Made-up companies and their calls, the same ones each time."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from examples.fastapi_app.models import Base, Call, CallTag, Comment, Company, Country, Number, User

COMPANIES = {"acme": 2400, "globex": 1600}  # calls of each
FIRST_DAY = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
DAYS = 60

_COUNTRIES = [
    ("AT", "Austria", "+43"),
    ("CH", "Switzerland", "+41"),
    ("DE", "Germany", "+49"),
    ("FR", "France", "+33"),
    ("NL", "Netherlands", "+31"),
    ("SE", "Sweden", "+46"),
]
_FIRST = ["Ada", "Bruno", "Chiara", "Dag", "Elif", "Femke", "Goran", "Hanna", "Ivo", "Jana"]
_LAST = ["Arnesen", "Brandt", "Castelli", "Duval", "Eriksen", "Fuchs", "Gerber", "Horvat"]
_LABELS = ["Sales", "Support", "Billing", "Night line", "Returns"]
_TAGS = ["angry", "call-back", "complaint", "invoice", "new-customer", "praise", "returns", "vip"]
_COMMENTS = [
    "Asked for the invoice to be sent again.",
    "Line was bad, will ring back in the afternoon.",
    "Wants to speak to the person from last week.",
    "Parcel came damaged, a new one is on its way.",
    "Very pleased with how quickly it went.",
    "Asked us not to ring before nine.",
]

Row = dict[str, Any]


async def create_and_seed(engine: AsyncEngine, companies: Mapping[str, int] = COMPANIES) -> None:
    """Create the tables and fill them, unless somebody did before.

    Args:
        engine: where to; under a guard, call this inside a bypass.
        companies: the id of each company and how many calls it gets.
    """
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        if not await connection.scalar(select(func.count()).select_from(Company)):
            await _fill(connection, companies)


async def _fill(connection: AsyncConnection, companies: Mapping[str, int]) -> None:
    rng = random.Random(20260302)  # noqa: S311 - made-up data, not a secret
    await connection.execute(
        insert(Country), [dict(zip(("code", "name", "prefix"), c, strict=True)) for c in _COUNTRIES]
    )
    await connection.execute(insert(Company), [_company(name, rng) for name in companies])
    await connection.execute(insert(User), [row for name in companies for row in _users(name, rng)])
    await connection.execute(insert(Number), [row for name in companies for row in _numbers(name, rng)])
    agents = await _ids_by_company(connection, User)
    numbers = await _ids_by_company(connection, Number)
    calls = [
        _call(name, agents[name], numbers[name], rng)
        for name, count in companies.items()
        for _ in range(count)
    ]
    calls.sort(key=lambda call: call["started_at"])  # so that the ids of the companies interleave
    await connection.execute(insert(Call), calls)
    known = (await connection.execute(select(Call.id, Call.company_id).order_by(Call.id))).all()
    await connection.execute(insert(CallTag), [row for call in known for row in _tags(call.id, rng)])
    await connection.execute(insert(Comment), list(_comments(known, rng)))


def _company(name: str, rng: random.Random) -> Row:
    return {"id": name, "name": f"{name.capitalize()} Ltd", "country_code": rng.choice(_COUNTRIES)[0]}


def _users(company: str, rng: random.Random) -> Iterator[Row]:
    for first in rng.sample(_FIRST, 6):
        last = rng.choice(_LAST)
        email = f"{first}.{last}@{company}.example".lower()
        yield {"company_id": company, "name": f"{first} {last}", "email": email}


def _numbers(company: str, rng: random.Random) -> Iterator[Row]:
    for label in _LABELS:
        code, _, prefix = rng.choice(_COUNTRIES)
        yield {"company_id": company, "number": _telephone(prefix, rng), "label": label, "country_code": code}


def _telephone(prefix: str, rng: random.Random) -> str:
    return f"{prefix}{rng.randrange(10**8, 10**9)}"


async def _ids_by_company(
    connection: AsyncConnection, model: type[User] | type[Number]
) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, company in await connection.execute(select(model.id, model.company_id).order_by(model.id)):
        found.setdefault(company, []).append(number)
    return found


def _call(company: str, agents: list[int], numbers: list[int], rng: random.Random) -> Row:
    status = rng.choices(["answered", "missed", "voicemail"], [78, 15, 7])[0]
    answered = status == "answered"
    talked = min(
        int(rng.lognormvariate(5, 0.9)), 5400
    )  # seconds; half of the calls are under two and a half minutes
    return {
        "company_id": company,
        "number_id": rng.choice(numbers[:-1]),  # the last number never rings
        "agent_id": rng.choice(agents) if answered else None,
        "direction": rng.choices(["inbound", "outbound"], [70, 30])[0],
        "status": status,
        "caller": _telephone(rng.choice(_COUNTRIES)[2], rng),
        "started_at": FIRST_DAY + timedelta(days=rng.randrange(DAYS), seconds=rng.randrange(11 * 3600)),
        "seconds": talked if answered else 0,
    }


def _tags(call_id: int, rng: random.Random) -> Iterator[Row]:
    for tag in rng.sample(_TAGS, rng.choices([0, 1, 2], [55, 35, 10])[0]):
        yield {"call_id": call_id, "tag": tag}


def _comments(calls: Any, rng: random.Random) -> Iterator[Row]:
    for call in calls:
        if rng.random() < 0.2:
            written = FIRST_DAY + timedelta(days=DAYS)
            yield {
                "company_id": call.company_id,
                "call_id": call.id,
                "text": rng.choice(_COMMENTS),
                "written_at": written,
            }
