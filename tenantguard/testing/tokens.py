"""Tokens for tests, signed with a key that is made for the run, and the verifier that accepts them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

import jwt

from tenantguard.errors import TenantId
from tenantguard.identity import TokenVerifier
from tenantguard.principal import Principal

LIFETIME = 300  # seconds


_HEADER = "tenant_type"  # of a test's token: the type of the id that it was made for
_KINDS: dict[str, Any] = {"str": str, "int": int, "UUID": UUID}


def _name(kind: Any) -> str:
    return kind.__name__ if kind in _KINDS.values() else "str"


class _AnyId:
    """A verifier of tokens for companies whose ids are texts, numbers or UUIDs, whichever a token was made for."""

    def __init__(self, verifiers: Mapping[str, TokenVerifier]) -> None:
        self._verifiers = verifiers

    async def verify(self, token: str) -> Principal:
        """Verify a token as one for ids of its own type; what is no token is refused as any verifier would."""
        try:
            kind = jwt.get_unverified_header(token).get(_HEADER)
        except jwt.InvalidTokenError:
            kind = None
        verifier = self._verifiers.get(kind) if isinstance(kind, str) else None
        return await (verifier or self._verifiers["str"]).verify(token)


class TokenMaker:
    """A maker of tokens for tests, with the verifier that accepts them.

    Args:
        tenant_claim: the claim that names the tenant.
        audience: for whom tokens are.
        issuer: by whom.
        tenant_type: the type of the tenant column, ``str``, ``int`` or ``UUID``; by default each token brings back
            the type of the id that it was made for.

    Attributes:
        key: the secret for signing; by default a new one for each maker.
        verifier: what the application under test takes instead of its own:
            ``TenantMiddleware(verifier=tenant_token.verifier)``.

    Example:
        >>> tokens = TokenMaker()
        >>> import asyncio
        >>> asyncio.run(tokens.verifier.verify(tokens("acme", subject="ada"))).tenant
        'acme'
    """

    def __init__(
        self,
        *,
        tenant_claim: str = "company_id",
        audience: str = "tests",
        issuer: str = "https://issuer.invalid",
        tenant_type: Any = None,
    ) -> None:
        self.key = secrets.token_urlsafe(48)
        self.tenant_claim = tenant_claim
        self.audience = audience
        self.issuer = issuer
        kinds = _KINDS if tenant_type is None else {_name(tenant_type): tenant_type}
        verifiers = {name: self._verifier(kind) for name, kind in kinds.items()}
        self.verifier = next(iter(verifiers.values())) if len(verifiers) == 1 else _AnyId(verifiers)

    def _verifier(self, tenant_type: Any) -> TokenVerifier:
        return TokenVerifier(
            key=self.key,
            algorithms=["HS256"],
            audience=self.audience,
            issuer=self.issuer,
            tenant_claim=self.tenant_claim,
            tenant_type=tenant_type,
        )

    def __call__(
        self,
        tenant: TenantId | None,
        *,
        subject: str = "ada",
        permissions: Collection[str] = (),
        lifetime: float = LIFETIME,
        **claims: Any,
    ) -> str:
        """Return a signed token.

        Args:
            tenant: whom it speaks for; ``None`` leaves the claim out.
            subject: who holds it.
            permissions: what they may do.
            lifetime: how many seconds it lasts; a negative number gives an expired token.
            claims: further claims, which replace those made here.
        """
        now = int(time.time())
        made: dict[str, Any] = {
            "sub": subject,
            "aud": self.audience,
            "iss": self.issuer,
            "iat": min(now, now + int(lifetime)),
            "exp": now + int(lifetime),
            "permissions": sorted(permissions),
        }
        if tenant is not None:
            made[self.tenant_claim] = tenant if isinstance(tenant, int) else str(tenant)
        headers = {_HEADER: _name(type(tenant))}
        return jwt.encode({**made, **claims}, self.key, algorithm="HS256", headers=headers)

    def headers(self, tenant: TenantId | None, **options: Any) -> dict[str, str]:
        """Return the headers of a request with a token; the arguments are those of the call."""
        return {"Authorization": f"Bearer {self(tenant, **options)}"}
