"""The load test: its servers answer alike, and its users notice what belongs to somebody else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, insert, select

from benchmarks.databases import postgresql
from benchmarks.locust import apart
from benchmarks.locust.companies import HOSTILE, company_id
from benchmarks.locust.data import START, fill, restore
from benchmarks.locust.kinds import ALONE, HAND, KINDS, NOTHING, SQLITE
from benchmarks.locust.load import LEAK, Load, summary
from benchmarks.locust.run import Plan, measure
from benchmarks.locust.table import table
from benchmarks.tokens import Signer, signer
from examples.fastapi_app.database import make_engine
from examples.fastapi_app.models import Base, Call, CallTag, Comment
from tenantguard.audit import MemorySink

COMPANIES, CALLS = 3, 10
SIGNER = signer("RS256")
PATHS = (
    "/company", "/countries", "/numbers", "/calls?size=5", "/calls?status=answered&size=5", "/calls/1",
    "/statistics/agents", "/statistics/numbers", "/statistics/days",
)  # fmt: skip
SEVERAL = [name for name, kind in KINDS.items() if not kind.alone and SQLITE in kind.backends]


@asynccontextmanager
async def _client(
    kind: str, home: Path, signed_by: Signer, urls: tuple[str, str] | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    file = f"{home}/{kind}.sqlite"
    url, async_url = urls or (f"sqlite:///{file}", f"sqlite+aiosqlite:///{file}")
    engine = create_engine(url)
    fill(engine, range(COMPANIES), CALLS)
    prepare = KINDS[kind].prepare
    if prepare is not None:
        prepare(engine)
    engine.dispose()
    served = make_engine(async_url)
    app = KINDS[kind].make(served, signed_by)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": f"Bearer {signed_by.sign('ada', company_id(0))}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client
    await served.dispose()


async def test_every_server_gives_the_same_answers(tmp_path: Path, record: MemorySink) -> None:
    """The servers that are compared answer every request of the mix alike."""
    signed_by = SIGNER
    answers = {}
    for kind in SEVERAL:
        async with _client(kind, tmp_path, signed_by) as client:
            answers[kind] = [(await client.get(path)).json() for path in PATHS]
    assert len(answers["tenantguard"][3]["calls"]) == 5
    assert all(found == answers["tenantguard"] for found in answers.values())


@pytest.mark.parametrize("kind", SEVERAL)
async def test_every_server_refuses_another_companys_call(
    kind: str, tmp_path: Path, record: MemorySink
) -> None:
    """Reading a row of another company by its id finds nothing."""
    async with _client(kind, tmp_path, SIGNER) as client:
        assert (await client.get("/calls/2")).status_code == 404


@pytest.mark.parametrize("kind", ["handwritten", "tenantguard"])
async def test_writes_to_other_companies_are_refused(kind: str, tmp_path: Path, record: MemorySink) -> None:
    """The two servers whose speed is compared keep the same promise about writes."""
    async with _client(kind, tmp_path, SIGNER) as client:
        assert await _attempts(client) == [4, 4, 4, 4]


async def test_one_more_kind_serves_over_row_security(tmp_path: Path, record: MemorySink) -> None:
    """The guard with row security underneath, one more row in the table, answers and refuses as the others do."""
    with postgresql() as server:  # with a role that row security applies to
        url = server.database("underneath")
        async with _client("underneath", tmp_path, SIGNER, (url, url)) as client:
            answers = [await client.get(path) for path in PATHS]
            assert {answer.status_code for answer in answers} == {200}
            assert await _attempts(client) == [4, 4, 4, 4]


async def _attempts(client: httpx.AsyncClient) -> list[int]:
    answers = [
        await client.patch("/calls/2", json={"seconds": 1}),
        await client.post("/calls/2/comments", json={"text": "mine"}),
        await client.post("/calls/tags", json={"tag": "mine", "call_ids": [2]}),
        await client.post("/calls", json={"number_id": 6, "caller": "+49170000"}),
    ]
    return [answer.status_code // 100 for answer in answers]


def _row(name: str, method: str = "GET", **counted: int) -> dict[str, Any]:
    times = {"start_time": 10.0, "last_request_timestamp": 12.0, "response_times": {"5": 4}}
    return {"name": name, "method": method, "num_requests": 4, "num_failures": 0, **times, **counted}


def test_attempts_of_intruders_are_no_work() -> None:
    """Throughput counts what agents asked for; failures and leaks count wherever they happen."""
    rows = [
        _row("/calls"),
        _row(f"{HOSTILE}/calls", num_failures=1),
        _row("GET /calls", LEAK, num_failures=2),
    ]
    told = summary(rows)
    assert (told["requests"], told["attempts"], told["failures"], told["leaks"]) == (4, 4, 1, 2)
    assert (told["rate"], told["p95"]) == (2.0, 5.0)


def test_each_round_begins_with_the_same_rows(tmp_path: Path) -> None:
    """What a load has added is taken away, whatever it was."""
    engine = create_engine(f"sqlite:///{tmp_path}/rows.sqlite")
    tables = Base.metadata.sorted_tables
    fill(engine, range(COMPANIES), CALLS)
    with engine.begin() as connection:
        before = [connection.execute(select(table).order_by(*table.primary_key)).all() for table in tables]
        added = {"company_id": company_id(1), "number_id": 1, "caller": "+49", "started_at": START}
        connection.execute(insert(Call), {"direction": "inbound", "status": "missed", "seconds": 1, **added})
        connection.execute(insert(CallTag), {"call_id": 2, "tag": "vip"})
        connection.execute(
            insert(Comment), {"company_id": company_id(1), "call_id": 2, "text": "new", "written_at": START}
        )
        restore(connection, range(COMPANIES), CALLS)
        assert before == [
            connection.execute(select(table).order_by(*table.primary_key)).all() for table in tables
        ]
    engine.dispose()


_LEAKS = """
from locust.env import Environment
from tenantguard.testing.locust import LEAK, TenantUser, tampered, unsigned

