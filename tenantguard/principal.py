"""The principal, a frozen value that says who is asking, and the rules for tenant ids."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tenantguard.errors import ConfigurationError, NoTenantError, TenantId, TokenError


@dataclass(frozen=True)
class Actor:
    """A person who acts for somebody else, such as support staff in a customer's company.

    Args:
        subject: the person's id; never empty.
        reason: the reason, in words that a reviewer understands.
        until: when it ends, in seconds since 1970.
        read_only: nothing may be written.
        before: the earlier actors in a chain; only for the record.

    Raises:
        TokenError: the subject or the reason is empty.
    """

    subject: str
    reason: str = field(kw_only=True)
    until: float = field(kw_only=True)
    read_only: bool = field(default=True, kw_only=True)
    before: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if not all(isinstance(text, str) and text.strip() for text in (self.subject, self.reason)):
            raise TokenError("an Actor needs a subject and a reason", reason="acting")
        if (
            isinstance(self.until, bool)
            or not isinstance(self.until, int | float)
            or self.until != self.until
        ):
            raise TokenError("an Actor needs an end: until=", reason="acting")


@dataclass(frozen=True)
class Principal:
    """A verified user or service, from a token or created by hand.

    Args:
        subject: the ``sub`` of the token; never empty.
        tenant: the tenant it acts for; ``None`` if only ``tenants`` is given, or if it has none yet.
        permissions: what it may do, in the application's own terms.
        claims: the verified claims, read-only at every depth: lists arrive as tuples.
        tenants: every tenant that the token names, if it names several.
        actor: the person who acts for the subject, if there is one.

    Raises:
        NoTenantError: a tenant is empty or of a type that cannot be one.
        TokenError: the subject is empty.
        ConfigurationError: the permissions are one string instead of a set.

    Example:
        >>> Principal(subject="ada", tenant="acme").tenant
        'acme'
        >>> Principal(subject="ada").has_tenant  # verified, but without a company: it cannot be bound
        False
    """

    subject: str
    tenant: TenantId | None = None
    permissions: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    tenants: tuple[TenantId, ...] = ()
    actor: Actor | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.subject, str) or not self.subject.strip():
            raise TokenError("a principal needs a subject: the token's `sub`", reason="subject")
        if isinstance(self.permissions, str):
            raise ConfigurationError(
                f"permissions={self.permissions!r} is one string; give a set: {{{self.permissions!r}}}"
            )
        put = functools.partial(object.__setattr__, self)
        if self.tenant is not None:
            put("tenant", tenant_id(self.tenant))
        put("tenants", tuple(map(tenant_id, _one_by_one(self.tenants))))
        put("permissions", frozenset(self.permissions))
        put("claims", _frozen(dict(self.claims)))

    @property
    def has_tenant(self) -> bool:
        """Return whether it names any tenant; a principal without one cannot be bound."""
        return self.tenant is not None or bool(self.tenants)


def tenant_id(value: object) -> TenantId:
    """Return the value as a tenant id of exactly ``str``, ``int`` or ``UUID``, or refuse it.

    A subclass, such as the member of an enumeration, is reduced to the plain value. A string must not be empty or
    blank, or contain control characters.

    Raises:
        NoTenantError: the value cannot be a tenant id.
    """
    if isinstance(value, UUID):
        return value if type(value) is UUID else UUID(int=value.int)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__int__(value)
    if isinstance(value, str):
        text = str.__str__(value)
        if text.strip() and text.isprintable():
            return text
        raise NoTenantError(
            "a tenant id is empty, blank or contains control characters; bind the id of a real tenant"
        )
    raise NoTenantError(
        f"a tenant id must be a str, int or UUID, not {type(value).__name__}; bind the id of a real tenant"
    )


def _one_by_one(tenants: object) -> tuple[Any, ...]:
    """Return the members of a collection; a string is one tenant, not a collection of letters."""
    if isinstance(tenants, str | bytes | Mapping) or not hasattr(tenants, "__iter__"):
        raise NoTenantError(f"tenants is a collection of tenant ids, not one {type(tenants).__name__}")
    return tuple(tenants)


def _frozen(value: Any) -> Any:
    """Return an immutable copy, because one token's principal serves many requests."""
    if type(value) is str or value is None:  # before the abstract class, whose check costs ten times as much
        return value
    if isinstance(value, Mapping):
        return types.MappingProxyType({key: _frozen(member) for key, member in value.items()})
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    if isinstance(value, set | frozenset):
        return frozenset(value)
    return value
