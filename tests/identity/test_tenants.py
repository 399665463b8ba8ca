"""The company in a token: where it is, of which type, in which spelling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from tenantguard import ConfigurationError, TokenError, TokenVerifier
from tests.identity.tokens import ISSUER, NOW, SECRET, claims, clock, sign, token, verifier

ID = "6f1c4e52-0000-4000-8000-00000000000a"

FOUND: dict[str, tuple[Any, dict[str, Any], object]] = {
    "a name": ("company_id", {"company_id": "acme"}, "acme"),
    "a name that is a URL": ("https://example.com/company", {"https://example.com/company": "acme"}, "acme"),
    "a name with a colon": ("custom:company", {"custom:company": "acme"}, "acme"),
    "a name with a dot": ("org.id", {"org.id": "acme"}, "acme"),
    "a path": ("org.id", {"org": {"id": "acme"}}, "acme"),
    "a long path": ("a.b.c", {"a": {"b": {"c": "acme"}}}, "acme"),
    "a sequence": (("org", "id"), {"org": {"id": "acme"}}, "acme"),
    "a sequence of a URL": (
        ["https://x.example/org", "id"],
        {"https://x.example/org": {"id": "acme"}},
        "acme",
    ),
    "a function": (lambda c: c["orgs"][0], {"orgs": ["acme"]}, "acme"),
}


@pytest.mark.parametrize(("path", "held", "tenant"), FOUND.values(), ids=FOUND.keys())
async def test_the_company_is_found(path: Any, held: dict[str, Any], tenant: object) -> None:
    """By name, by path, or by a function."""
    checked = verifier(tenant_claim=path)
    assert (await checked.verify(token(**{"company_id": ...} | held))).tenant == tenant


MISSED: dict[str, tuple[Any, dict[str, Any]]] = {
    "a path that ends early": ("org.id", {"org": "acme"}),
    "a path into a list": ("org.0", {"org": ["acme"]}),
    "a path into null": ("org.id", {"org": None}),
    "a path and a name at once": ("org.id", {"org": {"id": "acme"}, "org.id": "acme"}),
    "a path and a name that differ": ("org.id", {"org": {"id": "acme"}, "org.id": "globex"}),
    "a function on another shape": (lambda c: c["orgs"][0], {}),
    "a function on an empty list": (lambda c: c["orgs"][0], {"orgs": []}),
    "a function on a number": (lambda c: c["orgs"].strip(), {"orgs": 7}),
}


@pytest.mark.parametrize(("path", "held"), MISSED.values(), ids=MISSED.keys())
async def test_a_company_that_is_not_found_is_a_refusal(path: Any, held: dict[str, Any]) -> None:
    """Never an error of another kind."""
    with pytest.raises(TokenError):
        await verifier(tenant_claim=path).verify(token(**{"company_id": ...} | held))


NONE: dict[str, tuple[Any, dict[str, Any]]] = {
    "no such claim": ("company", {}),
    "a path with no beginning": ("org.id", {}),
    "a path with no end": ("org.id", {"org": {"name": "Acme"}}),
    "a URL is no path": ("https://example.com/company", {"https://example": {"com/company": "acme"}}),
    "a function that finds nothing": (lambda c: None, {}),
}


@pytest.mark.parametrize(("path", "held"), NONE.values(), ids=NONE.keys())
async def test_who_has_no_company_is_verified_all_the_same(path: Any, held: dict[str, Any]) -> None:
    """The principal names no company, so that nothing can be bound to it."""
    principal = await verifier(tenant_claim=path).verify(token(**{"company_id": ...} | held))
    assert (principal.subject, principal.has_tenant) == ("ada", False)


@pytest.mark.parametrize(
    "settings", [{"tenants_claim": "companies"}, {"tenants_claim": "none"}, {"speaks_for": "every"}]
)
async def test_a_list_of_no_company_names_none(settings: Any) -> None:
    """An empty one as well as a missing one."""
    principal = await verifier(**settings).verify(token(company_id=..., companies=[]))
    assert (principal.subject, principal.has_tenant) == ("ada", False)


@pytest.mark.parametrize("speaks_for", [{"acme"}, lambda tenant: True])
async def test_an_issuer_of_some_companies_vouches_for_nobody_without_one(speaks_for: Any) -> None:
    """They could join any company, for which it does not speak."""
    with pytest.raises(TokenError) as caught:
        await verifier(speaks_for=speaks_for).verify(token(company_id=...))
    assert caught.value.reason == "issuer_tenant"


TYPES: dict[str, tuple[type, object, object]] = {
    "int": (int, 42, 42),
    "int as text": (int, "42", 42),
    "int zero": (int, 0, 0),
    "int negative": (int, -7, -7),
    "int, the largest": (int, 2**63 - 1, 2**63 - 1),
    "UUID": (UUID, ID, UUID(ID)),
    "UUID in upper case": (UUID, ID.upper(), UUID(ID)),
    "text": (str, "acme", "acme"),
    "text of digits": (str, "42", "42"),
    "text with a white space inside": (str, "Acme Ltd", "Acme Ltd"),
    "text with an accent": (str, "caf\u00e9", "caf\u00e9"),
    "text in Cyrillic": (str, "\u0444\u0438\u0440\u043c\u0430", "\u0444\u0438\u0440\u043c\u0430"),
    "text in Chinese": (str, "\u516c\u53f8", "\u516c\u53f8"),
}


@pytest.mark.parametrize(("kind", "held", "tenant"), TYPES.values(), ids=TYPES.keys())
async def test_the_company_has_the_type_of_the_tenant_column(kind: Any, held: object, tenant: object) -> None:
    """Converted once, at the door."""
    found = (await verifier(tenant_type=kind).verify(token(company_id=held))).tenant
    assert (found, type(found)) == (tenant, kind)


OTHER_TYPES: dict[str, tuple[type, object]] = {
    "int: true": (int, True),
    "int: a fraction": (int, 42.0),
    "int: a fraction as text": (int, "42.0"),
    "int: an exponent": (int, "1e3"),
    "int: a plus": (int, "+42"),
    "int: a zero before": (int, "042"),
    "int: minus zero": (int, "-0"),
    "int: an underscore": (int, "4_2"),
    "int: a white space": (int, " 42"),
    "int: a line feed": (int, "42\n"),
    "int: other digits": (int, "\u0664\u0662"),
    "int: hexadecimal": (int, "0x2a"),
    "int: text": (int, "acme"),
    "int: empty": (int, ""),
    "int: too large": (int, 2**63),
    "int: too large as text": (int, "9" * 19),
    "int: very many digits": (int, "9" * 5000),
    "int: a list": (int, [42]),
    "UUID: without hyphens": (UUID, ID.replace("-", "")),
    "UUID: in braces": (UUID, f"{{{ID}}}"),
    "UUID: as a URN": (UUID, f"urn:uuid:{ID}"),
    "UUID: with a line feed": (UUID, f"{ID}\n"),
    "UUID: hyphens elsewhere": (UUID, "6f1c4e520-000-4000-8000-00000000000a"),
    "UUID: a number": (UUID, 42),
    "UUID: text": (UUID, "acme"),
    "UUID: empty": (UUID, ""),
    "UUID: full-width digits": (UUID, ID.replace("0", "\uff10")),
    "text: a number": (str, 42),
    "text: a fraction": (str, 4.2),
    "text: true": (str, True),
}


@pytest.mark.parametrize(("kind", "held"), OTHER_TYPES.values(), ids=OTHER_TYPES.keys())
async def test_a_company_of_another_type_is_refused(kind: Any, held: object) -> None:
    """Nothing is coerced, and an id has one spelling."""
    with pytest.raises(TokenError):
        await verifier(tenant_type=kind).verify(token(company_id=held))


async def test_a_token_may_list_several_companies() -> None:
    """The principal lists them, each once, and acts for none of them yet."""
    checked = verifier(tenants_claim="companies")
    principal = await checked.verify(token(companies=["acme", "globex", "acme"]))
    assert (principal.tenant, principal.tenants) == (None, ("acme", "globex"))


async def test_a_list_of_one_company_is_that_company() -> None:
    """There is nothing to choose."""
    principal = await verifier(tenants_claim="companies").verify(token(companies=["acme"]))
    assert (principal.tenant, principal.tenants) == ("acme", ("acme",))


@pytest.mark.parametrize(
    "held",
    [None, "acme", {"acme": 1}, ["acme", ""], ["acme", 7], ["acme", None], [["acme"]], ["a"] * 1001],
)
async def test_a_list_of_companies_that_is_none_is_refused(held: Any) -> None:
    """One bad member spoils the list."""
    with pytest.raises(TokenError):
        await verifier(tenants_claim="companies").verify(token(companies=held))


class Members:
    """Be a look-up of the companies of a subject."""

    def __init__(self, companies: Iterable[Any]) -> None:
        self.companies = companies
        self.asked: list[str] = []

    async def __call__(self, subject: str) -> Iterable[Any]:
        self.asked.append(subject)
        return self.companies


async def test_a_look_up_names_the_companies_of_a_subject() -> None:
    """For tokens that name none; their own claim is not read."""
    members = Members(["globex"])
    principal = await verifier(tenant_lookup=members).verify(token(company_id="acme"))
    assert (principal.tenant, members.asked) == ("globex", ["ada"])


async def test_a_look_up_is_kept_for_its_time_only() -> None:
    """Not until the token expires: whoever has left a company has to be gone soon."""
    now, members = [NOW], Members(["acme"])
    checked = verifier(tenant_lookup=members, lookup_seconds=60, clock=lambda: now[0])
    for now[0] in (NOW, NOW + 59, NOW + 60):
        await checked.verify(token())
    assert len(members.asked) == 2


async def test_a_forged_token_is_not_looked_up() -> None:
    """Nobody can ask for others."""
    members = Members(["acme"])
    with pytest.raises(TokenError):
        await verifier(tenant_lookup=members).verify(sign(claims(), key="another secret that is long enough"))
    assert members.asked == []


async def test_a_look_up_may_find_no_company() -> None:
    """Of somebody who has just signed up."""
    principal = await verifier(tenant_lookup=Members([])).verify(token())
    assert (principal.subject, principal.has_tenant) == ("ada", False)


@pytest.mark.parametrize("companies", [[""], [7], [None], [b"acme"], None, "acme", 7, {"acme": 1}])
async def test_a_look_up_that_finds_what_is_no_company_is_a_refusal(companies: Any) -> None:
    """A mistake of the look-up."""
    with pytest.raises(TokenError):
        await verifier(tenant_lookup=Members(companies)).verify(token())


async def test_a_look_up_that_fails_is_no_refusal() -> None:
    """It is an error of the application, and says so."""

    async def lookup(subject: str) -> Iterable[Any]:
        raise ConnectionError("the directory is gone")

    with pytest.raises(ConnectionError):
        await verifier(tenant_lookup=lookup).verify(token())


@pytest.mark.parametrize(
    ("speaks_for", "company", "passes"),
    [
        ({"acme"}, "acme", True),
        ({"acme"}, "globex", False),
        (["acme", "globex"], "globex", True),
        ("every", "globex", True),
        (lambda tenant: tenant.startswith("a"), "acme", True),
        (lambda tenant: tenant.startswith("a"), "globex", False),
    ],
)
async def test_an_issuer_speaks_for_its_companies(speaks_for: Any, company: str, passes: bool) -> None:
    """And for no other, with one issuer as with several."""
    checked = verifier(speaks_for=speaks_for)
    if passes:
        assert (await checked.verify(token(company_id=company))).tenant == company
        return
    with pytest.raises(TokenError) as caught:
        await checked.verify(token(company_id=company))
    assert caught.value.reason == "issuer_tenant"


async def test_an_issuer_may_list_none_but_its_companies() -> None:
    """One that is not its own spoils the list."""
    with pytest.raises(TokenError):
        await verifier(speaks_for={"acme"}, tenants_claim="c").verify(token(c=["acme", "globex"]))


@pytest.mark.parametrize("wrong", [{}, [], "acme", {7}, {""}.difference({""})])
def test_companies_of_an_issuer_that_cannot_be_are_refused_at_the_start(wrong: Any) -> None:
    """An empty list, one text, or ids of another type."""
    with pytest.raises(ConfigurationError, match="speaks_for"):
        verifier(speaks_for=wrong)


@pytest.mark.parametrize("wrong", [float, bool, None, "str", list])
def test_another_tenant_type_is_refused_at_the_start(wrong: Any) -> None:
    """A tenant id is a str, an int or a UUID."""
    with pytest.raises(ConfigurationError, match="tenant_type"):
        verifier(tenant_type=wrong)


@pytest.mark.parametrize(
    ("held", "permissions"),
    [
        ({"permissions": ["read", "write"]}, {"read", "write"}),
        ({"permissions": []}, set()),
        ({"scope": "read write"}, {"read", "write"}),
        ({"scope": ""}, set()),
        ({"scp": ["read"]}, {"read"}),
        ({"permissions": ["read"], "scope": "write"}, {"read"}),
        ({}, set()),
    ],
)
async def test_permissions_are_read_from_the_first_claim_that_is_there(
    held: Any, permissions: set[str]
) -> None:
    """A list, or words."""
    assert (await verifier().verify(token(**held))).permissions == permissions


@pytest.mark.parametrize(
    ("required", "held", "passes"),
    [
        ({"token_use": "access"}, {"token_use": "access"}, True),
        ({"token_use": "access"}, {"token_use": "id"}, False),
        ({"token_use": "access"}, {}, False),
        ({"token_use": "access"}, {"token_use": ["access"]}, False),
        ({"token_use": {"access", "id"}}, {"token_use": "id"}, True),
        ({"email_verified": True}, {"email_verified": True}, True),
        ({"email_verified": True}, {"email_verified": 1}, False),
        ({"email_verified": True}, {"email_verified": "true"}, False),
        ({"level": 1}, {"level": True}, False),
    ],
)
async def test_a_required_claim_has_its_value(required: Any, held: Any, passes: bool) -> None:
    """Of the same type, too."""
    checked = verifier(require=required)
    if passes:
        assert (await checked.verify(token(**held))).tenant == "acme"
        return
    with pytest.raises(TokenError):
        await checked.verify(token(**held))


@pytest.mark.parametrize(
    ("typ", "header", "passes"),
    [
        (None, "JWT", True),
        (None, "jwt", True),
        (None, "at+jwt", True),
        (None, "application/at+jwt", True),
        ("at+jwt", "at+jwt", True),
        ("at+jwt", "application/AT+JWT", True),
        ("at+jwt", "JWT", False),
        ("at+jwt", None, False),
    ],
)
async def test_the_type_of_a_token_is_checked_where_it_was_asked(typ: Any, header: Any, passes: bool) -> None:
    """RFC 9068."""
    head = {"alg": "HS256"} | ({} if header is None else {"typ": header})
    made = sign(claims(), header=head)
    if passes:
        assert (await verifier(typ=typ).verify(made)).tenant == "acme"
        return
    with pytest.raises(TokenError):
        await verifier(typ=typ).verify(made)


@pytest.mark.parametrize(
    ("leeway", "changes", "passes"),
    [
        (30, {"exp": NOW - 29}, True),
        (30, {"exp": NOW - 30}, False),
        (30, {"nbf": NOW + 30}, True),
        (30, {"nbf": NOW + 31}, False),
        (30, {"iat": NOW + 30}, True),
        (30, {"iat": NOW + 31}, False),
        (0, {"exp": NOW + 0.5}, True),
        (0, {"exp": 9_999_999_999}, True),
        (0, {"nbf": NOW, "iat": NOW}, True),
    ],
)
async def test_clocks_may_differ_by_the_leeway(leeway: float, changes: Any, passes: bool) -> None:
    """And by nothing more; a fraction of a second is a time like any other."""
    checked = verifier(leeway=leeway)
    if passes:
        assert (await checked.verify(token(**changes))).tenant == "acme"
        return
    with pytest.raises(TokenError):
        await checked.verify(token(**changes))


async def test_clocks_may_differ_by_half_a_minute_unless_another_leeway_is_stated() -> None:
    """A token that was issued by a clock that is ahead is not refused right after the login."""
    checked = TokenVerifier(key=SECRET, algorithms=["HS256"], audience="api", issuer=ISSUER, clock=clock)
    assert checked.leeway == 30
    assert (await checked.verify(token(iat=NOW + 30, exp=NOW - 29))).tenant == "acme"
    with pytest.raises(TokenError, match="not valid yet"):
        await checked.verify(token(iat=NOW + 31))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iat": NOW - 59}, None),
        ({"iat": NOW - 60}, "too_old"),
        ({"iat": NOW - 60, "exp": NOW + 9e6}, "too_old"),
        ({"iat": NOW - 1, "exp": NOW}, "expired"),
        ({}, "iat"),
        ({"iat": "now"}, "iat"),
    ],
)
async def test_a_token_counts_no_longer_than_the_maximum_age(changes: Any, reason: str | None) -> None:
    """However far away its end is; a token that hides its age is too old."""
    checked = verifier(max_age=60)
    if reason is None:
        assert (await checked.verify(token(**changes))).tenant == "acme"
        return
    with pytest.raises(TokenError) as caught:
        await checked.verify(token(**changes))
    assert caught.value.reason == reason


async def test_a_token_seen_before_grows_old_all_the_same() -> None:
    """The cache keeps it no longer than its age allows, the leeway included."""
    now = [NOW]
    checked = verifier(max_age=60, leeway=5, clock=lambda: now[0])
    made = token(iat=NOW)
    for now[0] in (NOW, NOW + 64):
        await checked.verify(made)
    now[0] = NOW + 65
    with pytest.raises(TokenError, match="maximum age"):
        await checked.verify(made)


@pytest.mark.parametrize("max_age", [-1, float("inf"), float("nan"), True, "60"])
def test_a_maximum_age_that_is_none_is_refused_at_the_start(max_age: Any) -> None:
    """It would let every token in, or none."""
    with pytest.raises(ConfigurationError, match="max_age"):
        verifier(max_age=max_age)


@pytest.mark.parametrize("leeway", [-1, 601, float("inf"), float("nan"), True, "30"])
def test_a_leeway_that_is_none_is_refused_at_the_start(leeway: Any) -> None:
    """It would keep every token alive."""
    with pytest.raises(ConfigurationError, match="leeway"):
        verifier(leeway=leeway)


@pytest.mark.parametrize("aud", ["api", ["api"], ["billing", "api"]])
async def test_a_token_may_have_several_audiences(aud: Any) -> None:
    """One of them is ours."""
    assert (await verifier().verify(token(aud=aud))).tenant == "acme"


async def test_without_an_audience_a_token_that_names_one_is_refused() -> None:
    """It is meant for somebody, and we are not known to be that."""
    assert (await verifier(audience=None).verify(token(aud=...))).tenant == "acme"
    with pytest.raises(TokenError):
        await verifier(audience=None).verify(token(aud="billing"))
