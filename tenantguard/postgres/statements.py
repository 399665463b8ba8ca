"""The statements in the order in which they run: roles, the package's schema, then table by table."""

from __future__ import annotations

from collections.abc import Iterator

from tenantguard.postgres.commands import NAMES
from tenantguard.postgres.roles import Roles, roles_of
from tenantguard.postgres.seal_check import seal_statements
from tenantguard.postgres.spelling import block, identifier, literal
from tenantguard.postgres.tables import Secured, secured
from tenantguard.sql.servers.rule_policies import CONTENT, OWN, digest, rule_mark
from tenantguard.tenancy import Tenancy


def policies(
    tenancy: Tenancy, roles: Roles | None = None, *, sealed: bool = False, schema: str = "public"
) -> list[str]:
    """Return the statements that install row security for every table; they can be run again.

    Run them in one transaction, as the tables' owner or a superuser, as ``install`` does. They do not contain the key
    of a seal, which should not be in a file: see ``add_key``.

    Args:
        tenancy: how every table belongs.
        roles: the roles of the database; by default, the application role is ``"app"``.
        sealed: whether to check the seal as well, in a separate restrictive policy.
        schema: the schema of tables that name none.

    Raises:
        ConfigurationError: the tenancy has faults, or a table cannot be held by a policy; all are listed.

    Example:
        >>> from sqlalchemy import Column, Integer, MetaData, String, Table
        >>> metadata = MetaData()
        >>> calls = Table("calls", metadata, Column("id", Integer, primary_key=True),
        ...               Column("company_id", String, nullable=False))
        >>> statements = policies(Tenancy(metadata, column="company_id"))
        >>> [line for line in statements if "FOR DELETE" in line][0]
        "CREATE POLICY tenantguard_delete ON public.calls FOR DELETE TO app USING (company_id = (SELECT current_setting('tenantguard.tenant', true)))"
    """  # noqa: E501 - the statement is one line
    given = roles_of(roles)
    tables = secured(tenancy, schema, sealed=sealed)
    return [
        *given.statements(),
        *ground(tables, given, schema, sealed=sealed),
        *(statement for table in tables for statement in table_statements(table, given)),
    ]


def ground(tables: list[Secured], roles: Roles, schema: str, *, sealed: bool) -> Iterator[str]:
    """Yield the statements that the tables' statements need: schemas and the seal."""
    application = identifier(roles.application)
    for name in sorted({table.placement.key[0] or schema for table in tables}):
        yield f"REVOKE CREATE ON SCHEMA {identifier(name)} FROM PUBLIC, {application}"
        yield f"GRANT USAGE ON SCHEMA {identifier(name)} TO {roles.served}"
    # a temporary table outlives its transaction, and the next tenant on the connection finds it; a schema outlives both
    yield block(
        f"EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC, %s', current_database(), "
        f"{literal(application)});"
    )
    # by its name a prepared statement could be replaced, for whoever the connection serves next
    superuser = "(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"
    names = "FUNCTION pg_catalog.pg_prepared_statement()"
    granted = (
        "" if roles.maintenance is None else f"GRANT EXECUTE ON {names} TO {identifier(roles.maintenance)}; "
    )
    yield block(f"IF {superuser} THEN REVOKE EXECUTE ON {names} FROM PUBLIC, {application}; {granted}END IF;")
    yield f"CREATE SCHEMA IF NOT EXISTS {OWN}"
    yield f"REVOKE ALL ON SCHEMA {OWN} FROM PUBLIC, {application}"
    yield f"GRANT USAGE ON SCHEMA {OWN} TO {roles.served}"
    if sealed:
        yield from seal_statements(application)


def table_statements(table: Secured, roles: Roles) -> Iterator[str]:
    """Yield the statements for one table, which replace what was installed before."""
    if table.is_view:
        yield f"ALTER VIEW {table.name} SET (security_invoker = true)"
    else:
        if roles.owner is not None:
            yield f"ALTER TABLE {table.name} OWNER TO {identifier(roles.owner)}"
        yield from _row_security(table, roles)
    yield from _granted(table, roles)


def _row_security(table: Secured, roles: Roles) -> Iterator[str]:
    yield from drops(table.name)
    yield from _made(table, roles)
    if table.policies:
        yield _marked(table, roles)


