"""The identity provider of the demo: a key made at start, and tokens signed with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tenantguard import TokenVerifier

ALGORITHM = "RS256"
AUDIENCE = "call-centre"
ISSUER = "https://identity.example"


class Issuer:
    """Sign tokens as an identity provider would; whoever has only the public key can check them."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def sign(self, subject: str, company: str, *, lifetime: timedelta = timedelta(hours=8)) -> str:
        """Return a token by which ``subject`` acts for ``company``; a negative lifetime is over already."""
        at = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "company_id": company,
            "iat": at + min(lifetime, timedelta()),
            "exp": at + lifetime,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def public_key(self) -> str:
        """Return the public key in PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def verifier(self) -> TokenVerifier:
        """Return the verifier that accepts this issuer's tokens and nobody else's."""
        return TokenVerifier(
            key=self.public_key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            tenant_claim="company_id",
        )
