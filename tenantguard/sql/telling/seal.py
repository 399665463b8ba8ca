"""The seal: the signature that proves to PostgreSQL who set the tenant."""

from __future__ import annotations

import functools
import hashlib
import hmac
import time
from dataclasses import dataclass, field

from tenantguard.errors import ConfigurationError

SEAL = "tenantguard.seal"  # the setting that holds it
SHORTEST = 32  # bytes of a key
_BLOCK = 64  # of SHA-256
_MOST = 2**31 - 1


@dataclass(frozen=True)
class Seal:
    """A key that signs the bound tenant, so that an injected ``SET`` cannot change it.

    Args:
        key: at least 32 random bytes, ``secrets.token_bytes(32)``; the database stores the same key.
        key_id: its number among the database's keys.
        lifetime: the number of seconds during which a transaction may begin with a signature, at most; at least an
            eighth less.
        pooled: whether a pooler hides the backend process. A signature is then valid on every connection until it
            expires.

    Raises:
        ConfigurationError: the key is too short, or a number is out of range.
    """

    key: bytes = field(repr=False)
    key_id: int = 1
    lifetime: int = 60
    pooled: bool = False

    def __post_init__(self) -> None:
        """Refuse a weak key."""
        if not isinstance(self.key, bytes) or len(self.key) < SHORTEST:
            raise ConfigurationError(
                f"the key of a seal needs at least {SHORTEST} random bytes, as secrets.token_bytes() makes"
            )
        for name, value in (("key_id", self.key_id), ("lifetime", self.lifetime)):
            if type(value) is not int or not 0 < value <= _MOST:
                raise ConfigurationError(
                    f"the {name} of a seal must be a positive whole number, not {value!r}"
                )

    def sign(self, tenant: str, process: int, permissions: str = "") -> str:
        """Return the seal of a tenant for one server process.

        Args:
            tenant: as the database is told it.
            process: the server's process behind the connection, ``0`` where it is not known.
            permissions: as the database is told them.
        """
        now = int(time.time())
        # the same for an eighth of its lifetime: a signature costs as much as the rest of what a transaction is told
        expiry = now - now % max(1, self.lifetime // 8) + self.lifetime
        told = f"{self.key_id}.{expiry}.{0 if self.pooled else process}"
        # no permission holds a line break, and no process a colon: nothing can be read in two ways
        what = f".{tenant}" if not permissions else f":{permissions}\n{tenant}"
        return _signed(self.key, told, what)

    @property
    def pads(self) -> tuple[bytes, bytes]:
        """Return the key as HMAC uses it, inner and outer, since PostgreSQL computes no exclusive or of bytes."""
        key = self.key if len(self.key) <= _BLOCK else hashlib.sha256(self.key).digest()
        padded = key.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)


@functools.lru_cache(4096)
def _signed(key: bytes, told: str, what: str) -> str:
    return f"{told}.{hmac.digest(key, f'{told}{what}'.encode(), 'sha256').hex()}"
