"""Tokens for tests: signed with a key made for the run, verified by a verifier that knows it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from typing import Any

import jwt

from tenantguard.errors import TenantId
from tenantguard.identity import TokenVerifier

LIFETIME = 300  # seconds


class TokenMaker:
    """Make tokens for tests, and hold the verifier that takes them.

    Args:
        tenant_claim: the claim that names the tenant.
        audience: for whom tokens are.
        issuer: by whom.
        tenant_type: the type of the tenant column: ``str``, ``int`` or ``UUID``.

    Attributes:
        key: the secret that signs; made anew for each maker.
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
        tenant_type: Any = str,
    ) -> None:
        self.key = secrets.token_urlsafe(48)
        self.tenant_claim = tenant_claim
        self.audience = audience
        self.issuer = issuer
        self.verifier = TokenVerifier(
            key=self.key,
            algorithms=["HS256"],
            audience=audience,
            issuer=issuer,
            tenant_claim=tenant_claim,
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
        return jwt.encode({**made, **claims}, self.key, algorithm="HS256")

    def headers(self, tenant: TenantId | None, **options: Any) -> dict[str, str]:
        """Return the headers of a request with a token; the arguments are those of the call."""
        return {"Authorization": f"Bearer {self(tenant, **options)}"}
