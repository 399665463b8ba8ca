"""Onward calls: the binding is sent to the next service as a short-lived signed token that can be used once.

The caller gives ``OnwardAuth`` to its httpx client, the called service gives ``OnwardVerifier`` to its
middleware.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator
from typing import Any

import jwt

from tenantguard.context import current, request_id, time_over
from tenantguard.errors import ConfigurationError, NoTenantError, TenantId, TokenError
from tenantguard.identity import Cache, Presentation, Replays, TokenVerifier
from tenantguard.identity.places import is_safe
from tenantguard.identity.tenants import TenantType
from tenantguard.principal import Actor, Principal

try:
    import httpx
except ImportError as error:
    raise ConfigurationError("tenantguard.httpx needs httpx: pip install 'tenantguard[http]'") from error

TYP = "onward+jwt"
_LONGEST = 300.0  # seconds that such a token may live
# What the next service may ask for: how somebody signed in, by whom they are acted for, and their session.
_KEPT = ("acr", "act", "amr", "auth_time", "sid")


class OnwardAuth(httpx.Auth):
    """An httpx authentication that signs each request with the current binding.

    The token names the company, the principal, the audience and the request. It is valid for a minute, and its type is
    accepted by no other verifier. It is sent only to https addresses and to this machine.

    Args:
        key: a private key in PEM, or a secret that both services share.
        algorithm: the signature algorithm, such as ``"ES256"``.
        issuer: the name of the calling service.
        audience: the name of the called service.
        seconds: the lifetime of a token; 300 at most.
        key_id: the ``kid`` that the called service knows the key by.
        clock: the time in seconds; for tests.

    Raises:
        ConfigurationError: the key does not fit the algorithm, or the lifetime is too long.

    Example:
        >>> auth = OnwardAuth(key="k" * 32, algorithm="HS256", issuer="shop", audience="billing")
        >>> client = httpx.AsyncClient(auth=auth)
    """

    def __init__(
        self,
        *,
        key: Any,
        algorithm: str,
        issuer: str,
        audience: str,
        seconds: float = 60.0,
        key_id: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < seconds <= _LONGEST:
            raise ConfigurationError(
                f"seconds={seconds!r}: an onward token may be valid for {_LONGEST:.0f} seconds at most"
            )
        self._headers = {"typ": TYP} | ({} if key_id is None else {"kid": key_id})
        self._named = {"iss": issuer, "aud": audience}
        self._key, self._algorithm, self._seconds, self._clock = key, algorithm, seconds, clock
        try:
            self._signed({})
        except (jwt.PyJWTError, TypeError, ValueError, NotImplementedError) as error:
            raise ConfigurationError(f"this key cannot sign with {algorithm!r}: {error}") from error

    def token(self) -> str:
        """Return a token for the binding in force.

        Raises:
            NoTenantError: nothing is bound, the binding is a bypass, which acts for no company, or an actor's time is
                over.
        """
        binding = current()
        if binding.bypassed:
            raise NoTenantError(
                "a bypass acts for no company, so no token can be sent onward; bind the company first"
            )
        principal = binding.principal
        over = None if principal is None else time_over(principal, self._clock())
        if over is not None:
            raise over
        one = len(binding.tenants) == 1
        claims: dict[str, Any] = {"sub": self._named["iss"] if principal is None else principal.subject}
        claims["companies"] = [_plain(tenant) for tenant in binding.tenants]
        if one:
            claims["company_id"] = claims.pop("companies")[0]
        if principal is not None:
            claims["permissions"] = sorted(principal.permissions)
            if principal.actor is not None:
                claims["act"] = _told(principal.actor)
                claims["exp"] = min(self._clock() + self._seconds, principal.actor.until)
            kept = [name for name in _KEPT if name in principal.claims and name not in claims]
            claims |= {name: _thawed(principal.claims[name]) for name in kept}
        if request_id() is not None:
            claims["request_id"] = request_id()
        return self._signed(claims)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token to a request.

        Raises:
            ConfigurationError: the address is neither https nor on this machine.
            NoTenantError: see ``token``.
        """
        if not is_safe(str(request.url)):
            raise ConfigurationError(
                f"{request.url.host} is neither reached over https nor on this machine, so no token is sent there"
            )
        request.headers["authorization"] = f"Bearer {self.token()}"
        yield request

    def _signed(self, claims: dict[str, Any]) -> str:
        now = self._clock()
        times = {"iat": now, "exp": now + self._seconds, "jti": secrets.token_urlsafe(16)}
        return jwt.encode(times | claims | self._named, self._key, self._algorithm, headers=self._headers)


