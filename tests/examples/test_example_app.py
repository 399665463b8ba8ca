"""Every endpoint of the call centre, for one company and against the other."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from examples.fastapi_app.app import OPEN_PATHS
from tests.examples.conftest import CALLS, Client


async def _ids(client: httpx.AsyncClient, path: str = "/calls?size=200") -> list[int]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return [call["id"] for call in answer.json()["calls"]]


@pytest.mark.parametrize("company", CALLS)
async def test_company_is_the_only_one(client: Client, company: str) -> None:
    """The table of companies holds one row, the company's own."""
    assert (await client(company).get("/company")).json()["id"] == company


@pytest.mark.parametrize("company", CALLS)
async def test_list_holds_own_calls(client: Client, company: str) -> None:
    """The total and the page are those of the company."""
    page = (await client(company).get("/calls?size=200")).json()
    assert page["total"] == len(page["calls"]) == CALLS[company]


async def test_lists_are_disjoint(client: Client) -> None:
    """No call is in both lists."""
    assert not set(await _ids(client("acme"))) & set(await _ids(client("globex")))


async def test_pages_make_up_the_list(client: Client) -> None:
    """Pages follow one another without gap or overlap."""
    acme = client("acme")
    pages = [await _ids(acme, f"/calls?size=7&page={page}") for page in range(1, 6)]
    assert [call for page in pages for call in page] == await _ids(acme)


@pytest.mark.parametrize("status", ["answered", "missed", "voicemail"])
async def test_filter_by_status(client: Client, status: str) -> None:
    """A filter of the application's own stands beside the predicate."""
    every = (await client("acme").get("/calls?size=200")).json()["calls"]
    found = (await client("acme").get(f"/calls?size=200&status={status}")).json()["calls"]
    assert found == [call for call in every if call["status"] == status]


async def test_filter_by_tag(client: Client) -> None:
    """A filter on the tags, which belong through the call, finds own calls."""
    every = (await client("acme").get("/calls?size=200")).json()["calls"]
    tag = next(tag for call in every for tag in call["tags"])
    found = (await client("acme").get(f"/calls?size=200&tag={tag}")).json()["calls"]
    assert found == [call for call in every if tag in call["tags"]]


async def test_filter_by_the_others_number_finds_nothing(client: Client) -> None:
    """Asking by another company's number is asking by a number that does not exist."""
    number = (await client("globex").get("/numbers")).json()[0]["id"]
    assert await _ids(client("acme"), f"/calls?number_id={number}") == []


async def test_own_call_is_read(client: Client) -> None:
    """A call of the company's own comes with number, agent, tags and comments."""
    number = (await _ids(client("acme")))[0]
    call = (await client("acme").get(f"/calls/{number}")).json()
    assert call["id"] == number
    assert {"number", "agent", "tags", "comments"} <= call.keys()


async def test_others_call_does_not_exist(client: Client) -> None:
    """The answer for another company's call is, byte for byte, that for no call at all."""
    theirs = (await _ids(client("globex")))[0]
    hidden = await client("acme").get(f"/calls/{theirs}")
    assert hidden.status_code == 404
    assert hidden.content == (await client("acme").get("/calls/99999999")).content


async def test_new_call_is_stamped(client: Client) -> None:
    """A call that is recorded is the company's, and the other does not see it."""
    number = (await client("acme").get("/numbers")).json()[0]["id"]
    answer = await client("acme").post("/calls", json={"number_id": number, "caller": "+43123456789"})
    assert answer.status_code == 201
    made = answer.json()["id"]
    assert (await client("acme").get(f"/calls/{made}")).status_code == 200
    assert (await client("globex").get(f"/calls/{made}")).status_code == 404


async def test_background_task_acts_for_the_company(client: Client) -> None:
    """What runs after the answer is bound as the request was."""
    number = (await client("acme").get("/numbers")).json()[0]["id"]
    call = {"number_id": number, "caller": "+43123456789", "status": "missed"}
    made = (await client("acme").post("/calls", json=call)).json()["id"]
    assert (await client("acme").get(f"/calls/{made}")).json()["tags"] == ["call-back"]


async def test_call_on_the_others_number_is_refused(client: Client) -> None:
    """A foreign key cannot point at another company's row, and nothing is written."""
    number = (await client("globex").get("/numbers")).json()[0]["id"]
    answer = await client("acme").post("/calls", json={"number_id": number, "caller": "+43123456789"})
    assert answer.status_code == 403
    assert len(await _ids(client("acme"))) == CALLS["acme"]
    assert len(await _ids(client("globex"))) == CALLS["globex"]


async def test_own_call_is_changed(client: Client) -> None:
    """A change to the company's own call goes through."""
    number = (await _ids(client("acme")))[0]
    answer = await client("acme").patch(f"/calls/{number}", json={"status": "voicemail", "seconds": 7})
    assert (answer.status_code, answer.json()["status"], answer.json()["seconds"]) == (200, "voicemail", 7)


async def test_others_call_is_not_changed(client: Client) -> None:
    """A change to another company's call is a change to no call, and leaves it as it was."""
    theirs = (await _ids(client("globex")))[0]
    before = (await client("globex").get(f"/calls/{theirs}")).content
    answer = await client("acme").patch(f"/calls/{theirs}", json={"status": "missed", "seconds": 1})
    assert answer.status_code == 404
    assert (await client("globex").get(f"/calls/{theirs}")).content == before


