"""The policy: what the application expects of verified claims, and the principal that it makes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TenantId, TokenError
from tenantguard.identity import claims as checks
from tenantguard.identity.acting import Acting, refuse_actor
from tenantguard.identity.confirmation import CertificateReader, Confirmation
from tenantguard.identity.dpop import DPoP
from tenantguard.identity.presentation import Presentation
from tenantguard.identity.revocation import Revocation
from tenantguard.identity.tenants import (
    ABSENT,
    ClaimPath,
    Reader,
    TenantType,
    as_tenant,
    as_tenants,
    claim_reader,
)

SpeaksFor = Literal["every"] | Collection[TenantId] | Callable[[TenantId], bool]
Lookup = Callable[[str], Awaitable[Iterable[TenantId]]]
LEEWAY = 30.0  # seconds: machines that keep time differ by less
_MOST_LEEWAY = 600.0
RECHECK = 10.0  # seconds after which the token of a connection that lasts is verified again
RECHECK_REVOCABLE = 0.5  # the same, where it may be revoked, which has to hold within a second
_MOST_AGE = 10 * 365 * 24 * 3600.0
_PERMISSIONS = ("permissions", "scope", "scp", "roles")
MayGrant = Collection[str] | Callable[[str], bool]


class PolicyOptions(TypedDict, total=False):
    """What both verifiers take.

    Attributes:
        audience: for whom tokens must be; without it, a token that names an audience is refused.
        issuer: by whom tokens must be; ``{claim}`` in it stands for that claim of the same token.
        tenant_claim: where the company is (``"company_id"``): a name, a dotted path, a sequence of names, or
            a function of the claims.
        tenants_claim: where a list of companies is, of which a request names one; instead of tenant_claim.
        tenant_lookup: for tokens that name no company: an async function from the subject to its companies.
        lookup_seconds: how long an answer of the lookup holds; 60 by default.
        tenant_type: the type of the tenant column: ``str``, ``int`` or ``UUID``.
        speaks_for: which companies this issuer may speak for: a collection, a function, or ``"every"``.
        subject_claim: where the subject is; ``"sub"`` by default.
        permissions_claim: where the permissions are, a name, a path or a function; of several, the first that there is.
        may_grant: the permissions that this issuer may grant, a collection or a function; others count for nothing.
        acting: lets in tokens whose bearer acts for somebody else (``act``, RFC 8693); without it, they are refused.
        seen: called with each principal that a token verified anew lets in, as a ``SeenBook`` for the access review.
        require: further claims, each with the value, or the collection of values, that it must have.
        leeway: how many seconds the clocks of issuer and server may differ; 30 by default.
        max_age: how many seconds after its ``iat`` a token counts, whatever its ``exp``; any by default.
        dpop: how proofs of a key are checked (RFC 9449); without it, a token that asks for one is refused.
        certificate: reads the client's certificate from the ASGI scope (RFC 8705); the same.
        revocation: what says which tokens count no more.
    """

    audience: str | Collection[str] | None
    issuer: str | Collection[str] | None
    tenant_claim: ClaimPath
    tenants_claim: ClaimPath | None
    tenant_lookup: Lookup | None
    lookup_seconds: float
    tenant_type: TenantType
    speaks_for: SpeaksFor | None
    subject_claim: str
    permissions_claim: ClaimPath | tuple[ClaimPath, ...]
    may_grant: MayGrant | None
    acting: Acting | None
    seen: Callable[[Principal], None] | None
    require: Mapping[str, object]
    leeway: float
    max_age: float | None
    dpop: DPoP | None
    certificate: CertificateReader | None
    revocation: Revocation | None


@dataclass(frozen=True)
class Policy:
    """Hold what is expected of claims; made by ``policy_of``."""

    audiences: frozenset[str]
    issuers: frozenset[str]
    tenant_of: Reader
    several: bool
    lookup: Lookup | None
    lookup_seconds: float
    tenant_type: TenantType
    speaks_for: SpeaksFor | None
    subject_claim: str
    permissions: tuple[Reader, ...]
    strict_permissions: bool
    may_grant: MayGrant | None
    acting: Acting | None
    seen: Callable[[Principal], None] | None
    require: Mapping[str, frozenset[object]]
    leeway: float
    max_age: float | None
    confirmation: Confirmation
    revocation: Revocation | None

    def check(self, claims: Mapping[str, Any], now: float, *, must_expire: bool = True) -> float | None:
        """Return until when the claims hold, the leeway included; ``None`` where they say no end.

        Raises:
            TokenError: they are not what is expected.
        """
        until = checks.check_times(claims, now, self.leeway, must_expire=must_expire, max_age=self.max_age)
        checks.check_issuer(claims, self.issuers)
        checks.check_audience(claims, self.audiences)
        checks.check_required(claims, self.require)
        return until

    async def confirm(
        self, principal: Principal, token: bytes, presentation: Presentation | None, now: float
    ) -> None:
        """Return if a verified token may be presented like this, was not revoked, and may still act for somebody.

        Raises:
            TokenError: it was, or is bound to a key or a certificate, and there is no proof of it.
        """
        await self.still(principal)
        await self.confirmation.check(principal.claims, token, presentation, now, self.leeway)

    def ends(self, claims: Mapping[str, Any]) -> float | None:
        """Return until when verified claims hold, the leeway included; ``None`` where they say no end."""
        ends = [claims.get("exp")]
        if self.max_age is not None and checks.is_number(claims.get("iat")):
            ends.append(claims["iat"] + self.max_age)
        numbers = [end for end in ends if checks.is_number(end)]
        return min(numbers) + self.leeway if numbers else None

    @property
    def recheck(self) -> float:
        """Give the seconds after which something new may be known of a token that was verified."""
        return RECHECK if self.revocation is None else RECHECK_REVOCABLE

    async def still(self, principal: Principal) -> None:
        """Return unless a token was revoked since it was verified, or may act for nobody any more.

        Raises:
            TokenError: it was, or may not.
        """
        if self.revocation is not None:
            await self.revocation.check(principal)
        if self.acting is not None and principal.actor is not None:  # a ticket is closed, a sign-in grows old
            named = [principal.tenant] if principal.tenant is not None else principal.tenants
            self.acting.actor(principal.claims, named)

    def note(self, principal: Principal, *, known: bool) -> None:
        """Note who came in, once nothing speaks against it any more: a revoked person has reached nothing.

        Args:
            principal: who came in.
            known: whether the token was kept from before; one that is judged anew each time is noted each time, since
                it may have come without its proof at first.
        """
        if self.seen is not None and (not known or self.asks_again(principal)):
            self.seen(principal)

    def asks_again(self, principal: Principal) -> bool:
        """Tell whether each request with a token is judged anew: it is bound to a key, or acts for somebody."""
        return "cnf" in principal.claims or principal.actor is not None

    def kept_until(self, principal: Principal) -> float:
        """Return until when a verified token may be kept: older ones could not be revoked."""
        if self.revocation is None:
            return float("inf")
        return float(principal.claims["iat"]) + self.revocation.keep

    def is_of(self, claims: Mapping[str, Any]) -> bool:
        """Tell whether the claims name one of the issuers."""
        try:
            checks.check_issuer(claims, self.issuers)
        except TokenError:
            return False
        return bool(self.issuers)

    async def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return who the claims speak for; of no company where they name none.

        Raises:
            TokenError: the subject is missing, the subject, the company or the permissions are malformed, or the
                issuer may not speak for the company, or not for somebody without one.
        """
        subject = checks.subject_of(claims, self.subject_claim)
        tenants = await self._tenants(subject, claims)
        if not (all(map(self._may_speak_for, tenants)) and (tenants or self._speaks_for_every())):
            raise TokenError(
                "the token's issuer may not speak for the company that it names", reason="issuer_tenant"
            )
        if self.acting is None:
            refuse_actor(claims)
        permissions = checks.permissions_of(claims, self.permissions, strict=self.strict_permissions)
        return Principal(
            subject=subject,
            tenant=tenants[0] if len(tenants) == 1 else None,
            tenants=tenants if self.several else (),
            permissions=frozenset(filter(self._may_grant, permissions)),
            claims=claims,
            actor=self.acting.actor(claims, tenants) if self.acting is not None and "act" in claims else None,
        )

    async def _tenants(self, subject: str, claims: Mapping[str, Any]) -> tuple[TenantId, ...]:
        named = _listed(await self.lookup(subject)) if self.lookup is not None else self.tenant_of(claims)
        if named is ABSENT or (self.several and named == []):
            return ()
        return as_tenants(named, self.tenant_type) if self.several else (as_tenant(named, self.tenant_type),)

    def _may_grant(self, permission: str) -> bool:
        if self.may_grant is None:
            return True
        return bool(self.may_grant(permission) if callable(self.may_grant) else permission in self.may_grant)

    def _speaks_for_every(self) -> bool:
        """Tell whether the issuer may vouch for somebody who has no company yet, and could join any."""
        return self.speaks_for is None or self.speaks_for == "every"

    def _may_speak_for(self, tenant: TenantId) -> bool:
        if self._speaks_for_every() or self.speaks_for is None:
            return True
        return bool(self.speaks_for(tenant) if callable(self.speaks_for) else tenant in self.speaks_for)


