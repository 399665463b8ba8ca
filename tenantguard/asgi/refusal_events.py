"""The event of a refused token: its request, its client, and the issuer that it claims."""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64decode

from tenantguard.asgi.types import Scope
from tenantguard.audit import Event, record
from tenantguard.audit.events import now
from tenantguard.audit.where import readable, where
from tenantguard.context import request_id
from tenantguard.errors import TokenError, Violation

_log = logging.getLogger("tenantguard")
_MOST_BYTES = 16_384  # of a token that is read for its issuer


def note_refused(error: TokenError | Violation, scope: Scope, value: bytes | None = None) -> None:
    """Record a refused token; a violation was recorded where it was raised.

    Args:
        error: the refusal.
        scope: the connection.
        value: its ``Authorization``, if that was read.
    """
    if not isinstance(error, TokenError):
        return
    try:
        record(
            Event(
                time=now(),
                kind="token_refused",
                request_id=request_id(),
                reason=error.reason,
                message=str(error),
                issuer=_claimed_issuer(value),
                **where(scope),
            )
        )
    except ExceptionGroup:  # a failing sink must not let the token through
        _log.exception("a refused token could not be recorded")


def _claimed_issuer(value: bytes | None) -> str | None:
    """Return the unverified issuer of a token."""
    parts = (value or b"").split(b".")
    if len(parts) != 3 or len(parts[1]) > _MOST_BYTES:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + b"=="))
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return readable(issuer) if isinstance(issuer, str) else None
