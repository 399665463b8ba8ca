"""Opaque tokens: the issuer is asked, and its answer is kept no longer than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tenantguard import ConfigurationError, IssuerUnavailableError, TokenError
from tenantguard.identity import Cache, IntrospectionVerifier
from tenantguard.identity.http import Document, FetchError, Http
from tests.identity.test_jwks import settled
from tests.identity.tokens import NOW

URL = "https://idp.example/introspect"
GOOD: dict[str, Any] = {
    "active": True,
    "sub": "ada",
    "company_id": "acme",
    "scope": "read write",
    "exp": NOW + 600,
}


class Issuer(Http):
    """Be an issuer with one answer for every token, which the test may change; and the clock."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any, Any]] = []
        self.now = NOW
        self.max_age: float | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def post(self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None) -> Document:
        self.asked.append((url, form["token"], auth))
        await self.open.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return Document(self.answer, self.max_age)

    def verifier(self, **settings: Any) -> IntrospectionVerifier:
        """Return a verifier that asks this issuer."""
        made: dict[str, Any] = {"leeway": 0, "http": self, "clock": lambda: self.now} | settings
        return IntrospectionVerifier(URL, client=("api", "pw"), **made)


async def test_the_issuer_says_what_a_token_means() -> None:
    """To a service that says who it is."""
    issuer = Issuer(GOOD)
    principal = await issuer.verifier().verify("0paque")
    assert (principal.subject, principal.tenant) == ("ada", "acme")
    assert principal.permissions == {"read", "write"}
    assert issuer.asked == [(URL, "0paque", ("api", "pw"))]


async def test_an_answer_is_kept_for_a_moment() -> None:
    """For the stated seconds; a revoked token passes no longer."""
    issuer = Issuer(GOOD)
    checked = issuer.verifier(seconds=30)
    for issuer.now in (NOW, NOW + 29):
        await checked.verify("0paque")
    before = len(issuer.asked)
    issuer.answer, issuer.now = {"active": False}, NOW + 30
    with pytest.raises(TokenError):
        await checked.verify("0paque")
    assert (before, len(issuer.asked)) == (1, 2)


async def test_an_answer_is_kept_no_longer_than_the_token_lives() -> None:
    """Whatever the stated seconds."""
    issuer = Issuer(GOOD | {"exp": NOW + 10})
    checked = issuer.verifier(seconds=30)
    await checked.verify("0paque")
    issuer.now = NOW + 10
    with pytest.raises(TokenError, match="expired"):
        await checked.verify("0paque")


@pytest.mark.parametrize(("max_age", "later", "asked"), [(10, 9, 1), (10, 10, 2), (0, 0, 2), (900, 30, 2)])
async def test_an_answer_is_kept_no_longer_than_it_says(max_age: float, later: float, asked: int) -> None:
    """Nor longer than was stated here."""
    issuer = Issuer(GOOD)
    issuer.max_age = max_age
    checked = issuer.verifier(seconds=30)
    for issuer.now in (NOW, NOW + later):
        await checked.verify("0paque")
    assert len(issuer.asked) == asked


async def test_the_secret_is_sent_as_oauth_has_it() -> None:
    """Encoded as a form, so that no character of it is taken for another."""
    issuer = Issuer(GOOD)
    await IntrospectionVerifier(URL, client=("a:b", "p w+%"), http=issuer, clock=lambda: NOW).verify("0paque")
    assert issuer.asked[0][2] == ("a%3Ab", "p+w%2B%25")


async def test_a_refusal_is_kept_for_as_long_as_a_good_answer() -> None:
    """Nobody makes the issuer be asked again and again about a token that it has called inactive."""
    issuer = Issuer({"active": False})
    checked = issuer.verifier(seconds=30)
    for issuer.now in (NOW, NOW + 29):
        with pytest.raises(TokenError, match="not active"):
            await checked.verify("0paque")
    before = len(issuer.asked)
    issuer.answer, issuer.now = GOOD, NOW + 30
    assert ((await checked.verify("0paque")).tenant, before) == ("acme", 1)


class NoSeatError(TokenError):
    """A refusal of the application's own."""

    def __init__(self) -> None:
        super().__init__("the company has no seat left", reason="tenant")


async def test_a_refusal_of_the_applications_own_class_is_kept() -> None:
    """Without the frames that it came through: they hold the token."""

    def refused(_claims: object) -> object:
        raise NoSeatError

    issuer = Issuer(GOOD)
    checked = issuer.verifier(tenant_claim=refused)
    with pytest.raises(NoSeatError, match="no seat"):
        await checked.verify("0paque")
    kept = checked._refused.get(b"0paque")
    assert kept is not None
    assert kept.__traceback__ is None
    with pytest.raises(NoSeatError, match="no seat"):
        await checked.verify("0paque")
    assert len(issuer.asked) == 1


async def test_a_token_that_is_not_valid_yet_is_asked_about_again() -> None:
    """In a moment it will be."""
    issuer = Issuer(GOOD | {"nbf": NOW + 1})
    checked = issuer.verifier()
    with pytest.raises(TokenError, match="not valid yet"):
        await checked.verify("0paque")
    issuer.now = NOW + 1
    assert (await checked.verify("0paque")).tenant == "acme"


