"""The policy: what the application expects of verified claims, and the principal that it makes of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tenantguard.context import Principal
from tenantguard.errors import TenantId, TokenError
from tenantguard.identity import claims as checks
from tenantguard.identity.acting import Acting, refuse_actor
from tenantguard.identity.confirmation import Confirmation
from tenantguard.identity.presentation import Presentation
from tenantguard.identity.revocation import Revocation
from tenantguard.identity.tenants import ABSENT, Reader, TenantType, as_tenant, as_tenants

SpeaksFor = Literal["every"] | Collection[TenantId] | Callable[[TenantId], bool]
Lookup = Callable[[str], Awaitable[Iterable[TenantId]]]
RECHECK = 10.0  # seconds after which the token of a connection that lasts is verified again
RECHECK_REVOCABLE = 0.5  # the same, where it may be revoked, which has to hold within a second
MayGrant = Collection[str] | Callable[[str], bool]


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
