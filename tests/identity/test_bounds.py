"""Bounds: what one text, key or claim of an attacker may cost, counted in parts and not in time."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tenantguard import TokenError
from tenantguard.identity.encoding import load_object
from tenantguard.identity.presets import _clerk_permissions
from tenantguard.identity.tenants import as_tenants
from tests.identity.test_introspection import GOOD, Issuer
from tests.identity.tokens import claims, sign, verifier

COSTLY: dict[str, bytes] = {
    "numbers": b'{"a":[' + b"1," * 100_000 + b"1]}",
    "lists": b'{"a":[' + b"[]," * 100_000 + b"[]]}",
    "objects": b'{"a":[' + b"{}," * 100_000 + b"{}]}",
    "members": b"{" + b",".join(b'"%d":1' % n for n in range(50_000)) + b"}",
    "lists in lists": b'{"a":[' + (b"[" * 30 + b"]" * 30 + b",") * 5_000 + b"1]}",
    "one long number": b'{"a":' + b"9" * 4_000 + b"}",
    "one deep list": b'{"a":' + b"[" * 400 + b"]" * 400 + b"}",
}


@pytest.mark.parametrize("text", COSTLY.values(), ids=COSTLY.keys())
def test_a_text_that_costs_time_is_not_read(text: bytes) -> None:
    """A key set or an answer may be half a megabyte long, and a hundred thousand parts cost a tenth of a second."""
    with pytest.raises(ValueError, match=r"parts|digits|deeply"):
        load_object(text)


def test_a_text_of_as_many_parts_as_anybody_has_is_read() -> None:
    """A token of two thousand groups, and a key set of a hundred keys."""
    assert len(load_object(b'{"a":[' + b'"group",' * 2_900 + b'"group"]}')["a"]) == 2_901


async def test_a_token_of_too_many_parts_is_malformed() -> None:
    """Where the application looks at tokens as long as that."""
    with pytest.raises(TokenError, match="strict JSON"):
        await verifier(most_bytes=64 * 1024).verify(sign(claims(more=[1] * 10_000)))


def test_companies_that_were_chosen_to_collide_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A UUID hashes to what an attacker wants: a thousand of one hash would be compared half a million times."""
    colliding = [str(UUID(int=n * (2**61 - 1))) for n in range(1, 1_000)]
    assert len({hash(UUID(one)) for one in colliding}) == 1
    compared: list[object] = []

    def compare(one: UUID, other: object) -> bool:
        compared.append(other)
        return one is other

    monkeypatch.setattr(UUID, "__eq__", compare)
    assert len(as_tenants(colliding, UUID)) == len(colliding)
    assert compared == []


def test_packed_permissions_are_not_unpacked_without_end() -> None:
    """Seven hundred features of seven hundred permissions fit into a short token."""
    many: dict[str, Any] = {
        "fea": ",".join("o:a" for _ in range(700)),
        "o": {"id": "x", "per": ",".join("a" for _ in range(700)), "fpm": ",".join("1" for _ in range(700))},
    }
    with pytest.raises(ValueError, match="too many permissions"):
        _clerk_permissions(many)


async def test_an_answer_about_a_token_is_held_to_the_same_claims() -> None:
    """However many companies it lists."""
    issuer = Issuer(GOOD | {"companies": [f"company-{n}" for n in range(1_001)]})
    with pytest.raises(TokenError, match="list of companies"):
        await issuer.verifier(tenants_claim="companies").verify("0paque")
