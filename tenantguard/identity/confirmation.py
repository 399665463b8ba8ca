"""Confirmation: a token bound to its sender's key or certificate needs proof of possession (RFC 7800)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from tenantguard.errors import TokenError
from tenantguard.identity.dpop import DPoP
from tenantguard.identity.encoding import encode_segment
from tenantguard.identity.presentation import BEARER, DPOP, Presentation

CertificateReader = Callable[[Mapping[str, Any]], bytes | str | None]
_KEY, _CERTIFICATE = "jkt", "x5t#S256"  # RFC 9449 section 6.1, RFC 8705 section 3.1


@dataclass(frozen=True)
class Confirmation:
    """The proofs of possession that are checked.

    Attributes:
        dpop: how proofs of a key are checked, or ``None``.
        certificate: reads the client's certificate from the ASGI scope, or ``None``.
    """

    dpop: DPoP | None
    certificate: CertificateReader | None

    async def check(
        self,
        claims: Mapping[str, Any],
        token: bytes,
        presentation: Presentation | None,
        now: float,
        leeway: float,
    ) -> None:
        """Check that a token is unbound, or that the request has every proof that it needs.

        Raises:
            TokenError: a proof is missing or wrong.
        """
        scheme = BEARER if presentation is None else presentation.scheme
        if "cnf" not in claims:
            if scheme != BEARER:
                raise TokenError(
                    "a token that is not bound to a key was presented as one that is",
                    reason="bound",
                    scheme=DPOP,
                )
            return
        named = claims["cnf"]
        if not isinstance(named, Mapping) or not named or not named.keys() <= {_KEY, _CERTIFICATE}:
            raise TokenError(
                "the token is bound to its sender in a way that cannot be checked here", reason="bound"
            )
        if presentation is None or (scheme == DPOP) != (_KEY in named):
            raise self._unproven()
        if _CERTIFICATE in named:
            self._check_certificate(named[_CERTIFICATE], presentation)
        if _KEY in named:
            if self.dpop is None:
                raise self._unproven()
            if not presentation.proven:
                await self.dpop.check(token, named[_KEY], presentation, now, leeway)

    def _check_certificate(self, expected: object, presentation: Presentation) -> None:
        held = None if self.certificate is None else self.certificate(presentation.scope)
        if (
            held is None
            or not isinstance(expected, str)
            or not compare_digest(_thumbprint(held), expected.encode("utf-8", "replace"))
        ):
            raise self._unproven()

    def _unproven(self) -> TokenError:
        message = "the token is bound to a key or a certificate whose possession was not proven"
        if self.dpop is None:
            return TokenError(message, reason="bound")
        return TokenError(message, reason="bound", scheme=DPOP, algorithms=self.dpop.algorithms)


def tls_certificate(scope: Mapping[str, Any]) -> bytes | str | None:
    """Return the client's certificate, if the server terminates TLS and supports the ASGI extension."""
    tls = (scope.get("extensions") or {}).get("tls") or {}
    chain = tls.get("client_cert_chain") or ()
    first: bytes | str | None = next(iter(chain), None)
    return first


def _thumbprint(certificate: bytes | str) -> bytes:
    """Return the digest of a certificate in PEM or DER, or nothing if it is neither."""
    text = certificate.encode("utf-8", "replace") if isinstance(certificate, str) else certificate
    if text.lstrip().startswith(b"-----BEGIN "):
        try:
            text = ssl.PEM_cert_to_DER_cert(text.decode("ascii").strip())
        except ValueError:
            return b""
    return encode_segment(sha256(text).digest())
