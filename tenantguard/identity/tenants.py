"""The tenant in a token's claims, with one type and one spelling."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from tenantguard.errors import ConfigurationError, TenantId, TokenError

Reader = Callable[[Mapping[str, Any]], Any]
ClaimPath = str | Sequence[str] | Reader
TenantType = type[str] | type[int] | type[UUID]

MOST_TENANTS = 1000  # that one token may list

_LONGEST = 255  # characters of an id
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_INT_64 = range(-(2**63), 2**63)
_LOOK_ALIKE = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU")
# Marks and letters that show nothing and count as printable all the same: Unicode's default ignorable ones that
# normalisation leaves alone, and two blanks.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\ufe00-\ufe0f\U0001d159\U000e0100-\U000e01ef]"
)
ABSENT, MALFORMED = object(), object()  # what a reader finds where nothing is, and where a path leads nowhere


def as_tenant(value: object, kind: TenantType = str) -> TenantId:
    """Return a claim as a tenant id of the tenant column's type; the only place that converts.

    A number is never converted to ``str``. An ``int`` may be written as a decimal string, and a ``UUID`` as
    hyphenated text, in their canonical form only.

    Raises:
        TokenError: it has another type, is empty or blank, has an ambiguous spelling, or is out of range.
    """
    if kind is str and isinstance(value, str) and _is_plain(value):
        return value
    if kind is UUID and isinstance(value, UUID):
        return value
    if kind is UUID and isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    if kind is int and isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and value in _INT_64:
        return value
    raise TokenError(f"the token names no usable company: one {kind.__name__} is needed", reason="tenant")


def as_tenants(value: object, kind: TenantType = str) -> tuple[TenantId, ...]:
    """Return the distinct tenant ids in a claim or a lookup's result.

    Raises:
        TokenError: it is not a list, is empty or too long, or one of its members is not a tenant id.
    """
    if not isinstance(value, list) or not 0 < len(value) <= MOST_TENANTS:
        raise TokenError("the token names no usable list of companies", reason="tenant")
    found = [as_tenant(one, kind) for one in value]
    return tuple({str(one): one for one in found}.values())  # numbers can be chosen to collide; texts cannot


def _is_plain(text: str) -> bool:
    """Return whether a string can be an id: short, printable, trimmed, normalised, and in a single alphabet."""
    if len(text) > _LONGEST:
        return False
    if text.isascii():
        return bool(text) and text.isprintable() and text == text.strip()
    scripts = {unicodedata.name(c, "").partition(" ")[0] for c in text if c.isalpha()}
    return (
        text.isprintable()
        and text == text.strip()
        and unicodedata.is_normalized("NFKC", text)
        and not _INVISIBLE.search(text)
        and sum(script in scripts for script in _LOOK_ALIKE) <= 1
    )


def claim_reader(path: ClaimPath) -> Reader:
    """Return a function that reads a value from claims, or ``ABSENT`` if there is none.

    A path through a value that is not an object gives ``MALFORMED``; a function that returns ``None`` gives nothing.

    Args:
        path: a claim's name (``"company_id"``, ``"https://example.com/company"``), a path of names with
            dots (``"org.id"``) or as a sequence, or a function of the claims.

    Raises:
        ConfigurationError: the path is empty.
    """
    if callable(path):
        return functools.partial(_call, path)
    steps = (path,) if isinstance(path, str) else tuple(path)
    if not steps or not all(isinstance(step, str) and step for step in steps):
        raise ConfigurationError("tenant_claim is empty; name the claim that holds the company")
    if not isinstance(path, str) or "." not in path or "://" in path:
        return lambda claims: _walk(claims, steps)
    return lambda claims: _either(claims, path)


def _call(function: Reader, claims: Mapping[str, Any]) -> Any:
    try:
        found = function(claims)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise TokenError("the token's claims do not have the expected shape", reason="tenant") from error
    return ABSENT if found is None else found


def _either(claims: Mapping[str, Any], path: str) -> Any:
    """Read a dotted name both as a name and as a path; a token that has both is ambiguous."""
    named, walked = claims.get(path, ABSENT), _walk(claims, path.split("."))
    if named is ABSENT:
        return walked
    if walked is not ABSENT and walked is not MALFORMED:
        raise TokenError("the token names its company in two ways", reason="tenant")
    return named


def _walk(claims: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        if not isinstance(claims, Mapping):
            return MALFORMED
        if step not in claims:
            return ABSENT
        claims = claims[step]
    return claims
