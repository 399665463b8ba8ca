"""The users: agents of many companies at work, and a few who try what must not succeed.

Started by ``python -m benchmarks.locust``, or by hand as ``docs/benchmarks.md`` says. The environment holds
``BENCH_SIGNER`` (the private key in PEM), ``BENCH_COMPANIES`` and ``BENCH_COMPANY_CALLS`` (what the database
holds), ``BENCH_HOSTILE`` (how many intruders), and ``BENCH_REQUESTS``, after how many requests to end before
the time is over; 0 never does.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from locust import constant, constant_pacing, events, task

from benchmarks.locust.companies import (
    CALLS,
    COMPANIES,
    HOSTILE,
    MARK,
    MODULUS,
    NUMBERS,
    TAGS,
    company_id,
    popularity,
    seconds_of,
)
from benchmarks.tokens import Signer, signer
from tenantguard.errors import TenantId
from tenantguard.testing.locust import HostileUser, TenantUser, tampered, unsigned

_COUNT = int(os.environ.get("BENCH_COMPANIES", COMPANIES))
_CALLS = int(os.environ.get("BENCH_COMPANY_CALLS", CALLS))
_SIGNER = Signer("RS256", os.environ["BENCH_SIGNER"], "")
_ENOUGH = int(os.environ.get("BENCH_REQUESTS", "0"))
TAGGED = 5  # calls at once
_STRANGER = signer("RS256")  # a key that no server knows
_RNG = random.Random(os.getpid())


class Agent(TenantUser):
    """Read much, write little, for a company that is asked for as Zipf's law has it."""

    wait_time = constant(0)
    marks = MARK
    weight = 1

    def identify(self) -> tuple[TenantId, str]:
        """Join a company, and sign a token of one's own."""
        self.index = _RNG.choices(range(_COUNT), popularity(_COUNT))[0]
        mine = company_id(self.index)
        return mine, _SIGNER.sign(f"agent-{_RNG.randrange(10**9)}", mine)

    def on_start(self) -> None:
        """Learn the ids of the company's rows from the application itself."""
        page = self.client.get("/calls?size=100", name="/calls").json()
        self.calls = [call["id"] for call in page["calls"]]
        at = TAGGED * _RNG.randrange(max(1, len(self.calls) // TAGGED))
        self.tagged = self.calls[at : at + TAGGED]  # of one's own, or two would write the same word at once
        self.agents = sorted({call["agent"]["id"] for call in page["calls"] if call["agent"]})
        self.numbers = [number["id"] for number in self.client.get("/numbers").json()]

    def foreign(self, response: Any, text: str) -> Iterable[str]:
        """Yield marks of other companies, and numbers that were not made of this one's rows alone."""
        yield from super().foreign(response, text)
        if text.startswith(("{", "[")):
            for row in _rows(json.loads(text)):
                if _is_foreign(row, self.index):
                    yield f"somebody else, in a sum ({sorted(row)})"

    @task(10)
    def newest(self) -> None:
        """List the newest calls."""
        self.client.get("/calls?size=50", name="/calls")

    @task(6)
    def filtered(self) -> None:
        """List the calls of one agent."""
        agent = _RNG.choice(self.agents)
        self.client.get(f"/calls?size=20&status=answered&agent_id={agent}", name="/calls?agent")

    @task(20)
    def read(self) -> None:
        """Read one call."""
        self.client.get(f"/calls/{_RNG.choice(self.calls)}", name="/calls/{id}")

    @task(5)
    def lines(self) -> None:
        """List the numbers."""
        self.client.get("/numbers")

    @task(3)
    def about(self) -> None:
        """Look at the company."""
        self.client.get("/company")

    @task(1)
    def agents_statistics(self) -> None:
        """Sum up by agent."""
        self.client.get("/statistics/agents")

    @task(1)
    def numbers_statistics(self) -> None:
        """Sum up by number."""
        self.client.get("/statistics/numbers")

    @task(1)
    def days_statistics(self) -> None:
        """Sum up by day."""
        self.client.get("/statistics/days")

    @task(3)
    def create(self) -> None:
        """Record a call."""
        call = {
            "number_id": _RNG.choice(self.numbers),
            "agent_id": _RNG.choice(self.agents),
            "caller": "+49170000000",
            "seconds": seconds_of(self.index, _RNG),
        }
        self.client.post("/calls", json=call)

    @task(3)
    def change(self) -> None:
        """Correct a call."""
        change = {"status": "answered", "seconds": seconds_of(self.index, _RNG)}
        self.client.patch(f"/calls/{_RNG.choice(self.calls)}", json=change, name="/calls/{id}")

    @task(2)
    def comment(self) -> None:
        """Comment on a call."""
        url = f"/calls/{_RNG.choice(self.calls)}/comments"
        self.client.post(url, json={"text": f"Noted for {self.tenant}"}, name="/calls/{id}/comments")

    @task(1)
    def tag(self) -> None:
        """Put a word on some calls."""
        given = {"tag": _RNG.choice(TAGS), "call_ids": self.tagged}
        self.client.post("/calls/tags", json=given)


class Intruder(HostileUser):
    """Ask for other companies' rows by id, write to them, and come with tokens that are not valid."""

    fixed_count = int(os.environ.get("BENCH_HOSTILE", "0"))
    weight = 1 if fixed_count else 0
    wait_time = constant_pacing(1)
    marks = MARK

    def identify(self) -> tuple[TenantId, str]:
        """Join the first company, which owns the calls 1, 1 + COMPANIES, and so on."""
        mine = company_id(0)
        return mine, _SIGNER.sign("intruder", mine)

    @task
    def read(self) -> None:
        """Read another company's call."""
        self.attempt("GET", f"/calls/{self._others()}", name=f"{HOSTILE}/calls/{{other's}}")

    @task
    def change(self) -> None:
        """Change another company's call."""
        self.attempt(
            "PATCH", f"/calls/{self._others()}", name=f"{HOSTILE}/calls/{{other's}}", json={"seconds": 1}
        )

    @task
    def comment(self) -> None:
        """Comment on another company's call."""
        url = f"/calls/{self._others()}/comments"
        self.attempt("POST", url, name=f"{HOSTILE}/calls/{{other's}}/comments", json={"text": "mine now"})

    @task
    def tag(self) -> None:
        """Put a word on another company's call."""
        given = {"tag": f"x{_RNG.randrange(10**6)}", "call_ids": [self._others()]}
        self.attempt("POST", "/calls/tags", name=f"{HOSTILE}/calls/tags, other's", json=given)

    @task
    def borrow(self) -> None:
        """Record a call on another company's number."""
        call = {"number_id": NUMBERS + 1 + _RNG.randrange(NUMBERS), "caller": "+49170000000"}
        self.attempt("POST", "/calls", name=f"{HOSTILE}/calls, other's number", json=call)

    @task
    def forge(self) -> None:
        """Come with a token that nobody may accept."""
        other = company_id(1)
        tokens = {
            "none": "",
            "garbage": "not.a.token",
            "other key": _STRANGER.sign("intruder", other),
            "expired": _SIGNER.sign("intruder", other, timedelta(hours=-1)),
            "tampered": tampered(self.token, company_id=other),
            "unsigned": unsigned(self.token, company_id=other),
        }
        for name, token in tokens.items():
            self.attempt("GET", "/numbers", name=f"{HOSTILE}token: {name}", token=token)

    def _others(self) -> int:
        """Return the id of a call of another company: ids of calls take turns among the companies."""
        return 1 + _RNG.randrange(1, _COUNT) + _COUNT * _RNG.randrange(_CALLS)


def end_early(environment: Any, **_: Any) -> None:
    """Let the master end the run when its workers have reported enough requests."""

    def count(**_: Any) -> None:
        if environment.stats.total.num_requests >= _ENOUGH:
            environment.runner.quit()

    if _ENOUGH:
        environment.events.worker_report.add_listener(count)


events.init.add_listener(end_early)  # type: ignore[no-untyped-call]  # Locust's own hook


def _rows(content: Any) -> Iterable[dict[str, Any]]:
    found = content.get("calls", [content]) if isinstance(content, dict) else content
    return found if isinstance(found, list) else [content]


def _is_foreign(row: dict[str, Any], index: int) -> bool:
    if "seconds" in row:
        return bool(row["seconds"] % MODULUS != index)
    if "longest" in row:
        return bool(row["longest"] % MODULUS != index)
    if "minutes" in row:
        return bool(round(row["minutes"] * 60) % MODULUS != row["calls"] * index % MODULUS)
    return False
