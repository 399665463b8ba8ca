"""The policy: the application's requirements for verified claims, and the principal they describe."""

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
    """The requirements for claims; created by ``policy_of``."""

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
        """Return until when the claims are valid, including the leeway; ``None`` if they have no end.

        Raises:
            TokenError: they do not meet the requirements.
        """
        until = checks.check_times(claims, now, self.leeway, must_expire=must_expire, max_age=self.max_age)
        checks.check_issuer(claims, self.issuers)
        checks.check_audience(claims, self.audiences)
        checks.check_required(claims, self.require)
        return until

    async def confirm(
        self, principal: Principal, token: bytes, presentation: Presentation | None, now: float
    ) -> None:
        """Check a verified token's proof of possession, its revocation, and whether its actor may still act.

        Raises:
            TokenError: it was revoked, or a required proof is missing.
        """
        await self.still(principal)
        await self.confirmation.check(principal.claims, token, presentation, now, self.leeway)

    def ends(self, claims: Mapping[str, Any]) -> float | None:
        """Return until when verified claims are valid, including the leeway; ``None`` if they have no end."""
        ends = [claims.get("exp")]
        if self.max_age is not None and checks.is_number(claims.get("iat")):
            ends.append(claims["iat"] + self.max_age)
        numbers = [end for end in ends if checks.is_number(end)]
        return min(numbers) + self.leeway if numbers else None

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a verified token should be checked again."""
        return RECHECK if self.revocation is None else RECHECK_REVOCABLE

    async def still(self, principal: Principal) -> None:
        """Check that a token was not revoked since it was verified, and that its actor may still act.

        Raises:
            TokenError: it was revoked, or the actor may not.
        """
        if self.revocation is not None:
            await self.revocation.check(principal)
        if self.acting is not None and principal.actor is not None:  # a ticket is closed, a sign-in grows old
            named = [principal.tenant] if principal.tenant is not None else principal.tenants
            self.acting.actor(principal.claims, named)

    def note(self, principal: Principal, *, known: bool) -> None:
        """Record an admitted principal, after all checks, so that revoked people do not appear.

        Args:
            principal: the principal.
            known: whether the token was cached. A token that is checked each time is recorded each time, because its
                proof may have been missing at first.
        """
        if self.seen is not None and (not known or self.asks_again(principal)):
            self.seen(principal)

    def asks_again(self, principal: Principal) -> bool:
        """Return whether each request with a token is checked again, because it is bound to a key or has an actor."""
        return "cnf" in principal.claims or principal.actor is not None

    def kept_until(self, principal: Principal) -> float:
        """Return until when a verified token may be cached; older ones could not be revoked."""
        if self.revocation is None:
            return float("inf")
        return float(principal.claims["iat"]) + self.revocation.keep

    def is_of(self, claims: Mapping[str, Any]) -> bool:
        """Return whether the claims name one of the issuers."""
        try:
            checks.check_issuer(claims, self.issuers)
        except TokenError:
            return False
        return bool(self.issuers)

    async def principal(self, claims: Mapping[str, Any]) -> Principal:
        """Return the principal of the claims, without a company if they name none.

        Raises:
            TokenError: the subject is missing; the subject, company or permissions are malformed; or the issuer is
                not trusted for the company, or for users without one.
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
        """Return whether the issuer is trusted for users without a company, who could join any."""
        return self.speaks_for is None or self.speaks_for == "every"

    def _may_speak_for(self, tenant: TenantId) -> bool:
        if self._speaks_for_every() or self.speaks_for is None:
            return True
        return bool(self.speaks_for(tenant) if callable(self.speaks_for) else tenant in self.speaks_for)


def _listed(companies: object) -> object:
    """Return the result of a look-up as a list; a string is not a list of letters, and ``None`` is a mistake."""
    if isinstance(companies, Iterable) and not isinstance(companies, str | bytes | Mapping):
        return list(companies)
    return None


class UnderPolicy:
    """The methods of verifiers that depend on the policy only.

    ``recall`` is not here: it must be defined next to the ``verify`` that it abbreviates (``is_whole``).
    """

    _policy: Policy

    @property
    def tenant_type(self) -> TenantType:
        """Return the type of the tenant ids."""
        return self._policy.tenant_type

    @property
    def leeway(self) -> float:
        """Return the number of seconds by which clocks may differ."""
        return self._policy.leeway

    def ends(self, principal: Principal) -> float | None:
        """Return when a principal's token ends, including the leeway, or ``None`` if it has no end."""
        return self._policy.ends(principal.claims)

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token should be checked for revocation again."""
        return self._policy.recheck

    async def still(self, principal: Principal) -> None:
        """Check that a token was not revoked since it was verified, whether or not it has expired.

        Raises:
            TokenError: it was.
        """
        await self._policy.still(principal)
