"""Project Wycheproof's vectors for JWS and JWK, read where they are: each invalid one is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tenantguard import ConfigurationError, TokenError, TokenVerifier
from tenantguard.identity import jws
from tenantguard.identity.key_reading import static_keys
from tenantguard.identity.keys import ALGORITHMS, ASYMMETRIC, matching
from tests.identity.tokens import clock

_BESIDE = Path(__file__).parents[2].parent / "shared" / "vectors" / "wycheproof"
VECTORS = Path(os.environ.get("WYCHEPROOF_VECTORS", _BESIDE))
# Where we differ, and why: two are the same bytes as vector 357, which is valid; two carry a character that
# base64url does not have; two name an algorithm other than the one that their key is for.
DIFFERENT = {367: "valid", 370: "valid", 372: "invalid", 373: "invalid", 346: "invalid", 350: "invalid"}


def _vectors() -> list[Any]:
    rows = []
    for file in ("json_web_signature_test", "json_web_key_test"):
        path = VECTORS / f"{file}.json"
        if not path.exists():
            reason = f"Wycheproof's vectors are not at {VECTORS}; name their directory in WYCHEPROOF_VECTORS"
            return [pytest.param(None, "", "", marks=pytest.mark.skip(reason=reason))]
        for group in json.loads(path.read_text())["testGroups"]:
            key = group.get("public") or group["private"]
            for test in group["tests"]:
                name = f"{file[9:12]}-{test['tcId']}-{test['comment']}"
                rows.append(pytest.param(key, test["jws"], _result(file, test), id=name))
    return rows


def _result(file: str, test: dict[str, Any]) -> str:
    told: str = test["result"]
    return DIFFERENT.get(test["tcId"], told) if "signature" in file else told


def _accepts(key: dict[str, Any], token: str) -> bool:
    """Tell whether the token verifies with the key, with every algorithm allowed that may stand together."""
    entries = key.get("keys", [key])
    secret = any(entry["kty"] == "oct" for entry in entries)
    allowed = ALGORITHMS - ASYMMETRIC if secret else ASYMMETRIC
    try:
        keys = static_keys(key, allowed)
        signed = jws.read(token)
        signed.verify(matching(keys, signed.kid))
    except (ConfigurationError, TokenError):
        return False
    return True


@pytest.mark.parametrize(("key", "token", "result"), _vectors())
def test_the_signature_layer_agrees_with_wycheproof(key: dict[str, Any], token: str, result: str) -> None:
    """A valid vector verifies and an invalid one does not, weak and mixed keys included."""
    assert _accepts(key, token) == (result == "valid")


@pytest.mark.parametrize(("key", "token", "result"), _vectors())
async def test_the_verifier_refuses_every_vector(key: dict[str, Any], token: str, result: str) -> None:
    """None carries claims; each is refused when the verifier is built or used, and by no other error."""
    secret = any(entry["kty"] == "oct" for entry in key.get("keys", [key]))
    allowed = ALGORITHMS - ASYMMETRIC if secret else ASYMMETRIC
    with pytest.raises((ConfigurationError, TokenError)):
        await TokenVerifier(key=key, algorithms=allowed, clock=clock).verify(token)