class Answer:
    def __init__(self, text): self.text = text

class User(TenantUser):
    host, marks = "http://127.0.0.1:1", r"\\b(co-\\d+)\\b"
    def identify(self): return "co-1", "a.b.c"

environment = Environment(user_classes=[User])
environment.create_local_runner()  # which counts
user = User(environment)
for text in ('[{"name": "Ada co-1"}]', '{"company_id": "co-1", "n": 2}', "", "not json"):
    user.check(Answer(text), "GET", "/own")
assert not environment.stats.entries, environment.stats.entries
for text in ('[{"name": "Bob co-2"}]', '{"a": [{"company_id": 7}]}'):
    user.check(Answer(text), "GET", "/other")
print(environment.stats.entries[("GET /other", LEAK)].num_failures)
"""


def test_a_user_counts_what_belongs_to_somebody_else() -> None:
    """Marks and tenant fields of others are leaks in Locust's own statistics; one's own are not."""
    # in a process of its own, because Locust patches the standard library
    done = subprocess.run([sys.executable, "-c", _LEAKS], capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr


@pytest.mark.rest  # the users and the servers are tested above
def test_a_master_and_two_workers_load_the_example() -> None:
    """The load runs over Locust's own master and workers on loopback, and finds no leak."""
    load = Load(users=4, seconds=60, hostile=1, processes=2, distributed=True, requests=20)
    small: dict[str, Any] = {
        "rounds": 1,
        "companies": COMPANIES,
        "calls": CALLS,
        "warm_up": 0,
        "apart": False,
    }
    raw = measure(Plan(load, ["sqlite"], ["tenantguard"], **small))
    (run,) = raw["runs"]
    assert run["requests"] > 0
    assert (run["failures"], run["leaks"]) == (0, 0)
    assert "| sqlite | tenantguard |" in table(raw)


@pytest.mark.parametrize("kind", [HAND, ALONE])  # to make the other changes the tables, for all tests
async def test_the_requests_that_are_taken_apart_are_answered(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: MemorySink
) -> None:
    """By every server whose instructions are counted; one that refused would look cheap."""
    signed_by, file = SIGNER, tmp_path / "one.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    fill(engine, range(1), CALLS)
    engine.dispose()
    monkeypatch.setenv("BENCH_TOKEN", signed_by.sign("ada", company_id(0)))
    served = make_engine(f"sqlite+aiosqlite:///{file}")
    app = KINDS[kind].make(served, signed_by)
    monkeypatch.setitem(apart.REQUESTS, "read what is not there", ("GET", "/calls/4242", "", None))
    for name in list(apart.REQUESTS)[:-1]:
        await apart.answer(app, name, 1)
    with pytest.raises(RuntimeError, match="404"):
        await apart.answer(app, "read what is not there", 1)
    await served.dispose()


def test_requests_are_told_as_ratios_to_no_security() -> None:
    """The first server's own number stands in its column."""
    counted = {NOTHING: {"read a call": 2_000}, HAND: {"read a call": 2_500}}
    assert apart.table({"instructions": counted}).splitlines()[-1] == "| read a call | 2,000 | 1.250 |"
