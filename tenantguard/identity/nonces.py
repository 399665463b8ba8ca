"""Nonces of this service (RFC 9449 section 8): a proof has to hold one, so that none is made in advance."""

from __future__ import annotations

import hmac
import struct
from hashlib import sha256

from tenantguard.identity.encoding import encode_segment

_LEAST_BYTES = 32
_STEP = struct.Struct(">Q")


class Nonces:
    """Make nonces that need no memory: each is the signature of the time it counts in.

    Args:
        key: a secret of at least 32 bytes, the same for every process that serves.
        seconds: after how many seconds there is a new one; each counts until the next but one.
    """

    def __init__(self, key: bytes, seconds: float) -> None:
        self._key, self._seconds = key, seconds

    def current(self, now: float) -> str:
        """Return the one of this moment."""
        return self._of(int(now // self._seconds))

    def counts(self, nonce: object, now: float) -> bool:
        """Tell whether a nonce is of this moment, or of the one before it."""
        step = int(now // self._seconds)
        if not isinstance(nonce, str) or not nonce.isascii():
            return False
        return any(hmac.compare_digest(nonce, self._of(one)) for one in (step, step - 1))

    def _of(self, step: int) -> str:
        return encode_segment(hmac.digest(self._key, _STEP.pack(max(step, 0)), sha256)).decode()


def nonce_faults(key: object, seconds: object) -> list[str]:
    """List what is wrong with the settings of nonces."""
    faults = []
    if not isinstance(key, str | bytes) or len(key) < _LEAST_BYTES:
        faults.append(f"nonce_key is a secret of at least {_LEAST_BYTES} bytes, the same for every process")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= 3600:
        faults.append("nonce_seconds is a number of seconds, at least 1 and at most 3600")
    return faults
