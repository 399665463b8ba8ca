"""Acting for somebody: who stands behind a token, where, for how long and why; and what an issuer may grant."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import (
    Actor,
    ConfigurationError,
    NoTenantError,
    Principal,
    StepUpError,
    TokenError,
    bind,
    requires,
)
from tenantguard.identity import Acting, MemoryCutOffs, Revocation
from tests.identity.tokens import NOW, claims, clock, sign, verifier

ACT: dict[str, Any] = {"sub": "sam@support", "reason": "ticket 4711"}


def acted(act: Any = ACT, **changes: Any) -> str:
    """Return a token whose bearer acts for ada of acme."""
    return sign(claims(**{"act": act, "iat": NOW - 10, "exp": NOW + 600, **changes}))


async def _actor(token: str, **rules: Any) -> Actor | None:
    acting = Acting(**{"companies": {"acme"}, **rules})
    return (await verifier(acting=acting).verify(token)).actor


async def test_who_acts_is_known_with_reason_and_end() -> None:
    """The subject stays the one who is acted for."""
    found = await verifier(acting=Acting(companies={"acme"})).verify(acted())
    assert (found.subject, found.tenant) == ("ada", "acme")
    assert found.actor == Actor("sam@support", reason="ticket 4711", until=NOW + 600)
    assert await _actor(sign(claims())) is None


@pytest.mark.parametrize("act", [ACT, {}, None, "sam", ["sam"], 7, True, {"sub": 7}])
async def test_a_token_that_acts_for_somebody_is_refused_unless_it_was_allowed(act: Any) -> None:
    """Whatever the claim holds."""
    with pytest.raises(TokenError, match="acts for somebody else") as refused:
        await verifier().verify(acted(act))
    assert refused.value.reason == "acting"


@pytest.mark.parametrize(
    "act",
    [
        None, "sam", b"", ["sam"], [ACT], 7, True, {}, {"reason": "x"}, {**ACT, "sub": ""}, {**ACT, "sub": " "},
        {**ACT, "sub": ["sam"]}, {**ACT, "sub": {"sub": "sam"}}, {**ACT, "sub": 7}, {**ACT, "sub": "a\x00b"},
        {**ACT, "reason": ""}, {**ACT, "reason": " "}, {**ACT, "reason": 7}, {**ACT, "reason": ["x"]},
        {**ACT, "reason": {"x": 1}}, {**ACT, "reason": None}, {**ACT, "reason": "x" * 501}, {**ACT, "reason": "a\nb"},
        {"sub": "sam"}, {**ACT, "act": None}, {**ACT, "act": ACT}, {**ACT, "act": "root"}, {**ACT, "act": [ACT]},
    ],
)  # fmt: skip
async def test_what_says_not_who_and_why_is_refused(act: Any) -> None:
    """Text, lists, numbers, objects in another shape, chains that were not allowed, and reasons that are none."""
    with pytest.raises(TokenError):
        await _actor(acted(act if act != b"" else ""))


@pytest.mark.parametrize(
    ("most", "act", "before"),
    [
        (2, {**ACT, "act": {"sub": "gateway"}}, ("gateway",)),
        (3, {**ACT, "act": {"sub": "gateway", "act": {"sub": "root"}}}, ("gateway", "root")),
        (2, {**ACT, "act": {"sub": "gateway", "act": {"sub": "root"}}}, None),
        (3, {**ACT, "act": {"sub": "gateway", "act": 7}}, None),
    ],
)
async def test_only_the_first_of_a_chain_counts(most: int, act: Any, before: tuple[str, ...] | None) -> None:
    """Whoever stands behind is for the record, and does not enter by it; a longer chain is refused."""
    rules: dict[str, Any] = {"companies": lambda actor, company: actor == "sam@support", "most_actors": most}
    if before is None:
        with pytest.raises(TokenError, match="chain of actors"):
            await _actor(acted(act), **rules)
        return
    found = await _actor(acted(act), **rules)
    assert found is not None
    assert (found.subject, found.before) == ("sam@support", before)
    with pytest.raises(TokenError, match="may not act inside"):
        await _actor(acted({**act, "sub": "eve", "act": ACT}), **rules)


@pytest.mark.parametrize(
    "companies", [set(), {"globex"}, lambda _actor, _company: "yes", lambda _actor, _company: None]
)
async def test_a_company_that_was_not_allowed_is_closed(companies: Any) -> None:
    """A function says exactly True."""
    with pytest.raises(TokenError, match="may not act inside"):
        await _actor(acted(), companies=companies)


@pytest.mark.parametrize(
    "times",
    [
        {"iat": NOW - 10, "exp": NOW + 3600},
        {"iat": ...},
        {"iat": NOW + 20, "exp": NOW + 10},
        {"iat": NOW - 90_000, "exp": NOW + 10},
    ],
)
async def test_the_time_is_boxed(times: dict[str, Any]) -> None:
    """From the token's beginning to its end, both of which it says."""
    with pytest.raises(TokenError):
        await _actor(acted(**times), seconds=900)


