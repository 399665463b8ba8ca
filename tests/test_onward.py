"""Onward: the next service is told for whom, once and for a minute."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tenantguard import (
    Actor,
    ConfigurationError,
    NoTenantError,
    Principal,
    TenantMiddleware,
    TokenError,
    bind,
    bypass,
    current,
)
from tenantguard.httpx import TYP, OnwardAuth, OnwardVerifier
from tenantguard.identity import Acting, MemoryCutOffs, Revocation
from tests.identity.tokens import NOW, SECRET, clock, ec_key, private_pem, public_pem, sign, verifier

URL = "https://billing.example/"


def auth(**changes: Any) -> OnwardAuth:
    """Return what signs for the shop, with changes."""
    settings: dict[str, Any] = {
        "key": SECRET,
        "algorithm": "HS256",
        "issuer": "shop",
        "audience": "billing",
        "clock": clock,
    }
    return OnwardAuth(**settings | changes)


def onward(**changes: Any) -> OnwardVerifier:
    """Return what verifies for billing, with changes."""
    settings: dict[str, Any] = {
        "key": SECRET,
        "algorithms": ["HS256"],
        "issuer": "shop",
        "audience": "billing",
        "clock": clock,
    }
    return OnwardVerifier(**settings | changes)


async def whoami(_request: Request) -> JSONResponse:
    """Tell who is bound."""
    who = current().principal
    assert who is not None
    return JSONResponse([who.subject, str(who.tenant), sorted(who.permissions), who.claims.get("request_id")])


def client(receiver: OnwardVerifier, sender: OnwardAuth) -> httpx.AsyncClient:
    """Return a client of a service that is guarded by the receiver."""
    app = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(TenantMiddleware, verifier=receiver)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), auth=sender)


async def test_the_next_service_acts_for_the_same_company() -> None:
    """By whoever acts, with their permissions; each request by a token of its own."""
    ada = Principal(
        "ada",
        "acme",
        frozenset({"calls:read"}),
        {"acr": "phr", "email": "a@b.c"},
        actor=Actor("support", reason="ticket 4711", until=NOW),
    )
    async with client(onward(acting=Acting(companies={"acme"})), auth()) as sent:
        for _ in range(2):
            with bind(ada):
                answer = await sent.get(URL)
            assert (answer.status_code, answer.json()) == (200, ["ada", "acme", ["calls:read"], None])
        with bind("globex"):
            assert (await sent.get(URL)).json() == ["shop", "globex", [], None]
    with bind(ada):
        claims = jwt.decode(auth().token(), options={"verify_signature": False})
    assert (claims["acr"], claims["act"], "email" in claims) == (
        "phr",
        {"sub": "support", "reason": "ticket 4711", "read_only": True},
        False,
    )


@pytest.mark.parametrize("read_only", [True, False])
async def test_an_actor_may_do_no_more_and_no_longer_there(read_only: bool) -> None:
    """Nor write where they may read alone here, whatever the next service allows; nor go on when their time is over."""
    actor = Actor("support", reason="ticket 4711", until=NOW + 10, read_only=read_only)
    receiver = onward(acting=Acting(companies={"acme"}, read_only=False))
    with bind(Principal("ada", "acme", actor=actor)):
        arrived = await receiver.verify(auth().token())
        with pytest.raises(NoTenantError, match="the time in which"):
            auth(clock=lambda: NOW + 11).token()
    assert arrived.actor is not None
    assert (arrived.actor.until, arrived.actor.read_only) == (NOW + 10, read_only)


@pytest.mark.parametrize("tenant", [5, UUID(int=7)])
async def test_a_company_of_another_type_arrives_as_it_was(tenant: Any) -> None:
    """The next service says its type."""
    with bind(tenant):
        told = auth().token()
    assert (await onward(tenant_type=type(tenant)).verify(told)).tenant == tenant


async def test_several_companies_go_onward_where_the_next_service_takes_several() -> None:
    """And nowhere else."""
    with bind(["acme", "globex"]):
        told = auth().token()
    assert (await onward(several=True).verify(told)).tenants == ("acme", "globex")
    assert (await onward().verify(told)).has_tenant is False


def test_nothing_goes_onward_without_a_company() -> None:
    """Neither unbound, nor in a bypass."""
    with pytest.raises(NoTenantError):
        auth().token()
    with bypass(reason="look"), pytest.raises(NoTenantError, match="a bypass acts for no company"):
        auth().token()


async def test_a_token_counts_once() -> None:
    """Whoever replays it is refused, within its time and the leeway."""
    receiver = onward()
    with bind("acme"):
        told = auth().token()
    await receiver.verify(told)
    with pytest.raises(TokenError) as refused:
        await receiver.verify(told)
    assert refused.value.reason == "replayed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": SECRET[::-1]}, "signature"),
        ({"issuer": "other"}, "issuer"),
        ({"audience": "other"}, "audience"),
        ({"clock": lambda: NOW - 120}, "expired"),
        ({"clock": lambda: NOW + 120}, "not_yet"),
    ],
)
async def test_a_wrong_token_is_refused(changes: dict[str, Any], reason: str) -> None:
    """Of another key, service, audience or time."""
    with bind("acme"):
        told = auth(**changes).token()
    with pytest.raises(TokenError) as refused:
        await onward().verify(told)
    assert refused.value.reason == reason


async def test_it_is_no_access_token_and_no_access_token_is_one() -> None:
    """Not even where one key signs both."""
    with bind("acme"):
        told = auth(issuer="https://idp.example", audience="api").token()
    with pytest.raises(TokenError):
        await verifier().verify(told)
    good = {
        "iss": "shop",
        "aud": "billing",
        "sub": "ada",
        "company_id": "acme",
        "iat": NOW,
        "exp": NOW + 60,
        "jti": "1",
    }
    with pytest.raises(TokenError):
        await onward().verify(sign(good))
    head = {"typ": TYP, "alg": "HS256"}
    assert (await onward().verify(sign(good, header=head))).tenant == "acme"
    for changes in ({"jti": 5}, {"iat": NOW - 600, "exp": NOW + 600}):
        with pytest.raises(TokenError):
            await onward().verify(sign(good | changes, header=head))


async def test_a_revoked_subject_does_not_go_onward() -> None:
    """The same cut-offs hold there."""
    revocation = Revocation(MemoryCutOffs(), clock=clock)
    await revocation.revoke(subject="ada")
    with bind(Principal("ada", "acme")):
        told = auth().token()
    with pytest.raises(TokenError, match="revoked"):
        await onward(revocation=revocation).verify(told)


async def test_a_token_is_sent_by_https_only() -> None:
    """Or to this machine."""
    async with client(onward(), auth()) as sent:
        with bind("acme"):
            with pytest.raises(ConfigurationError, match="no token is sent there"):
                await sent.get("http://billing.example/")
            assert (await sent.get("http://127.0.0.1/")).status_code == 200


async def test_asymmetric_keys_sign_too() -> None:
    """The next service needs the public half."""
    with bind("acme"):
        told = auth(key=private_pem(ec_key()), algorithm="ES256", key_id="k1").token()
    receiver = onward(key=public_pem(ec_key()), algorithms=["ES256"])
    assert (await receiver.verify(told)).tenant == "acme"


@pytest.mark.parametrize(
    "changes",
    [{"seconds": 0}, {"seconds": 3600}, {"algorithm": "ES256"}, {"key": None}, {"algorithm": "none"}],
)
def test_what_signs_nothing_is_refused_at_the_start(changes: dict[str, Any]) -> None:
    """Or would sign for an hour."""
    with pytest.raises(ConfigurationError):
        auth(**changes)
