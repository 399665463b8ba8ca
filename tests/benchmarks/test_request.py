"""The request benchmarks: every application answers, and tells tokens apart where it should."""

from __future__ import annotations

import httpx
import pytest

from benchmarks.request import inside
from benchmarks.request.__main__ import table
from benchmarks.request.apps import KINDS
from benchmarks.tokens import signer
from tenantguard.audit import MemorySink


def test_every_kind_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """One turn of each gives a positive figure, and a table with a line for each."""
    monkeypatch.setattr(inside, "SEEN", 2)
    series = inside.measure_here(rounds=1, requests=2)
    assert all(one["wall"][0][0] > 0 for one in series)
    assert len(table(series, "wall").splitlines()) == 2 + len(KINDS)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("bare", "base_http")])
async def test_what_verifies_refuses_a_stranger(name: str, record: MemorySink) -> None:
    """An application that is measured as verifying tokens refuses one that a stranger signed."""
    kind = KINDS[name]
    own, stranger = signer(kind.algorithm), signer("ES256" if kind.algorithm == "RS256" else "RS256")
    told = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(kind.make(own)), base_url="http://test"
    ) as client:
        for signed_by in (own, stranger):
            headers = {"Authorization": f"Bearer {signed_by.sign('ada', 'acme')}"}
            told.append((await client.get("/", headers=headers)).status_code)
    assert told[0] == 200
    assert told[1] in (400, 401)
