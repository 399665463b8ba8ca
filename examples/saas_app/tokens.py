"""Tokens: who somebody is, for which company, and whether they work for us."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
import uuid
from typing import Any

import jwt

from examples.saas_app.models import User
from tenantguard import TokenVerifier

SECRET = os.environ.get("SAAS_SECRET") or secrets.token_urlsafe(48)
LIFETIME = 3_600  # seconds
AUDIENCE, ISSUER = "saas", "https://saas.example"


def sign(user: User, company: uuid.UUID | None = None) -> str:
    """Return a token for a user, in a company once one is chosen."""
    claims: dict[str, Any] = {
        "sub": str(user.id),
        "aud": AUDIENCE,
        "iss": ISSUER,
        "exp": int(time.time()) + LIFETIME,
        "permissions": ["back-office"] if user.is_staff else [],
    }
    if company is not None:
        claims["company_id"] = str(company)
    return jwt.encode(claims, SECRET, algorithm="HS256")


def verifier() -> TokenVerifier:
    """Return what verifies these tokens."""
    return TokenVerifier(
        key=SECRET,
        algorithms=["HS256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        tenant_claim="company_id",
        tenant_type=uuid.UUID,
    )


def hashed(password: str, salt: bytes | None = None) -> str:
    """Return a password as it is stored."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1).hex()}"


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the one that was stored."""
    salt = bytes.fromhex(stored.partition("$")[0])
    return hmac.compare_digest(hashed(password, salt), stored)
