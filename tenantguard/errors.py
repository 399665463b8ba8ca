"""Every exception that tenantguard raises; this module imports nothing of ours.

The root inherits SQLAlchemy's ``DontWrapMixin``: an error raised while a statement executes would
otherwise arrive wrapped as ``StatementError``.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.exc import DontWrapMixin

TenantId = str | int | UUID


class TenantGuardError(DontWrapMixin, Exception):
    """Be the root of every error of this library."""


class ConfigurationError(TenantGuardError):
    """Say at start-up what is wrong with the set-up, all of it at once."""


class TokenError(TenantGuardError):
    """Refuse a token; the middleware answers 401.

    Args:
        message: what a developer reads; never the token and never a claim's content.
        code: the error code of RFC 6750 section 3.1, or ``None`` where no token was sent at all.
        reason: a short word for the audit trail, such as ``"expired"``.
    """

    def __init__(self, message: str, *, code: str | None = "invalid_token", reason: str = "invalid") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class NoTenantError(TenantGuardError):
    """Refuse a guarded action while no tenant, or no usable one, is bound."""


class Violation(TenantGuardError):
    """Refuse an attempt that reaches for another tenant; recorded before it is raised.

    Attributes:
        kind: what was attempted, one lower-case word or two joined by ``_``.
        tenant: the tenant that was bound, or ``None``.
        attempted: the tenant that was reached for, where it is known.
        table: the table's name, where there is one.
        statement: the SQL without any value, where there is one.
    """

    kind = "violation"

    def __init__(
        self,
        message: str,
        *,
        kind: str | None = None,
        tenant: object = None,
        attempted: object = None,
        table: str | None = None,
        statement: str | None = None,
    ) -> None:
        super().__init__(message)
        if kind is not None:
            self.kind = kind
        self.tenant = tenant
        self.attempted = attempted
        self.table = table
        self.statement = statement


class CrossTenantError(Violation):
    """Refuse a write, a key or a parent that belongs to another tenant."""

    kind = "cross_tenant"


class TenantSwitchError(Violation):
    """Refuse a session that was used under one tenant and is used under another."""

    kind = "tenant_switch"


class RawSQLError(Violation):
    """Refuse SQL that the guard cannot read."""

    kind = "raw_sql"


class UnknownTableError(Violation):
    """Refuse a table that the tenancy does not place."""

    kind = "unknown_table"
