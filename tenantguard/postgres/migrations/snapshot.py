"""A snapshot of a table's row security, as the statements that restore it in a downgrade."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from tenantguard.postgres.spelling import identifier, literal
from tenantguard.postgres.statements import drops
from tenantguard.postgres.tables import Secured
from tenantguard.sql.servers.rule_policies import OWN

_TABLE = text(
    "SELECT relrowsecurity, relforcerowsecurity FROM pg_catalog.pg_class WHERE oid = to_regclass(:name)"
)
_POLICIES = text(
    r"""
    SELECT p.polname, p.polpermissive,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
             ELSE 'ALL' END,
           coalesce((SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname) FROM pg_catalog.pg_roles
                      WHERE oid = ANY (p.polroles)), 'PUBLIC'),
           pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid),
           pg_catalog.obj_description(p.oid, 'pg_policy')
      FROM pg_catalog.pg_policy p WHERE p.polrelid = to_regclass(:name) AND p.polname LIKE :ours ORDER BY p.polname
    """
)
_TRIGGERS = text(
    """
    SELECT pg_catalog.pg_get_functiondef(f.oid), pg_catalog.pg_get_triggerdef(t.oid)
      FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid
      JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
     WHERE t.tgrelid = to_regclass(:name) AND n.nspname = :own ORDER BY t.tgname
    """
)


def captured(connection: Connection, table: Secured) -> list[str]:
    """Return the statements that restore a table's current row security, without grants."""
    return [] if table.is_view else list(_captured(connection, table.name))


def _captured(connection: Connection, name: str) -> Iterator[str]:
    state = connection.execute(_TABLE, {"name": name}).one_or_none()
    yield from drops(name)
    if state is None:  # the table comes with the migration, and goes with it
        return
    enabled, forced = ("ENABLE" if state[0] else "DISABLE"), ("FORCE" if state[1] else "NO FORCE")
    yield f"ALTER TABLE {name} {enabled} ROW LEVEL SECURITY, {forced} ROW LEVEL SECURITY"
    ours = {"name": name, "ours": f"{OWN}\\_%"}
    for policy, permissive, command, roles, using, check, comment in connection.execute(_POLICIES, ours):
        kind = "" if permissive else " AS RESTRICTIVE"
        conditions = (f" USING ({using})" if using else "") + (f" WITH CHECK ({check})" if check else "")
        yield f"CREATE POLICY {identifier(policy)} ON {name}{kind} FOR {command} TO {roles}{conditions}"
        if comment is not None:
            yield f"COMMENT ON POLICY {identifier(policy)} ON {name} IS {literal(comment)}"
    for function, trigger in connection.execute(_TRIGGERS, {"name": name, "own": OWN}):
        yield function.strip()
        yield trigger
