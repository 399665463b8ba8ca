"""Several issuers: each token goes only to the verifier of the issuer that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache, Part
from tenantguard.identity.presentation import Presentation, door_of, is_whole
from tenantguard.identity.recall import Recall
from tenantguard.identity.tenants import TenantType


class Member(Protocol):
    """A verifier that can be combined with others."""

    most_bytes: int

    async def verify(self, token: str) -> Principal: ...

    async def verify_in(
        self,
        kept: Part[Principal],
        token: str,
        presentation: Presentation | None,
        *,
        at_most: float = ...,
    ) -> Principal: ...

    async def start(self) -> None: ...

    def also_keeps_in(self, kept: Part[Principal]) -> None: ...

    def ends(self, principal: Principal) -> float | None: ...

    def is_for(self, claims: Mapping[str, Any]) -> bool: ...

    def faults_in_company(self) -> list[str]: ...

    @property
    def issuers(self) -> frozenset[str]: ...

    @property
    def tenant_type(self) -> TenantType: ...

    @property
    def leeway(self) -> float: ...

    @property
    def recheck(self) -> float: ...

    async def still(self, principal: Principal) -> None: ...


class AnyOf:
    """A verifier for several issuers, each with its own keys, policy and limits; see ``TokenVerifier.any_of``.

    It has its own part of the cache, so a member that also verifies alone accepts none of the others' tokens.
    """

    def __init__(self, members: Sequence[Member | AnyOf], cache: Cache[Principal] | None) -> None:
        verifiers = [one for member in members for one in _flat(member)]
        faults = [fault for verifier in verifiers for fault in verifier.faults_in_company()]
        named = [issuer for verifier in verifiers for issuer in verifier.issuers]
        faults += [f"two verifiers state the issuer {one}" for one in set(named) if named.count(one) > 1]
        if sum(not verifier.issuers for verifier in verifiers) > 1:
            faults.append("two verifiers look up their issuers, and the second would never be asked")
        if len({verifier.tenant_type for verifier in verifiers}) != 1:
            faults.append("the verifiers differ in tenant_type, or there is none")
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(f"any_of cannot be trusted, {len(faults)} fault(s):{listed}")
        # who looks its issuers up comes last: nobody can take the place of one that the application stated
        self._verifiers = tuple(sorted(verifiers, key=lambda verifier: not verifier.issuers))
        self._kept: Part[Principal] = Part(Cache() if cache is None else cache)
        for verifier in verifiers:
            verifier.also_keeps_in(self._kept)
        self.issuers = frozenset(named)
        self.tenant_type = verifiers[0].tenant_type
        self.leeway = min(verifier.leeway for verifier in verifiers)
        self.most_bytes = max(verifier.most_bytes for verifier in verifiers)

    @property
    def recall(self) -> Recall:
        """Return the function that looks up the principal of a verified ``Authorization`` header."""
        found_later = not self._verifiers[-1].issuers  # an issuer that is found later may bring a guard
        return self._kept.get_guarded if found_later else self._kept.recall

    def ends(self, principal: Principal) -> float | None:
        """Return when a principal's token ends, by the leeway and maximum age of its issuer's verifier."""
        member = self._member(principal.claims)
        return None if member is None else member.ends(principal)

    @property
    def recheck(self) -> float:
        """Return the number of seconds after which a token of any member should be checked again."""
        return min(member.recheck for member in self._verifiers)

    async def still(self, principal: Principal) -> None:
        """Check that a token was not revoked since it was verified.

        Raises:
            TokenError: it was, or its issuer has no verifier any more.
        """
        member = self._member(principal.claims)
        if member is None:
            raise TokenError("the token is from another issuer", reason="issuer")
        await member.still(principal)

    async def start(self) -> None:
        """Fetch the keys now.

        Raises:
            ConfigurationError: they cannot be fetched.
        """
        await asyncio.gather(*(verifier.start() for verifier in self._verifiers))

    async def verify(self, token: str) -> Principal:
        """Return the principal of a bearer token.

        Raises:
            TokenError: the issuer is unknown, or its verifier refuses the token.
        """
        return await self._verify(token, None)

    async def verify_request(self, token: str, presentation: Presentation) -> Principal:
        """Return the principal of a token on a request.

        Raises:
            TokenError: see ``verify``; or a required proof is missing or wrong.
        """
        return await self._verify(token, presentation)

    async def _verify(self, token: str, presentation: Presentation | None) -> Principal:
        jws.as_bytes(token, self.most_bytes)
        member = self._member(jws.unverified_claims(token))
        if member is None:
            raise TokenError("the token is from another issuer", reason="issuer")
        if is_whole(member, "verify_in"):
            return await member.verify_in(self._kept, token, presentation)
        if presentation is None:
            return await member.verify(token)
        return await door_of(member)(token, presentation)  # it checks more than ours do: ask it each time

    def _member(self, claims: Mapping[str, Any]) -> Member | None:
        return next((member for member in self._verifiers if member.is_for(claims)), None)


def _flat(member: Member | AnyOf) -> tuple[Member, ...]:
    """Return a member, or the members of another ``any_of``.

    Raises:
        ConfigurationError: it cannot be combined with others.
    """
    if isinstance(member, AnyOf):
        return member._verifiers
    if not callable(getattr(member, "verify_in", None)):
        raise ConfigurationError(
            f"any_of takes TokenVerifiers and an IssuerStore, not {type(member).__name__}"
        )
    return (member,)
