"""Presets: how the tokens of known identity providers look, as options for TokenVerifier.

Each returns a dictionary: ``TokenVerifier(**auth0("acme.eu.auth0.com", audience="https://api.acme.example"))``.
What a provider lets you name yourself is an argument; the rest is as its documentation has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tenantguard.errors import TokenError
from tenantguard.identity.policy_options import PolicyOptions
from tenantguard.identity.tenants import ClaimPath

_MOST_PERMISSIONS = 10_000  # that Clerk's masks may spell out: a short token could name a million
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the directory of every personal Microsoft account


class Preset(PolicyOptions, total=False):
    """Be what a preset returns: the policy, where the keys are, and the algorithms."""

    jwks_url: str
    algorithms: list[str]


def auth0(domain: str, *, audience: str, tenant_claim: ClaimPath = "org_id") -> Preset:
    """Return the options for access tokens of Auth0; the company is the organisation."""
    return Preset(
        issuer=f"https://{domain}/",
        jwks_url=f"https://{domain}/.well-known/jwks.json",
        algorithms=["RS256"],
        audience=audience,
        tenant_claim=tenant_claim,
        permissions_claim=("permissions", "scope"),
    )


def okta(
    domain: str, *, tenant_claim: ClaimPath, audience: str = "api://default", server: str = "default"
) -> Preset:
    """Return the options for access tokens of an authorisation server of Okta.

    Okta knows no company: add a claim to the authorisation server, and name it here.
    """
    issuer = f"https://{domain}/oauth2/{server}"
    return Preset(
        issuer=issuer,
        jwks_url=f"{issuer}/v1/keys",
        algorithms=["RS256"],
        audience=audience,
        tenant_claim=tenant_claim,
        permissions_claim="scp",
    )


def cognito(
    region: str,
    pool: str,
    *,
    client: str | Collection[str],
    tenant_claim: ClaimPath = "custom:company_id",
    use: str = "id",
) -> Preset:
    """Return the options for tokens of an Amazon Cognito user pool.

    Args:
        region: such as ``"eu-central-1"``.
        pool: the id of the user pool.
        client: the id of the app client that tokens must be for, or of several.
        tenant_claim: a custom attribute; access tokens carry one only by a pre-token-generation trigger.
        use: ``"id"`` or ``"access"``; one kind is never taken for the other.
    """
    issuer = f"https://cognito-idp.{region}.amazonaws.com/{pool}"
    preset = Preset(
        issuer=issuer,
        jwks_url=f"{issuer}/.well-known/jwks.json",
        algorithms=["RS256"],
        tenant_claim=tenant_claim,
        permissions_claim=("cognito:groups", "scope"),
        require={"token_use": use},
    )
    if use == "id":
        preset["audience"] = client
    else:  # an access token of Cognito names its client, and no audience
        clients = frozenset({client} if isinstance(client, str) else client)
        preset["require"] = {"token_use": use, "client_id": clients}
    return preset


def entra(*, audience: str, directory: str | None = None, tenant_claim: ClaimPath | None = None) -> Preset:
    """Return the options for access tokens, version 2.0, of Microsoft Entra ID.

    The company is the directory that the user belongs to (``tid``). For an application that serves one
    directory, name it; for one that serves several, each token's issuer has to be that of the directory it
    names. All personal accounts share one directory, which is no company, and are refused.
    """
    place = "https://login.microsoftonline.com"
    return Preset(
        issuer=f"{place}/{directory or '{tid}'}/v2.0",
        jwks_url=f"{place}/{directory or 'common'}/discovery/v2.0/keys",
        algorithms=["RS256"],
        audience=audience,
        tenant_claim=tenant_claim or _directory,
        permissions_claim=("roles", "scp"),
        require={"ver": "2.0"},
    )


def keycloak(url: str, realm: str, *, audience: str, tenant_claim: ClaimPath | None = None) -> Preset:
    """Return the options for access tokens of Keycloak.

    Without a claim of your own, the companies are the organisations of the claim ``organization``, by their
    aliases; a token may list several, of which the request names one.
    """
    issuer = f"{url.rstrip('/')}/realms/{realm}"
    preset = Preset(
        issuer=issuer,
        jwks_url=f"{issuer}/protocol/openid-connect/certs",
        algorithms=["RS256"],
        audience=audience,
        permissions_claim="realm_access.roles",
        require={"typ": "Bearer"},
    )
    if tenant_claim is None:
        preset["tenants_claim"] = _organizations
    else:
        preset["tenant_claim"] = tenant_claim
    return preset


def clerk(frontend: str, *, parties: Collection[str] = ()) -> Preset:
    """Return the options for session tokens of Clerk, version 1 and 2; the company is the active organisation.

    A session that is still pending, with something left to do before it is signed in, is refused.

    Args:
        frontend: the address of the frontend API, which is the issuer.
        parties: the origins that tokens may have been made for (``azp``); without them, any.
    """
    issuer = frontend.rstrip("/")
    preset = Preset(
        issuer=issuer,
        jwks_url=f"{issuer}/.well-known/jwks.json",
        algorithms=["RS256"],
        tenant_claim=_clerk_organization,
        permissions_claim=("org_permissions", _clerk_permissions),
    )
    if parties:
        preset["require"] = {"azp": frozenset(parties)}
    return preset


def workos(client: str, *, audience: str | None = None, issuer: str | None = None) -> Preset:
    """Return the options for access tokens of WorkOS AuthKit; the company is the organisation signed in to.

    Args:
        client: the id of the client, whose keys sign.
        audience: where a template of yours gives tokens one.
        issuer: your authentication domain, where you have one; WorkOS's own issuers otherwise.
    """
    place = "https://api.workos.com"
    return Preset(
        issuer=issuer or [place, f"{place}/", f"{place}/user_management/{client}"],
        jwks_url=f"{place}/sso/jwks/{client}",
        algorithms=["RS256"],
        audience=audience,
        tenant_claim="org_id",
        permissions_claim="permissions",
    )


def firebase(project: str, *, tenant_claim: ClaimPath = ("firebase", "tenant")) -> Preset:
    """Return the options for id tokens of Firebase; the company is the tenant of Identity Platform."""
    account = "securetoken@system.gserviceaccount.com"
    return Preset(
        issuer=f"https://securetoken.google.com/{project}",
        jwks_url=f"https://www.googleapis.com/service_accounts/v1/jwk/{account}",
        algorithms=["RS256"],
        audience=project,
        tenant_claim=tenant_claim,
        permissions_claim="permissions",
    )


def _organizations(claims: Mapping[str, Any]) -> Any:
    """Return the aliases in Keycloak's claim: the names of an object, or a list; ``None`` without the claim."""
    held = claims.get("organization")
    return list(held) if isinstance(held, dict | list) else held


