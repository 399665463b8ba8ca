"""Several issuers: each token goes to the one verifier whose issuer it names, and to no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError, TokenError
from tenantguard.identity import jws
from tenantguard.identity.cache import Cache
from tenantguard.identity.recall import Recall, recall_of
from tenantguard.identity.tenants import TenantType


class Member(Protocol):
    """Be a verifier that can stand beside others."""

    async def verify(self, token: str) -> Principal: ...

    async def start(self) -> None: ...

    def share(self, cache: Cache[Principal]) -> None: ...

    def is_for(self, claims: Mapping[str, Any]) -> bool: ...

    def faults_in_company(self) -> list[str]: ...

    @property
    def issuers(self) -> frozenset[str]: ...

    @property
    def tenant_type(self) -> TenantType: ...

    @property
    def leeway(self) -> float: ...


class AnyOf:
    """Verify tokens of several issuers, each by its own keys and policy; see :meth:`TokenVerifier.any_of`."""

    def __init__(self, verifiers: Sequence[Member], cache: Cache[Principal] | None) -> None:
        faults = [fault for verifier in verifiers for fault in verifier.faults_in_company()]
        named = [issuer for verifier in verifiers for issuer in verifier.issuers]
        faults += [f"two verifiers state the issuer {one}" for one in set(named) if named.count(one) > 1]
        if len({verifier.tenant_type for verifier in verifiers}) != 1:
            faults.append("the verifiers differ in tenant_type, or there is none")
        if faults:
            listed = "".join(f"\n  - {fault}" for fault in faults)
            raise ConfigurationError(f"any_of cannot be trusted, {len(faults)} fault(s):{listed}")
        self._verifiers = tuple(verifiers)
        self._cache: Cache[Principal] = Cache() if cache is None else cache
        for verifier in verifiers:
            verifier.share(self._cache)
        self.issuers = frozenset(named)
        self.tenant_type = verifiers[0].tenant_type
        self.leeway = min(verifier.leeway for verifier in verifiers)
        self._recalls = all(recall_of(verifier) is not None for verifier in verifiers)

    @property
    def recall(self) -> Recall:
        """Give what returns the principal of an ``Authorization`` header, where no verifier has to be asked."""
        return self._cache.get if self._recalls else _never

    async def start(self) -> None:
        """Fetch what has to be fetched now.

        Raises:
            ConfigurationError: it cannot be had.
        """
        await asyncio.gather(*(verifier.start() for verifier in self._verifiers))

    async def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            TokenError: no issuer of ours is named, or that issuer's verifier refuses the token.
        """
        jws.as_bytes(token)
        claims = jws.unverified_claims(token)
        for verifier in self._verifiers:
            if verifier.is_for(claims):
                return await verifier.verify(token)
        raise TokenError("the token is of another issuer", reason="issuer")


def _never(_value: bytes | None) -> None:
    return None
