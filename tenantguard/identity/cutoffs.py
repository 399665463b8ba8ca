"""Cut-offs: times before which tokens are revoked, by token, session, subject, company or issuer."""

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
    """The name of a cut-off.

    Attributes:
        kind: the kind of id.
        value: the id, as text.
        issuer: the issuer of the tokens; empty for every issuer.
    """

    kind: Kind
    value: str
    issuer: str = ANY


@dataclass(frozen=True)
class Changes:
    """The changes in a store since its reader's last generation.

    Attributes:
        generation: a number that grows with each cut-off.
        moments: the new cut-offs, in seconds since 1970.
    """

    generation: int
    moments: Mapping[Name, float]


class CutOffs(Protocol):
    """A store of cut-offs that every process that verifies tokens can read.

    A store that can announce new cut-offs also has ``listen(ring)``. It is called at each reading, and makes sure that
    ``ring()`` is called, from any thread, when there may be something new. It must hold ``ring`` weakly.
    """

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Store cut-offs; for the same name, the later time wins."""
        ...

    async def since(self, generation: int) -> Changes:
        """Return the changes since a generation; -1 returns everything."""
        ...

    async def purge(self, before: float) -> None:
        """Delete cut-offs before a time."""
        ...


class MemoryCutOffs:
    """A store of cut-offs in this process, for tests and single-process services."""

    def __init__(self) -> None:
        self._moments: dict[Name, tuple[float, int]] = {}
        self._generation = 0
        self._lock = threading.Lock()

    async def put(self, moments: Mapping[Name, float]) -> None:
        """Store cut-offs; for the same name, the later time wins."""
        with self._lock:
            self._generation += 1
            for name, moment in moments.items():
                held = self._moments.get(name)
                if held is None or held[0] < moment:
                    self._moments[name] = moment, self._generation

    async def since(self, generation: int) -> Changes:
        """Return the changes since a generation; -1 returns everything."""
        with self._lock:
            found = {
                name: moment for name, (moment, changed) in self._moments.items() if changed > generation
            }
            return Changes(self._generation, found)

    async def purge(self, before: float) -> None:
        """Delete cut-offs before a time."""
        with self._lock:
            self._moments = {name: held for name, held in self._moments.items() if held[0] >= before}


def names_of(principal: Principal) -> Iterator[Name]:
    """Yield the name of each cut-off that applies to a token, for its own issuer and for every one.

    Raises:
        TokenError: the id of the token, its session or its issuer is not a string, so no cut-off could name it.
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