async def test_call_is_not_given_to_the_others_agent(client: Client) -> None:
    """A foreign key of a row that exists cannot be moved to another company's row either."""
    agents = (await client("globex").get("/calls?size=200&status=answered")).json()["calls"]
    number = (await _ids(client("acme")))[0]
    answer = await client("acme").patch(f"/calls/{number}", json={"agent_id": agents[0]["agent"]["id"]})
    assert answer.status_code == 403


async def test_bulk_tag(client: Client) -> None:
    """Many own calls are tagged at once, and a second time changes nothing."""
    own = await _ids(client("acme"))
    body = {"tag": "reviewed", "call_ids": own}
    answers = [(await client("acme").post("/calls/tags", json=body)).json()["tagged"] for _ in range(2)]
    assert answers == [len(own), 0]


async def test_bulk_tag_with_one_of_the_other_is_refused_whole(client: Client) -> None:
    """One foreign call among many own ones, and none is tagged."""
    own, theirs = await _ids(client("acme")), await _ids(client("globex"))
    body = {"tag": "reviewed", "call_ids": [*own, theirs[0]]}
    assert (await client("acme").post("/calls/tags", json=body)).status_code == 403
    assert await _ids(client("acme"), "/calls?tag=reviewed") == []
    assert await _ids(client("globex"), "/calls?tag=reviewed") == []


async def test_own_call_is_commented(client: Client) -> None:
    """A comment lands on the company's own call."""
    number = (await _ids(client("acme")))[0]
    answer = await client("acme").post(f"/calls/{number}/comments", json={"text": "rang back"})
    assert answer.status_code == 201
    comments = (await client("acme").get(f"/calls/{number}")).json()["comments"]
    assert comments[-1]["text"] == "rang back"


async def test_others_call_is_not_commented(client: Client) -> None:
    """A comment cannot be hung on another company's call."""
    theirs = (await _ids(client("globex")))[0]
    before = (await client("globex").get(f"/calls/{theirs}")).content
    answer = await client("acme").post(f"/calls/{theirs}/comments", json={"text": "we were here"})
    assert answer.status_code == 403
    assert (await client("globex").get(f"/calls/{theirs}")).content == before


@pytest.mark.parametrize("company", CALLS)
async def test_statistics_add_up_to_the_company(client: Client, company: str) -> None:
    """Sums by number and by day come to the company's calls, and numbers that never rang are listed."""
    numbers = (await client(company).get("/statistics/numbers")).json()
    days = (await client(company).get("/statistics/days")).json()
    assert sum(row["calls"] for row in numbers) == sum(row["calls"] for row in days) == CALLS[company]
    assert 0 in [row["calls"] for row in numbers]


async def test_statistics_by_agent_hold_answered_calls(client: Client) -> None:
    """Each answered call is counted for exactly one agent of the company."""
    agents = (await client("acme").get("/statistics/agents")).json()
    answered = (await client("acme").get("/calls?status=answered")).json()["total"]
    assert sum(row["calls"] for row in agents) == answered


@pytest.mark.parametrize("company", CALLS)
async def test_export_streams_own_calls(client: Client, company: str) -> None:
    """The stream, which goes on after the endpoint returned, holds the company's calls and no other."""
    lines = (await client(company).get("/calls.csv")).text.splitlines()[1:]
    assert [int(line.split(",")[0]) for line in lines] == await _ids(client(company))


async def test_hand_written_sql_is_refused(client: Client) -> None:
    """SQL as text does not reach the database."""
    answer = await client("acme").get("/reports/old")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


async def test_countries_are_shared(client: Client) -> None:
    """Shared rows are the same for both."""
    lists = [(await client(company).get("/countries")).json() for company in CALLS]
    assert lists[0] == lists[1] != []


async def test_every_other_path_asks_for_a_token(app: FastAPI) -> None:
    """Only the exempt paths answer without a token."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://calls.example") as nobody:
        paths = ["/calls", "/calls/1", "/company", "/statistics/days", "/calls.csv", "/nowhere", *OPEN_PATHS]
        answers = {path: (await nobody.get(path)).status_code for path in paths}
    assert {path for path, status in answers.items() if status == 200} == set(OPEN_PATHS)
    assert {status for path, status in answers.items() if path not in OPEN_PATHS} == {401}


async def test_api_page_offers_to_authorize(app: FastAPI) -> None:
    """The description of the API names the scheme, which puts the button on the page."""
    assert app.openapi()["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


async def test_interleaved_requests_stay_apart(client: Client) -> None:
    """Requests of both companies in flight at once, on one pool of connections, each get their own."""
    own = {company: await _ids(client(company)) for company in CALLS}
    paths = ["/calls?size=200", "/calls.csv", "/statistics/days", "/company"] * 5
    asked = [(company, path) for path in paths for company in CALLS]
    answers = await asyncio.gather(*(client(company).get(path) for company, path in asked))
    for (company, path), answer in zip(asked, answers, strict=True):
        if path == "/company":
            assert answer.json()["id"] == company
        elif path == "/calls.csv":
            assert [int(line.split(",")[0]) for line in answer.text.splitlines()[1:]] == own[company]
        elif path == "/statistics/days":
            assert sum(day["calls"] for day in answer.json()) == CALLS[company]
        else:
            assert [call["id"] for call in answer.json()["calls"]] == own[company]
