"""Admission: from a connection to its principal, by token, request and registry."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Literal

from tenantguard.asgi.paths import listed, patterns_of
from tenantguard.asgi.request_tenant import Agreement, Place, on_routes
from tenantguard.asgi.tokens import is_for_us, presented_token
from tenantguard.asgi.types import Scope
from tenantguard.audit import refuse
from tenantguard.context import Principal, bind
from tenantguard.errors import ConfigurationError, IssuerUnavailableError, TenantId, TokenError, Violation
from tenantguard.identity import Registry, Verifier
from tenantguard.identity.claims import is_number
from tenantguard.identity.jws import MOST_BYTES
from tenantguard.identity.presentation import Presentation, door_of
from tenantguard.identity.recall import Recall, recall_of
from tenantguard.identity.registry import IsActive
from tenantguard.identity.tenants import TenantType

_log = logging.getLogger("tenantguard")
ANONYMOUS = "anonymous"  # the subject of whoever has not signed in
PRINCIPAL = "tenantguard.principal"  # in the scope: who is verified, where nothing is bound
NO_COMPANY = "no_company"


class Admission:
    """The rules of admission for HTTP and websockets; the arguments are those of ``TenantMiddleware``.

    Attributes:
        recall: returns the principal of a known ``Authorization`` value, with one look-up.
        ends: returns until when a principal's token is valid, or ``None`` if it has no end.
        careful: whether the company of a verified principal still has to be settled.
    """

    _RECHECK = 10.0  # seconds, where a verifier does not say

    def __init__(
        self,
        verifier: Verifier,
        *,
        requested: Place | Collection[Place],
        several: Literal["refuse", "union"],
        registry: Registry | IsActive | None,
        anonymous: Place | None,
        anonymous_on: Collection[str],
        optional: Collection[str],
        without_tenant_on: Collection[str],
        most_bytes: int | None,
    ) -> None:
        if not callable(getattr(verifier, "verify", None)):
            raise ConfigurationError("verifier= has no verify(token); give a TokenVerifier")
        if several not in ("refuse", "union"):
            raise ConfigurationError(f'several={several!r} must be "refuse" or "union"')
        self._verify = door_of(verifier)
        self.recall: Recall = recall_of(verifier) or _never
        self.ends: Callable[[Principal], float | None] = getattr(
            verifier, "ends", partial(_expiry, getattr(verifier, "leeway", 0.0))
        )
        self._still: Callable[[Principal], Awaitable[None]] | None = getattr(verifier, "still", None)
        self._verifier = verifier
        self._kind: TenantType = getattr(verifier, "tenant_type", str)
        own: int = getattr(verifier, "most_bytes", MOST_BYTES)
        self._most_bytes = own if most_bytes is None else most_bytes
        self._anonymous = None if anonymous is None else on_routes(anonymous, anonymous_on)
        self._optional = patterns_of(optional, "optional")
        self._without_tenant = patterns_of(without_tenant_on, "without_tenant_on")
        places = [requested] if isinstance(requested, Place) else list(requested)
        self._agreement = Agreement(
            places + ([] if self._anonymous is None else [self._anonymous]), union=several == "union"
        )
        self._registry = Registry(registry) if callable(registry) else registry
        self.careful = bool(places) or self._anonymous is not None or self._registry is not None

    async def admit(self, scope: Scope, value: bytes | None, *, proven: bool = False) -> Principal | None:
        """Return the principal of the request, or ``None`` if it is served with nothing bound.

        Args:
            scope: the connection.
            value: its ``Authorization`` value.
            proven: whether it has already proven possession of the token's key.

        Raises:
            TokenError: a required token is missing, or the token is refused.
            Violation: the token, the request and the registry do not agree, or the page belongs to a company that
                does not exist.
            ConfigurationError: the verifier returned something else.
        """
        principal = self.recall(value)
        if principal is None:
            if value is None or not is_for_us(value):  # a client's own credentials, on a page for everybody
                visitor = await self._visitor(scope)
                if visitor is not None:
                    principal = visitor
                elif self._optional and listed(scope, self._optional):
                    return None
            if principal is None:
                principal = await self._verified(scope, value, proven)
        if self._stays_unbound(scope, principal):
            scope[PRINCIPAL] = principal
            return None
        return await self._settled(scope, principal)

    async def _visitor(self, scope: Scope) -> Principal | None:
        """Return the anonymous visitor of a company's page, if the page allows that."""
        if self._anonymous is None:
            return None
        named = set(await self._anonymous.tenants(scope, self._kind))
        if len(named) != 1:
            return None
        tenant = named.pop()
        if tenant is None:  # a company that nobody knows is answered as a suspended one
            refuse(_inactive(), scope=scope)
        return Principal(ANONYMOUS, tenant)

    async def _verified(self, scope: Scope, value: bytes | None, proven: bool) -> Principal:
        scheme, token = presented_token(value, self._most_bytes)
        principal = await self._verify(token, Presentation(scheme, scope, proven))
        if not isinstance(principal, Principal):
            raise ConfigurationError(
                f"verify() returned {type(principal).__name__}; return a Principal, or raise TokenError"
            )
        return principal

    def _stays_unbound(self, scope: Scope, principal: Principal) -> bool:
        """Return whether the route is for users who have no company yet, or choose among several."""
        if principal.tenant is not None:
            return False
        if listed(scope, self._without_tenant):
            return True
        if principal.has_tenant:
            return False
        if not listed(scope, self._optional):  # whoever has signed in is not worse off than who has not
            refuse(Violation("the token names no company", kind=NO_COMPANY), scope=scope)
        return True

    async def _settled(self, scope: Scope, principal: Principal) -> Principal:
        """Return the principal for the request's company, if that is known and active."""
        principal = await self._agreement.settle(principal, scope)
        tenants = principal.tenants if principal.tenant is None else (principal.tenant,)
        if self._registry is not None:
            for tenant in tenants:
                if not await self._registry.admits(tenant):
                    with bind(principal):
                        refuse(_inactive(tenant), scope=scope)
        return principal

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token should be checked again."""
        seconds: float = getattr(self._verifier, "recheck", self._RECHECK)
        return seconds

    async def ended(
        self, scope: Scope, value: bytes | None, principal: Principal
    ) -> TokenError | Violation | None:
        """Return why an admitted connection would be refused now; an unavailable check is not a reason."""

        async def again() -> None:
            scope.pop(PRINCIPAL, None)
            admitted = await self.admit(scope, value, proven=True) or scope.get(PRINCIPAL)
            if admitted is None or not _is_same(admitted, principal):
                raise TokenError("the token now stands for somebody else", reason="revoked")

        return await _refusal(again)

    async def revoked(self, scope: Scope, principal: Principal) -> TokenError | Violation | None:
        """Return why an expired token would have been refused even before it expired."""

        async def again() -> None:
            if self._still is not None:
                await self._still(principal)
            if principal.has_tenant:
                await self._settled(scope, principal)

        return await _refusal(again)


async def _refusal(check: Callable[[], Awaitable[None]]) -> TokenError | Violation | None:
    """Return the refusal of a check; a failing issuer or registry does not refuse an admitted connection.

    A failing revocation store does, once its loss has lasted longer than ``on_loss``.
    """
    try:
        await check()
    except IssuerUnavailableError as error:
        return error if error.reason == "revocation_lost" else None
    except (TokenError, Violation) as error:
        return error
    except Exception:
        _log.exception("the token of a connection could not be verified again")
    return None


def _is_same(now: Principal, before: Principal) -> bool:
    """Return whether a token still names the same person and companies, with no fewer permissions."""
    actors = [None if one.actor is None else one.actor.subject for one in (now, before)]
    who = [(one.subject, one.tenant, one.tenants) for one in (now, before)]
    return who[0] == who[1] and actors[0] == actors[1] and before.permissions <= now.permissions


def _inactive(tenant: TenantId | None = None) -> Violation:
    return Violation("the company is not active", kind="tenant_inactive", tenant=tenant)


def _expiry(leeway: float, principal: Principal) -> float | None:
    """Return the expiry in a principal's claims, for a verifier without ``ends``."""
    expires = principal.claims.get("exp")
    return expires + leeway if is_number(expires) else None


def _never(_value: bytes | None) -> None:
    return None
