"""Cut-offs: moments before which tokens count no more, by token, session, subject, company or issuer."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from tenantguard.context import Principal
from tenantguard.errors import TenantId, TokenError

Kind = Literal["token", "session", "subject", "tenant", "issuer"]
KINDS: tuple[Kind, ...] = ("token", "session", "subject", "tenant", "issuer")
ANY = ""  # the issuer of a cut-off that holds for each of them


@dataclass(frozen=True)
class Name:
    """Name what a cut-off is for.

    Attributes:
        kind: what the value is an id of.
        value: the id, as text.
        issuer: the issuer whose tokens are meant; empty for those of every issuer.
    """

    kind: Kind
    value: str
    issuer: str = ANY


@dataclass(frozen=True)
class Changes:
    """Hold what a store knows that its reader does not.

    Attributes:
        generation: a number that grows with each cut-off.
        moments: the cut-offs since the reader's generation, in seconds since 1970.
    """

    generation: int
    moments: Mapping[Name, float]


class CutOffs(Protocol):
    """Keep cut-offs where every process that verifies tokens can read them.

    A store that can tell of a new one has ``listen(ring)`` as well. It is called with each reading, and sees that
    ``ring()`` is called, from whatever thread, once there may be something new; ``ring`` is to be held weakly.
    """

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Keep these, and of two for one name the later."""
        ...

    async def since(self, generation: int) -> Changes:
        """Return what changed since a generation; everything since -1."""
        ...

    async def purge(self, before: float) -> None:
        """Forget those before a moment."""
        ...


class MemoryCutOffs:
    """Keep cut-offs in this process, for tests and for services of one process."""

    def __init__(self) -> None:
        self._moments: dict[Name, tuple[float, int]] = {}
        self._generation = 0
        self._lock = threading.Lock()

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Keep these, and of two for one name the later."""
        with self._lock:
            self._generation += 1
            for name, moment in moments.items():
                held = self._moments.get(name)
                if held is None or held[0] < moment:
                    self._moments[name] = moment, self._generation

    async def since(self, generation: int) -> Changes:
        """Return what changed since a generation; everything since -1."""
        with self._lock:
            found = {
                name: moment for name, (moment, changed) in self._moments.items() if changed > generation
            }
            return Changes(self._generation, found)

    async def purge(self, before: float) -> None:
        """Forget those before a moment."""
        with self._lock:
            self._moments = {name: held for name, held in self._moments.items() if held[0] >= before}


def names_of(principal: Principal) -> Iterator[Name]:
    """Yield the name of each cut-off that applies to a token, for its own issuer and for every one.

    Raises:
        TokenError: a claim that names the token, its session or its issuer is no text: no cut-off could name it.
    """
    claims = principal.claims
    issuer = _text(claims, "iss")
    named: list[tuple[Kind, str | None]] = [("subject", principal.subject), ("issuer", issuer)]
    named += [("token", _text(claims, "jti")), ("session", _text(claims, "sid"))]
    if principal.actor is not None:  # whoever stands behind is out with their own sign-in
        named.append(("subject", principal.actor.subject))
    named += [("tenant", str(tenant)) for tenant in _tenants(principal)]
    for kind, value in named:
        if value is not None:
            yield Name(kind, value)
            if issuer is not None:
                yield Name(kind, value, issuer)


def _tenants(principal: Principal) -> Collection[TenantId]:
    return {*principal.tenants, *([] if principal.tenant is None else [principal.tenant])}


def _text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if name in claims and not isinstance(value, str):
        raise TokenError(
            f"the token's {name} is not a string, so it could not be revoked", reason="revocable"
        )
    return value if isinstance(value, str) else None
