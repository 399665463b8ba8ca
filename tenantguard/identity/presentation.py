"""How a token was presented: by which scheme, on which request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenantguard.errors import TokenError
from tenantguard.principal import Principal

BEARER, DPOP = "Bearer", "DPoP"


@dataclass(frozen=True)
class Presentation:
    """Hold how a token came.

    Attributes:
        scheme: ``"Bearer"`` (RFC 6750) or ``"DPoP"`` (RFC 9449).
        scope: the ASGI scope of the request that carried it.
        proven: whether its proof was checked before, as that of a websocket that is looked at again: it counts once.
    """

    scheme: str
    scope: Mapping[str, Any]
    proven: bool = False


Door = Callable[[str, Presentation], Awaitable[Principal]]


def door_of(verifier: Any) -> Door:
    """Return what verifies a token as it was presented.

    That is the verifier's ``verify_request``, unless a subclass or a wrapper adds a check of its own to
    ``verify`` alone: then, as for a verifier that has only ``verify``, a token counts for whoever bears it.
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
    """Tell whether a method beside ``verify`` knows all that ``verify`` does: both are of one class."""
    return _first(verifier, "verify", "verify_request", name).keys() >= {"verify", name}


def _first(verifier: object, *names: str) -> Mapping[str, Any]:
    """Return the members of the object, or of the most derived of its classes, that has one of these."""
    places = [getattr(verifier, "__dict__", {}), *map(vars, type(verifier).__mro__)]
    return next((place for place in places if not place.keys().isdisjoint(names)), {})
