"""The principal: a frozen value that names somebody and a tenant."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tenantguard import ConfigurationError, NoTenantError, Principal, TokenError, bind


def test_a_principal_cannot_be_changed() -> None:
    """Neither its fields nor its claims can be set, at any depth."""
    given = {"roles": ["admin"], "address": {"city": "Ulm"}, "tags": {"a"}}
    ada = Principal("ada", "acme", frozenset(), given)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ada.tenant = "globex"  # type: ignore[misc]
    with pytest.raises(TypeError):
        ada.claims["roles"] = ()  # type: ignore[index]
    with pytest.raises(TypeError):
        ada.claims["address"]["city"] = "Bonn"
    given["roles"].append("owner")  # type: ignore[attr-defined]
    assert ada.claims["roles"] == ("admin",)
    assert ada.claims["tags"] == frozenset({"a"})


def test_a_principal_says_nothing_of_its_claims() -> None:
    """The content of a token stays out of what is printed."""
    assert "secret" not in repr(Principal("ada", "acme", claims={"phone": "secret"}))


@pytest.mark.parametrize("subject", ["", "  ", None, 7])
def test_a_principal_needs_a_subject(subject: Any) -> None:
    """A principal that names nobody is refused like a token that does."""
    with pytest.raises(TokenError, match="subject"):
        Principal(subject, "acme")


@pytest.mark.parametrize("members", [{}, {"tenants": ()}, {"tenant": None}])
def test_a_principal_without_a_tenant_cannot_be_bound(members: dict[str, Any]) -> None:
    """Somebody verified who belongs to no company yet: nothing is guarded for them."""
    principal = Principal("ada", **members)
    assert not principal.has_tenant
    with pytest.raises(NoTenantError, match="'ada' names no tenant"), bind(principal):
        pass


@pytest.mark.parametrize("members", [{"tenant": ""}, {"tenant": True}, {"tenants": ("acme", "")}])
def test_a_principals_tenant_is_a_usable_one(members: dict[str, Any]) -> None:
    """One that is none is refused."""
    with pytest.raises(NoTenantError):
        Principal("ada", **members)


def test_a_principals_tenants_are_a_collection() -> None:
    """One text is not taken apart into letters."""
    with pytest.raises(NoTenantError, match="collection"):
        Principal("ada", tenants="acme")  # type: ignore[arg-type]


def test_a_principals_permissions_are_a_set() -> None:
    """One text is not taken apart into letters."""
    with pytest.raises(ConfigurationError, match="one string"):
        Principal("ada", "acme", permissions="calls:read")  # type: ignore[arg-type]


def test_a_principal_can_be_a_key() -> None:
    """Equal principals hash alike, whatever their claims hold."""
    assert len({Principal("ada", "acme", claims={"a": []}), Principal("ada", "acme")}) == 1
