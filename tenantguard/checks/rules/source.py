"""Rules for the application's source: from TG201."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

SOURCE = (
    Rule(
        "TG201",
        "engine-unguarded",
        "error",
        "An engine is created and not guarded.",
        "Nothing that runs on it is limited to one tenant.",
        "engine = guard(create_engine(...), tenancy). Engines of migrations and scripts: silence with a reason.",
    ),
    Rule(
        "TG202",
        "sql-text",
        "warning",
        "SQL text that the guard refuses: it names tables under raw_sql='refuse', or is assembled at run time.",
        "The statement raises RawSQLError once the engine is guarded.",
        "Write it with SQLAlchemy's constructs, or guard(..., raw_sql='rewrite') where the text stands in the source.",
    ),
    Rule(
        "TG203",
        "driver-direct",
        "error",
        "The database is reached through its driver instead of SQLAlchemy.",
        "The guard works in SQLAlchemy's compiler and does not see this.",
        "Use the guarded engine. Where the database is a customer's and not the application's: silence with a reason.",
    ),
    Rule(
        "TG204",
        "bypass-site",
        "note",
        "The guard is lifted here.",
        "Listed for the reviewer, with its reason.",
        "Keep the block small, and the reason true.",
    ),
    Rule(
        "TG205",
        "bypass-without-reason",
        "warning",
        "A bypass has no reason that can be read in the source.",
        "The record then says that the guard was lifted, but not why.",
        'bypass(reason="nightly invoicing").',
    ),
    Rule(
        "TG206",
        "session-shared",
        "warning",
        "A session is shared: made at module level, or handed to several tasks or threads.",
        (
            "A session belongs to one task and to one tenant. Used under another tenant, it raises "
            "TenantSwitchError; used by two tasks at once, it mixes their work."
        ),
        "Make a session for each request or task: with Session(engine) as session.",
    ),
    Rule(
        "TG207",
        "executor-without-carry",
        "warning",
        "Work that uses the database goes to a thread or process without carry().",
        "Context variables do not follow it there, so it is refused with NoTenantError.",
        "executor.submit(carry(work), ...).",
    ),
    Rule(
        "TG208",
        "cache-without-tenant",
        "error",
        "A cached function reads the database, and its key does not include the tenant.",
        "What one tenant read is given to the next; the guard does not see a cache.",
        "Take the tenant as an argument, or put current().tenant into the key.",
    ),
    Rule(
        "TG209",
        "route-without-middleware",
        "error",
        "Routes of an application reach tenants' models, and the application has no TenantMiddleware.",
        (
            "Nothing binds the request to a tenant: every statement raises NoTenantError, or the code "
            "itself binds an unverified tenant."
        ),
        "app.add_middleware(TenantMiddleware, verifier=...).",
    ),
    Rule(
        "TG210",
        "route-exempt",
        "warning",
        "A route that reaches tenants' models is under a path that is exempt from the middleware.",
        "No tenant is bound there.",
        "Remove the path from exempt, or do not use tenants' models in it.",
    ),
    Rule(
        "TG211",
        "source-unreadable",
        "warning",
        "A source file cannot be read as Python.",
        "Its content was not checked.",
        "Correct its syntax, or exclude it.",
    ),
)
