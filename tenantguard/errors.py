"""Every exception that tenantguard raises; this module imports no other module of the package.

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
        "acting": "The token acts for somebody else, which is not allowed here",
        "algorithm": "The token is signed by an algorithm that is not accepted",
        "audience": "The token is for another audience",
        "bound": "The token is bound to a key or certificate, and no proof of possession was given",
        "exp": "The token's exp is not a number of seconds",
        "exp_missing": "The token never expires",
        "expired": "The token has expired",
        "header": "The token's header is not accepted",
        "iat": "The token's iat is missing or not a number of seconds",
        "inactive": "The token is not active",
        "invalid": "The token is not accepted",
        "issuer": "The token's issuer is not accepted",
        "issuer_tenant": "The token's issuer is not trusted for this company",
        "issuer_unavailable": "The token cannot be verified at the moment",
        "keys_unavailable": "The token cannot be verified at the moment",
        "malformed": "The token is malformed",
        "missing": "A token is needed",
        "nbf": "The token's nbf is not a number of seconds",
        "nonce": "The proof of possession needs the nonce of this response",
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
        "scheme": "The request uses an authentication scheme that is not accepted",
        "session": "The session is unknown or not signed in",
        "signature": "The token's signature is not valid",
        "signal": "The token is not a signal, or its subject is unknown",
        "step_up": "A stronger or more recent authentication is needed",
        "subject": "The token names no usable subject",
        "tenant": "The token names no usable company",
        "too_old": "The token was issued too long ago",
        "two_tokens": "The request carries two tokens",
        "typ": "The token's type is not accepted",
    }
)


class TenantGuardError(DontWrapMixin, Exception):
    """The root of every error that tenantguard raises."""


class ConfigurationError(TenantGuardError):
    """A mistake in the configuration, found at start-up; the message lists every fault at once."""


class TokenError(TenantGuardError):
    """A refused token; the middleware answers 401.

    Args:
        message: the text for developers; never contains the token or the content of a claim.
        code: the error code of RFC 6750 section 3.1, or ``None`` where no token was sent at all.
        reason: a short word for the audit trail, such as ``"expired"``; see ``TOKEN_REASONS``.
        description: the text for the client (``error_description``); by default that of a known reason.
        scheme: the scheme of the challenge, ``"Bearer"`` or ``"DPoP"`` (RFC 9449).
        algorithms: the algorithms of proofs that a DPoP challenge names.
        nonce: the nonce that the next proof must contain, if this service requires one.

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
    """A token that cannot be verified because its issuer does not respond; the middleware answers 503.

    Args:
        message: as for ``TokenError``.
        reason: the same.
        retry_after: after how many seconds the client may try again.
    """

    def __init__(self, message: str, *, reason: str = "issuer_unavailable", retry_after: float = 1.0) -> None:
        super().__init__(message, reason=reason)
        self.retry_after = max(1, math.ceil(retry_after))


class StepUpError(TokenError):
    """A token whose user must sign in again, or with a stronger method; the middleware answers 401 (RFC 9470).

    Args:
        message: as for ``TokenError``.
        acr_values: the accepted authentication contexts.
        max_age: the maximum age of the authentication in seconds.
    """

    def __init__(
        self, message: str, *, acr_values: tuple[str, ...] = (), max_age: float | None = None
    ) -> None:
        super().__init__(message, code="insufficient_user_authentication", reason="step_up")
        named = [("acr_values", " ".join(acr_values))] if acr_values else []
        self.parameters = (*named, *([] if max_age is None else [("max_age", f"{max_age:.0f}")]))


class NoTenantError(TenantGuardError):
    """A guarded action without a usable tenant bound; recorded before it is raised."""

    kind = "no_tenant"


class Violation(TenantGuardError):
    """A refused attempt; recorded before it is raised.

    Attributes:
        kind: what was attempted, one lower-case word or two joined by ``_``.
        tenant: the tenant that was bound, or ``None``.
        attempted: the tenant that the attempt targeted, if known.
        table: the table's name, if there is one.
        statement: the SQL without its values, if there is one.
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
        self._keep(kind=kind, tenant=tenant, attempted=attempted, table=table, statement=statement)

    def _keep(
        self,
        *,
        kind: str | None = None,
        tenant: object = None,
        attempted: object = None,
        table: str | None = None,
        statement: str | None = None,
    ) -> None:
        self.kind = kind or self.kind
        self.tenant = tenant
        self.attempted = attempted
        self.table = table
        self.statement = statement


class PermissionDeniedError(Violation):
    """A missing permission; the middleware answers 403 with ``insufficient_scope`` (RFC 6750).

    Attributes:
        needed: the permissions that are required.
    """

    kind = "permission"

    def __init__(self, message: str, *, needed: tuple[str, ...] = (), **evidence: Any) -> None:
        super().__init__(message, **evidence)
        self.needed = needed


class CrossTenantError(Violation):
    """A write, a key or a parent that belongs to another tenant."""

    kind = "cross_tenant"


class ParentError(CrossTenantError, IntegrityError):
    """A foreign key to another tenant's row or to no row: the caller cannot tell which.

    It is also SQLAlchemy's ``IntegrityError``, which a database with only this tenant's rows would raise. ``orig``
    stands in for the driver's error, with PostgreSQL's code for a foreign key violation (23503).
    """

    kind = "foreign_key"

    def __init__(self, message: str, **evidence: Any) -> None:
        orig: Any = Exception(message)
        orig.sqlstate = orig.pgcode = "23503"
        IntegrityError.__init__(self, evidence.get("statement"), None, orig, hide_parameters=True)
        self.args = (message,)
        self._keep(**evidence)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> Any:
        evidence = {
            name: getattr(self, name) for name in ("kind", "tenant", "attempted", "table", "statement")
        }
        return _parent_error, (str(self), evidence)


def _parent_error(message: str, evidence: dict[str, Any]) -> ParentError:
    return ParentError(message, **evidence)


class MissingRowError(CrossTenantError, StaleDataError):
    """A change to a row that is another tenant's or does not exist: the caller cannot tell which.

    It is also SQLAlchemy's ``StaleDataError``, which a unit of work raises when a row it changes is gone.
    """

    kind = "foreign_row"


class TenantSwitchError(Violation):
    """A session that was used under one tenant and then under another."""

    kind = "tenant_switch"


class RawSQLError(Violation):
    """SQL that the guard cannot read."""

    kind = "raw_sql"


class UnknownTableError(Violation):
    """A table that the tenancy does not place."""

    kind = "unknown_table"
