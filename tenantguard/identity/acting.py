"""Acting for somebody else: what a token's ``act`` claim (RFC 8693) must contain to admit support staff."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tenantguard.errors import ConfigurationError, PermissionDeniedError, TenantId, TokenError
from tenantguard.identity import claims as checks
from tenantguard.identity.tenants import ABSENT, MALFORMED, ClaimPath, claim_reader
from tenantguard.principal import Actor, Principal

_LONGEST = 12 * 3600.0
_MOST_REASON = 500  # characters


class Requirement(Protocol):
    """The permissions and the sign-in that an actor needs; created by ``requires``."""

    def check_of(self, principal: Principal | None, /) -> Principal: ...


@dataclass(frozen=True, kw_only=True)
class Acting:
    """Rules for tokens whose bearer acts for somebody else, such as support staff in a customer's company.

    Every event then names both. A token whose ``act`` claim is not an object with a subject is refused, and so is any
    token with ``act`` if the verifier has no ``acting=``.

    Args:
        companies: the companies in which somebody may act: a collection, or a function of the actor's subject and
            the company.
        seconds: the maximum lifetime of such a token, from its ``iat`` to its ``exp``.
        read_only: whether actors may only read; with ``False`` they may write, unless the token's ``act``
            contains a ``read_only`` that is not ``false``.
        reason_claim: the claim with the reason, which is required.
        requirement: the permissions and the sign-in that the actor needs, read from the members of ``act``:
            ``requires("support", mfa=True)``.
        most_actors: the maximum length of a chain of actors (nested ``act``); only the first counts (RFC 8693).

    Raises:
        ConfigurationError: a value is out of range.

    Example:
        >>> acting = Acting(companies={"acme"}, seconds=900)
    """

    companies: Collection[TenantId] | Callable[[str, TenantId], bool]
    seconds: float = 3600.0
    read_only: bool = True
    reason_claim: ClaimPath = ("act", "reason")
    requirement: Requirement | None = None
    most_actors: int = 1

    def __post_init__(self) -> None:
        """Refuse settings that would admit everybody or nobody."""
        number = isinstance(self.seconds, int | float) and not isinstance(self.seconds, bool)
        if not number or not 0 < self.seconds <= _LONGEST:
            raise ConfigurationError(f"Acting(seconds={self.seconds!r}): up to {_LONGEST:.0f} seconds")
        if isinstance(self.companies, str) or not (
            callable(self.companies) or isinstance(self.companies, Collection)
        ):
            raise ConfigurationError("Acting(companies=...) must be a collection of companies, or a function")
        if not isinstance(self.most_actors, int) or not 1 <= self.most_actors <= 8:
            raise ConfigurationError("Acting(most_actors=...) must be a number from 1 to 8")

    def actor(self, claims: Mapping[str, Any], tenants: Collection[TenantId]) -> Actor:
        """Return the actor that a token's claims name.

        Raises:
            TokenError: it is not allowed, or the claims are incomplete.
        """
        chain = _chain(claims.get("act"), self.most_actors)
        subject = checks.subject_of(chain[0])
        if not tenants or not all(self._may_enter(subject, tenant) for tenant in tenants):
            raise _refused(f"{subject} may not act inside this company")
        issued: Any = claims.get("iat")
        expires: Any = claims.get("exp")
        timed = checks.is_number(issued) and checks.is_number(expires)
        if not timed or not 0 <= expires - issued <= self.seconds:
            raise _refused(f"it may be valid for {self.seconds:.0f} seconds at most, and must say since when")
        reason = claim_reader(self.reason_claim)(claims)
        if reason in (ABSENT, MALFORMED) or not _is_reason(reason):
            raise _refused("it must give a reason that a reviewer can read")
        self._check(chain[0], subject)
        before = tuple([checks.subject_of(one) for one in chain[1:]])
        # whoever sent the token may say that nothing is to be written, and never the contrary
        read_only = self.read_only or chain[0].get("read_only", False) is not False
        return Actor(subject, reason=str(reason).strip(), until=expires, read_only=read_only, before=before)

    def _may_enter(self, subject: str, tenant: TenantId) -> bool:
        if callable(self.companies):
            return self.companies(subject, tenant) is True
        return tenant in self.companies

    def _check(self, act: Mapping[str, Any], subject: str) -> None:
        if self.requirement is None:
            return
        readers = tuple(claim_reader(name) for name in ("permissions", "scope"))
        permissions = checks.permissions_of(act, readers, strict=False)
        listed = {name: tuple(value) if isinstance(value, list) else value for name, value in act.items()}
        try:
            self.requirement.check_of(Principal(subject, permissions=permissions, claims=listed))
        except PermissionDeniedError as denied:
            raise _refused(f"{subject} lacks a permission to act for somebody") from denied


def refuse_actor(claims: Mapping[str, Any]) -> None:
    """Refuse a token whose bearer acts for somebody else, if that is not allowed.

    Raises:
        TokenError: the token has an actor.
    """
    if "act" in claims:
        raise _refused("give the verifier acting=Acting(...) where support staff may act inside a company")


def _chain(act: Any, most: int) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while act is not None or not found:
        if not isinstance(act, Mapping) or len(found) == most:
            raise _refused("its act is not an object with a subject, or the chain of actors is too long")
        found.append(act)
        if "act" not in act:
            break
        act = act["act"]
        if act is None:
            raise _refused("an act inside its act is not an object")
    return found


def _is_reason(reason: Any) -> bool:
    return (
        isinstance(reason, str)
        and bool(reason.strip())
        and reason.isprintable()
        and len(reason) <= _MOST_REASON
    )


def _refused(why: str) -> TokenError:
    return TokenError(f"the token acts for somebody else: {why}", reason="acting")