async def test_tokens_that_somebody_made_up_push_out_no_good_one() -> None:
    """What is refused lies in a room of its own."""
    issuer = Issuer(GOOD)
    checked = issuer.verifier(cache=Cache(entries=4, clock=lambda: issuer.now))
    await checked.verify("0paque")
    issuer.answer = {"active": False}
    for number in range(20):
        with pytest.raises(TokenError):
            await checked.verify(f"junk{number}")
    assert (await checked.verify("0paque")).tenant == "acme"


async def test_an_issuer_that_does_not_answer_is_at_fault_and_not_the_token() -> None:
    """It is asked about the same token again after a moment, and about another one at once."""
    issuer = Issuer(FetchError("gone"))
    checked = issuer.verifier()
    for _ in range(5):
        with pytest.raises(IssuerUnavailableError):
            await checked.verify("0paque")
    before = len(issuer.asked)
    issuer.answer = GOOD
    assert (await checked.verify("another")).tenant == "acme"
    issuer.now += 1
    assert ((await checked.verify("0paque")).tenant, before) == ("acme", 1)


async def test_one_question_is_in_flight_for_one_token() -> None:
    """However many requests it comes with at once, and though the first of them gives up."""
    issuer = Issuer(GOOD)
    issuer.open.clear()
    checked = issuer.verifier(seconds=0)
    first, *others = [asyncio.ensure_future(checked.verify("0paque")) for _ in range(20)]
    await settled()
    first.cancel()
    issuer.open.set()
    assert {principal.tenant for principal in await asyncio.gather(*others)} == {"acme"}
    await checked.verify("0paque")
    assert len(issuer.asked) == 2


async def test_a_question_that_nobody_waits_for_any_more_is_no_error() -> None:
    """It ends by itself, and the next request asks anew."""
    issuer = Issuer({"active": False})
    issuer.open.clear()
    checked = issuer.verifier()
    alone = asyncio.ensure_future(checked.verify("0paque"))
    await settled()
    alone.cancel()
    issuer.open.set()
    await settled()
    issuer.answer = GOOD
    assert (await checked.verify("0paque")).tenant == "acme"


async def test_one_token_is_not_another() -> None:
    """Each is asked about."""
    issuer = Issuer(GOOD)
    checked = issuer.verifier()
    for token in ("one", "two", "one"):
        await checked.verify(token)
    assert [asked[1] for asked in issuer.asked] == ["one", "two"]


async def test_an_answer_without_an_end_is_kept_for_the_stated_seconds() -> None:
    """RFC 7662 leaves exp out where it likes."""
    issuer = Issuer({name: value for name, value in GOOD.items() if name != "exp"})
    checked = issuer.verifier(seconds=30)
    await checked.verify("0paque")
    issuer.now = NOW + 30
    await checked.verify("0paque")
    assert len(issuer.asked) == 2


REFUSED: dict[str, Any] = {
    "inactive": {"active": False},
    "nothing": {},
    "active as a text": GOOD | {"active": "true"},
    "active as a number": GOOD | {"active": 1},
    "needs a subject": GOOD | {"sub": None},
    "no company": GOOD | {"company_id": None},
    "a list of companies": GOOD | {"company_id": ["acme"]},
    "expired": GOOD | {"exp": NOW - 1},
    "not yet": GOOD | {"nbf": NOW + 1},
    "an end that is a text": GOOD | {"exp": "tomorrow"},
    "another audience": GOOD | {"aud": "billing"},
    "an issuer that is down": FetchError("gone"),
}


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_not_plainly_good_is_refused(answer: Any) -> None:
    """Nothing is bound on the strength of it."""
    with pytest.raises(TokenError):
        await Issuer(answer).verifier().verify("0paque")


async def test_what_is_expected_of_claims_holds_here_too() -> None:
    """The same policy as for JWTs."""
    checked = Issuer(GOOD | {"iss": "https://idp.example", "aud": "api"}).verifier(
        audience="api", issuer="https://idp.example", speaks_for={"globex"}
    )
    with pytest.raises(TokenError, match="may not speak"):
        await checked.verify("0paque")


@pytest.mark.parametrize("token", ["x" * 9000, "\u00e9", "a\ud800", "", "a\nb"])
async def test_a_token_that_cannot_be_one_is_not_asked_about(token: str) -> None:
    """The issuer is not bothered."""
    issuer = Issuer(GOOD)
    with pytest.raises(TokenError):
        await issuer.verifier().verify(token)
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("url", "settings"), [("http://idp.example/i", {}), (URL, {"leeway": -1}), (URL, {"audience": ""})]
)
def test_a_setting_that_is_not_safe_is_refused_at_the_start(url: str, settings: Any) -> None:
    """Not at the first request."""
    with pytest.raises(ConfigurationError, match="IntrospectionVerifier"):
        IntrospectionVerifier(url, client=("a", "b"), http=Issuer(GOOD), **settings)


async def test_no_cache_asks_every_time() -> None:
    """For who wants a revocation to hold at once; a refusal is kept no longer."""
    issuer = Issuer(GOOD)
    checked = issuer.verifier(cache=Cache(entries=0))
    for _ in range(3):
        await checked.verify("0paque")
    issuer.answer = {"active": False}
    for _ in range(3):
        with pytest.raises(TokenError):
            await checked.verify("0paque")
    assert len(issuer.asked) == 6
