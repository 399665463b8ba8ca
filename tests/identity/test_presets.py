"""Presets: the claim shapes of known providers, one good token each, and what is near it and not good."""

from __future__ import annotations

from typing import Any

import pytest

from tenantguard import TokenError, TokenVerifier
from tenantguard.identity import presets
from tests.identity.tokens import NOW, clock, public_pem, rsa_key, sign

DIRECTORY = "3aa4a235-b6e2-48d5-9195-7fcf05b459b0"
OTHER_DIRECTORY = "11111111-b6e2-48d5-9195-7fcf05b459b0"
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
POOL = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"
TIMES = {"iat": NOW - 10, "exp": NOW + 600}

AUTH0 = {
    "iss": "https://acme.eu.auth0.com/",
    "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
    "aud": ["https://api.example.com", "https://acme.eu.auth0.com/userinfo"],
    "azp": "my_client_id",
    "scope": "openid profile",
    "org_id": "org_9ybsU1dN2dKfDkBi",
    "permissions": ["read:calls"],
}
OKTA = {
    "ver": 1,
    "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    "iss": "https://acme.okta.com/oauth2/default",
    "aud": "api://default",
    "cid": "nmdP1fcyvdVO11AL7ECm",
    "uid": "00ujmkLgagxeRrAg20g3",
    "scp": ["read:calls"],
    "sub": "ada@acme.example",
    "company": "acme",
}
COGNITO_ID = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "aud": "1example23456789",
    "cognito:groups": ["read:calls"],
    "token_use": "id",
    "auth_time": NOW - 10,
    "iss": POOL,
    "cognito:username": "ada",
    "custom:company_id": "acme",
}
COGNITO_ACCESS = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "iss": POOL,
    "client_id": "1example23456789",
    "token_use": "access",
    "scope": "read:calls",
    "custom:company_id": "acme",
}
ENTRA = {
    "aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "iss": f"https://login.microsoftonline.com/{DIRECTORY}/v2.0",
    "nbf": NOW - 10,
    "azp": "6e74172b-be56-4843-9ff4-e66a39bb12e3",
    "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "scp": "read:calls",
    "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    "tid": DIRECTORY,
    "ver": "2.0",
}
KEYCLOAK = {
    "iss": "https://sso.example.com/realms/shop",
    "aud": ["api", "account"],
    "sub": "dc6a3e0b-0b0f-4f6b-8d7a-0b0f4f6b8d7a",
    "typ": "Bearer",
    "azp": "web",
    "realm_access": {"roles": ["read:calls"]},
    "organization": {"acme": {"id": "42c3e46f-2477-44d7-a85b-d3b43f6b31fa"}},
}
CLERK = {
    "iss": "https://clerk.example.com",
    "azp": "https://app.example.com",
    "nbf": NOW - 10,
    "sid": "sess_123",
    "sub": "user_123",
    "v": 2,
    "fva": [7, -1],
    "o": {"id": "org_123", "rol": "admin", "slg": "acme", "per": "read", "fpm": "1"},
}
CLERK_1 = {
    "iss": "https://clerk.example.com",
    "azp": "https://app.example.com",
    "sub": "user_123",
    "org_id": "org_123",
    "org_role": "org:admin",
    "org_permissions": ["read:calls"],
}
WORKOS = {
    "iss": "https://api.workos.com",
    "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT",
    "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
    "role": "member",
    "permissions": ["read:calls"],
    "sid": "session_01HQSXZGF8FHF7A9ZZFCW4387R",
}
FIREBASE = {
    "iss": "https://securetoken.google.com/my-project",
    "aud": "my-project",
    "auth_time": NOW - 10,
    "user_id": "w1e2",
    "sub": "w1e2",
    "permissions": ["read:calls"],
    "firebase": {"identities": {}, "sign_in_provider": "password", "tenant": "acme-x7k2p"},
}

auth0 = presets.auth0("acme.eu.auth0.com", audience="https://api.example.com")
okta = presets.okta("acme.okta.com", tenant_claim="company")
cognito_id = presets.cognito("eu-central-1", "eu-central-1_AbCdEfGhI", client="1example23456789")
cognito_access = presets.cognito(
    "eu-central-1", "eu-central-1_AbCdEfGhI", client="1example23456789", use="access"
)
cognito_two = presets.cognito(
    "eu-central-1", "eu-central-1_AbCdEfGhI", client=["1example23456789", "2example"], use="access"
)
entra = presets.entra(audience="6e74172b-be56-4843-9ff4-e66a39bb12e3")
entra_one = presets.entra(audience="6e74172b-be56-4843-9ff4-e66a39bb12e3", directory=DIRECTORY)
keycloak = presets.keycloak("https://sso.example.com/", "shop", audience="api")
clerk = presets.clerk("https://clerk.example.com", parties={"https://app.example.com"})
workos = presets.workos("client_123")
firebase = presets.firebase("my-project")

