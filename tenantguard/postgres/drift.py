"""Drift: differences between a database and its tenancy."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Connection, text

from tenantguard.postgres.findings import Finding
from tenantguard.postgres.installation import ready
from tenantguard.postgres.roles import Roles, roles_of
from tenantguard.postgres.seal_check import KEYS, bodies
from tenantguard.postgres.statements import mark, parts
from tenantguard.postgres.tables import Secured, secured
from tenantguard.sql.servers.rule_policies import CONTENT, OWN, rule_mark
from tenantguard.tenancy import Tenancy

_AGAIN = "run install() again"
_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_ROLES = text(
    """
    SELECT rolname, rolsuper, rolbypassrls, rolcreaterole,
           ARRAY(SELECT other.rolname FROM pg_catalog.pg_roles other WHERE other.rolname <> r.rolname
                    AND (other.rolsuper OR other.rolbypassrls OR other.rolname = ANY (CAST(:others AS text[])))
                    AND pg_catalog.pg_has_role(r.oid, other.oid, 'MEMBER') ORDER BY 1)
      FROM pg_catalog.pg_roles r WHERE rolname = ANY (CAST(:names AS text[]))
    """
)
_TABLE = text(
    """
    SELECT c.relkind::text, c.relrowsecurity, c.relforcerowsecurity, pg_catalog.pg_get_userbyid(c.relowner),
           coalesce((SELECT bool_or(o ~* '^security_invoker=(true|on|1|yes)$') FROM unnest(c.reloptions) o), false)
      FROM pg_catalog.pg_class c WHERE c.oid = to_regclass(:name)
    """
)
_POLICIES = text(
    f"""
    SELECT p.polname, pg_catalog.obj_description(p.oid, 'pg_policy'), {CONTENT}, p.polpermissive,
           p.polroles = '{{0}}' OR EXISTS (SELECT FROM pg_catalog.pg_roles r
              WHERE r.oid = ANY (p.polroles) AND pg_catalog.pg_has_role(:role, r.oid, 'MEMBER'))
      FROM pg_catalog.pg_policy p WHERE p.polrelid = to_regclass(:name)
    """
)
_ANY_POLICY = text("SELECT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = to_regclass(:name))")
_TRIGGERS = text(
    f"""
    SELECT t.tgname, f.prosrc, t.tgenabled::text FROM pg_catalog.pg_trigger t
      JOIN pg_catalog.pg_proc f ON f.oid = t.tgfoid JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace
     WHERE t.tgrelid = to_regclass(:name) AND n.nspname = '{OWN}'
    """
)
_GRANTS = text(
    """
    SELECT wanted, CASE WHEN wanted IN ('DELETE', 'TRUNCATE', 'TRIGGER')
             THEN pg_catalog.has_table_privilege(:role, to_regclass(:name)::oid, wanted)
             ELSE pg_catalog.has_any_column_privilege(:role, to_regclass(:name)::oid, wanted) END
      FROM unnest(CAST(:rights AS text[])) wanted
    """
)
_PARTS = text(
    (
        f"SELECT part::text FROM ({parts(':name')}) AS found (part) "
        "WHERE pg_catalog.has_any_column_privilege(:role, part::oid, 'SELECT, INSERT, UPDATE') "
        "OR pg_catalog.has_table_privilege(:role, part::oid, 'DELETE, TRUNCATE') ORDER BY 1"
    ).replace("::", r"\:\:")
)
_CREATES = text(
    """
    SELECT 'the database', lower(wanted) FROM unnest(ARRAY['CREATE', 'TEMPORARY']) wanted
     WHERE pg_catalog.has_database_privilege(:role, current_database(), wanted)
    UNION ALL SELECT 'schema ' || nspname, 'create' FROM pg_catalog.pg_namespace
     WHERE nspname NOT LIKE 'pg\\_%' AND pg_catalog.has_schema_privilege(:role, oid, 'CREATE') ORDER BY 1, 2
    """
)
_SEQUENCES = text(
    """
    SELECT d.objid::regclass::text FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
     WHERE d.refobjid = to_regclass(:name) AND d.deptype IN ('a', 'i')
       AND CASE WHEN s.relkind = 'S' THEN pg_catalog.has_sequence_privilege(:role, d.objid,
                                    CASE d.deptype WHEN 'i' THEN 'SELECT, UPDATE, USAGE' ELSE 'SELECT, UPDATE' END) END
    """
)
_SEAL = text(
    "SELECT proname, prosrc, prosecdef, provolatile::text, proparallel::text, proconfig, "
    "pg_catalog.has_schema_privilege(:role, pronamespace, 'USAGE') "
    "AND pg_catalog.has_function_privilege(:role, oid, 'EXECUTE') FROM pg_catalog.pg_proc "
    f"WHERE pronamespace = to_regnamespace('{OWN}') AND proname = ANY (CAST(:names AS text[])) AND pronargs = 0"
)
_PATH = text("SELECT set_config('search_path', :path, true)")
_CONFIG = re.compile(r"search_path=pg_catalog, pg_temp")


def check(
    connection: Connection, tenancy: Tenancy, roles: Roles | None = None, *, sealed: bool = False
) -> list[Finding]:
    """Compare a database with its tenancy, without locking or changing anything.

    Args:
        connection: a connection of an unguarded engine, with any role that may read the catalogue.
        tenancy: how every table belongs.
        roles: the roles of the database.
        sealed: whether the seal is required as well.

    Returns:
        The differences, errors first; empty if there are none.

    Example:
        >>> def probe(owner):
        ...     with owner.connect() as connection:
        ...         return [str(finding) for finding in check(connection, tenancy, Roles("app"))]
    """
    schema = ready(connection, writes=False)
    given = roles_of(roles)
    findings = list(_of_roles(connection, given))
    if any(one.name == "role-missing" for one in findings):
        return findings
    # PostgreSQL writes a policy out with the schemas that the search path does not hold
    path = connection.execute(text("SELECT current_setting('search_path')")).scalar()
    connection.execute(_PATH, {"path": "pg_catalog"})
    for table in secured(tenancy, schema, sealed=sealed):
        findings += _of_table(connection, table, given)
    connection.execute(_PATH, {"path": path})
    if sealed:
        findings += _of_seal(connection, given)
    return sorted(findings, key=lambda one: (one.severity, one.place, one.name))


def _of_roles(connection: Connection, roles: Roles) -> Iterator[Finding]:
    names = [name for name in (roles.application, roles.maintenance, roles.owner) if name]
    rows = {row[0]: row[1:] for row in connection.execute(_ROLES, {"names": names, "others": names[1:]})}
    for name in names:
        if name not in rows:
            yield Finding("role-missing", "error", name, "the role is not in the database", _AGAIN)
    if roles.application in rows:
        superuser, bypasses, creates, reaches = rows[roles.application]
        if superuser or bypasses:
            yield Finding(
                "role-exempt",
                "error",
                roles.application,
                "the application's role is a superuser or has BYPASSRLS, so no policy applies to it",
                "ALTER ROLE ... NOSUPERUSER NOBYPASSRLS",
            )
        for other in [*reaches, *(["every role that it creates"] if creates else [])]:
            yield Finding(
                "role-reaches",
                "error",
                roles.application,
                f"the application's role may become {other}, and an injected SET ROLE with it",
                "REVOKE the membership, or NOCREATEROLE",
            )
        for place, right in connection.execute(_CREATES, {"role": roles.application}):
            detail = (
                f"the application's role may {right.replace('temporary', 'make temporary tables')} in it, "
            )
            detail += "and what it makes there is met by the next tenant"
            yield Finding("create-extra", "error", place, detail, f"REVOKE, or {_AGAIN}")
    if roles.maintenance in rows and not (rows[roles.maintenance][0] or rows[roles.maintenance][1]):
        detail = "the maintenance role is subject to the policies, so a bypass sees nothing"
        yield Finding("role-held", "warning", str(roles.maintenance), detail, "ALTER ROLE ... BYPASSRLS")


def _of_table(connection: Connection, table: Secured, roles: Roles) -> Iterator[Finding]:
    row = connection.execute(_TABLE, {"name": table.name}).one_or_none()
    if row is None:
        yield Finding("table-missing", "warning", table.name, "the table is not in the database", "migrate")
        return
    kind, enabled, forced, owner, invoker = row
    if owner == roles.application:
        remedy = "ALTER TABLE ... OWNER TO another role"
        yield Finding("owner", "error", table.name, "the application's role owns the table", remedy)
    if table.is_view:
        if kind == "m" or not invoker:
            remedy = _AGAIN if kind == "v" else "REVOKE ALL from the application's role"
            yield Finding("view", "error", table.name, "the view is read with its owner's rights", remedy)
    elif table.policies and not (enabled and forced):
        what = "forced" if enabled else "enabled"
        yield Finding("row-security", "error", table.name, f"row security is not {what}", _AGAIN)
    elif enabled and not connection.execute(_ANY_POLICY, {"name": table.name}).scalar():
        detail = "row security is enabled without a policy, so nobody is shown a row"
        yield Finding("row-security", "warning", table.name, detail, _AGAIN)
    yield from _of_policies(connection, table, roles)
    yield from _of_ties(connection, table)
    yield from _of_grants(connection, table, roles)


def _of_policies(connection: Connection, table: Secured, roles: Roles) -> Iterator[Finding]:
    given = {"name": table.name, "role": roles.application}
    rows = {row[0]: row[1:] for row in connection.execute(_POLICIES, given)}
    wanted = {policy.name for policy in table.policies}
    for name in sorted(wanted - rows.keys()):
        yield Finding("policy-missing", "error", table.name, f"the policy {name} is missing", _AGAIN)
    for name, (comment, content, permissive, applies) in sorted(rows.items()):
        if name in wanted and comment != f"{OWN} {mark(table, roles)} {content} {rule_mark(table.placement)}":
            yield Finding("policy-changed", "error", table.name, f"the policy {name} is another one", _AGAIN)
        elif name not in wanted and permissive and applies:
            detail = f"the policy {name} gives the application's role more rows than the tenancy does"
            yield Finding("policy-foreign", "error", table.name, detail, "DROP POLICY, or declare a row rule")


def _of_ties(connection: Connection, table: Secured) -> Iterator[Finding]:
    rows = {row[0]: row[1:] for row in connection.execute(_TRIGGERS, {"name": table.name})}
    for tie in table.ties:
        triggers = [rows.get(name, (None, "D")) for name in tie.names]
        if any(source != tie.body or enabled not in ("O", "A") for source, enabled in triggers):
            columns = ", ".join(tie.columns)
            detail = f"nothing keeps {columns} from naming another tenant's row of {tie.parent}"
            yield Finding("tie-missing", "error", table.name, detail, _AGAIN)


def _of_grants(connection: Connection, table: Secured, roles: Roles) -> Iterator[Finding]:
    wanted = {grant.partition(" ")[0] for grant in table.grants}
    given = {"name": table.name, "role": roles.application, "rights": list(_RIGHTS)}
    for right, held in connection.execute(_GRANTS, given):
        if held and right not in wanted:
            detail = f"the application's role may {right} it"
            yield Finding("grant-extra", "error", table.name, detail, f"REVOKE {right}, or {_AGAIN}")
        elif right in wanted and not held:
            detail = f"the application's role may not {right} it"
            yield Finding("grant-missing", "warning", table.name, detail, _AGAIN)
    for part in connection.execute(_PARTS, given).scalars():
        detail = f"the application's role reaches {part}, a part of it, by a name that no policy holds"
        yield Finding("grant-extra", "error", table.name, detail, f"REVOKE ALL, or {_AGAIN}")
    for sequence in connection.execute(_SEQUENCES, {"name": table.name, "role": roles.application}).scalars():
        detail = f"the application's role may read {sequence}, which tells how many rows others have stored"
        yield Finding("grant-extra", "error", table.name, detail, f"REVOKE ALL, or {_AGAIN}")


def _of_seal(connection: Connection, roles: Roles) -> Iterator[Finding]:
    given = {"names": list(bodies()), "role": roles.application}
    functions = {row[0]: row[1:] for row in connection.execute(_SEAL, given)}
    for name, source in bodies().items():
        *said, config, callable_ = functions.get(name, (None, [], True))
        if said != [source, True, "s", "s"] or not any(map(_CONFIG.fullmatch, config or [])):
            detail = "the function is missing or another one"
            yield Finding("seal-changed", "error", f"{OWN}.{name}()", detail, _AGAIN)
        elif not callable_:
            detail = "the application's role may not call it, so every statement fails"
            yield Finding("seal-changed", "warning", f"{OWN}.{name}()", detail, _AGAIN)
    if connection.execute(text(f"SELECT to_regclass('{KEYS}')")).scalar() is None:
        yield Finding("keys-missing", "error", KEYS, "the key table is missing", "install() with a seal")
        return
    reads = text(
        f"SELECT has_any_column_privilege(:role, '{KEYS}'::regclass, 'SELECT, INSERT, UPDATE')".replace(
            "::", "\\:\\:"
        )
    )
    if connection.execute(reads, {"role": roles.application}).scalar():
        yield Finding(
            "keys-open", "error", KEYS, "the application's role may read the keys of the seal", _AGAIN
        )
