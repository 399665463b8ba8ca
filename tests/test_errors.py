"""The errors: one family, which tells what happened and survives a journey."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DontWrapMixin, StatementError

import tenantguard
from tenantguard import (
    ConfigurationError,
    CrossTenantError,
    IssuerUnavailableError,
    NoTenantError,
    PermissionDeniedError,
    RawSQLError,
    TenantGuardError,
    TenantSwitchError,
    TokenError,
    UnknownTableError,
    Violation,
    errors,
)

VIOLATIONS: list[type[Violation]] = [
    PermissionDeniedError,
    CrossTenantError,
    TenantSwitchError,
    RawSQLError,
    UnknownTableError,
]


def test_every_error_is_of_the_family() -> None:
    """Whatever the library raises of its own is caught by the root."""
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    ours = [error for error in found if error.__module__ == errors.__name__]
    assert all(issubclass(error, TenantGuardError) for error in ours)
    assert {error.__name__ for error in ours} <= set(tenantguard.__all__)


@pytest.mark.parametrize("kind", VIOLATIONS)
def test_a_violation_is_one(kind: type[Violation]) -> None:
    """Each refusal is a Violation, and none of the others is."""
    assert issubclass(kind, Violation)
    assert not any(issubclass(other, Violation) for other in (ConfigurationError, TokenError, NoTenantError))


def test_every_violation_has_its_own_kind() -> None:
    """The kind is a word or two joined by an underscore, and differs."""
    kinds = [Violation.kind, *(kind.kind for kind in VIOLATIONS)]
    assert len(set(kinds)) == len(kinds)
    assert all(kind.replace("_", "").isalpha() and kind.islower() for kind in kinds)


def test_a_violation_carries_its_evidence() -> None:
    """What was in force, what was tried, where, and by which statement."""
    given: dict[str, Any] = {
        "tenant": "acme",
        "attempted": "globex",
        "table": "calls",
        "statement": "SELECT 1",
    }
    error = CrossTenantError("a key of another tenant", kind="foreign_key", **given)
    assert {name: getattr(error, name) for name in given} == given
    assert (str(error), error.kind, CrossTenantError.kind) == (
        "a key of another tenant",
        "foreign_key",
        "cross_tenant",
    )


def test_a_token_error_carries_what_the_answer_needs() -> None:
    """The code of the header, and a short reason for the record."""
    error = TokenError("the token has expired", reason="expired")
    assert (error.code, error.reason, str(error)) == ("invalid_token", "expired", "the token has expired")
    assert TokenError("no token was sent", code=None).code is None


def test_a_token_error_says_what_its_reason_stands_for() -> None:
    """Where the reason is one of ours; the message itself is for the record and reaches no client."""
    assert TokenError("exp is 7", reason="expired").description == "The token has expired"
    assert TokenError("told to nobody", reason="of_ones_own").description is None
    assert all('"' not in told and told.isascii() for told in errors.TOKEN_REASONS.values())


@pytest.mark.parametrize(("given", "seconds"), [(0, 1), (0.2, 1), (1.5, 2), (30, 30)])
def test_an_unavailable_issuer_is_tried_again_after_whole_seconds(given: float, seconds: int) -> None:
    """As Retry-After has it, and never at once."""
    assert IssuerUnavailableError("the issuer is down", retry_after=given).retry_after == seconds


@pytest.mark.parametrize(
    "error",
    [
        CrossTenantError("no", tenant="acme", attempted=7, table="calls", statement="SELECT ?"),
        TokenError("no", code=None, reason="missing"),
        TokenError("no", description="Not yet", scheme="DPoP", algorithms=("ES256",)),
        IssuerUnavailableError("no", retry_after=7),
        ConfigurationError("no"),
    ],
)
def test_an_error_survives_a_journey(error: TenantGuardError) -> None:
    """Workers and queues pickle errors: what they carry arrives."""
    for travelled in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(travelled) is type(error)
        assert str(travelled) == str(error)
        assert vars(travelled) == vars(error)


@pytest.mark.parametrize("kind", [TenantGuardError, *VIOLATIONS, NoTenantError])
def test_sqlalchemy_hands_our_errors_through(kind: type[TenantGuardError]) -> None:
    """An error that is raised while a statement executes arrives as itself."""
    assert issubclass(kind, DontWrapMixin)
    engine = create_engine("sqlite://")

    @event.listens_for(engine, "before_cursor_execute")
    def refuse(*_args: object) -> None:
        raise kind("refused")

    with engine.connect() as connection, pytest.raises(kind, match="refused") as caught:
        connection.execute(text("SELECT 1"))
    assert not isinstance(caught.value, StatementError)
    engine.dispose()
