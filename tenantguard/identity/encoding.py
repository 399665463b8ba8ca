"""Strict base64url and strict JSON: one spelling per value, one value per name."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any, NoReturn

_DEEPEST = 32  # levels; what is deeper is no token that anybody issues
_MOST_PARTS = 3_000  # members and elements; more would hold up an event loop for a hundredth of a second
_MOST_DIGITS = 64  # of a whole number: reading one costs the square of its length
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]*")


def decode_segment(segment: bytes) -> bytes:
    """Decode unpadded base64url, accepting only the canonical spelling.

    Raises:
        ValueError: padding, white space, another alphabet, or bits set that the last character does not use.
    """
    if not _SEGMENT.fullmatch(segment) or len(segment) % 4 == 1:
        raise ValueError("not unpadded base64url")
    raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    if encode_segment(raw) != segment:
        raise ValueError("base64url with unused bits set")
    return raw


def encode_segment(raw: bytes) -> bytes:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def load_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in UTF-8 bytes.

    Raises:
        ValueError: not UTF-8, not JSON, not an object, too deep, too many parts, a repeated name, or a number that is
            not finite or too long.
    """
    if sum(map(raw.count, (b",", b"[", b"{"))) > _MOST_PARTS:
        raise ValueError("JSON of too many parts")
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("JSON that is no object")
    _verify_depth(value)
    return value


def _verify_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        if depth > _DEEPEST:
            raise ValueError("JSON nested too deeply")
        held = [item.values() if isinstance(item, dict) else item for item in level]
        level = [one for items in held for one in items if isinstance(one, dict | list)]
        depth += 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a JSON object has the same member twice")
    return members


def _constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("a JSON number with too many digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a JSON number too large for a float")
    return number