def _listed(companies: object) -> object:
    """Return what a look-up found as a list; one text is no list of letters, and ``None`` is a mistake."""
    if isinstance(companies, Iterable) and not isinstance(companies, str | bytes | Mapping):
        return list(companies)
    return None


class UnderPolicy:
    """What verifiers answer by their policy alone.

    ``recall`` is not here: it has to stand beside the ``verify`` that it is the short way of (``is_whole``).
    """

    _policy: Policy

    @property
    def tenant_type(self) -> TenantType:
        """Give the type of the tenant ids."""
        return self._policy.tenant_type

    @property
    def leeway(self) -> float:
        """Give the seconds that clocks may differ."""
        return self._policy.leeway

    def ends(self, principal: Principal) -> float | None:
        """Return when a principal's token ends, the leeway included, or ``None`` where it says no end."""
        return self._policy.ends(principal.claims)

    @property
    def recheck(self) -> float:
        """Give the seconds after which something new may be known of a token: it may have been revoked."""
        return self._policy.recheck

    async def still(self, principal: Principal) -> None:
        """Return unless a token was revoked since it was verified, whether or not it has expired meanwhile.

        Raises:
            TokenError: it was.
        """
        await self._policy.still(principal)


def policy_of(faults: list[str], **options: Unpack[PolicyOptions]) -> Policy:
    """Return the policy that the options state, and add to the faults what would not be safe."""
    unknown = sorted(options.keys() - PolicyOptions.__annotations__.keys())
    if unknown:
        faults.append(f"unknown argument {', '.join(unknown)}")
    kind = options.get("tenant_type", str)
    if kind not in (str, int, UUID):
        faults.append("tenant_type is the type of the tenant column: str, int or UUID")
    several = options.get("tenants_claim") is not None or options.get("tenant_lookup") is not None
    return Policy(
        audiences=_names(options.get("audience"), "audience", faults),
        issuers=_names(options.get("issuer"), "issuer", faults),
        tenant_of=_reader(options.get("tenants_claim") or options.get("tenant_claim", "company_id"), faults),
        several=several,
        lookup=options.get("tenant_lookup"),
        lookup_seconds=_seconds(options.get("lookup_seconds", 60.0), "lookup_seconds", 3600.0, faults),
        tenant_type=kind,
        speaks_for=_speaks_for(options.get("speaks_for"), kind, faults),
        subject_claim=options.get("subject_claim", "sub"),
        permissions=_permissions(options.get("permissions_claim", _PERMISSIONS), faults),
        strict_permissions="permissions_claim" in options,
        may_grant=_may_grant(options.get("may_grant"), faults),
        acting=_acting(options.get("acting"), faults),
        seen=options.get("seen"),
        require={name: _values(value) for name, value in options.get("require", {}).items()},
        leeway=_seconds(options.get("leeway", LEEWAY), "leeway", _MOST_LEEWAY, faults),
        max_age=_max_age(options.get("max_age"), faults),
        confirmation=Confirmation(options.get("dpop"), options.get("certificate")),
        revocation=options.get("revocation"),
    )