class OnwardVerifier:
    """A verifier for the tokens of ``OnwardAuth``; each is accepted once.

    Args:
        issuer: the name of the calling service.
        audience: the name of this service.
        several: whether the caller may act for several companies at once (``bind([...])``).
        replays: a store of used tokens; by default in this process. If several processes serve requests, pass a store
            that they share: ``async def first(used: str, seconds: float) -> bool``.
        settings: as for ``TokenVerifier``: ``key`` or ``jwks_url``, ``algorithms``, ``tenant_type``,
            ``speaks_for``, ``revocation``, ``clock``.

    Raises:
        ConfigurationError: as ``TokenVerifier`` does.
    """

    def __init__(
        self, *, issuer: str, audience: str, several: bool = False, replays: Any = None, **settings: Any
    ) -> None:
        claim: dict[str, Any] = {"tenants_claim": "companies"} if several else {"tenant_claim": "company_id"}
        self._verifier = TokenVerifier(
            issuer=issuer,
            audience=audience,
            typ=TYP,
            max_age=_LONGEST,
            cache=Cache(entries=0),
            **claim,
            **settings,
        )
        self._replays = Replays() if replays is None else replays
        self._remembered = _LONGEST + 2 * self._verifier.leeway

    @property
    def tenant_type(self) -> TenantType:
        """Return the type of the tenant ids."""
        return self._verifier.tenant_type

    def ends(self, principal: Principal) -> float | None:
        """Return when a principal's token expires, including the leeway."""
        return self._verifier.ends(principal)

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token should be checked again."""
        return self._verifier.recheck

    async def still(self, principal: Principal) -> None:
        """Check that a token was not revoked since it was verified.

        Raises:
            TokenError: it was.
        """
        await self._verifier.still(principal)

    async def verify(self, token: str) -> Principal:
        """Return the principal of a token that has not been used before.

        Raises:
            TokenError: it is refused, or was used before.
        """
        return await self._once(await self._verifier.verify(token))

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Do the same for a request; checking a websocket again does not use its token twice.

        Raises:
            TokenError: as ``verify`` does.
        """
        principal = await self._verifier.verify_request(token, presentation)
        return principal if presentation.proven else await self._once(principal)

    async def _once(self, principal: Principal) -> Principal:
        used = principal.claims.get("jti")
        if not isinstance(used, str):
            raise TokenError("an onward token needs an id (jti)", reason="proof")
        if not await self._replays(f"{principal.claims.get('iss')} {used}", self._remembered):
            raise TokenError("the onward token was used before", reason="replayed")
        return principal


def _told(actor: Actor) -> dict[str, Any]:
    """Return the claim that describes an actor to the next service, with the same limits."""
    told = {"sub": actor.subject, "reason": actor.reason}
    return told | {"read_only": True} if actor.read_only else told


def _plain(tenant: TenantId) -> str | int:
    return tenant if isinstance(tenant, int) else str(tenant)


def _thawed(value: Any) -> Any:
    """Return a frozen claim in a form that JSON can encode."""
    if isinstance(value, tuple):
        return [_thawed(one) for one in value]
    return {name: _thawed(one) for name, one in value.items()} if hasattr(value, "items") else value