def _directory(claims: Mapping[str, Any]) -> Any:
    """Return the directory, unless it is the one that all personal Microsoft accounts share."""
    if claims.get("tid") == _PERSONAL:
        raise TokenError("the token belongs to a personal account, which has no company", reason="tenant")
    return claims.get("tid")


def _clerk_organization(claims: Mapping[str, Any]) -> Any:
    """Return the organisation of version 2 (``o.id``) or of version 1 (``org_id``), and never of both."""
    if claims.get("sts", "active") != "active":
        raise TokenError("the session is not signed in yet", reason="session")
    if "o" in claims and "org_id" in claims:
        raise TokenError("the token names its company in two ways", reason="tenant")
    return claims["o"]["id"] if "o" in claims else claims.get("org_id")


def _clerk_permissions(claims: Mapping[str, Any]) -> list[str] | None:
    """Return what version 2 packs: for each feature of the organisation, a number whose bits are permissions."""
    held = claims.get("o", {})
    if not all(isinstance(held.get(name), str) for name in ("per", "fpm")):
        return None
    scoped = [feature.strip().partition(":") for feature in claims.get("fea", "").split(",")]
    features = [name for scope, _, name in scoped if "o" in scope]
    masks = [int(mask) for mask in held["fpm"].split(",")]
    words = [word.strip() for word in held["per"].split(",")]
    if len(features) * len(words) > _MOST_PERMISSIONS:
        raise ValueError("too many permissions")
    return [
        f"org:{feature}:{word}"
        for feature, mask in zip(features, masks, strict=False)
        for bit, word in enumerate(words)
        if mask >> bit & 1
    ]
