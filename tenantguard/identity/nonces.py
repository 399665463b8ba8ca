"""Nonces of this service (RFC 9449 section 8), required in proofs so that none can be created in advance."""

from __future__ import annotations

import hmac
import struct
from hashlib import sha256

from tenantguard.identity.encoding import encode_segment

_LEAST_BYTES = 32
_STEP = struct.Struct(">Q")


class Nonces:
    """Stateless nonces: each is the signature of its period of validity.

    Args:
        key: a secret of at least 32 bytes, the same for every process.
        seconds: the number of seconds until a new nonce; each is valid for two such periods.
    """

    def __init__(self, key: bytes, seconds: float) -> None:
        self._key, self._seconds = key, seconds

    def current(self, now: float) -> str:
        """Return the current nonce."""
        return self._of(int(now // self._seconds))

    def counts(self, nonce: object, now: float) -> bool:
        """Return whether a nonce is from this period or the one before."""
        step = int(now // self._seconds)
        if not isinstance(nonce, str) or not nonce.isascii():
            return False
        return any(hmac.compare_digest(nonce, self._of(one)) for one in (step, step - 1))

    def _of(self, step: int) -> str:
        return encode_segment(hmac.digest(self._key, _STEP.pack(max(step, 0)), sha256)).decode()


def nonce_faults(key: object, seconds: object) -> list[str]:
    """Return the faults of the nonce settings."""
    faults = []
    if not isinstance(key, str | bytes) or len(key) < _LEAST_BYTES:
        faults.append(f"nonce_key is a secret of at least {_LEAST_BYTES} bytes, the same for every process")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= 3600:
        faults.append("nonce_seconds is a number of seconds, at least 1 and at most 3600")
    return faults