def _made(table: Secured, roles: Roles) -> Iterator[str]:
    if table.policies:
        yield f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    else:
        yield _closed_no_more(table.name)
    for policy in table.policies:
        yield policy.create(table.name, roles.application)
    for tie in table.ties:
        yield from tie.create(table.name)


def _closed_no_more(name: str) -> str:
    """Return the block that disables row security if no policy is left, which would hide every row."""
    return block(
        f"IF NOT EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = {literal(name)}::regclass) THEN "
        f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; END IF;"
    )


def mark(table: Secured, roles: Roles) -> str:
    """Return a mark that identifies the statements of a table's policies, by which ``check`` finds outdated ones."""
    return digest(*_made(table, roles))


def _marked(table: Secured, roles: Roles) -> str:
    """Return the block that comments each policy with its mark and with PostgreSQL's form of it."""
    return block(
        "DECLARE path text := current_setting('search_path'); found record; BEGIN "
        "PERFORM set_config('search_path', 'pg_catalog', true); "
        f"FOR found IN SELECT polname, {CONTENT} AS content FROM pg_policy p "
        f"WHERE polrelid = {literal(table.name)}::regclass AND polname LIKE '{OWN}\\_%' LOOP "
        f"EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', found.polname, {literal(table.name)}, "
        f"'{OWN} {mark(table, roles)} ' || found.content || ' {rule_mark(table.placement)}'); END LOOP; "
        "PERFORM set_config('search_path', path, true); END;"
    )


def drops(name: str) -> Iterator[str]:
    """Yield the statements that remove the package's policies and triggers from a table."""
    for policy in NAMES:
        yield f"DROP POLICY IF EXISTS {policy} ON {name}"
    yield block(
        "DECLARE function regprocedure; BEGIN FOR function IN SELECT DISTINCT p.oid::regprocedure "
        "FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid "
        f"WHERE t.tgrelid = {literal(name)}::regclass AND p.pronamespace = to_regnamespace({literal(OWN)}) "
        "AND NOT t.tgisinternal LOOP "
        "EXECUTE format('DROP FUNCTION %s CASCADE', function); END LOOP; END;"  # with its triggers
    )


def _granted(table: Secured, roles: Roles) -> Iterator[str]:
    application = identifier(roles.application)
    yield f"REVOKE ALL ON {table.name} FROM PUBLIC, {application}"
    yield f"GRANT {', '.join(table.grants)} ON {table.name} TO {application}"
    if roles.maintenance is not None:
        rights = "SELECT" if table.is_view else "SELECT, INSERT, UPDATE, DELETE"
        yield f"GRANT {rights} ON {table.name} TO {identifier(roles.maintenance)}"
    if not table.is_view:
        # a partition that is read by its own name is held by no policy of its parent's
        yield block(
            f"DECLARE part regclass; BEGIN FOR part IN {parts(literal(table.name))} LOOP "
            f"EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %s', part, {literal(application)}); END LOOP; END;"
        )
        # serial columns ask for their sequence, and those of an identity do not; using one tells how much others stored
        wanted = (
            f"IF found.serial THEN EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', found.sequence, "
            f"{literal(roles.served)}); END IF; "
        )
        yield block(
            f"DECLARE found record; BEGIN FOR found IN SELECT d.objid::regclass AS sequence, d.deptype = 'a' AS serial "
            f"FROM pg_catalog.pg_depend d "
            f"JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' "
            f"WHERE d.refobjid = {literal(table.name)}::regclass AND d.deptype IN ('a', 'i') LOOP "
            f"EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC, %s', found.sequence, "
            f"{literal(application)}); "
            f"{wanted if 'INSERT' in table.grants else ''}END LOOP; END;"
        )


def parts(name: str) -> str:
    """Return the query for a table's partitions and inheriting tables without row security of their own."""
    return (
        "WITH RECURSIVE part (oid) AS (SELECT inhrelid FROM pg_catalog.pg_inherits "
        f"WHERE inhparent = to_regclass({name}) UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i "
        "JOIN part ON i.inhparent = part.oid) SELECT c.oid::regclass FROM part JOIN pg_catalog.pg_class c USING (oid) "
        "WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relrowsecurity"
    )


def removal(table: Secured, roles: Roles) -> Iterator[str]:
    """Yield the statements that remove row security from a table; its grants stay."""
    if table.is_view:
        return
    yield from drops(table.name)
    yield f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
