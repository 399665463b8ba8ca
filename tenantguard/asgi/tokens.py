"""The token of a request: one Authorization header, the Bearer scheme, nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tenantguard.errors import TokenError

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750 section 2.1
Headers = Iterable[tuple[bytes, bytes]]


def authorization(headers: Headers) -> bytes | None:
    """Return the value of the one ``Authorization`` header.

    Raises:
        TokenError: there are two; which one counts is for nobody to guess.
    """
    found = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                raise TokenError(
                    "the request carries two tokens", code="invalid_request", reason="two_tokens"
                )
            found = value
    return found


def bearer_token(value: bytes | None, most_bytes: int) -> str:
    """Return the token of an ``Authorization`` header.

    Raises:
        TokenError: there is no header, it uses another scheme, or it is malformed or too long.
    """
    if value is None:
        raise TokenError("the request carries no token", code=None, reason="missing")
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"bearer":
        raise TokenError("the request authenticates by another scheme", code=None, reason="scheme")
    if len(token) > most_bytes:
        raise TokenError(f"the token is longer than {most_bytes} bytes", reason="oversized")
    if not _TOKEN.fullmatch(token):
        raise TokenError("the Authorization header is malformed", code="invalid_request", reason="malformed")
    return token.decode()
