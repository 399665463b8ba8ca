"""Rules for PostgreSQL: row security, roles, and ways around them. From TG401."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

_AGAIN = "Run tenantguard.postgres.install() again, or the Alembic operation, as the tables' owner."
POSTGRESQL = (
    Rule(
        "TG401",
        "row-security-off",
        "error",
        "Row security of a table is not enabled, or not forced.",
        "If it is not enabled, no policy applies. If it is not forced, the owner of the table is exempt.",
        _AGAIN,
    ),
    Rule(
        "TG402",
        "policy-missing",
        "error",
        "A policy that the tenancy requires is missing.",
        "Without it, row security shows too many rows or too few.",
        _AGAIN,
    ),
    Rule(
        "TG403",
        "policy-changed",
        "error",
        "A policy is not the one that was installed, or was installed for another tenancy.",
        "It was altered by hand, or the tenancy changed since.",
        _AGAIN,
    ),
    Rule(
        "TG404",
        "policy-foreign",
        "error",
        "A permissive policy from elsewhere applies to the application's role.",
        "Permissive policies are combined with OR, so it shows more rows than the tenancy does.",
        "DROP POLICY, or declare a row rule with visible={...}.",
    ),
    Rule(
        "TG405",
        "role-exempt",
        "error",
        "The application's role is a superuser or has BYPASSRLS.",
        "No policy applies to it.",
        "ALTER ROLE ... NOSUPERUSER NOBYPASSRLS.",
    ),
    Rule(
        "TG406",
        "role-reaches",
        "error",
        "The application's role may switch to a role that is exempt from the policies.",
        "An injected SET ROLE is enough.",
        "REVOKE the membership, or ALTER ROLE ... NOCREATEROLE.",
    ),
    Rule(
        "TG407",
        "role-owns",
        "error",
        "The application's role owns a table.",
        "The owner may disable row security and drop policies.",
        "ALTER TABLE ... OWNER TO another role.",
    ),
    Rule(
        "TG408",
        "grant-extra",
        "error",
        "The application's role has more rights on a table than the tenancy needs.",
        "Policies do not restrict TRUNCATE, for example.",
        "REVOKE the right.",
    ),
    Rule(
        "TG409",
        "grant-missing",
        "warning",
        "The application's role lacks a right on a table that the tenancy needs.",
        "Statements of the application fail.",
        _AGAIN,
    ),
    Rule(
        "TG410",
        "tie-missing",
        "error",
        "Nothing in the database keeps a foreign key from naming another tenant's row.",
        "PostgreSQL checks foreign keys without row security, so a policy alone does not restrict them.",
        _AGAIN,
    ),
    Rule(
        "TG411",
        "seal-changed",
        "error",
        "The function that verifies the seal, or its table of keys, is missing, altered or readable.",
        "The seal proves who set the tenant. Whoever reads the keys can be any tenant.",
        _AGAIN,
    ),
    Rule(
        "TG412",
        "role-missing",
        "error",
        "A role that was named is not in the database.",
        "Its rights cannot be compared.",
        "Name the role that the application connects as with --role, or install() to create it.",
    ),
    Rule(
        "TG413",
        "role-held",
        "warning",
        "The maintenance role is subject to the policies.",
        "A bypass sees no rows.",
        "ALTER ROLE ... BYPASSRLS.",
    ),
    Rule(
        "TG414",
        "view-owner-rights",
        "error",
        "A view over tenants' tables is read with its owner's rights.",
        "Row security is applied to the view's owner, not to the reader, so the view shows every tenant's rows.",
        "ALTER VIEW ... SET (security_invoker = true), from PostgreSQL 15 on; before it, REVOKE the right to read it.",
    ),
    Rule(
        "TG415",
        "materialized-view",
        "error",
        "A materialized view holds rows of tenants' tables.",
        "It is a copy, and policies cannot be put on it.",
        "Make it a table with the tenant column, or REVOKE the application's right to read it.",
    ),
    Rule(
        "TG416",
        "definer-function",
        "error",
        "A SECURITY DEFINER function names a tenant's table, or builds SQL, and the application may call it.",
        "It runs with its owner's rights, to which row security may not apply.",
        "Make it SECURITY INVOKER, or REVOKE EXECUTE from PUBLIC and the application's role.",
    ),
    Rule(
        "TG417",
        "index-unused",
        "warning",
        "Row security keeps searches from using an index, because its operators could reveal hidden rows.",
        "The search reads all rows of the tenant instead.",
        "Put the tenant column first in its key, or partition by tenant.",
    ),
    Rule(
        "TG418",
        "row-security-absent",
        "note",
        "The database has no row security from a tenancy.",
        "Only the guard keeps tenants apart; whatever reaches the database around it is not restricted.",
        "Optional: tenantguard.postgres.install(), see docs/postgres.md.",
    ),
    Rule(
        "TG419",
        "pooler-mode",
        "error",
        (
            "A pooler in front of the database, or in the project's configuration, uses a mode that "
            "breaks the tenant setting."
        ),
        (
            "The tenant is set for one transaction. In statement mode, the next statement runs on "
            "another connection, where no tenant or another one is set."
        ),
        "Use pool_mode = transaction or session.",
    ),
    Rule(
        "TG420",
        "pgrls",
        "error",
        "pgrls, which proves row security, found a way to another tenant's rows through a policy.",
        "It reads the policies from the database independently, so it does not share our mistakes.",
        "Run pgrls verify, which shows a row that leaks.",
    ),
)