def _permissions(given: ClaimPath | tuple[ClaimPath, ...], faults: list[str]) -> tuple[Reader, ...]:
    paths = given if isinstance(given, tuple) else (given,)
    return tuple(_reader(path, faults) for path in paths)


def _may_grant(given: MayGrant | None, faults: list[str]) -> MayGrant | None:
    if given is None or callable(given):
        return given
    if isinstance(given, str) or not all(isinstance(one, str) and one for one in given):
        faults.append("may_grant is a collection of permissions, or a function")
        return frozenset()
    return frozenset(given)


def _acting(given: object, faults: list[str]) -> Acting | None:
    if given is None or isinstance(given, Acting):
        return given
    faults.append("acting is an Acting(...)")
    return None


def _values(value: object) -> frozenset[object]:
    return frozenset(value) if isinstance(value, set | frozenset | list | tuple) else frozenset({value})


def _speaks_for(given: SpeaksFor | None, kind: type, faults: list[str]) -> SpeaksFor | None:
    if given is None or given == "every" or callable(given):
        return given
    if isinstance(given, str) or not given or not all(type(tenant) is kind for tenant in given):
        faults.append(f'speaks_for is a collection of {kind.__name__}, a function, or "every"')
        return frozenset()
    return frozenset(given)


def _reader(path: ClaimPath, faults: list[str]) -> Reader:
    try:
        return claim_reader(path)
    except ConfigurationError as error:
        faults.append(str(error))
        return claim_reader("company_id")


def _seconds(given: float, argument: str, most: float, faults: list[str]) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        faults.append(f"{argument} is a number of seconds, at most {most:.0f}")
        return 0.0
    return given


def _max_age(given: float | None, faults: list[str]) -> float | None:
    return None if given is None else _seconds(given, "max_age", _MOST_AGE, faults)


def _names(given: str | Collection[str] | None, argument: str, faults: list[str]) -> frozenset[str]:
    if given is None:
        return frozenset()
    names = [given] if isinstance(given, str) else list(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        faults.append(f"{argument} is a text or a list of texts, none of them empty")
        return frozenset()
    return frozenset(names)
