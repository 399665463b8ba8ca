"""The options of verifiers, and the policy built from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypedDict, Unpack
from uuid import UUID

from tenantguard.context import Principal
from tenantguard.errors import ConfigurationError
from tenantguard.identity.acting import Acting
from tenantguard.identity.confirmation import CertificateReader, Confirmation
from tenantguard.identity.dpop import DPoP
from tenantguard.identity.policy import Lookup, MayGrant, Policy, SpeaksFor
from tenantguard.identity.revocation import Revocation
from tenantguard.identity.tenants import ClaimPath, Reader, TenantType, claim_reader

LEEWAY = 30.0  # seconds: machines that keep time differ by less
_MOST_LEEWAY = 600.0
_MOST_AGE = 10 * 365 * 24 * 3600.0
_PERMISSIONS = ("permissions", "scope", "scp", "roles")


class PolicyOptions(TypedDict, total=False):
    """The options of both verifiers.

    Attributes:
        audience: the accepted audience; without it, a token that names an audience is refused.
        issuer: the accepted issuer; ``{claim}`` in it stands for that claim of the same token.
        tenant_claim: the claim with the company (``"company_id"``): a name, a dotted path, a sequence of names, or
            a function of the claims.
        tenants_claim: a claim with a list of companies, one of which the request names; instead of tenant_claim.
        tenant_lookup: for tokens that name no company: an async function from the subject to its companies.
        lookup_seconds: how long a result of the lookup is cached; 60 by default.
        tenant_type: the type of the tenant column: ``str``, ``int`` or ``UUID``.
        speaks_for: the companies that this issuer is trusted for: a collection, a function, or ``"every"``.
        subject_claim: the claim with the subject; ``"sub"`` by default.
        permissions_claim: the claim with the permissions: a name, a path or a function, or several in order.
        may_grant: the permissions that this issuer may grant, a collection or a function; others are ignored.
        acting: admits tokens whose bearer acts for somebody else (``act``, RFC 8693); without it, they are refused.
        seen: called with the principal of each newly verified token, such as a ``SeenBook`` for the access review.
        require: further required claims, each with its value or a collection of allowed values.
        leeway: the number of seconds by which the clocks of issuer and server may differ; 30 by default.
        max_age: the number of seconds after its ``iat`` for which a token is valid, whatever its ``exp``.
        dpop: the checks of key proofs (RFC 9449); without it, a token that needs one is refused.
        certificate: reads the client's certificate from the ASGI scope (RFC 8705); without it, the same.
        revocation: the ``Revocation`` that says which tokens are revoked.
    """

    audience: str | Collection[str] | None
    issuer: str | Collection[str] | None
    tenant_claim: ClaimPath
    tenants_claim: ClaimPath | None
    tenant_lookup: Lookup | None
    lookup_seconds: float
    tenant_type: TenantType
    speaks_for: SpeaksFor | None
    subject_claim: str
    permissions_claim: ClaimPath | tuple[ClaimPath, ...]
    may_grant: MayGrant | None
    acting: Acting | None
    seen: Callable[[Principal], None] | None
    require: Mapping[str, object]
    leeway: float
    max_age: float | None
    dpop: DPoP | None
    certificate: CertificateReader | None
    revocation: Revocation | None


def policy_of(faults: list[str], **options: Unpack[PolicyOptions]) -> Policy:
    """Return the policy for the options, and add unsafe settings to the faults."""
    unknown = sorted(options.keys() - PolicyOptions.__annotations__.keys())
    if unknown:
        faults.append(f"unknown argument {', '.join(unknown)}")
    kind = options.get("tenant_type", str)
    if kind not in (str, int, UUID):
        faults.append("tenant_type is the type of the tenant column: str, int or UUID")
    several = options.get("tenants_claim") is not None or options.get("tenant_lookup") is not None
    return Policy(
        audiences=_names(options.get("audience"), "audience", faults),
        issuers=_names(options.get("issuer"), "issuer", faults),
        tenant_of=_reader(options.get("tenants_claim") or options.get("tenant_claim", "company_id"), faults),
        several=several,
        lookup=options.get("tenant_lookup"),
        lookup_seconds=_seconds(options.get("lookup_seconds", 60.0), "lookup_seconds", 3600.0, faults),
        tenant_type=kind,
        speaks_for=_speaks_for(options.get("speaks_for"), kind, faults),
        subject_claim=options.get("subject_claim", "sub"),
        permissions=_permissions(options.get("permissions_claim", _PERMISSIONS), faults),
        strict_permissions="permissions_claim" in options,
        may_grant=_may_grant(options.get("may_grant"), faults),
        acting=_acting(options.get("acting"), faults),
        seen=options.get("seen"),
        require={name: _values(value) for name, value in options.get("require", {}).items()},
        leeway=_seconds(options.get("leeway", LEEWAY), "leeway", _MOST_LEEWAY, faults),
        max_age=_max_age(options.get("max_age"), faults),
        confirmation=Confirmation(options.get("dpop"), options.get("certificate")),
        revocation=options.get("revocation"),
    )


def _permissions(given: ClaimPath | tuple[ClaimPath, ...], faults: list[str]) -> tuple[Reader, ...]:
    paths = given if isinstance(given, tuple) else (given,)
    return tuple(_reader(path, faults) for path in paths)


def _may_grant(given: MayGrant | None, faults: list[str]) -> MayGrant | None:
    if given is None or callable(given):
        return given
    if isinstance(given, str) or not all(isinstance(one, str) and one for one in given):
        faults.append("may_grant is a collection of permissions, or a function")
        return frozenset()
    return frozenset(given)


def _acting(given: object, faults: list[str]) -> Acting | None:
    if given is None or isinstance(given, Acting):
        return given
    faults.append("acting is an Acting(...)")
    return None


def _values(value: object) -> frozenset[object]:
    return frozenset(value) if isinstance(value, set | frozenset | list | tuple) else frozenset({value})


def _speaks_for(given: SpeaksFor | None, kind: type, faults: list[str]) -> SpeaksFor | None:
    if given is None or given == "every" or callable(given):
        return given
    if isinstance(given, str) or not given or not all(type(tenant) is kind for tenant in given):
        faults.append(f'speaks_for is a collection of {kind.__name__}, a function, or "every"')
        return frozenset()
    return frozenset(given)


def _reader(path: ClaimPath, faults: list[str]) -> Reader:
    try:
        return claim_reader(path)
    except ConfigurationError as error:
        faults.append(str(error))
        return claim_reader("company_id")


def _seconds(given: float, argument: str, most: float, faults: list[str]) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        faults.append(f"{argument} is a number of seconds, at most {most:.0f}")
        return 0.0
    return given


def _max_age(given: float | None, faults: list[str]) -> float | None:
    return None if given is None else _seconds(given, "max_age", _MOST_AGE, faults)


def _names(given: str | Collection[str] | None, argument: str, faults: list[str]) -> frozenset[str]:
    if given is None:
        return frozenset()
    names = [given] if isinstance(given, str) else list(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        faults.append(f"{argument} is a text or a list of texts, none of them empty")
        return frozenset()
    return frozenset(names)