GOOD: dict[str, tuple[Any, dict[str, Any], str, set[str]]] = {
    "Auth0": (auth0, AUTH0, "org_9ybsU1dN2dKfDkBi", {"read:calls"}),
    "Okta": (okta, OKTA, "acme", {"read:calls"}),
    "Cognito, id token": (cognito_id, COGNITO_ID, "acme", {"read:calls"}),
    "Cognito, access token": (cognito_access, COGNITO_ACCESS, "acme", {"read:calls"}),
    "Entra ID": (entra, ENTRA, DIRECTORY, {"read:calls"}),
    "Entra ID, one directory": (entra_one, ENTRA, DIRECTORY, {"read:calls"}),
    "Keycloak": (keycloak, KEYCLOAK, "acme", {"read:calls"}),
    "Keycloak, a list": (keycloak, KEYCLOAK | {"organization": ["acme"]}, "acme", {"read:calls"}),
    "Clerk": (clerk, CLERK, "org_123", set()),
    "Clerk, with permissions": (
        clerk,
        CLERK
        | {
            "fea": "o:calls,u:profile,uo:teams",
            "sts": "active",
            "o": {"id": "org_123", "rol": "admin", "per": "read,manage", "fpm": "3,2"},
        },
        "org_123",
        {"org:calls:read", "org:calls:manage", "org:teams:manage"},
    ),
    "Clerk, version 1": (clerk, CLERK_1, "org_123", {"read:calls"}),
    "WorkOS": (workos, WORKOS, "org_01HRDMC6CM357W30QMHMQ96Q0S", {"read:calls"}),
    "WorkOS, with a slash": (
        workos,
        WORKOS | {"iss": "https://api.workos.com/"},
        WORKOS["org_id"],
        {"read:calls"},
    ),  # type: ignore[dict-item]  # its values are of several types
    "WorkOS, of the client": (
        workos,
        WORKOS | {"iss": "https://api.workos.com/user_management/client_123"},
        "org_01HRDMC6CM357W30QMHMQ96Q0S",
        {"read:calls"},
    ),
    "Cognito, one of two clients": (cognito_two, COGNITO_ACCESS, "acme", {"read:calls"}),
    "Firebase": (firebase, FIREBASE, "acme-x7k2p", {"read:calls"}),
}
BAD: dict[str, tuple[Any, dict[str, Any]]] = {
    "Auth0, another tenant": (auth0, AUTH0 | {"iss": "https://evil.eu.auth0.com/"}),
    "Auth0, without a slash": (auth0, AUTH0 | {"iss": "https://acme.eu.auth0.com"}),
    "Auth0, an id token": (auth0, AUTH0 | {"aud": "my_client_id"}),
    "Okta, another server": (okta, OKTA | {"iss": "https://acme.okta.com/oauth2/other"}),
    "Okta, the organisation's own": (okta, OKTA | {"iss": "https://acme.okta.com"}),
    "Cognito, an access token for an id token": (cognito_id, COGNITO_ACCESS),
    "Cognito, an id token for an access token": (cognito_access, COGNITO_ID),
    "Cognito, another client": (cognito_access, COGNITO_ACCESS | {"client_id": "other"}),
    "Cognito, another pool": (cognito_id, COGNITO_ID | {"iss": POOL[:-1] + "J"}),
    "Entra ID, the issuer of another directory": (entra, ENTRA | {"tid": OTHER_DIRECTORY}),
    "Entra ID, no directory": (entra, {k: v for k, v in ENTRA.items() if k != "tid"}),
    "Entra ID, a directory that is a path": (
        entra,
        ENTRA | {"tid": "a/b", "iss": "https://login.microsoftonline.com/a/b/v2.0"},
    ),
    "Entra ID, the template itself": (
        entra,
        ENTRA | {"tid": "{tid}", "iss": "https://login.microsoftonline.com/{tid}/v2.0"},
    ),
    "Entra ID, another directory than the one": (
        entra_one,
        ENTRA | {"tid": OTHER_DIRECTORY, "iss": f"https://login.microsoftonline.com/{OTHER_DIRECTORY}/v2.0"},
    ),
    "Entra ID, version 1": (entra, ENTRA | {"ver": "1.0", "iss": f"https://sts.windows.net/{DIRECTORY}/"}),
    "Entra ID, a personal account": (
        entra,
        ENTRA | {"tid": PERSONAL, "iss": f"https://login.microsoftonline.com/{PERSONAL}/v2.0"},
    ),
    "Keycloak, an id token": (keycloak, KEYCLOAK | {"typ": "ID"}),
    "Keycloak, a refresh token": (keycloak, KEYCLOAK | {"typ": "Refresh"}),
    "Keycloak, another realm": (keycloak, KEYCLOAK | {"iss": "https://sso.example.com/realms/master"}),
    "Keycloak, the organisation as text": (keycloak, KEYCLOAK | {"organization": "acme"}),
    "Clerk, another party": (clerk, CLERK | {"azp": "https://evil.example.com"}),
    "Clerk, both versions": (clerk, CLERK | {"org_id": "org_456"}),
    "Clerk, a pending session": (clerk, CLERK | {"sts": "pending"}),
    "Clerk, an organisation that is text": (clerk, CLERK | {"o": "org_123"}),
    "Clerk, permissions that are no numbers": (
        clerk,
        CLERK | {"fea": "o:calls", "o": {"id": "org_123", "per": "read", "fpm": "all"}},
    ),
    "WorkOS, another client": (
        workos,
        WORKOS | {"iss": "https://api.workos.com/user_management/client_456"},
    ),
    "WorkOS, an audience that was not stated": (workos, WORKOS | {"aud": "client_123"}),
    "Firebase, another project": (firebase, FIREBASE | {"aud": "other"}),
}


