"""Checks of claims, one function each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from tenantguard.errors import TokenError
from tenantguard.identity.tenants import ABSENT, Reader

_END_OF_TIME = (
    10**10
)  # the year 2286: until then seconds have ten digits; more are milliseconds, or an attack
_LIST_OR_WORDS = "a list of strings or one string of words"

_PLACE = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Za-z0-9-]+")

Claims = Mapping[str, Any]


def check_times(
    claims: Claims, now: float, leeway: float, *, must_expire: bool = True, max_age: float | None = None
) -> float | None:
    """Return until when the claims are valid, including the leeway; ``None`` if they have no end.

    Raises:
        TokenError: ``exp`` is missing but required, or ``iat`` is missing and there is a maximum age; one of the
            times is not a plausible number; the token is expired, too old or not yet valid.
    """
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    if expires is None and must_expire:
        raise TokenError("the token never expires: it has no exp", reason="exp_missing")
    if expires is not None and now >= expires + leeway:
        raise TokenError("the token is expired", reason="expired")
    for name, begins in (("nbf", _time(claims, "nbf")), ("iat", issued)):
        if begins is not None and begins > now + leeway:
            raise TokenError(f"the token is not valid yet, according to its {name}", reason="not_yet")
    ends = [expires] if expires is not None else []
    if max_age is not None:
        ends.append(_end_by_age(issued, max_age))
        if now >= ends[-1] + leeway:
            raise TokenError("the token is older than the maximum age", reason="too_old")
    return min(ends) + leeway if ends else None


def check_issuer(claims: Claims, issuers: frozenset[str]) -> None:
    """Check that the token is from one of the issuers, if any are stated.

    Raises:
        TokenError: it is from another issuer, or ``iss`` is not a string.
    """
    named = claims.get("iss")
    if issuers and not (isinstance(named, str) and any(named == _filled(one, claims) for one in issuers)):
        raise TokenError("the token is from another issuer", reason="issuer")


def check_key_issuer(claims: Claims, issuer: str | None) -> None:
    """Check that the signing key belongs to the token's issuer, if the key set names an issuer for it.

    Entra ID publishes the keys of many directories in one set, each with its ``issuer``.

    Raises:
        TokenError: the key belongs to another issuer.
    """
    if issuer is not None:
        expected = _filled(issuer.replace("{tenantid}", "{tid}"), claims)
        if expected is None or claims.get("iss") != expected:
            raise TokenError("the key that signed the token belongs to another issuer", reason="issuer")


def check_required(claims: Claims, required: Mapping[str, frozenset[object]]) -> None:
    """Check that each required claim has one of its allowed values.

    Raises:
        TokenError: one has another value, or not a plain value of the same type.
    """
    for name, values in required.items():
        held = claims.get(name)
        if not any(type(held) is type(value) and held == value for value in values):
            raise TokenError(f"the token's {name} is not what is required", reason="required_claim")


def check_audience(claims: Claims, audiences: frozenset[str]) -> None:
    """Check that the token is for one of the audiences.

    A token that names an audience is refused if none is configured, as RFC 7519 section 4.1.3 demands.

    Raises:
        TokenError: it is for another audience, or ``aud`` is neither a string nor a list of strings.
    """
    named = claims.get("aud")
    listed = [named] if isinstance(named, str) else named
    if listed is None and "aud" not in claims and not audiences:
        return
    if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):
        raise TokenError("the token's aud is missing or malformed", reason="audience")
    if audiences.isdisjoint(listed):
        raise TokenError("the token is for another audience", reason="audience")


def subject_of(claims: Claims, name: str = "sub") -> str:
    """Return the subject.

    Raises:
        TokenError: it is missing, not a string, blank, or contains unprintable characters.
    """
    subject = claims.get(name)
    if not isinstance(subject, str) or not subject.strip() or not subject.isprintable():
        raise TokenError("the token has no usable subject", reason="subject")
    return subject


def permissions_of(claims: Claims, readers: tuple[Reader, ...], *, strict: bool) -> frozenset[str]:
    """Return the permissions from the first place that has any.

    Args:
        claims: the verified claims.
        readers: functions that read the possible places.
        strict: whether a value of another shape is an error; otherwise it grants nothing.

    Raises:
        TokenError: with ``strict``, the value is neither a list of strings nor a string of words.
    """
    for read in readers:
        held = read(claims)
        if held is None or held is ABSENT:
            continue
        words = held.split(" ") if isinstance(held, str) else held
        if isinstance(words, list | tuple | set | frozenset) and all(  # the last three by a function of yours
            isinstance(word, str) for word in words
        ):
            return frozenset(word for word in words if word)
        if strict:
            raise TokenError(f"the token's permissions are not {_LIST_OR_WORDS}", reason="permissions")
        break  # the next place could say more than this one meant to grant
    return frozenset()


def _filled(issuer: str, claims: Claims) -> str | None:
    """Return the issuer with ``{claim}`` replaced by that claim's value: letters, digits and hyphens."""
    found = _PLACE.search(issuer)
    if found is None:
        return issuer
    value = claims.get(found[1])
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        return None
    return issuer[: found.start()] + value + issuer[found.end() :]


def _end_by_age(issued: float | None, max_age: float) -> float:
    if issued is None:
        raise TokenError("the token does not say when it was issued, but a maximum age is set", reason="iat")
    return issued + max_age


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a JSON value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(claims: Claims, name: str) -> float | None:
    """Return a NumericDate of RFC 7519: seconds, whole or fractional; ``None`` if it is absent."""
    if name not in claims:
        return None
    value = claims[name]
    if not is_number(value) or not 0 <= value < _END_OF_TIME:
        raise TokenError(f"the token's {name} is not a plausible number of seconds", reason=name)
    return value