async def test_whoever_acts_has_what_was_required() -> None:
    """By the members of the claim itself, and not by those of whom they act for."""
    rule = requires("support", mfa=True)
    good = {**ACT, "permissions": ["support"], "amr": ["pwd", "mfa"]}
    assert await _actor(acted(good), requirement=rule) is not None
    with pytest.raises(StepUpError):
        await _actor(acted({**good, "amr": ["pwd"]}, amr=["mfa"]), requirement=rule)
    with pytest.raises(TokenError, match="lacks a permission"):
        await _actor(acted({**good, "permissions": "sup port"}, permissions=["support"]), requirement=rule)


async def test_whoever_acts_is_out_with_their_own_sign_in() -> None:
    """A cut-off of support staff ends what they do for others."""
    revocation = Revocation(MemoryCutOffs(), clock=clock)
    checked = verifier(acting=Acting(companies={"acme"}), revocation=revocation)
    await checked.verify(acted())
    await revocation.revoke(subject="sam@support")
    with pytest.raises(TokenError, match="was revoked"):
        await checked.verify(acted())


@pytest.mark.parametrize(
    "wrong",
    [
        {"companies": "acme"}, {"companies": 7}, {"seconds": 0}, {"seconds": True}, {"seconds": float("nan")},
        {"seconds": 10**9}, {"most_actors": 0}, {"most_actors": "2"},
    ],
)  # fmt: skip
def test_a_rule_that_lets_anybody_in_is_refused_at_the_start(wrong: Any) -> None:
    """One text is no collection of companies, and a box without end is none."""
    with pytest.raises(ConfigurationError):
        Acting(**{"companies": {"acme"}, **wrong})
    with pytest.raises(ConfigurationError, match="acting is an Acting"):
        verifier(acting=True)


def test_a_box_that_is_over_is_not_bound() -> None:
    """Also where the application made the principal itself."""
    actor = Actor("sam", reason="ticket 4711", until=1.0)
    with pytest.raises(NoTenantError, match="the time in which"):
        bind(Principal("ada", "acme", actor=actor))
    for wrong in ({"until": True}, {"until": float("nan")}, {"until": "x"}, {"reason": " "}):
        with pytest.raises(TokenError):
            Actor("sam", **{"reason": "x", "until": 1.0, **wrong})  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("held", "granted"),
    [
        ({"permissions": ["calls:read", "platform:admin"]}, {"calls:read"}),
        ({"scope": "platform:admin calls:read"}, {"calls:read"}),
        ({"scp": ["platform:admin"]}, set()),
        ({"roles": ["calls:read", "Platform:Admin", "calls:*"]}, {"calls:read"}),
        ({}, set()),
    ],
)
@pytest.mark.parametrize("may_grant", [{"calls:read"}, lambda permission: permission == "calls:read"])
async def test_an_issuer_grants_what_it_may(held: Any, granted: set[str], may_grant: Any) -> None:
    """A customer's own provider makes no administrator of the platform, wherever its token says so."""
    found = await verifier(may_grant=may_grant).verify(sign(claims(**held)))
    assert found.permissions == granted


@pytest.mark.parametrize("wrong", ["calls:read", ["calls:read", ""], [7]])
def test_what_an_issuer_may_grant_is_a_collection(wrong: Any) -> None:
    """One text would be a collection of letters."""
    with pytest.raises(ConfigurationError, match="may_grant"):
        verifier(may_grant=wrong)


async def test_permissions_may_come_from_a_function() -> None:
    """It gives a list, a set, or nothing."""
    read = verifier(permissions_claim=lambda held: {one["name"] for one in held["grants"]})
    assert (await read.verify(sign(claims(grants=[{"name": "a"}, {"name": "b"}])))).permissions == {"a", "b"}


async def test_a_revoked_token_that_was_refused_is_not_remembered() -> None:
    """Whoever comes again with it is refused again, by the short way too."""
    revocation = Revocation(MemoryCutOffs(), clock=clock)
    checked = verifier(revocation=revocation)
    token = sign(claims(iat=NOW - 10))
    await checked.verify(token)
    await revocation.revoke(subject="ada")
    for _ in range(2):
        with pytest.raises(TokenError, match="was revoked"):
            await checked.verify(token)
        assert checked.recall(f"Bearer {token}".encode()) is None
