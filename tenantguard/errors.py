"""Every exception that tenantguard raises; this module imports nothing of ours.

The root inherits SQLAlchemy's ``DontWrapMixin``: an error raised while a statement executes would
otherwise arrive wrapped as ``StatementError``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DontWrapMixin, IntegrityError
from sqlalchemy.orm.exc import StaleDataError

TenantId = str | int | UUID

# What each reason of a TokenError stands for: plain words that may reach a client, nothing of the token's.
TOKEN_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "algorithm": "The token is signed by an algorithm that is not accepted",
        "audience": "The token is for another audience",
        "bound": "The token is bound to a key or a certificate whose possession was not proven",
        "exp": "The token's exp is no number of seconds",
        "exp_missing": "The token never expires",
        "expired": "The token has expired",
        "header": "The token's header is not accepted",
        "iat": "The token's iat is missing or no number of seconds",
        "inactive": "The token is not active",
        "invalid": "The token is not accepted",
        "issuer": "The token is of an issuer that is not accepted",
        "issuer_tenant": "The token's issuer may not speak for this company",
        "issuer_unavailable": "The token cannot be verified at the moment",
        "keys_unavailable": "The token cannot be verified at the moment",
        "malformed": "The token is malformed",
        "missing": "A token is needed",
        "nbf": "The token's nbf is no number of seconds",
        "nonce": "The proof of possession needs the nonce of this answer",
        "not_yet": "The token is not valid yet",
        "oversized": "The token is too long",
        "permissions": "The token's permissions are malformed",
        "proof": "The proof of possession is missing, or does not fit the request and the token",
        "replayed": "The proof of possession was used before",
        "replays_full": "The proof of possession cannot be verified at the moment",
        "required_claim": "The token lacks a claim that is required",
        "revocable": "The token could not be revoked",
        "revocation_lost": "The token cannot be verified at the moment",
        "revoked": "The token was revoked",
        "scheme": "The request authenticates by a scheme that is not accepted",
        "session": "The session is unknown or not signed in",
        "signature": "The token's signature is not valid",
        "signal": "The token is no signal, or is about somebody unknown",
        "step_up": "A stronger or more recent authentication is needed",
        "subject": "The token names no usable subject",
        "tenant": "The token names no usable company",
        "too_old": "The token was issued too long ago",
        "two_tokens": "The request carries two tokens",
        "typ": "The token is of a type that is not accepted",
    }
)


class TenantGuardError(DontWrapMixin, Exception):
    """Be the root of every error of this library."""


class ConfigurationError(TenantGuardError):
    """Say at start-up what is wrong with the set-up, all of it at once."""


class TokenError(TenantGuardError):
    """Refuse a token; the middleware answers 401.

    Args:
        message: what a developer reads; never the token and never a claim's content.
        code: the error code of RFC 6750 section 3.1, or ``None`` where no token was sent at all.
        reason: a short word for the audit trail, such as ``"expired"``; see ``TOKEN_REASONS``.
        description: what the client is told (``error_description``); by default what a known reason stands for.
        scheme: the scheme of the challenge, ``"Bearer"`` or ``"DPoP"`` (RFC 9449).
        algorithms: the algorithms of proofs that a DPoP challenge names.
        nonce: what the next proof has to hold, where this service asks for it.

    Attributes:
        parameters: further parameters of the challenge.
    """

    parameters: tuple[tuple[str, str], ...] = ()

    def __init__(
        self,
        message: str,
        *,
        code: str | None = "invalid_token",
        reason: str = "invalid",
        description: str | None = None,
        scheme: str = "Bearer",
        algorithms: tuple[str, ...] = (),
        nonce: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.description = TOKEN_REASONS.get(reason) if description is None else description
        self.scheme = scheme
        self.algorithms = algorithms
        self.nonce = nonce


class IssuerUnavailableError(TokenError):
    """Refuse a token that nobody could verify: the issuer does not answer. The middleware answers 503.

    Args:
        message: as for ``TokenError``.
        reason: the same.
        retry_after: after how many seconds the client may try again.
    """

    def __init__(self, message: str, *, reason: str = "issuer_unavailable", retry_after: float = 1.0) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = max(1, math.ceil(retry_after))


class StepUpError(TokenError):
    """Refuse a token whose user has to sign in again, or better. The middleware answers 401, as RFC 9470 has it.

    Args:
        message: as for ``TokenError``.
        acr_values: the authentication contexts of which one is enough.
        max_age: how many seconds the authentication may lie back.
    """

    def __init__(
        self, message: str, *, acr_values: tuple[str, ...] = (), max_age: float | None = None
    ) -> None:
        super().__init__(message, code="insufficient_user_authentication", reason="step_up")
        named = [("acr_values", " ".join(acr_values))] if acr_values else []
        self.parameters = (*named, *([] if max_age is None else [("max_age", f"{max_age:.0f}")]))


class NoTenantError(TenantGuardError):
    """Refuse a guarded action while no tenant, or no usable one, is bound; recorded before it is raised."""

    kind = "no_tenant"


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


class PermissionDeniedError(Violation):
    """Refuse somebody who lacks a permission; the middleware answers 403 with ``insufficient_scope`` (RFC 6750).

    Attributes:
        needed: the permissions that were asked for.
    """

    kind = "permission"

    def __init__(self, message: str, *, needed: tuple[str, ...] = (), tenant: object = None) -> None:
        super().__init__(message, tenant=tenant)
        self.needed = needed


class CrossTenantError(Violation):
    """Refuse a write, a key or a parent that belongs to another tenant."""

    kind = "cross_tenant"


class ParentError(CrossTenantError, IntegrityError):
    """Refuse a foreign key that leads to another tenant's row, or to none: to the code these are one answer.

    It is SQLAlchemy's ``IntegrityError`` as well, since that is what a database with this tenant's rows alone raises.
    ``orig`` stands for the driver's own error, with PostgreSQL's code for a foreign key (23503).
    """

    kind = "foreign_key"

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
        orig: Any = Exception(message)
        orig.sqlstate = orig.pgcode = "23503"
        IntegrityError.__init__(self, statement, None, orig, hide_parameters=True)
        self.args = (message,)
        self.kind = kind or self.kind
        self.tenant = tenant
        self.attempted = attempted
        self.table = table

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> Any:
        told = {name: getattr(self, name) for name in ("kind", "tenant", "attempted", "table", "statement")}
        return _parent_error, (str(self), told)


def _parent_error(message: str, told: dict[str, Any]) -> ParentError:
    return ParentError(message, **told)


class MissingRowError(CrossTenantError, StaleDataError):
    """Refuse to change a row by a key that is another tenant's, or nobody's: to the code these are one answer.

    It is SQLAlchemy's ``StaleDataError`` as well, which a unit of work raises where a row that it changes is gone.
    """

    kind = "foreign_row"


class TenantSwitchError(Violation):
    """Refuse a session that was used under one tenant and is used under another."""

    kind = "tenant_switch"


class RawSQLError(Violation):
    """Refuse SQL that the guard cannot read."""

    kind = "raw_sql"


class UnknownTableError(Violation):
    """Refuse a table that the tenancy does not place."""

    kind = "unknown_table"
