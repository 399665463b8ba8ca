"""Weak public keys: sizes, exponents, and moduli from a broken generator."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

_LEAST_BITS, _MOST_BITS = 2048, 8192  # NIST SP 800-131A; above, one check costs a server milliseconds
_MOST_EXPONENT = 2**32  # larger ones make one check cost as much as a signature, and nobody has them
_GENERATOR = 65537
_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip


def weakness(material: Any) -> str | None:
    """Return what is wrong with a public key, or ``None``."""
    if not isinstance(material, rsa.RSAPublicKey):
        return None
    numbers = material.public_numbers()
    if not _LEAST_BITS <= material.key_size <= _MOST_BITS:
        return f"an RSA key of {material.key_size} bits, where {_LEAST_BITS} to {_MOST_BITS} are accepted"
    if not 3 <= numbers.e <= _MOST_EXPONENT or numbers.e % 2 == 0:
        return "an RSA key with an exponent that is insecure, or only makes verification slow"
    if _RESIDUES.issuperset((p, numbers.n % p) for p in _PRIMES):
        return "an RSA key of the kind that CVE-2017-15361 (ROCA) can factor"
    return None


def _residues() -> frozenset[tuple[int, int]]:
    """Return, for each small prime, the possible residues of the broken generator's moduli."""
    return frozenset((p, pow(_GENERATOR, power, p)) for p in _PRIMES for power in range(p - 1))


_RESIDUES = _residues()
