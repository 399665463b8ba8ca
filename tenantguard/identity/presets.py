"""Presets: options of TokenVerifier for the tokens of well-known identity providers.

Each returns a dictionary: ``TokenVerifier(**auth0("acme.eu.auth0.com", audience="https://api.acme.example"))``.
Names that you can choose at the provider are arguments; the rest follows its documentation.
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
    """The result of a preset: the policy, the source of the keys, and the algorithms."""

    jwks_url: str
    algorithms: list[str]


def auth0(domain: str, *, audience: str, tenant_claim: ClaimPath = "org_id") -> Preset:
    """Return the options for Auth0 access tokens; the company is the organisation."""
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
    """Return the options for access tokens of an Okta authorisation server.

    Okta tokens contain no company: add a claim to the authorisation server, and name it here.
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
        client: the id of the app client that tokens must be for, or several ids.
        tenant_claim: a custom attribute; access tokens contain one only with a pre-token-generation trigger.
        use: ``"id"`` or ``"access"``; tokens of the other kind are refused.
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

    The company is the user's directory (``tid``). If the application serves one directory, name it. If it serves
    several, each token's issuer must be that of the directory it names. Personal accounts all share one directory,
    which is not a company, and are refused.
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

    Without a custom claim, the companies are the aliases of the organisations in the claim ``organization``. A token
    may list several, one of which the request names.
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
        frontend: the URL of the frontend API, which is the issuer.
        parties: the accepted origins (``azp``); any by default.
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
        audience: the audience, if your template gives tokens one.
        issuer: your authentication domain, if you have one; by default WorkOS's own issuers.
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
    """Return the options for Firebase id tokens; the company is the Identity Platform tenant."""
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
    """Return the organisation of version 2 (``o.id``) or version 1 (``org_id``); a token with both is refused."""
    if claims.get("sts", "active") != "active":
        raise TokenError("the session is not signed in yet", reason="session")
    if "o" in claims and "org_id" in claims:
        raise TokenError("the token names its company in two ways", reason="tenant")
    return claims["o"]["id"] if "o" in claims else claims.get("org_id")


def _clerk_permissions(claims: Mapping[str, Any]) -> list[str] | None:
    """Return the permissions that version 2 packs into the bits of one number per feature."""
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
