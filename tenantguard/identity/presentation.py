"""How a token was presented: the scheme and the request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenantguard.errors import TokenError
from tenantguard.principal import Principal

BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True)
class Presentation:
    """How a token was presented.

    Attributes:
        scheme: ``"Bearer"`` (RFC 6750) or ``"DPoP"`` (RFC 9449).
        scope: the ASGI scope of the request that carried it.
        proven: whether its proof was already checked, because a websocket is checked again and a proof is valid once.
    """

    scheme: str
    scope: Mapping[str, Any]
    proven: bool = False


Door = Callable[[str, Presentation], Awaitable[Principal]]


def door_of(verifier: Any) -> Door:
    """Return the function that verifies a token as presented.

    That is the verifier's ``verify_request``, unless a subclass or a wrapper overrides only ``verify``. Then, as for a
    verifier that has only ``verify``, tokens are treated as bearer tokens.
    """
    if "verify_request" in _first(verifier, "verify", "verify_request"):
        door: Door = verifier.verify_request
        return door

    async def bearers_only(token: str, presentation: Presentation) -> Principal:
        if presentation.scheme != BEARER:
            raise TokenError("no proof of possession is checked here", reason="scheme", code=None)
        principal: Principal = await verifier.verify(token)
        return principal

    return bearers_only


def is_whole(verifier: object, name: str) -> bool:
    """Return whether a method is defined in the same class as ``verify``, so that it includes all its checks."""
    return _first(verifier, "verify", "verify_request", name).keys() >= {"verify", name}


def _first(verifier: object, *names: str) -> Mapping[str, Any]:
    """Return the members of the object, or of its most derived class, that defines one of these names."""
    places = [getattr(verifier, "__dict__", {}), *map(vars, type(verifier).__mro__)]
    return next((place for place in places if not place.keys().isdisjoint(names)), {})
