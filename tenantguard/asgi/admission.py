"""Admission: from a connection to the principal it may act as, by token, by request, and by registry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Literal

from tenantguard.asgi.requested import Agreement, Place, on_routes
from tenantguard.asgi.tokens import presented_token
from tenantguard.asgi.types import Scope
from tenantguard.audit import refuse
from tenantguard.context import Principal, bind
from tenantguard.errors import ConfigurationError, TenantId, Violation
from tenantguard.identity import Registry, Verifier
from tenantguard.identity.claims import is_number
from tenantguard.identity.jws import MOST_BYTES
from tenantguard.identity.presentation import Presentation, door_of
from tenantguard.identity.recall import Recall, recall_of
from tenantguard.identity.registry import IsActive
from tenantguard.identity.tenants import TenantType

ANONYMOUS = "anonymous"  # the subject of whoever has not signed in


class Admission:
    """Say who may come in; the arguments are those of :class:`TenantMiddleware`.

    Attributes:
        recall: returns the principal of an ``Authorization`` value seen before, for one look-up.
        ends: returns until when a principal's token counts, or ``None`` where it says no end.
        careful: whether a verified principal still has to be settled.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        requested: Place | Collection[Place],
        several: Literal["refuse", "union"],
        registry: Registry | IsActive | None,
        anonymous: Place | None,
        anonymous_on: Collection[str],
        most_bytes: int | None,
    ) -> None:
        if not callable(getattr(verifier, "verify", None)):
            raise ConfigurationError("verifier= has no verify(token); give a TokenVerifier")
        if several not in ("refuse", "union"):
            raise ConfigurationError(f'several={several!r} is neither "refuse" nor "union"')
        self._verify = door_of(verifier)
        self.recall: Recall = recall_of(verifier) or _never
        self.ends: Callable[[Principal], float | None] = getattr(
            verifier, "ends", partial(_expiry, getattr(verifier, "leeway", 0.0))
        )
        self._kind: TenantType = getattr(verifier, "tenant_type", str)
        own: int = getattr(verifier, "most_bytes", MOST_BYTES)
        self._most_bytes = own if most_bytes is None else most_bytes
        self._anonymous = None if anonymous is None else on_routes(anonymous, anonymous_on)
        places = [requested] if isinstance(requested, Place) else list(requested)
        self._agreement = Agreement(
            places + ([] if self._anonymous is None else [self._anonymous]), union=several == "union"
        )
        self._registry = Registry(registry) if callable(registry) else registry
        self.careful = bool(places) or self._anonymous is not None or self._registry is not None

    async def verified(self, scope: Scope, value: bytes | None) -> Principal:
        """Return the principal of an ``Authorization`` value, or of a page that needs none.

        Raises:
            TokenError: there is no token where one is needed, or it is refused.
            Violation: the page is of a company that does not exist.
            ConfigurationError: the verifier returned something else.
        """
        if value is None and self._anonymous is not None:
            named = set(await self._anonymous.tenants(scope, self._kind))
            if len(named) == 1:
                tenant = named.pop()
                if tenant is None:  # a company that nobody knows is answered as a suspended one
                    refuse(_inactive())
                return Principal(ANONYMOUS, tenant)
        scheme, token = presented_token(value, self._most_bytes)
        principal = await self._verify(token, Presentation(scheme, scope))
        if not isinstance(principal, Principal):
            raise ConfigurationError(
                f"verify() returned {type(principal).__name__}; return a Principal, or raise TokenError"
            )
        return principal

    async def settled(self, scope: Scope, principal: Principal) -> Principal:
        """Return the principal, for the one company that the request is for, if that is known and active.

        Raises:
            Violation: the token, the request and the registry do not agree.
        """
        principal = await self._agreement.settle(principal, scope)
        tenants = principal.tenants if principal.tenant is None else (principal.tenant,)
        if self._registry is not None:
            for tenant in tenants:
                if not await self._registry.admits(tenant):
                    with bind(principal):
                        refuse(_inactive(tenant))
        return principal


def _inactive(tenant: TenantId | None = None) -> Violation:
    return Violation("the company is not active", kind="tenant_inactive", tenant=tenant)


def _expiry(leeway: float, principal: Principal) -> float | None:
    """Return the end that a principal's claims name, for a verifier that does not say."""
    expires = principal.claims.get("exp")
    return expires + leeway if is_number(expires) else None


def _never(_value: bytes | None) -> None:
    return None
