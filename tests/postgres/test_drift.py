"""Drift: each thing that somebody changed by hand is found, and nothing else is."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from tenantguard.postgres import Roles, check
from tests.postgres.world import Secured

CHANGES = {
    "ALTER POLICY tenantguard_select ON calls USING (true)": ("policy-changed", "public.calls"),
    "ALTER POLICY tenantguard_seal ON calls TO PUBLIC": ("policy-changed", "public.calls"),
    "DROP POLICY tenantguard_delete ON call_tags": ("policy-missing", "public.call_tags"),
    "CREATE POLICY more ON users USING (true)": ("policy-foreign", "public.users"),
    "ALTER TABLE labels NO FORCE ROW LEVEL SECURITY": ("row-security", "public.labels"),
    "ALTER TABLE labels DISABLE ROW LEVEL SECURITY": ("row-security", "public.labels"),
    "ALTER TABLE call_labels DISABLE TRIGGER USER": ("tie-missing", "public.call_labels"),
    "GRANT TRUNCATE ON calls TO {app}": ("grant-extra", "public.calls"),
    "GRANT UPDATE (name) ON countries TO PUBLIC": ("grant-extra", "public.countries"),
    "GRANT SELECT ON SEQUENCE calls_id_seq TO {app}": ("grant-extra", "public.calls"),
    "GRANT USAGE ON SEQUENCE comments_id_seq TO {app}": ("grant-extra", "public.comments"),
    "CREATE TABLE part () INHERITS (calls); GRANT SELECT ON part TO PUBLIC": ("grant-extra", "public.calls"),
    "GRANT CREATE ON SCHEMA public TO {app}": ("create-extra", "schema public"),
    "GRANT TEMPORARY ON DATABASE {database} TO PUBLIC": ("create-extra", "the database"),
    "REVOKE DELETE ON orders FROM {app}": ("grant-missing", "public.orders"),
    "ALTER TABLE calls OWNER TO {app}": ("owner", "public.calls"),
    "ALTER VIEW call_stats SET (security_invoker = false)": ("view", "public.call_stats"),
    "ALTER ROLE {app} BYPASSRLS": ("role-exempt", "{app}"),
    "GRANT {maintenance} TO {app}": ("role-reaches", "{app}"),
    "GRANT pg_read_all_data TO {app}": ("keys-open", "tenantguard.keys"),
    "ALTER ROLE {maintenance} NOBYPASSRLS": ("role-held", "{maintenance}"),
    "GRANT SELECT ON tenantguard.keys TO {app}": ("keys-open", "tenantguard.keys"),
    "DROP TABLE tenantguard.keys": ("keys-missing", "tenantguard.keys"),
    "ALTER FUNCTION tenantguard.sealed_tenant() SECURITY INVOKER": (
        "seal-changed",
        "tenantguard.sealed_tenant()",
    ),
    "ALTER FUNCTION tenantguard.sealed_tenant() RESET search_path": (
        "seal-changed",
        "tenantguard.sealed_tenant()",
    ),
    "REVOKE USAGE ON SCHEMA tenantguard FROM {app}": ("seal-changed", "tenantguard.sealed_tenant()"),
    "REVOKE EXECUTE ON FUNCTION tenantguard.sealed_tenant() FROM {app}": (
        "seal-changed",
        "tenantguard.sealed_tenant()",
    ),
    "ALTER FUNCTION tenantguard.sealed_permissions() VOLATILE": (
        "seal-changed",
        "tenantguard.sealed_permissions()",
    ),
    "DROP TABLE tag_notes": ("table-missing", "public.tag_notes"),
}


def test_nothing_is_found_where_all_is_well(sealed: Secured) -> None:
    """A database that was just installed has no findings."""
    with sealed.owner.connect() as connection:
        assert check(connection, sealed.tenancy, sealed.roles, sealed=True) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_by_hand_is_found(sealed: Secured, change: str) -> None:
    """It is named, with its place."""
    names = {"app": sealed.roles.application, "maintenance": sealed.roles.maintenance}
    names["database"] = sealed.owner.url.database
    name, place = CHANGES[change]
    with sealed.owner.connect() as connection:
        connection.execute(text(change.format(**names)))
        found = check(connection, sealed.tenancy, sealed.roles, sealed=True)
        connection.rollback()
    assert {(one.name, one.place) for one in found} >= {(name, place.format(**names))}
    assert all(one.name in str(one) and one.remedy in str(one) for one in found)


def test_roles_that_are_missing_are_named(sealed: Secured) -> None:
    """Nothing else is looked for where there is no role to look for it."""
    with sealed.owner.connect() as connection:
        found = check(connection, sealed.tenancy, Roles("tgpgs_none", maintenance="tgpgs_none_either"))
    assert [one.place for one in found if one.name == "role-missing"] == ["tgpgs_none", "tgpgs_none_either"]
    assert len(found) == 2
