"""Fuzz the token path: bytes and broken tokens are answered with 401, and nothing passes that was not signed."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import random
from collections import Counter
from typing import Any

from tenantguard import TenantMiddleware, TokenError, current
from tests.asgi.driver import request
from tests.identity.tokens import AUDIENCE, ISSUER, NOW, SECRET, as_json, b64, claims, sign, verifier

_HEADS: tuple[Any, ...] = (
    {"alg": "none"}, {"alg": "HS256"}, {"alg": "HS384"}, {"alg": "RS256"}, {"alg": ["HS256"]}, {"alg": None}, {},
    {"alg": "HS256", "crit": ["x"]}, {"alg": "HS256", "b64": False}, {"alg": "HS256", "kid": "../../dev/null"},
    {"alg": "HS256", "jwk": {"kty": "oct", "k": ""}}, {"alg": "HS256", "zip": "DEF"}, [], "x", None, 1,
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    ..., None, "", "acme", "globex", " acme", "acme\x00", ["acme"], {"a": 1}, 0, 1, -1, 1e999, NOW - 1, NOW + 1, True,
    "9" * 40, "\u0430cme", ISSUER, AUDIENCE, [AUDIENCE], [], "\ud800", 2**70,
)  # fmt: skip
_JOINTS = b". \t\r\n,=-_\x00\xff\xc3\xa9/+&%eyJ"


class TokenFuzzer:
    """Run tokens by their seeds, through the verifier and through the middleware.

    Attributes:
        counts: how many were refused, and accepted.
    """

    name = "tokens"

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._verifier = verifier()
        self._app = TenantMiddleware(_answer, verifier=verifier())
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()

    def run(self, seed: int) -> str | None:
        """Run the token of a seed; return what is wrong, or ``None``."""
        raw = token(random.Random(seed))
        fault = self._runner.run(self._fault(raw))
        return fault and f"{fault}: {raw!r}"

    async def _fault(self, raw: bytes) -> str | None:
        text = raw.decode("latin-1")
        try:
            tenant = (await self._verifier.verify(text)).tenant
        except TokenError:
            tenant = None
        except Exception as error:
            return f"the verifier raised {type(error).__name__}"
        self.counts["refused" if tenant is None else "accepted"] += 1
        if tenant != wanted(text):
            return f"the verifier said {tenant!r}, and {wanted(text)!r} is right"
        reply = await request(self._app, headers=[(b"authorization", b"Bearer " + raw)])
        if reply.error is not None:
            return f"the middleware raised {type(reply.error).__name__}"
        if reply.status not in (200, 400, 401, 403) or (reply.status == 200) != (tenant is not None):
            # a header may hold spaces around the token, which are no part of it
            if reply.status == 200 and wanted(text.strip(" \t")) is not None:
                return None
            return f"the middleware answered {reply.status} where the verifier said {tenant!r}"
        return None


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    """Be the application, which tells the tenant."""
    body = str(current().tenant).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def wanted(text: str) -> str | None:
    """Return the tenant of a token, judged on its own: the signature, and each claim that must be there."""
    parts = text.split(".")
    try:
        head, body, signed = (
            base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in parts
        )
        told, header = json.loads(body), json.loads(head)
        right = hmac.digest(SECRET.encode(), f"{parts[0]}.{parts[1]}".encode(), "sha256")
    except (ValueError, UnicodeEncodeError):
        return None
    exact = all(b64(raw) == part for raw, part in zip((head, body, signed), parts, strict=True))
    if not exact or not hmac.compare_digest(right, signed) or header.get("alg") != "HS256":
        return None
    tenant = told.get("company_id")
    return tenant if isinstance(tenant, str) else None


def token(dice: random.Random) -> bytes:
    """Return a token: a good one, one with other claims or another header, a broken one, or bytes."""
    match dice.randrange(8):
        case 0:
            return sign(claims()).encode()
        case 1:
            return bytes(dice.randrange(256) for _ in range(dice.randint(0, 80)))
        case 2:
            return _forged(dice)
        case _:
            return _broken(dice, sign(claims()).encode())


def _forged(dice: random.Random) -> bytes:
    """Return a token whose header or claims are another's, signed with a wrong key or not at all."""
    names = ("company_id", "exp", "iss", "aud", "sub", "nbf", "iat")
    body = claims(**{name: dice.choice(_VALUES) for name in dice.sample(names, dice.randint(0, 3))})
    head = as_json(dice.choice(_HEADS))
    signed = dice.choice(("", b64(b"x" * 32), b64(hmac.digest(b"wrong", head, "sha256"))))
    return f"{b64(head)}.{b64(as_json(body))}.{signed}".encode()


def _broken(dice: random.Random, good: bytes) -> bytes:
    raw = bytearray(good)
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(raw)) if raw else 0
        match dice.randrange(5):
            case 0 if raw:
                raw[at] ^= 1 << dice.randrange(8)
            case 1:
                raw[at:at] = bytes([dice.choice(_JOINTS)])
            case 2:
                del raw[at : at + dice.randint(1, 5)]
            case 3:
                raw[at:at] = raw[at : at + dice.randint(1, 40)]
            case _:
                raw += bytes([dice.choice(_JOINTS)])
    return bytes(raw)