NO_COMPANY: dict[str, tuple[Any, dict[str, Any]]] = {
    "Auth0": (auth0, {k: v for k, v in AUTH0.items() if k != "org_id"}),
    "Keycloak, an empty object": (keycloak, KEYCLOAK | {"organization": {}}),
    "Keycloak, no claim": (keycloak, {k: v for k, v in KEYCLOAK.items() if k != "organization"}),
    "Clerk, a personal account": (clerk, {k: v for k, v in CLERK.items() if k != "o"}),
    "WorkOS": (workos, {k: v for k, v in WORKOS.items() if k != "org_id"}),
    "Firebase": (firebase, FIREBASE | {"firebase": {"identities": {}}}),
}


def made(preset: Any, claims: dict[str, Any]) -> tuple[TokenVerifier, str]:
    """Return the verifier of a preset, with a key in place of its key set, and a signed token."""
    settings = {name: value for name, value in preset.items() if name != "jwks_url"}
    signed = sign(claims | TIMES, key=rsa_key(), algorithm="RS256")
    return TokenVerifier(**settings, key=public_pem(rsa_key()), clock=clock), signed


@pytest.mark.parametrize(("preset", "claims", "tenant", "permissions"), GOOD.values(), ids=GOOD.keys())
async def test_a_preset_reads_the_tokens_of_its_provider(
    preset: Any, claims: dict[str, Any], tenant: str, permissions: set[str]
) -> None:
    """The company and the permissions, as the provider writes them."""
    verifier, signed = made(preset, claims)
    principal = await verifier.verify(signed)
    assert (principal.tenant, set(principal.permissions)) == (tenant, permissions)


@pytest.mark.parametrize(("preset", "claims"), BAD.values(), ids=BAD.keys())
async def test_a_preset_refuses_what_is_near(preset: Any, claims: dict[str, Any]) -> None:
    """Another kind of token, another customer of the same provider, no company."""
    verifier, signed = made(preset, claims)
    with pytest.raises(TokenError):
        await verifier.verify(signed)


@pytest.mark.parametrize(("preset", "claims"), NO_COMPANY.values(), ids=NO_COMPANY.keys())
async def test_a_preset_knows_who_has_no_company_yet(preset: Any, claims: dict[str, Any]) -> None:
    """A verified user, whom nothing can be bound to."""
    verifier, signed = made(preset, claims)
    assert not (await verifier.verify(signed)).has_tenant


@pytest.mark.parametrize("preset", [auth0, okta, cognito_id, entra, keycloak, clerk, workos, firebase])
def test_a_preset_fetches_its_keys_by_https(preset: Any) -> None:
    """As it stands, it makes a verifier."""
    assert str(preset["jwks_url"]).startswith("https://")
    TokenVerifier(**preset)


async def test_a_claim_of_ones_own_replaces_the_organisations_of_keycloak() -> None:
    """As where each realm, or a user's attribute, says the company."""
    preset = presets.keycloak("https://sso.example.com", "shop", audience="api", tenant_claim="company")
    verifier, signed = made(preset, KEYCLOAK | {"company": "globex"})
    assert (await verifier.verify(signed)).tenant == "globex"


async def test_several_organisations_of_keycloak_are_for_the_request_to_choose_from() -> None:
    """By their aliases."""
    verifier, signed = made(keycloak, KEYCLOAK | {"organization": {"acme": {}, "globex": {}}})
    assert (await verifier.verify(signed)).tenants == ("acme", "globex")
